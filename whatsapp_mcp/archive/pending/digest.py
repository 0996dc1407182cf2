"""A digest of a time: how much is new in each chat, which messages say who owes what or name a day."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from heapq import nlargest
from typing import Final, NamedTuple

from whatsapp_mcp.archive import read
from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.archive.pending.turns import SaidRow, said_rows, who_waits
from whatsapp_mcp.archive.pending.waits import NOT_ASIDE, Aside, asides
from whatsapp_mcp.decoding import OWNER
from whatsapp_mcp.models import Chat, ChatKind, ChatNews, Digest, Fact
from whatsapp_mcp.triage import NamedDay, Side, named_days
from whatsapp_mcp.zone import local

READ_MOST: Final = 20_000
"""Messages that one digest reads, the newest ones."""
FACTS: Final = 200
"""Facts of one digest, those of most weight."""
FACTS_OF_CHAT: Final = 20
_QUARTER: Final = 900
"""Seconds, within which no zone has two days: none is off UTC by a part of a quarter of an hour."""


class _Found(NamedTuple):
    """A fact before its message is read."""

    weight: int
    row: SaidRow
    owes: Side | None
    promised: bool
    days: tuple[NamedDay, ...]


class _Calendar:
    """Days as they are where the person is."""

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        self.now = now
        self.today = local(now, zone).date()
        self._zone = zone
        self._days: dict[int, date] = {}

    def day_of(self, message: int) -> date:
        """The day on which a message was sent, by its id."""
        quarter = (message >> ID_BITS) // _QUARTER
        if quarter not in self._days:
            self._days[quarter] = local(datetime.fromtimestamp(quarter * _QUARTER, UTC), self._zone).date()
        return self._days[quarter]


def digest(
    db: sqlite3.Connection, since: datetime, *, zone: tzinfo, now: datetime, only: str | None = None
) -> Digest:
    """What was said since a time.

    Args:
        db: The archive.
        since: The first moment.
        zone: The person's, in which days are named.
        now: A day that is past then is no fact.
        only: Jid of the one chat that is read; None for all.
    """
    first = max(0, int(since.timestamp())) << ID_BITS
    where, values = "m.id >= ?", [first]
    if only is not None:
        where, values = f"{where} AND m.chat_id = ?", [first, read.chat_id(db, only) or 0]
    said = said_rows(db, f"WHERE {where} ORDER BY m.id DESC LIMIT ?", [*values, READ_MOST])[::-1]
    if len(said) == READ_MOST:
        since = datetime.fromtimestamp(said[0].id >> ID_BITS, UTC)
    by_chat: dict[int, list[SaidRow]] = {}
    for row in said:
        by_chat.setdefault(row.chat, []).append(row)
    chats, aside = read.chats_of(db, by_chat), asides(db, by_chat)
    calendar = _Calendar(zone, now)
    found = [
        one
        for number, rows in by_chat.items()
        if number in chats
        for one in _facts(db, chats[number], rows, aside.get(number, NOT_ASIDE), calendar)
    ]
    kept = nlargest(FACTS, found, key=lambda one: (one.weight, one.row.id))
    return Digest(since, _news(db, chats, by_chat, kept))


def _news(
    db: sqlite3.Connection,
    chats: Mapping[int, Chat],
    by_chat: Mapping[int, Sequence[SaidRow]],
    kept: Sequence[_Found],
) -> tuple[ChatNews, ...]:
    messages = read.messages_of(db, [one.row.id for one in kept])
    facts: dict[int, list[Fact]] = {}
    for one in sorted(kept, key=lambda one: one.row.id):
        fact = Fact(messages[one.row.id], one.owes, one.promised, one.days, one.weight)
        facts.setdefault(one.row.chat, []).append(fact)
    newest_first = sorted(by_chat, key=lambda number: by_chat[number][-1].id, reverse=True)
    return tuple(
        ChatNews(chats[number], len(by_chat[number]), tuple(facts.get(number, ())))
        for number in newest_first
        if number in chats
    )


def _facts(
    db: sqlite3.Connection,
    chat: Chat,
    rows: Sequence[SaidRow],
    aside: Aside,
    calendar: _Calendar,
) -> list[_Found]:
    """The facts of one chat."""
    if chat.kind not in (ChatKind.DIRECT, ChatKind.GROUP):
        return []
    group = chat.kind is ChatKind.GROUP
    found = who_waits(db, rows, group=group)
    sides: tuple[tuple[Sequence[int], Side], ...] = ((found.asked, "them"), (found.to_answer, "me"))
    owes: dict[int, Side] = {
        place: side
        for places, side in sides
        for place in places
        if not aside.hides(rows[place].id, calendar.now)
    }
    every = (*found.own_promises, *found.promises)
    promised = {place for place in every if not aside.hides(rows[place].id, calendar.now)}
    days = _days(rows, calendar, group=group)
    facts = [
        _Found(
            _weight(rows[place], owes.get(place), place in promised, days.get(place, ()), group=group),
            rows[place],
            owes.get(place),
            place in promised,
            days.get(place, ()),
        )
        for place in owes.keys() | promised | days.keys()
    ]
    return nlargest(FACTS_OF_CHAT, facts, key=lambda one: (one.weight, one.row.id))


def _days(rows: Sequence[SaidRow], calendar: _Calendar, *, group: bool) -> dict[int, tuple[NamedDay, ...]]:
    """The places of messages that name a day to come, each day once: where its time is told, else first.

    Without a time of day, today is small talk, and in a group any day that is not said by the owner or to
    them.
    """
    first: dict[date, tuple[int, NamedDay]] = {}
    for place, row in enumerate(rows):
        text = row.own_text
        if not text:
            continue
        said = calendar.day_of(row.id)
        for one in named_days(text, said):
            alone = one.time is None and (one.day == said or (group and not _concerns_owner(row)))
            if one.day < calendar.today or alone:
                continue
            known = first.get(one.day)
            if known is None or (one.time is not None and known[1].time is None):
                first[one.day] = place, one
    found: dict[int, tuple[NamedDay, ...]] = {}
    for place, one in first.values():
        found[place] = (*found.get(place, ()), one)
    return found


def _concerns_owner(row: SaidRow) -> bool:
    return row.sender == OWNER or row.for_owner


def _weight(row: SaidRow, owes: Side | None, promised: bool, days: Sequence[NamedDay], *, group: bool) -> int:
    """How much a fact matters: what the owner owes first, then promises, what they are owed, and days."""
    concerns = not group or _concerns_owner(row)
    weight = 0
    if owes == "me":
        weight = 100 if concerns else 70
    elif promised:
        weight = 80 if concerns else 60
    elif owes == "them":
        weight = 50
    if days:
        dated = 50 if any(one.time is not None for one in days) else 40
        weight = max(weight + 5, dated + (10 if concerns else 0))
    return weight
