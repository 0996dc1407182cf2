"""`CallHistory.sqlite` of WhatsApp on an iPhone: calls, how long they took and how they ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import Opened
from whatsapp_mcp.features.imports.foreign.iphone.blobs import jid
from whatsapp_mcp.features.imports.foreign.iphone.kinds import seconds, whole
from whatsapp_mcp.models import ForeignMessage, MessageKind, Unreadable

Details = dict[str, Any]

_EVENTS: Final = "ZWACDCALLEVENT"
_AGGREGATES: Final = "ZWAAGGREGATECALLEVENT"
_PARTICIPANTS: Final = "ZWACDCALLEVENTPARTICIPANT"
_OUTCOMES: Final = {0: "connected", 1: "missed", 4: "rejected"}
_MOST: Final = 200_000


class _Event(NamedTuple):
    number: int
    id: Any
    date: Any
    duration: Any
    outcome: Any
    aggregate: Any
    group: Any
    creator: Any
    incoming: Any
    video: Any

    def details(self) -> Details:
        details: Details = {"video": self.video == 1}
        if isinstance(self.outcome, int) and self.outcome in _OUTCOMES:
            details["outcome"] = _OUTCOMES[self.outcome]
        duration = whole(self.duration, 1 << 31)
        if self.outcome == 0 and duration:  # of a missed call it is how long it rang
            details["duration"] = duration
        return {"call": details}


class Calls:
    """The calls of the database that has them, if one of these does. A version without their ids has none."""

    def __init__(self, databases: Sequence[Opened]) -> None:
        self._found = next(
            (each for each in databases if each.schema.has(_EVENTS, "ZCALLIDSTRING", "ZDATE")), None
        )

    def __bool__(self) -> bool:
        return self._found is not None

    def of(self, ids: Iterable[Any]) -> dict[str, Details]:
        """Return the details of the calls with these ids."""
        wanted = [wa_id for wa_id in ids if isinstance(wa_id, str)]
        if not wanted:
            return {}
        marks = ", ".join("?" * len(wanted))
        return {event.id: event.details() for event in self._events(f"e.ZCALLIDSTRING IN ({marks})", wanted)}

    def messages(
        self, after: int, rows: int, there: Collection[str]
    ) -> tuple[tuple[ForeignMessage, ...], dict[Unreadable, int], int | None]:
        """Calls in the order of their rows, but those that are `there`; what could not be read; the last row.

        The last row is None on the last page.
        """
        events = self._events("e.rowid > ?", (after,), rows)
        others = self._participants()
        read = [_message(event, others) for event in events if event.id not in there]
        unreadable = Counter(each for each in read if isinstance(each, Unreadable))
        messages = tuple(each for each in read if isinstance(each, ForeignMessage))
        return messages, dict(unreadable), events[-1].number if len(events) == rows else None

    def _events(self, where: str, values: Sequence[Any], rows: int = _MOST) -> list[_Event]:
        if self._found is None:
            return []
        schema = self._found.schema

        def column(alias: str, table: str, name: str) -> str:
            return f"{alias}.{name}" if schema.has(table, name) else "NULL"

        link = column("e", _EVENTS, "Z1CALLEVENTS")
        aggregates = (
            f"LEFT JOIN main.{_AGGREGATES} AS a ON a.rowid = {link}" if _AGGREGATES in schema.tables else ""
        )
        columns = (
            *("e.rowid", "e.ZCALLIDSTRING", "e.ZDATE"),
            *(column("e", _EVENTS, name) for name in ("ZDURATION", "ZOUTCOME")),
            link,
            *(column("e", _EVENTS, name) for name in ("ZGROUPJIDSTRING", "ZGROUPCALLCREATORUSERJIDSTRING")),
            *(column("a", _AGGREGATES, name) for name in ("ZINCOMING", "ZVIDEO")),
        )
        cursor = self._found.db.execute(
            f"SELECT {', '.join(columns)} FROM main.{_EVENTS} AS e {aggregates}"  # noqa: S608
            f" WHERE {where} ORDER BY e.rowid LIMIT ?",
            (*values, rows),
        )
        return [_Event(*row) for row in cursor]

    def _participants(self) -> dict[Any, list[str]]:
        """Return the participants by the aggregate of their call (its relationship is named `Z1…`)."""
        participants: dict[Any, list[str]] = {}
        if self._found is not None and self._found.schema.has(_PARTICIPANTS, "Z1PARTICIPANTS", "ZJIDSTRING"):
            rows = self._found.db.execute(
                f"SELECT Z1PARTICIPANTS, ZJIDSTRING FROM main.{_PARTICIPANTS} ORDER BY rowid LIMIT ?",  # noqa: S608
                (_MOST,),
            )
            for aggregate, address in rows:
                person = jid(address)
                if person is not None:
                    participants.setdefault(aggregate, []).append(person)
        return participants


def _message(event: _Event, participants: dict[Any, list[str]]) -> ForeignMessage | Unreadable:
    called_at = seconds(event.date)
    if not isinstance(event.id, str) or not event.id:
        return Unreadable.NO_ID
    if called_at is None:
        return Unreadable.NO_TIME
    others, creator = participants.get(event.aggregate, []), jid(event.creator)
    chat = jid(event.group) or next(iter(others), None)
    if chat is None:
        return Unreadable.NO_CHAT
    incoming = creator in others if event.incoming is None else event.incoming == 1
    sender = (creator or next(iter(others), None)) if incoming else None
    if incoming and sender is None:
        return Unreadable.NO_SENDER
    return ForeignMessage(event.id[:128], chat, sender, called_at, MessageKind.CALL, details=event.details())
