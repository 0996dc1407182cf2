"""Changes one member of a JSON file, and leaves every other character of it as it is.

A file with comments or trailing commas, as editors accept, is read but not changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_DECODER: Final = json.JSONDecoder()
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_INDENT: Final = "  "
_TOKEN: Final = re.compile(
    r'(?P<blank>\s++|//[^\r\n]*+|/\*.*?\*/)|(?P<comma>,)|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s",/]++', re.DOTALL
)
"""What a text with comments consists of. Each begins in its own way, so that none is tried twice."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object; where its key begins, its value begins, and its value ends."""

    key: str
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """An object; where its braces are, and its members."""

    opening: int
    closing: int
    members: tuple[_Member, ...]

    def member(self, key: str) -> _Member | None:
        """The member of this key.

        Raises:
            ValueError: There are several.
        """
        found = [member for member in self.members if member.key == key]
        if len(found) > 1:
            raise ValueError("a key is there twice")
        return found[0] if found else None


def read(text: str) -> dict[str, Any]:
    """What a file says, with or without comments; an empty one says nothing.

    Raises:
        ValueError: It is not an object.
    """
    try:
        value = json.loads(text)
    except ValueError:
        plain = _without_comments(text)
        value = json.loads(plain) if plain.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    return value


def _without_comments(text: str) -> str:
    """The text without what editors accept and JSON has not: comments, and commas after a last member.

    Raises:
        ValueError: A string or a comment does not end.
    """
    pieces: list[str] = []
    at, comma = 0, ""
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError("it is not JSON")
        at = found.end()
        if found["blank"]:
            pieces.append(" ")
            continue
        pieces.append("" if found[0][0] in "]}" else comma)
        comma = found["comma"] or ""
        if not comma:
            pieces.append(found[0])
    return "".join([*pieces, comma])


def with_entry(text: str, container: str, name: str, value: Any) -> str:
    """The text with a member of the object `container`; that object, and the file, are made if need be.

    Raises:
        ValueError: The text cannot be changed: it is not plain JSON, or the container is something else.
    """
    if not text.strip():
        return f"{json.dumps({container: {name: value}}, indent=_INDENT, ensure_ascii=False)}\n"
    root = _root(text)
    holder = root.member(container)
    if holder is None:
        return _inserted(text, root, container, {name: value})
    inner = _object(text, holder.value)
    found = inner.member(name)
    if found is None:
        return _inserted(text, inner, name, value)
    return text[: found.value] + _written(text, value, _margin(text, found.start)) + text[found.end :]


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without a member of `container`, and without that if it is then empty and not to be kept.

    Raises:
        ValueError: The text cannot be changed, or there is no such member.
    """
    holder = _root(text).member(container)
    found = holder and _object(text, holder.value).member(name)
    if not holder or not found:
        raise ValueError("it is not there")
    text = _removed(text, _object(text, holder.value), found)
    if not keeps_container and not _object(text, holder.value).members:
        root = _root(text)
        emptied = root.member(container)
        assert emptied is not None
        text = _removed(text, root, emptied)
    return text


def _root(text: str) -> _Object:
    root = _object(text, _after_blank(text, 0))
    if _after_blank(text, root.closing + 1) != len(text):
        raise ValueError("something follows the object")
    return root


def _object(text: str, at: int) -> _Object:
    """The object that begins here."""
    if text[at : at + 1] != "{":
        raise ValueError("it is not an object")
    members = tuple(_members(text, at + 1))
    closing = _after_blank(text, members[-1].end if members else at + 1)
    return _Object(at, closing, members)


def _members(text: str, at: int) -> Iterator[_Member]:
    at = _after_blank(text, at)
    if text[at : at + 1] == "}":
        return
    while True:
        key, colon = _DECODER.raw_decode(text, at)
        colon = _after_blank(text, colon)
        if not isinstance(key, str) or text[colon : colon + 1] != ":":
            raise ValueError("it is not plain JSON")
        value = _after_blank(text, colon + 1)
        _, end = _DECODER.raw_decode(text, value)
        yield _Member(key, at, value, end)
        after = _after_blank(text, end)
        if text[after : after + 1] == "}":
            return
        if text[after : after + 1] != ",":
            raise ValueError("it is not plain JSON")
        at = _after_blank(text, after + 1)


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _inserted(text: str, into: _Object, key: str, value: Any) -> str:
    """The text with a new last member, laid out as the one before it."""
    name = json.dumps(key, ensure_ascii=False)
    begin, end = into.opening + 1, into.closing
    if into.members:
        blank, last = _blank_before_last(text, into), into.members[-1].end
        written = _written(text, value, blank.rpartition("\n")[2], inline="\n" not in blank)
        return f"{text[:last]},{blank}{name}: {written}{text[last:]}"
    if _is_inline(text):
        return f"{text[:begin]}{name}: {_written(text, value, '')}{text[end:]}"
    newline, outer = _newline(text), _margin(text, into.opening)
    inner = outer + _unit(text)
    written = _written(text, value, inner)
    return f"{text[:begin]}{newline}{inner}{name}: {written}{newline}{outer}{text[end:]}"


def _blank_before_last(text: str, holder: _Object) -> str:
    """The blank between two members of an object, or before its only one."""
    *others, last = holder.members
    begin = text.index(",", others[-1].end) + 1 if others else holder.opening + 1
    return text[begin : last.start] or (" " if " " in text else "")


def _removed(text: str, holder: _Object, member: _Member) -> str:
    place = holder.members.index(member)
    if len(holder.members) == 1:
        return text[: holder.opening + 1] + text[holder.closing :]
    if place == len(holder.members) - 1:
        return text[: holder.members[place - 1].end] + text[member.end :]
    return text[: member.start] + text[holder.members[place + 1].start :]


def _written(text: str, value: Any, margin: str, *, inline: bool | None = None) -> str:
    """A value as this file writes one whose line begins with `margin`."""
    if _is_inline(text) if inline is None else inline:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, indent=_unit(text), ensure_ascii=False).split("\n")
    return f"{_newline(text)}{margin}".join(lines)


def _is_inline(text: str) -> bool:
    """Whether the file is an object on one line; an empty one does not say how it would be written."""
    return "\n" not in text.strip() and bool(_root(text).members)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str) -> str:
    """One step of indentation in this file."""
    root = _root(text)
    if not root.members or "\n" not in text[root.opening : root.members[0].start]:
        return _INDENT
    return _margin(text, root.members[0].start).removeprefix(_margin(text, root.opening)) or _INDENT


def _margin(text: str, at: int) -> str:
    """The blank with which the line of this place begins."""
    begin = text.rfind("\n", 0, at) + 1
    found = re.compile(r"[ \t]*").match(text, begin)
    assert found is not None
    return found[0]
