"""`GET /api/v1/events`: what changes, as server-sent events.

The id of each event is a cursor of `wait_for_messages`: a client that sends the last one again
(`Last-Event-ID`) goes on after it. What is told passes the guard that tools read through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sse_starlette import EventSourceResponse, ServerSentEvent

from whatsapp_mcp.errors import Denied, InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.models import Change
from whatsapp_mcp.server.calls import Call, error_payload, last_change
from whatsapp_mcp.server.render import ABOUT_A_MESSAGE, EventData, event_data
from whatsapp_mcp.server.transports import API_HEADERS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from whatsapp_mcp.server.calls import Services

TOOL: Final = "wait_for_messages"
"""The tool that gives the same: its policy holds for events."""
PING_SECONDS: Final = 15
"""Between comments that keep the connection open."""
_PREFIX: Final = "w"
PATTERN: Final = f"^{_PREFIX}[0-9]{{1,18}}$"
"""Pattern of an event id."""


def position(cursor: str | None) -> int | None:
    """The number of a change that a client has seen last; None where it names none.

    Raises:
        InvalidArgument: It is none of ours.
    """
    if not cursor:
        return None
    if re.fullmatch(PATTERN, cursor) is None:
        raise InvalidArgument(
            "Last-Event-ID is not the id of an event of this server.", "Leave it out to begin now."
        )
    return int(cursor.removeprefix(_PREFIX))


async def events_answer(begin: Callable[[], Call], after: int | None) -> EventSourceResponse:
    """A stream of events that ends with the client's connection.

    Args:
        begin: Begins a call, with the policy as it is then.
        after: The last change that the client knows; None begins now.

    Raises:
        WhatsAppError: The account cannot be opened.
    """
    last = await begin().perform(last_change)
    after = last if after is None else after
    return EventSourceResponse(_told(begin, after), ping=PING_SECONDS, headers=API_HEADERS)


async def _told(begin: Callable[[], Call], after: int) -> AsyncGenerator[ServerSentEvent]:
    # A client that loses the connection before the first event begins again here.
    yield ServerSentEvent(id=f"{_PREFIX}{after}")
    async with aclosing(begin().source.feed.follow(after)) as batches:
        async for batch in batches:
            if batch.missed:
                yield ServerSentEvent("{}", event="missed")
            try:
                # A call for each batch: the policy may have changed, and what is handed out counts from now.
                changes = tuple(change for change in batch.changes if change.kind in EVENTS)
                for event in await begin().perform(events_of, changes=changes):
                    text = json.dumps(event.data, ensure_ascii=False)
                    yield ServerSentEvent(text, event=event.kind, id=f"{_PREFIX}{event.seq}")
            except WhatsAppError as error:
                # Without an id: a client that comes back gets what it has not seen.
                yield ServerSentEvent(json.dumps({"error": error_payload(error)}), event="error")
                return
            yield ServerSentEvent(id=f"{_PREFIX}{batch.seq}")


class Event(NamedTuple):
    """An event for a change; `seq` is the change's number."""

    seq: int
    kind: str
    data: Mapping[str, Any]


async def events_of(call: Call, changes: tuple[Change, ...]) -> list[Event]:
    """Return the events of these changes that the caller may read."""
    services = await call.services()
    events: list[Event] = []
    for change in await services.archive.readable(changes):
        data = await _event(change, services)
        if data is not None:
            events.append(Event(change.seq, change.kind, data))
    return events


async def _event(change: Change, services: Services) -> EventData | None:
    """Return the data of a change's event; None if its message is gone or may not be read."""
    message = None
    if change.kind in ABOUT_A_MESSAGE and change.ref is not None:
        try:
            message = await services.archive.message(change.ref)
        except (MessageNotFound, Denied):
            return None
    return event_data(change, message, services.zone)


EVENTS: Final = {
    "message": "a new message, received or sent",
    "edit": "a message was edited",
    "revoke": "a message was deleted for everyone",
    "reaction": "a reaction was added or removed",
    "vote": "somebody voted in a poll",
    "receipt": "a sent message was delivered, read or played",
    "send": "the state of a send changed",
    "purge": "messages were deleted from the archive",
    "history": "the phone handed over a part of the past",
    "missed": "changes before the next event are no longer kept",
    "error": "the stream ends; connect again with Last-Event-ID",
}
"""The names of events, and what each means."""
