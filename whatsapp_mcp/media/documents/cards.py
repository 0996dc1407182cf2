"""Contacts as vCard (RFC 6350, and versions 2.1 and 3.0) and calendars as iCalendar (RFC 5545)."""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from whatsapp_mcp.media.documents.document import Document
from whatsapp_mcp.models import Passage

LINE: Final = 20_000
"""Characters of a value; the rest is left out. A photo in a card has more, and is left out whole."""
_SHOWN: Final = 4_000
_ENTRY_LINES: Final = 2_000
_BINARY: Final = frozenset("photo logo sound key thumbnail x-socialprofile-photo attach".split())
_LEFT_OUT: Final = frozenset(
    "version prodid rev uid n begin end dtstamp created last-modified sequence transp class calscale method"
    " product x-abuid x-ablabel tzid tzurl priority".split()
)
_NAMES: Final = {
    "fn": "Name",
    "tel": "Phone",
    "email": "E-mail",
    "adr": "Address",
    "org": "Organisation",
    "title": "Title",
    "bday": "Birthday",
    "url": "Website",
    "note": "Note",
    "dtstart": "Start",
    "dtend": "End",
    "due": "Due",
    "summary": "Summary",
    "location": "Location",
    "description": "Description",
    "organizer": "Organizer",
    "attendee": "Attendee",
    "rrule": "Repeats",
    "duration": "Duration",
    "status": "Status",
}
_ENTRIES: Final = frozenset({"vcard", "vevent", "vtodo", "vjournal", "vfreebusy"})
_NO_ENTRIES: Final = frozenset({"vtimezone", "valarm"})
"""Parts of a calendar that say nothing to a person."""
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)\d\d(Z?))?")
_PARAMETERS: Final = re.compile(r';(?:([^=;:"]+)=)?("[^"]*"|[^;:"]*)')
_ESCAPES: Final = re.compile(r"\\([nN,;:\\])")


class _Property(NamedTuple):
    name: str
    parameters: dict[str, str]
    value: str


def open_cards(text: str, engine: str) -> Document:
    """Contacts or a calendar: each contact, event or task is a passage.

    Args:
        text: Of the file.
        engine: `vcard` or `icalendar`.
    """
    return Document(_entries(text), engine)


def _entries(text: str) -> Iterator[Passage]:
    lines: list[str] = []
    ignored = 0
    for line in _unfolded(text):
        found = _property(line)
        if found is None:
            continue
        kind = found.value.strip().lower()
        if found.name == "begin":
            ignored += kind in _NO_ENTRIES
            lines = [] if kind in _ENTRIES else lines
        elif found.name == "end":
            ignored -= kind in _NO_ENTRIES and ignored > 0
            if kind in _ENTRIES and lines:
                yield Passage("\n".join(lines))
                lines = []
        elif not ignored and len(lines) < _ENTRY_LINES:
            lines += _shown(found)
    if lines:
        yield Passage("\n".join(lines))


def _unfolded(text: str) -> Iterator[str]:
    """Lines; one that begins with a space, or follows a `=` of quoted-printable, continues the last."""
    pieces: list[str] = []
    size = 0
    is_soft = False
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at : min(end, at + LINE)].rstrip("\r")
        at = end + 1
        if pieces and (is_soft or line[:1] in {" ", "\t"}):
            line = line if is_soft else line[1:]
        elif pieces:
            yield "".join(pieces)
            pieces, size = [], 0
        is_soft = line.endswith("=") and (is_soft or "QUOTED-PRINTABLE" in line[:200].upper())
        piece = (line[:-1] if is_soft else line)[: max(0, LINE - size)]
        size += len(piece)
        if piece or not pieces:
            pieces.append(piece)
    if pieces:
        yield "".join(pieces)


def _property(line: str) -> _Property | None:
    """A line's name without its group, its parameters and its value; None if it has no colon."""
    name, parameters, at = "", {}, 0
    head = re.match(r"[^;:]{0,100}", line)
    name, at = (head.group(), head.end()) if head else ("", 0)
    for _ in range(20):
        found = _PARAMETERS.match(line, at)
        if found is None:
            break
        key, value = found.groups()
        # Version 2.1 writes the value alone: `TEL;CELL:`.
        parameters.setdefault((key or "type").lower(), value.strip('"'))
        at = found.end()
    if line[at : at + 1] != ":":
        return None
    return _Property(name.rpartition(".")[2].strip().lower(), parameters, line[at + 1 :])


def _shown(found: _Property) -> Iterator[str]:
    """The line for a property, if it says something to a person."""
    if found.name in _BINARY | _LEFT_OUT or found.parameters.get("encoding", "").lower() in {"b", "base64"}:
        return
    value = _ESCAPES.sub(_unescaped, _decoded(found)) if found.name != "rrule" else found.value
    if found.name in {"adr", "org", "n"}:
        value = ", ".join(piece.strip() for piece in value.split(";") if piece.strip())
    if found.name in {"organizer", "attendee"}:
        value = " ".join(filter(None, (found.parameters.get("cn"), value.removeprefix("mailto:"))))
    value = _DATE.sub(_dated, value, count=50) if found.name in {"dtstart", "dtend", "due", "bday"} else value
    value = value.strip()[:_SHOWN]
    if not value:
        return
    label = _NAMES.get(found.name, found.name.removeprefix("x-").capitalize()[:40])
    kind = found.parameters.get("type", "") if found.name in {"tel", "email", "adr"} else ""
    zone = found.parameters.get("tzid", "")
    note = f" ({kind.lower()[:40]})" if kind else ""
    yield f"{label}{note}: {value}{f' ({zone[:60]})' if zone else ''}"


def _decoded(found: _Property) -> str:
    """The value of a property as text: version 2.1 has it in quoted-printable."""
    kinds = {value.upper() for value in found.parameters.values()}
    if "QUOTED-PRINTABLE" not in kinds:
        return found.value
    try:
        content = quopri.decodestring(found.value.encode())
    except (binascii.Error, ValueError):
        return found.value
    charset = found.parameters.get("charset", "utf-8").lower()
    return content.decode("cp1252" if charset in {"iso-8859-1", "windows-1252"} else "utf-8", "replace")


def _unescaped(found: re.Match[str]) -> str:
    letter = found.group(1)
    return "\n" if letter in "nN" else letter


def _dated(found: re.Match[str]) -> str:
    year, month, day, hour, minute, utc = found.groups()
    time = f" {hour}:{minute}{' UTC' if utc else ''}" if hour else ""
    return f"{year}-{month}-{day}{time}"
