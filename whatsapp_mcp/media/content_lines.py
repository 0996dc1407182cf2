"""The lines of a vCard (RFC 6350, and versions 2.1 and 3.0) and of a calendar (RFC 5545)."""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

LINE: Final = 20_000
"""Characters of a value; the rest is left out. A photo in a card has more, and is left out whole."""
_PARAMETERS: Final = re.compile(r';(?:([^=;:"]+)=)?("[^"]*"|[^;:"]*)')
_MOST_PARAMETERS: Final = 20
_ESCAPES: Final = re.compile(r"\\([nN,;:\\])")
_LATIN: Final = frozenset({"iso-8859-1", "windows-1252"})
"""Both are read as windows-1252, as browsers do (WHATWG Encoding Standard)."""


class Property(NamedTuple):
    """The property in one line.

    Attributes:
        name: Lower case, without its group.
        parameters: By their names in lower case; the first of each name.
        value: As it is encoded.
    """

    name: str
    parameters: dict[str, str]
    value: str


def unfolded(lines: Iterable[str]) -> Iterator[str]:
    """Whole lines; one that begins with a space, or follows a `=` of quoted-printable, continues the last.

    Args:
        lines: With or without their ends; of a long one, its beginning.
    """
    pieces: list[str] = []
    size = 0
    is_soft = False
    for each in lines:
        line = each.rstrip("\r\n")
        if pieces and (is_soft or line[:1] in {" ", "\t"}):
            line = line if is_soft else line[1:]
        elif pieces:
            yield "".join(pieces)
            pieces, size = [], 0
        # Base64 ends with `=` too, so the line has to name its encoding.
        is_soft = line.endswith("=") and (is_soft or "QUOTED-PRINTABLE" in line[:200].upper())
        piece = (line[:-1] if is_soft else line)[: max(0, LINE - size)]
        size += len(piece)
        if piece or not pieces:
            pieces.append(piece)
    if pieces:
        yield "".join(pieces)


def property_of(line: str) -> Property | None:
    """The property in a whole line; None if it has no colon."""
    name, parameters, position = "", dict[str, str](), 0
    head = re.match(r"[^;:]{0,100}", line)
    name, position = (head.group(), head.end()) if head else ("", 0)
    for _ in range(_MOST_PARAMETERS):
        match = _PARAMETERS.match(line, position)
        if match is None:
            break
        key, value = match.groups()
        # Version 2.1 writes the value alone: `TEL;CELL:`.
        parameters.setdefault((key or "type").lower(), value.strip('"'))
        position = match.end()
    if line[position : position + 1] != ":":
        return None
    return Property(name.rpartition(".")[2].strip().lower(), parameters, line[position + 1 :])


def decoded(prop: Property) -> str:
    """The value of a property as text: version 2.1 has it in quoted-printable."""
    kinds = {value.upper() for value in prop.parameters.values()}
    if "QUOTED-PRINTABLE" not in kinds:
        return prop.value
    try:
        content = quopri.decodestring(prop.value.encode())
    except (binascii.Error, ValueError):
        return prop.value
    charset = prop.parameters.get("charset", "utf-8").lower()
    return content.decode("cp1252" if charset in _LATIN else "utf-8", "replace")


def unescaped(value: str) -> str:
    """A value without its backslashes."""
    return _ESCAPES.sub(_letter, value)


def _letter(match: re.Match[str]) -> str:
    return "\n" if match.group(1) in "nN" else match.group(1)
