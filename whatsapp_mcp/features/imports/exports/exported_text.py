"""Reading WhatsApp's own chat export (`_chat.txt`, plain or in its zip), from iPhone and Android alike.

How a date looks depends on the phone's language: the order of its parts, digits, separators, the words for
the two halves of the day. Both phones put invisible direction marks where text runs from right to left, and
the iPhone also before what it says itself ("image omitted").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.models import ExportedMessage

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
"""Names that Android gives to sent files."""
_OMITTED: Final = re.compile(
    r"<[^<>:\n]{5,45}>|\S[^\n]{0,25} "
    r"(?:omitted|omitid[oa]|omess[oa]|omise?|absente?|weggelaten|weggelassen|ocultad[oa]|pominięt[oy]|dihilangkan)",
    re.IGNORECASE,
)
_EDITED: Final = re.compile(r" ?\u200e<[^<>:\n]{8,60}>$| <This message was edited>$")


MESSAGES: Final = 200_000
"""Messages of one export; WhatsApp writes 40,000 at most."""
_LONGEST: Final = 65_536
"""Characters of one message; more than that is no message of WhatsApp's."""


@dataclass(slots=True)
class _Block:
    """A message as it stands there: the parts of its head as numbers, and its lines.

    Attributes:
        date: Day, month and year in the order of the phone's language.
        half: The second half of the day; None where the clock has 24 hours.
        american: The half of the day stands after the time.
    """

    date: tuple[int, ...]
    clock: tuple[int, int, int]
    half: bool | None
    american: bool
    lines: list[str] = field(default_factory=list[str])
    room: int = _LONGEST

    def add(self, line: str) -> None:
        """One more line, as far as there is room for it."""
        if self.room > 0:
            self.lines.append(line if len(line) < self.room else f"{line[: self.room - 1]}…")
            self.room -= len(line) + 1


def read(lines: Iterable[str], files: Collection[str] = ()) -> list[ExportedMessage]:
    """The messages of an export in its order; lines before the first message are left out.

    Args:
        lines: The text.
        files: Names in the zip.

    Raises:
        TooLong: There are more messages than WhatsApp exports.
    """
    blocks: list[_Block] = []
    for line in lines:
        plain = line.rstrip("\r\n")
        head = _LINE.match(plain[:120].translate(_BARE))
        if head is not None:
            if len(blocks) == MESSAGES:
                raise TooLong(f"The export has more than {MESSAGES:,} messages.")
            blocks.append(_block(head))
            blocks[-1].add(_after_head(plain, head))
        elif blocks:
            blocks[-1].add(plain)
    order = _date_order(blocks)
    known = frozenset(files)
    return [
        _message(sent_at, "\n".join(block.lines), known)
        for block in blocks
        if (sent_at := _time(block, order)) is not None
    ]


def _block(head: re.Match[str]) -> _Block:
    second_half = bool(head["pm"] or head["pm2"])
    return _Block(
        tuple([int(part) for part in re.findall(r"\d+", head["date"])]),
        (int(head["hour"]), int(head["minute"]), int(head["second"] or 0)),
        second_half if second_half or head["am"] or head["am2"] else None,
        american=bool(head["am2"] or head["pm2"]),
    )


def _after_head(line: str, head: re.Match[str]) -> str:
    """Return what follows the head, with its marks: the head was matched without them."""
    left = head.start("rest")
    for place, char in enumerate(line):
        if not left:
            return line[place:]
        left -= char not in _MARKS
    return ""


def _message(sent_at: datetime, text: str, files: frozenset[str]) -> ExportedMessage:
    said = _SAID.match(text)
    if said is None:
        return ExportedMessage(sent_at, None, text.strip(f"{_MARKS} "))
    name = said["name"].strip(f"{_MARKS}~ ")
    body = _EDITED.sub("", said["text"])
    marked = body.startswith("\u200e")
    body = body.strip("\u200e\u200f")
    attachment = _file(body, files, marked)
    if attachment is not None:
        file, text = attachment
        return ExportedMessage(sent_at, name, text, file, file in files)
    omitted = _OMITTED.fullmatch(body) is not None and (marked or body.startswith("<"))
    return ExportedMessage(sent_at, name, body, omitted=omitted)


def _file(body: str, files: frozenset[str], marked: bool) -> tuple[str, str] | None:
    """The file of a message and the text beside it."""
    match = _ATTACHED.search(body)
    if match is None:
        match = _WITH_FILE.search(body)
        file = match["file"].strip(_MARKS) if match is not None else ""
        if match is None or not (marked or file in files or _NUMBERED.match(file)):
            return None
    text = (body[: match.start()] + body[match.end() :]).strip(f"{_MARKS} \n")
    return match["file"].strip(f"{_MARKS} "), text


def _date_order(blocks: Sequence[_Block]) -> str:
    """Return the order of a date's parts (`dmy`, `mdy`, `ymd`): the possible one where time goes forward."""
    dates = [block.date for block in blocks]
    if any(date[0] > 31 for date in dates):
        return "ymd"
    if any(date[0] > 12 for date in dates):
        return "dmy"
    if any(date[1] > 12 for date in dates):
        return "mdy"

    def backward(order: str) -> int:
        stamps = [_day(date, order) for date in dates]
        return sum(later < earlier for earlier, later in pairwise(stamps))

    american = any(block.american for block in blocks)
    return min(("mdy", "dmy") if american else ("dmy", "mdy"), key=backward)


def _day(date: Sequence[int], order: str) -> tuple[int, int, int]:
    parts = dict(zip(order, date, strict=True))
    year = parts["y"] + (2000 if parts["y"] < 100 else 0)
    return year, parts["m"], parts["d"]


def _time(block: _Block, order: str) -> datetime | None:
    """When it was, as it stands there; None for what is no time."""
    hour, minute, second = block.clock
    if hour <= 12 and block.half is not None:
        hour = hour % 12 + 12 * block.half
    try:
        return datetime(*_day(block.date, order), hour, minute, second)  # noqa: DTZ001  the zone is not told
    except ValueError:
        return None
