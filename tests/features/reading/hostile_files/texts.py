"""Hostile texts, tables, contacts, calendars, RTF and what is nothing that is read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

from tests.media.hostile_files.hostile_file import HostileFile, Kind

Made = dict[str, Callable[[], bytes]]


def card(inside: str) -> bytes:
    """A contact."""
    return f"BEGIN:VCARD\r\nVERSION:3.0\r\n{inside}\r\nFN:Ann\r\nEND:VCARD\r\n".encode()


def event(inside: str) -> bytes:
    """A calendar of one event."""
    return f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n{inside}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n".encode()


TEXT: Final[Made] = {
    "60 MB in one line": lambda: b"word " * 12_000_000,
    "eight million empty lines": lambda: b"\n" * 8_000_000,
    "four million lines": lambda: b"a\n" * 4_000_000,
    "nothing but NUL": lambda: bytes(5_000_000),
    "text with NUL": lambda: b"words\0" * 100_000,
    "UTF-7": lambda: b"+ADw-script+AD4-" * 1_000,
    "UTF-8 that is longer than it need be": lambda: b"words \xc0\x80\xe0\x80\xaf" * 1_000,
    "UTF-8 with halves of surrogate pairs": lambda: b"words \xed\xa0\x80" * 1_000,
    "UTF-16 with halves of surrogate pairs": lambda: b"\xff\xfe" + b"\x00\xd8a\0" * 100_000,
    "UTF-16 of odd length": lambda: b"\xff\xfe" + b"a\0" * 1_000 + b"x",
    "a mark and nothing else": lambda: b"\xef\xbb\xbf",
    "UTF-32 beyond Unicode": lambda: b"\xff\xfe\0\0" + b"\xff\xff\xff\xff" * 1_000,
    "escape sequences": lambda: b"\x1b[2J\x1b]0;title\x07words\r\x08\x08" * 10_000,
    "hidden and turned letters": lambda: "words\u202e\u2066\u200b\U000e0041".encode() * 10_000,
    "million form feeds": lambda: b"a\x0c" * 1_000_000,
    "combining marks": lambda: ("a" + "\u0301" * 1_000_000).encode(),
    "random bytes": lambda: random.Random(1).randbytes(3_000_000),
    "an old Office file of random bytes": lambda: (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + random.Random(2).randbytes(3_000_000)
    ),
    "a playlist": lambda: b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n",
    "a drawing that names files": lambda: b'<svg><image href="file:///etc/passwd"/></svg>',
}
TABLE: Final[Made] = {
    "a quotation without an end": lambda: b'a,"' + b"x\n" * 3_000_000,
    "quotations of 90,000 letters": lambda: (b'"' + b"x" * 90_000 + b'",\n') * 80,
    "a million columns": lambda: b"," * 1_000_000 + b"a\n",
    "two million rows of nothing": lambda: b",\n" * 2_000_000,
    "quotation marks alone": lambda: b'"' * 4_000_000,
    "NUL between": lambda: b"a,b\nc,\0d\n" * 1_000,
    "rows that grow": lambda: b"".join(b"a;" * n + b"\n" for n in range(3_000)),
    "no table at all": lambda: b"\x1b\x1b\x1b words" * 1_000,
    "commands for a spreadsheet": lambda: b"=cmd|'/c calc'!A1,+1,-1,@SUM(1)\n" * 100,
    "line ends of every kind": lambda: b"a,b\rc,d\r\n\re\n\r" * 100_000,
}
CONTACT: Final[Made] = {
    "two million lines that continue": lambda: card("NOTE:" + "\r\n x" * 1_000_000),
    "a line of quoted-printable without an end": lambda: card(
        "NOTE;ENCODING=QUOTED-PRINTABLE:" + "=41=\r\n" * 500_000
    ),
    "half of a quoted-printable letter": lambda: card(
        "NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=x-evil:=4=ZZ=F0=9F"
    ),
    "contacts inside contacts": lambda: b"BEGIN:VCARD\n" * 300_000,
    "200,000 contacts": lambda: card("TEL:1") * 100_000,
    "a hundred thousand parameters": lambda: card("TEL" + ";TYPE=HOME" * 100_000 + ":1"),
    "a parameter without an end": lambda: card('TEL;TYPE="' + "x" * 1_000_000),
    "a photo of 7 MB": lambda: card("PHOTO;ENCODING=b:" + "A" * 7_000_000),
    "a million properties": lambda: card("\r\n".join(["X-A:b"] * 500_000)),
    "a name of a megabyte": lambda: card("X" * 1_000_000 + ":a"),
    "semicolons": lambda: card("ADR:" + ";" * 1_000_000),
    "backslashes": lambda: card("NOTE:" + "\\n\\," * 1_000_000),
    "no colon": lambda: card(";" * 1_000_000),
}
CALENDAR: Final[Made] = {
    "200,000 events": lambda: b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\nSUMMARY:a\nEND:VEVENT\n" * 150_000,
    "events inside events": lambda: b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\nSUMMARY:a\n" * 200_000,
    "alarms inside alarms": lambda: b"BEGIN:VCALENDAR\n" + b"BEGIN:VALARM\n" * 500_000,
    "ends without beginnings": lambda: b"BEGIN:VCALENDAR\n" + b"END:VEVENT\nEND:VALARM\n" * 200_000,
    "a rule for ever": lambda: event("DTSTART:00010101T000000\nRRULE:FREQ=SECONDLY;INTERVAL=0"),
    "dates that are none": lambda: event("DTSTART:99999999T999999Z\nDTEND:" + "20260101" * 100_000),
    "a million guests": lambda: event("\r\n".join(["ATTENDEE;CN=a:mailto:b"] * 200_000)),
    "a file in it": lambda: event("ATTACH;ENCODING=BASE64:" + "A" * 5_000_000),
    "a file that is elsewhere": lambda: event("ATTACH:file:///etc/passwd\nSUMMARY:a"),
    "words of commands": lambda: event("SUMMARY:\\nEND:VEVENT\\nBEGIN:VEVENT\nDESCRIPTION:\x1b[2J"),
}
RTF: Final[Made] = {
    "groups inside groups": lambda: b"{\\rtf1" + b"{" * 1_000_000,
    "ends of groups": lambda: b"{\\rtf1 a" + b"}" * 1_000_000 + b"b",
    "a million letters by number": lambda: b"{\\rtf1 " + b"\\u-10179?" * 500_000,
    "a million letters by byte": lambda: b"{\\rtf1 " + b"\\'e9" * 1_000_000,
    "letters that stand for a billion others": lambda: b"{\\rtf1\\uc999999999\\u65 " + b"a" * 1_000_000,
    "a word of a megabyte": lambda: b"{\\rtf1\\" + b"a" * 1_000_000,
    "numbers of a megabyte": lambda: b"{\\rtf1\\u" + b"1" * 1_000_000,
    "an object that is a file": lambda: (
        b"{\\rtf1{\\object\\objdata "
        + b"0a" * 1_000_000
        + b"}{\\field{\\*\\fldinst INCLUDETEXT /etc/passwd}} a}"
    ),
    "backslashes": lambda: b"{\\rtf1" + b"\\" * 1_000_000,
    "40 MB": lambda: b"{\\rtf1 " + b"word " * 8_000_000,
}


def files() -> Iterator[HostileFile]:
    """All of them."""
    families = {
        "text": (TEXT, "text/plain"),
        "CSV": (TABLE, "text/csv"),
        "vCard": (CONTACT, "text/vcard"),
        "iCalendar": (CALENDAR, "text/calendar"),
        "RTF": (RTF, "application/rtf"),
    }
    for family, (members, mime_type) in families.items():
        for name, made in members.items():
            yield HostileFile(Kind.DOCUMENT, family, name, made, mime_type)
