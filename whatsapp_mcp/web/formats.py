"""Formats of numbers, times and names on a page, and paths that several pages link to."""

from __future__ import annotations

from datetime import datetime, tzinfo
from html import escape
from typing import Final
from urllib.parse import quote

from whatsapp_mcp.jid import is_person, number_of
from whatsapp_mcp.text.zone import local

CHATS: Final = "/chats"
PEOPLE: Final = "/people"
_KINDS: Final = {"g.us": "a group", "newsletter": "a channel"}
"""Kinds of chats by the server of their addresses."""
_LAST: Final = 4
"""Digits of an address that tell two without a name apart."""
_OF_CHAT: Final = "chat:"
"""Prefix of the principal of an agent that answers a chat."""


class Html(str):
    """HTML that a template shows as it is; whatever is made of it is text again."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def prose(text: str) -> Html:
    """A sentence of ours as HTML; between backquotes stand commands and settings."""
    safe = escape(text)
    *pairs, last = safe.split("`")
    # A backquote without a partner is a part of the text.
    if len(pairs) % 2:
        return Html(safe)
    coded = (f"{words}<code>{code}</code>" for words, code in zip(pairs[::2], pairs[1::2], strict=True))
    return Html("".join(coded) + last)


def unnamed(jid: str) -> str:
    """Return the label of a chat without a name: its number, or its kind and its address's last digits."""
    user, _, server = jid.rpartition("@")
    return number_of(jid) or f"{_KINDS.get(server, 'somebody')} …{user[-_LAST:]}"


def called(name: str) -> str:
    """A name as it is; an address, which stands where no name is known, as `unnamed`."""
    is_address = is_person(name) or name.rpartition("@")[2] in _KINDS
    return unnamed(name) if is_address else name


def who(name: str) -> str:
    """Return the name of a caller for a person: the agent of a chat is named by the chat's number."""
    return f"agent of {unnamed(name.removeprefix(_OF_CHAT))}" if name.startswith(_OF_CHAT) else name


def count(number: int) -> str:
    """A number with thousands apart: `12,345`."""
    return f"{number:,}"


def size(number: int | None) -> str:
    """Bytes as people read them: `1.2 MB`."""
    if number is None:
        return ""
    if number < 1000:
        return f"{number} bytes"
    amount = float(number)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        # From there on rounding would give 1000 of a unit.
        if amount < 999.5 or unit == "GB":
            return f"{amount:.0f} {unit}" if amount >= 99.5 else f"{amount:.1f} {unit}"
    raise AssertionError("the last unit takes everything")


def span(seconds: float) -> str:
    """A stretch of time: `1:05` minutes below an hour, `2 h 5 min` and `3 d 4 h` above."""
    whole = int(seconds)
    minutes, second = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{second:02}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"


def clock(moment: datetime, zone: tzinfo) -> str:
    """The time of day in the person's zone: `14:05`."""
    return f"{local(moment, zone):%H:%M}"


def day(moment: datetime, zone: tzinfo) -> str:
    """The day in the person's zone: `Tuesday, 24 November 2026`."""
    there = local(moment, zone)
    return f"{there:%A}, {there.day} {there:%B %Y}"


def when(moment: datetime, zone: tzinfo) -> str:
    """The minute in the person's zone: `2026-11-24 14:05`."""
    return f"{local(moment, zone):%Y-%m-%d %H:%M}"


def chat_path(jid: str, ref: int | None = None) -> str:
    """The page of a chat; with a message's ref, where that stands."""
    place = "" if ref is None else f"?at={ref}#m{ref}"
    return f"{CHATS}/{quote(jid, safe='@')}{place}"


def person_path(jid: str) -> str:
    """The page of a person."""
    return f"{PEOPLE}/{quote(jid, safe='@')}"
