"""Changes one member of a JSON file, and leaves every other character of it as it is.

Comments and trailing commas, as editors accept them, stay where they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_DECODER: Final = json.JSONDecoder()
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_INDENT: Final = "  "
_TOKEN: Final = re.compile(
    r"(?P<blank>\s++)|(?P<line>//[^\r\n]*+)|(?P<block>/\*.*?\*/)|(?P<comma>,)"
    r'|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s",/]++',
    re.DOTALL,
)
"""Token of a JSON text with comments. Each kind begins differently, so that none is tried twice."""
_REST_OF_LINE: Final = re.compile(r"(?:[ \t]*(?://[^\r\n]*|/\*(?:[^*\r\n]|\*(?!/))*\*/))*")
"""Comments that follow on the same line."""
_NO_LINE_END: Final = re.compile(r"[^\r\n]")


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
        matches = [member for member in self.members if member.key == key]
        if len(matches) > 1:
            raise ValueError("a key is there twice")
        return matches[0] if matches else None


@dataclass(frozen=True, slots=True)
class _Document:
    """A text with comments, and the same in plain JSON.

    Attributes:
        text: As it is.
        plain: With spaces for comments and trailing commas, so that both have the same places.
        line_comments: Where comments end that go on to the end of their line.
    """

    text: str
    plain: str
    line_comments: frozenset[int]

    def root(self) -> _Object:
        """The object that the file is.

        Raises:
            ValueError: It is something else.
        """
        root = self.object(_after_blank(self.plain, 0))
        if _after_blank(self.plain, root.closing + 1) != len(self.plain):
            raise ValueError("something follows the object")
        return root

    def object(self, opening: int) -> _Object:
        """The object that begins here.

        Raises:
            ValueError: None does.
        """
        if self.plain[opening : opening + 1] != "{":
            raise ValueError("it is not an object")
        members = tuple(_members(self.plain, opening + 1))
        return _Object(
            opening, _after_blank(self.plain, members[-1].end if members else opening + 1), members
        )

    def comma(self, member: _Member) -> int | None:
        """Return the position of the comma after a member, even a trailing one; None without a comma."""
        position = member.end
        while (token := _TOKEN.match(self.text, position)) and not token["comma"]:
            if not (token["blank"] or token["line"] or token["block"]):
                return None
            position = token.end()
        return token and token.start()


def read(text: str) -> dict[str, Any]:
    """Parse a JSON object, with or without comments; an empty text is an empty object.

    Raises:
        json.JSONDecodeError: It is not JSON; the error has the line.
        ValueError: It is not an object.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        plain = _document(text).plain
        value = json.loads(plain) if plain.strip() else {}
    if not isinstance(value, dict):
        raise ValueError("it is not an object")
    return value


def _document(text: str) -> _Document:
    """The text, and what it is without comments, and commas after a last member.

    Raises:
        json.JSONDecodeError: A string or a comment does not end.
    """
    pieces: list[str] = []
    line_comments: set[int] = set()
    position, last, comma = 0, "", None
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            raise json.JSONDecodeError("it is not JSON", text, position)
        position = token.end()
        if token["line"]:
            line_comments.add(position)
        if token["blank"] or token["line"] or token["block"]:
            pieces.append(token["blank"] or _NO_LINE_END.sub(" ", token[0]))
            continue
        if comma is not None and token[0][0] in "]}":
            pieces[comma] = " "
        # One that follows no value is no trailing comma: it stays, and the decoder refuses it.
        comma = len(pieces) if token["comma"] and last not in {"", "[", "{", ",", ":"} else None
        last = token[0][-1]
        pieces.append(token[0])
    return _Document(text, "".join(pieces), frozenset(line_comments))


def with_entry(text: str, container: str, name: str, value: Any) -> str:
    """The text with a member of the object `container`; that object, and the file, are made if need be.

    Raises:
        ValueError: The text cannot be changed: it is not JSON, or the container is something else.
    """
    document = _document(text)
    if not document.plain.strip():
        made = f"{written({container: {name: value}})}\n"
        return _ended(text) + made.replace("\n", _newline(text))
    root = document.root()
    holder = root.member(container)
    if holder is None:
        return _inserted(document, root, container, {name: value})
    inner = document.object(holder.value)
    member = inner.member(name)
    if member is None:
        return _inserted(document, inner, name, value)
    renewed = _written(document, value, _margin(text, member.start))
    return text[: member.value] + renewed + text[member.end :]


def without_entry(text: str, container: str, name: str, *, keeps_container: bool) -> str:
    """The text without a member of `container`, and without that if it is then empty and not to be kept.

    Raises:
        ValueError: The text cannot be changed, or there is no such member.
    """
    document = _document(text)
    holder = document.root().member(container)
    inner = holder and document.object(holder.value)
    member = inner and inner.member(name)
    if not inner or not member:
        raise ValueError("it is not there")
    # Read again: the places of the members are those of the text before.
    document = _document(_removed(document, inner, member))
    root = document.root()
    emptied = root.member(container)
    assert emptied is not None
    # With a comment in it, it holds something of the person's.
    if keeps_container or document.text[emptied.value : emptied.end] != "{}":
        return document.text
    return _removed(document, root, emptied)


def written(whole: Mapping[str, Any]) -> str:
    """A file that says this."""
    return json.dumps(whole, indent=_INDENT, ensure_ascii=False)


def _members(text: str, start: int) -> Iterator[_Member]:
    start = _after_blank(text, start)
    if text[start : start + 1] == "}":
        return
    while True:
        key, colon = _DECODER.raw_decode(text, start)
        colon = _after_blank(text, colon)
        if not isinstance(key, str) or text[colon : colon + 1] != ":":
            raise ValueError("it is not JSON")
        value = _after_blank(text, colon + 1)
        _, end = _DECODER.raw_decode(text, value)
        yield _Member(key, start, value, end)
        after = _after_blank(text, end)
        if text[after : after + 1] == "}":
            return
        if text[after : after + 1] != ",":
            raise ValueError("it is not JSON")
        start = _after_blank(text, after + 1)


def _after_blank(text: str, position: int) -> int:
    blank = _BLANK.match(text, position)
    assert blank is not None
    return blank.end()


def _inserted(document: _Document, into: _Object, key: str, value: Any) -> str:
    """The text with a new last member, laid out as the one before it."""
    text, name = document.text, json.dumps(key, ensure_ascii=False)
    if not into.members:
        return _inserted_alone(document, into, f"{name}: ", value)
    last = into.members[-1]
    trailing = document.comma(last)
    behind = last.end if trailing is None else trailing + 1
    comments = _REST_OF_LINE.match(text, behind)
    assert comments is not None
    end = comments.end()
    blank = _blank_before_last(document, into)
    # A comment would go on over what follows it on its line.
    if "\n" not in blank and end in document.line_comments:
        blank = _newline(text) + _margin(text, last.start)
    written = _written(document, value, blank.rpartition("\n")[2], inline="\n" not in blank)
    comma, ours = (",", "") if trailing is None else ("", ",")
    return f"{text[: last.end]}{comma}{text[last.end : end]}{blank}{name}: {written}{ours}{text[end:]}"


def _inserted_alone(document: _Document, into: _Object, name: str, value: Any) -> str:
    """The text with a first member of an object, below the comments in it."""
    text = document.text
    inside = text[into.opening + 1 : into.closing].rstrip()
    if not inside and _is_inline(document):
        written = _written(document, value, "")
        return f"{text[: into.opening + 1]}{name}{written}{text[into.closing :]}"
    newline, outer = _newline(text), _margin(text, into.opening)
    inner = outer + _unit(document)
    written = _written(document, value, inner, inline=False)
    before = text[: into.opening + 1] + inside
    return f"{before}{newline}{inner}{name}{written}{newline}{outer}{text[into.closing :]}"


def _blank_before_last(document: _Document, holder: _Object) -> str:
    """The blank before the last member of an object."""
    *others, last = holder.members
    begin = (document.comma(others[-1]) or others[-1].end) + 1 if others else holder.opening + 1
    before = document.text[begin : last.start]
    return before[len(before.rstrip(" \t\r\n")) :] or (" " if " " in document.text else "")


def _removed(document: _Document, holder: _Object, member: _Member) -> str:
    """The text without a member, its comma, and the blank before it."""
    text, place = document.text, holder.members.index(member)
    comma = document.comma(member)
    end = member.end if comma is None else comma + 1
    begin = len(text[: member.start].rstrip(" \t\r\n"))
    if len(holder.members) == 1 and not text[holder.opening + 1 : begin] + text[end : holder.closing].strip():
        return text[: holder.opening + 1] + text[holder.closing :]
    rest = re.compile(r"[ \t]*").match(text, end)
    assert rest is not None
    between = text[member.end : comma] if comma is not None else ""
    follows = between.strip() or text[rest.end() : rest.end() + 1] not in {"", "\r", "\n"}
    if begin in document.line_comments and follows:
        begin, end = member.start, rest.end()  # the comment would go on over what follows
    elif begin == member.start:
        end = rest.end()
    before = text[:begin]
    if comma is None and place:
        former = document.comma(holder.members[place - 1])
        assert former is not None
        before = before[:former] + before[former + 1 :]
    return before + between + text[end:]


def _ended(text: str) -> str:
    """The comments of a file that has nothing else, so that something can follow them."""
    kept = text.rstrip()
    return kept + _newline(text) if kept else ""


def _written(document: _Document, value: Any, margin: str, *, inline: bool | None = None) -> str:
    """A value as this file writes one whose line begins with `margin`."""
    if _is_inline(document) if inline is None else inline:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, indent=_unit(document), ensure_ascii=False).split("\n")
    return f"{_newline(document.text)}{margin}".join(lines)


def _is_inline(document: _Document) -> bool:
    """Return whether the file is an object on one line; false for an empty one, which shows no style."""
    root = document.root()
    return "\n" not in document.text[root.opening : root.closing] and bool(root.members)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(document: _Document) -> str:
    """One step of indentation in this file."""
    root, text = document.root(), document.text
    if not root.members or "\n" not in text[root.opening : root.members[0].start]:
        return _INDENT
    unit = _margin(text, root.members[0].start).removeprefix(_margin(text, root.opening))
    return unit or _INDENT


def _margin(text: str, position: int) -> str:
    """The blank with which the line of this place begins."""
    begin = text.rfind("\n", 0, position) + 1
    blank = re.compile(r"[ \t]*").match(text, begin)
    assert blank is not None
    return blank[0]
