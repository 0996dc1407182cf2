"""Reading WhatsApp's own chat export (`_chat.txt`, plain or in its zip), from iPhone and Android alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import pairwise
from typing import Final

_LINE: Final = re.compile(
    r"^[\u200e\u200f]*\[?(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4}),? (?P<hour>\d{1,2})[:.](?P<minute>\d{2})"
    r"(?:[:.](?P<second>\d{2}))?[ \u202f\u00a0]?(?P<half>[AaPp]\.?[ \u00a0]?[Mm]\.?)?(?:\] | - )(?P<rest>.*)$"
)
_SAID: Final = re.compile(r"^[\u200e\u200f]*(?P<name>[^:\n]{1,80}): ?(?P<text>.*)$", re.DOTALL)
_ATTACHED: Final = (
    re.compile(r"[\u200e\u200f]*<[^:<>]{2,30}: (?P<file>[^<>/\\]+\.\w{1,5})>"),
    re.compile(r"^[\u200e\u200f]*(?P<file>[^/\\\n]+\.\w{1,5}) \([^()\n]{3,40}\)$", re.MULTILINE),
)


@dataclass(frozen=True, slots=True)
class ExportedMessage:
    """One message of an export; `name` None is a line of the system, `file` a name in the zip."""

    at: int
    name: str | None
    text: str
    file: str | None = None


def read(lines: Iterable[str], zone: tzinfo) -> list[ExportedMessage]:
    """The messages of an export in its order; lines before the first message are left out."""
    blocks: list[tuple[re.Match[str], list[str]]] = []
    for line in lines:
        plain = line.rstrip("\r\n")
        head = _LINE.match(plain)
        if head is not None:
            blocks.append((head, [head["rest"]]))
        elif blocks:
            blocks[-1][1].append(plain)
    order = _date_order([head for head, _ in blocks])
    found: list[ExportedMessage] = []
    for head, body in blocks:
        at = _time(head, order, zone)
        if at is not None:
            found.append(_message(at, "\n".join(body)))
    return found


def _message(at: int, text: str) -> ExportedMessage:
    said = _SAID.match(text)
    if said is None:
        return ExportedMessage(at, None, text.strip("\u200e\u200f "))
    body, file = said["text"], None
    for pattern in _ATTACHED:
        attached = pattern.search(body)
        if attached is not None:
            file = attached["file"].strip()
            body = (body[: attached.start()] + body[attached.end() :]).strip()
            break
    return ExportedMessage(at, said["name"].strip("\u200e\u200f~ "), body.strip("\u200e\u200f"), file)


def _date_order(heads: Sequence[re.Match[str]]) -> str:
    """What the parts of a date are (`dmy`, `mdy`, `ymd`): the possible one that lets time go forward."""
    dates = [[int(part) for part in re.split(r"[./-]", head["date"])] for head in heads]
    if any(date[0] > 31 for date in dates):
        return "ymd"
    if any(date[0] > 12 for date in dates):
        return "dmy"
    if any(date[1] > 12 for date in dates):
        return "mdy"

    def backward(order: str) -> int:
        stamps = [_day(date, order) for date in dates]
        return sum(later < earlier for earlier, later in pairwise(stamps))

    american = any(head["half"] for head in heads)
    return min(("mdy", "dmy") if american else ("dmy", "mdy"), key=backward)


def _day(date: Sequence[int], order: str) -> tuple[int, int, int]:
    parts = dict(zip(order, date, strict=True))
    year = parts["y"] + (2000 if parts["y"] < 100 else 0)
    return year, parts["m"], parts["d"]


def _time(head: re.Match[str], order: str, zone: tzinfo) -> int | None:
    date = _day([int(part) for part in re.split(r"[./-]", head["date"])], order)
    hour = int(head["hour"])
    if head["half"]:
        hour = hour % 12 + (12 if head["half"][0] in "Pp" else 0)
    try:
        moment = datetime(*date, hour, int(head["minute"]), int(head["second"] or 0), tzinfo=zone)
    except ValueError:
        return None
    return int(moment.timestamp())
