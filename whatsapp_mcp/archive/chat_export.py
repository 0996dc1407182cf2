"""Reading WhatsApp's own chat export (`_chat.txt`, plain or in its zip), from iPhone and Android alike.

How a date looks depends on the phone's language: the order of its parts, digits, separators, the words for
the two halves of the day. Both phones put invisible direction marks where text runs from right to left, and
the iPhone also before what it says itself ("image omitted").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Final

_MARKS: Final = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_BARE: Final = str.maketrans({**dict.fromkeys(_MARKS), "\u202f": " ", "\u00a0": " ", "\u2009": " "})
_FIRST_HALF: Final = (
    r"[Aa]\.? ?[Mm]\.?|ص|पूर्वाह्न|上午|凌晨|早上|清晨|오전|午前|π\.?μ\.?|SA|ÖÖ|ก่อนเที่ยง|vm\.|fm|de\."
)
_SECOND_HALF: Final = (
    r"[Pp]\.? ?[Mm]\.?|م|अपराह्न|下午|晚上|中午|오후|午後|μ\.?μ\.?|CH|ÖS|หลังเที่ยง|nm\.|em|du\."
)
_LINE: Final = re.compile(
    r"^\[?(?P<date>\d{1,4}\.?[ ]?[./-] ?\d{1,2}\.?[ ]?[./-] ?\d{1,4})\.?(?: г\.)?[,،]?"
    r" (?:klo |kl\. |at |um |às |a las |alle )?"
    rf"(?:(?P<am>{_FIRST_HALF})|(?P<pm>{_SECOND_HALF}))? ?"
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}))? ?(?:ч\.|Uhr|h)? ?"
    rf"(?:(?P<am2>{_FIRST_HALF})|(?P<pm2>{_SECOND_HALF}))?(?:\] ?| [-–] )(?P<rest>.*)$"
)
_SAID: Final = re.compile(r"^(?P<name>[^:\n\"“„«]{1,80}): ?(?P<text>.*)$", re.DOTALL)
_ATTACHED: Final = re.compile(r"<[^:<>]{2,30}: (?P<file>[^<>/\\]+\.\w{1,5})>")
_WITH_FILE: Final = re.compile(r"^(?P<file>[^/\\\n]+\.\w{1,5}) \([^()\n]{3,40}\)$", re.MULTILINE)
_NUMBERED: Final = re.compile(r"(?:IMG|VID|AUD|PTT|STK|DOC)-\d{8}-WA\d+\.")
"""How Android names files that were sent."""
_OMITTED: Final = re.compile(
    r"<[^<>:\n]{5,45}>|\S[^\n]{0,25} "
    r"(?:omitted|omitid[oa]|omess[oa]|omise?|absente?|weggelaten|weggelassen|ocultad[oa]|pominięt[oy]|dihilangkan)",
    re.IGNORECASE,
)
_EDITED: Final = re.compile(r" ?\u200e<[^<>:\n]{8,60}>$| <This message was edited>$")


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """One message of an export.

    Attributes:
        at: Seconds since 1970.
        name: Who wrote it; None for a line of the system.
        text: What it says.
        file: Name of its file in the zip.
        omitted: It had a file that was left out of the export.
    """

    at: int
    name: str | None
    text: str
    file: str | None = None
    omitted: bool = False


def read(lines: Iterable[str], zone: tzinfo, files: Iterable[str] = ()) -> list[ExportedMessage]:
    """The messages of an export in its order; lines before the first message are left out.

    Args:
        lines: The text.
        zone: The zone of its times.
        files: Names in the zip.
    """
    blocks: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        plain = line.rstrip("\r\n")
        head = _LINE.match(plain[:120].translate(_BARE))
        if head is not None:
            blocks.append((head, [_rest(plain, head)]))
        elif blocks:
            blocks[-1][1].append(plain)
    order = _date_order([head for head, _ in blocks])
    known = frozenset(files)
    found: list[ExportedMessage] = []
    for head, body in blocks:
        at = _time(head, order, zone)
        if at is not None:
            found.append(_message(at, "\n".join(body), known))
    return found


def _rest(line: str, head: re.Match[str]) -> str:
    """What follows the head, with its marks: the head was matched without them."""
    left = head.start("rest")
    for place, char in enumerate(line):
        if not left:
            return line[place:]
        left -= char not in _MARKS
    return ""


def _message(at: int, text: str, files: frozenset[str]) -> ExportedMessage:
    said = _SAID.match(text)
    if said is None:
        return ExportedMessage(at, None, text.strip(f"{_MARKS} "))
    name = said["name"].strip(f"{_MARKS}~ ")
    body = _EDITED.sub("", said["text"])
    marked = body.startswith("\u200e")
    body = body.strip("\u200e\u200f")
    found = _file(body, files, marked)
    if found is not None:
        return ExportedMessage(at, name, found[1], found[0])
    omitted = _OMITTED.fullmatch(body) is not None and (marked or body.startswith("<"))
    return ExportedMessage(at, name, body, None, omitted)


def _file(body: str, files: frozenset[str], marked: bool) -> tuple[str, str] | None:
    """The file of a message and the text beside it."""
    found = _ATTACHED.search(body)
    if found is None:
        found = _WITH_FILE.search(body)
        file = found["file"].strip(_MARKS) if found is not None else ""
        if found is None or not (marked or file in files or _NUMBERED.match(file)):
            return None
    text = (body[: found.start()] + body[found.end() :]).strip(f"{_MARKS} \n")
    return found["file"].strip(f"{_MARKS} "), text


def _date_order(heads: Sequence[re.Match[str]]) -> str:
    """What the parts of a date are (`dmy`, `mdy`, `ymd`): the possible one that lets time go forward."""
    dates = [_parts(head) for head in heads]
    if any(date[0] > 31 for date in dates):
        return "ymd"
    if any(date[0] > 12 for date in dates):
        return "dmy"
    if any(date[1] > 12 for date in dates):
        return "mdy"

    def backward(order: str) -> int:
        stamps = [_day(date, order) for date in dates]
        return sum(later < earlier for earlier, later in pairwise(stamps))

    american = any(head["am2"] or head["pm2"] for head in heads)
    return min(("mdy", "dmy") if american else ("dmy", "mdy"), key=backward)


def _parts(head: re.Match[str]) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", head["date"])]


def _day(date: Sequence[int], order: str) -> tuple[int, int, int]:
    parts = dict(zip(order, date, strict=True))
    year = parts["y"] + (2000 if parts["y"] < 100 else 0)
    return year, parts["m"], parts["d"]


def _time(head: re.Match[str], order: str, zone: tzinfo) -> int | None:
    date = _day(_parts(head), order)
    hour = int(head["hour"])
    second_half = head["pm"] or head["pm2"]
    if hour <= 12 and (second_half or head["am"] or head["am2"]):
        hour = hour % 12 + (12 if second_half else 0)
    try:
        moment = datetime(*date, hour, int(head["minute"]), int(head["second"] or 0), tzinfo=zone)
    except ValueError:
        return None
    return int(moment.timestamp())
