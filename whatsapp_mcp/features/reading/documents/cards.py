"""Contacts as vCard (RFC 6350, and versions 2.1 and 3.0) and calendars as iCalendar (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from whatsapp_mcp.features.reading.documents.document import Document
from whatsapp_mcp.media.content_lines import LINE, Property, decoded, property_of, unescaped, unfolded
from whatsapp_mcp.models import Passage

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
    for line in unfolded(_lines(text)):
        prop = property_of(line)
        if prop is None:
            continue
        kind = prop.value.strip().lower()
        if prop.name == "begin":
            ignored += kind in _NO_ENTRIES
            lines = [] if kind in _ENTRIES else lines
        elif prop.name == "end":
            ignored -= kind in _NO_ENTRIES and ignored > 0
            if kind in _ENTRIES and lines:
                yield Passage("\n".join(lines))
                lines = []
        elif not ignored and len(lines) < _ENTRY_LINES:
            lines += _shown(prop)
    if lines:
        yield Passage("\n".join(lines))


def _lines(text: str) -> Iterator[str]:
    """The lines of a text, each cut; `splitlines` would make an object of each at once."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start : min(end, start + LINE)]
        start = end + 1


def _shown(prop: Property) -> Iterator[str]:
    """The line for a property, if it says something to a person."""
    if prop.name in _BINARY | _LEFT_OUT or prop.parameters.get("encoding", "").lower() in {"b", "base64"}:
        return
    value = unescaped(decoded(prop)) if prop.name != "rrule" else prop.value
    if prop.name in {"adr", "org", "n"}:
        value = ", ".join(piece.strip() for piece in value.split(";") if piece.strip())
    if prop.name in {"organizer", "attendee"}:
        value = " ".join(filter(None, (prop.parameters.get("cn"), value.removeprefix("mailto:"))))
    value = _DATE.sub(_dated, value, count=50) if prop.name in {"dtstart", "dtend", "due", "bday"} else value
    value = value.strip()[:_SHOWN]
    if not value:
        return
    label = _NAMES.get(prop.name, prop.name.removeprefix("x-").capitalize()[:40])
    kind = prop.parameters.get("type", "") if prop.name in {"tel", "email", "adr"} else ""
    zone = prop.parameters.get("tzid", "")
    note = f" ({kind.lower()[:40]})" if kind else ""
    yield f"{label}{note}: {value}{f' ({zone[:60]})' if zone else ''}"


def _dated(match: re.Match[str]) -> str:
    year, month, day, hour, minute, utc = match.groups()
    time = f" {hour}:{minute}{' UTC' if utc else ''}" if hour else ""
    return f"{year}-{month}-{day}{time}"
