"""Changes one member of a mapping in a YAML file, line by line, where its layout leaves no doubt.

Only block style is changed: a top-level key stands at the beginning of a line, which nothing else in a YAML
document may but comments and markers (YAML 1.2.2, 8.2.2). Anything else is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

_INDENT: Final = "  "
_TOP: Final = re.compile(r"[A-Za-z_][\w.-]*:(?:\s.*)?")
_MEMBER: Final = re.compile(r"( +)([A-Za-z_][\w.-]*):[ \t]*(.*)")
_ITEM: Final = re.compile(r" *- (.*)")
_ESCAPES: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff]")


def read(text: str) -> dict[str, Any]:
    """The members of block mappings, two levels deep, and what each of those holds as far as it is plain.

    Raises:
        ValueError: The file is not laid out in a way that is understood.
    """
    lines = _lines(text)
    found: dict[str, Any] = {}
    for at, line in enumerate(lines):
        if _TOP.fullmatch(line.rstrip()):
            found[line.partition(":")[0]] = {
                name: _members(lines[begin + 1 : end]) for name, begin, end in _children(lines, at)
            }
    return found


def with_entry(text: str, container: str, name: str, value: Mapping[str, Any]) -> str:
    """The text with a first member of the mapping `container`, which is made at the end if need be.

    Raises:
        ValueError: The text cannot be changed in this way.
    """
    lines = _lines(text)
    places = [at for at, line in enumerate(lines) if re.match(rf"{re.escape(container)}\s*:", line)]
    if len(places) > 1:
        raise ValueError("a key is there twice")
    if not places:
        return f"{text}{container}:\n{written(name, value, _INDENT)}"
    (at,) = places
    if emptied := re.fullmatch(r"([\w.-]+:)\s*\{\}(\s*(?:#.*)?\s*)", lines[at]):
        lines[at] = emptied[1] + emptied[2]
    elif not _begins(lines[at], container):
        raise ValueError("the container is not in block style")
    children = _children(lines, at)
    first = lines[children[0][1]] if children else _INDENT
    begin, end = next(((begin, end) for child, begin, end in children if child == name), (at + 1, at + 1))
    lines[begin:end] = [written(name, value, first[: len(first) - len(first.lstrip())])]
    return "".join(lines)


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without a member of `container`, and without that if it is then empty and not to be kept.

    Raises:
        ValueError: The text cannot be changed in this way, or there is no such member.
    """
    lines = _lines(text)
    at = next((at for at, line in enumerate(lines) if _begins(line, container)), None)
    children = [] if at is None else _children(lines, at)
    found = next(((begin, end) for child, begin, end in children if child == name), None)
    if at is None or found is None:
        raise ValueError("it is not there")
    rest = lines[: found[0]] + lines[found[1] :]
    if len(children) == 1:
        rest[at : at + 1] = [f"{container}: {{}}{rest[at].partition(':')[2]}"] if keeps_container else []
    return "".join(rest)


def _begins(line: str, container: str) -> bool:
    """Whether a line is the key of a mapping in block style, with or without a comment."""
    return re.fullmatch(rf"{re.escape(container)}:\s*(?:\s#.*)?", line.rstrip("\n")) is not None


def written(name: str, value: Mapping[str, Any], margin: str) -> str:
    """A member whose own values are in flow style: JSON, which YAML contains."""
    lines = [f"{margin}{name}:", *(f"{margin * 2}{key}: {_flow(member)}" for key, member in value.items())]
    return "".join(f"{line}\n" for line in lines)


def _flow(value: Any) -> str:
    written = json.dumps(value, ensure_ascii=False)
    return _ESCAPES.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def _lines(text: str) -> list[str]:
    """The lines of a document in block style.

    Raises:
        ValueError: It is none, or there may be several.
    """
    lines = text.splitlines(keepends=True) if "\r" not in text else []
    for line in lines:
        top = line.rstrip()
        if top and top[0] not in " #" and not _TOP.fullmatch(top):
            raise ValueError("it is not a mapping in block style")
    if (text and not lines) or "\t" in text:
        raise ValueError("it is laid out in a way that is not understood")
    return lines


def _children(lines: list[str], at: int) -> list[tuple[str, int, int]]:
    """The members of the mapping whose key is in this line: name, first line, line after the last.

    Raises:
        ValueError: A line is neither a member nor part of one.
    """
    end = next(
        (i for i in range(at + 1, len(lines)) if lines[i].strip() and lines[i][0] not in " #"), len(lines)
    )
    starts: list[tuple[str, int]] = []
    margin: str | None = None
    for i in range(at + 1, end):
        if not lines[i].strip() or lines[i].lstrip().startswith("#"):
            continue
        found = _MEMBER.fullmatch(lines[i].rstrip("\n"))
        margin = margin or (found[1] if found else None)
        if margin is None:
            return []  # a list or a scalar
        if found and found[1] == margin:
            starts.append((found[2], i))
        elif not lines[i].startswith(f"{margin} "):
            raise ValueError("a line is not indented as the others")
    ends = [*(begin for _, begin in starts[1:]), end][: len(starts)]
    return [(name, begin, stop) for (name, begin), stop in zip(starts, ends, strict=True)]


def _members(lines: list[str]) -> dict[str, Any]:
    """What a mapping of scalars, lists of them and flow values holds; other values are left out."""
    found: dict[str, Any] = {}
    last = margin = ""
    for line in lines:
        if (item := _ITEM.fullmatch(line.rstrip())) and isinstance(found.get(last), list):
            found[last].append(_scalar(item[1]))
        elif member := _MEMBER.fullmatch(line.rstrip()):
            margin = margin or member[1]
            if member[1] == margin:
                last = member[2]
                found[last] = _scalar(member[3]) if member[3] else []
            elif not found[last] or isinstance(found[last], dict):
                found[last] = {**(found[last] or {}), member[2]: _scalar(member[3])}
    return found


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.strip("'")
