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
_COMMENT: Final = r"(?:[ ]+#.*)?"
_TOP: Final = re.compile(r"[A-Za-z_][\w.-]*:(?: .*)?")
_MEMBER: Final = re.compile(rf"( +)([A-Za-z_][\w.-]*):(?:{_COMMENT}|[ ]+(.*))")
_ITEM: Final = re.compile(r" *- +(.*)")
_QUOTED: Final = re.compile(rf"'((?:[^']|'')*+)'{_COMMENT}")
_PLAIN: Final = re.compile(rf"([A-Za-z_/](?:[^:#]|:(?=\S)|(?<=\S)#)*?){_COMMENT}")
_TEXT: Final = re.compile(rf"[ ][|>][-+\d]*{_COMMENT}[ ]*$")
"""The head of a text of several lines."""
_NUMBER: Final = re.compile(rf"(-?(?:0|[1-9]\d*)(?:\.\d+)?){_COMMENT}")
_WORDS: Final = {"true": True, "false": False, "null": None}
_DOUBTFUL: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
"""What some readers of YAML take for a string and some do not, in one spelling or another."""
_ODD: Final = re.compile(r"[\t\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
"""Characters that end a line for some readers, and tabs."""
_ESCAPES: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff]")
_DECODER: Final = json.JSONDecoder()


def read(text: str) -> dict[str, Any]:
    """The members of the file, and of each that is a block mapping the members.

    What is laid out in a way that is not understood is given as its text.

    Raises:
        ValueError: The file is not laid out in a way that is understood.
    """
    lines = _lines(text)
    found: dict[str, Any] = {}
    tops = [at for at, line in enumerate(lines) if _TOP.fullmatch(line.rstrip())]
    for at, end in zip(tops, [*tops[1:], len(lines)], strict=False):
        key = lines[at].partition(":")[0]
        if key in found:
            raise ValueError("a key is there twice")
        found[key] = _mapping(lines, at, key, end)
    return found


def _mapping(lines: list[str], at: int, key: str, end: int) -> Any:
    """The members of the mapping `key` whose key is in this line; its text if it is something else."""
    if re.fullmatch(rf"{re.escape(key)}:[ ]*\{{\}}{_COMMENT}", lines[at].rstrip()):
        return {}
    try:
        if not _begins(lines[at], key):
            raise ValueError("it is not in block style")
        return {name: _member(lines[begin:stop]) for name, begin, stop in _children(lines, at)}
    except ValueError:
        return "".join(lines[at : _end(lines, at, end)]).partition(":")[2].strip()


def with_entry(text: str, container: str, name: str, value: Mapping[str, Any]) -> str:
    """The text with a first member of the mapping `container`, which is made at the end if need be.

    Raises:
        ValueError: The text cannot be changed in this way.
    """
    lines = _lines(text)
    places = [at for at, line in enumerate(lines) if re.match(rf"{re.escape(container)}\s*:", line)]
    if len(places) > 1:
        raise ValueError("a key is there twice")
    if lines and not lines[-1].endswith("\n"):
        if any(_TEXT.search(line) for line in lines):
            raise ValueError("a newline could become part of a text")
        lines[-1] += "\n"
    if not places:
        return f"{''.join(lines)}{container}:\n{written(name, value, _INDENT)}"
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
        # A comment that is indented would become part of a text above.
        keeps_container = keeps_container or "".join(rest[at + 1 : at + 2]).startswith(" ")
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
    if _ODD.search(text):
        raise ValueError("it is laid out in a way that is not understood")
    lines = text.splitlines(keepends=True)
    for line in lines:
        top = line.rstrip()
        if top and top[0] not in " #" and not _TOP.fullmatch(top):
            raise ValueError("it is not a mapping in block style")
    if next((line for line in lines if not _is_empty(line)), "").startswith(" "):
        raise ValueError("it begins with an indented line")
    return lines


def _children(lines: list[str], at: int) -> list[tuple[str, int, int]]:
    """The members of the mapping whose key is in this line: name, first line, line after the last.

    Raises:
        ValueError: A line is neither a member nor part of one, or there are two of one name.
    """
    end = next(
        (i for i in range(at + 1, len(lines)) if lines[i].strip() and lines[i][0] not in " #"), len(lines)
    )
    starts: list[tuple[str, int]] = []
    margin: str | None = None
    for i in range(at + 1, end):
        if _is_empty(lines[i]):
            continue
        found = _MEMBER.fullmatch(lines[i].rstrip())
        if found and margin in {None, found[1]}:
            margin = found[1]
            starts.append((found[2], i))
        elif margin is None or not lines[i].startswith(f"{margin} "):
            raise ValueError("a line is not indented as the others")
    if len({name for name, _ in starts}) < len(starts):
        raise ValueError("a key is there twice")
    ends = [*(begin for _, begin in starts[1:]), end][: len(starts)]
    return [(name, begin, _end(lines, begin, stop)) for (name, begin), stop in zip(starts, ends, strict=True)]


def _end(lines: list[str], begin: int, end: int) -> int:
    """After the last line of a member that is neither empty nor a comment at its own margin."""
    margin = _margin(lines[begin])
    while end > begin + 1 and _is_empty(lines[end - 1]) and _margin(lines[end - 1]) <= margin:
        end -= 1
    return end


def _is_empty(line: str) -> bool:
    return line.lstrip()[:1] in {"", "#"}


def _margin(line: str) -> int:
    return len(line) - len(line.lstrip(" ")) if line.strip() else 0


def _member(lines: list[str]) -> Any:
    """What a member of a mapping holds; its text if that is written in a way that is not understood."""
    try:
        (value,) = _block([line.rstrip() for line in lines if not _is_empty(line)]).values()
    except ValueError:
        return "".join(lines).partition(":")[2].strip()
    return value


def _block(lines: list[str]) -> dict[str, Any]:
    """A mapping in block style.

    Raises:
        ValueError: A line is not understood.
    """
    groups: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        member = _MEMBER.fullmatch(line)
        if member and _margin(line) == _margin(lines[0]):
            groups.append((member, []))
        elif groups:
            groups[-1][1].append(line)
        else:
            raise ValueError("it is no mapping")
    found = {member[2]: _value(member, rest) for member, rest in groups}
    if len(found) < len(groups):
        raise ValueError("a key is there twice")
    return found


def _value(member: re.Match[str], rest: list[str]) -> Any:
    """What stands behind a key, and in the lines below it."""
    if member[3] and not rest:
        return _scalar(member[3])
    if not rest:
        return None
    margins = {_margin(line) for line in rest}
    items = [item for line in rest if (item := _ITEM.fullmatch(line))]
    if not member[3] and len(items) == len(rest) and len(margins) == 1 and min(margins) >= len(member[1]):
        return [_scalar(item[1]) for item in items]
    if member[3] or min(margins) <= len(member[1]):
        raise ValueError("a value has several lines")
    return _block(rest)


def _scalar(text: str) -> Any:
    """A value in one line: JSON, which YAML contains, a text in single quotes, or a plain one.

    Raises:
        ValueError: It is something else, or readers differ about what it is.
    """
    if text[0] in '"[{':
        value, end = _DECODER.raw_decode(text)
        if re.fullmatch(_COMMENT, text[end:]) is None:
            raise ValueError("something follows a value")
        return value
    if quoted := _QUOTED.fullmatch(text):
        return quoted[1].replace("''", "'")
    if number := _NUMBER.fullmatch(text):
        return json.loads(number[1])
    plain = _PLAIN.fullmatch(text)
    if plain is None or (plain[1] not in _WORDS and plain[1].lower() in _DOUBTFUL):
        raise ValueError("a value is not understood")
    return _WORDS.get(plain[1], plain[1])
