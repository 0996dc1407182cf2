"""`Lines`: one line per chat, in which sends are handed over in the order in which they were accepted.

Sends to different chats leave some time between them, as those of a person do (`Pacer`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.outbox.deliveries import Deliveries, Prepared
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.unknown_sends import is_open
from whatsapp_mcp.models import AlbumContent, OutboxEntry, SendStatus
from whatsapp_mcp.policy import gap
from whatsapp_mcp.settings import CurrentSettings

_AHEAD: Final = 50
"""Number of sends of a chat among which the next one is chosen."""
_LINES: Final = 8
"""Chats that are served at once."""


class Pacer:
    """Says when the next send may go; one to the same chat as the last may at once.

    Args:
        settings: Name the gap; there is none in the mode `open`.
        chance: A number from 0 to 1, for the jitter.
    """

    def __init__(self, settings: CurrentSettings, chance: Callable[[], float] = random.random) -> None:
        self._settings = settings
        self._chance = chance
        self._last: tuple[str, datetime] | None = None
        self._excused: set[str] = set()

    def skip_pause(self, chat: str) -> None:
        """Let the next send to this chat go at once: a person has just decided about it."""
        self._excused.add(chat)

    def left(self, chat: str, now: datetime) -> float:
        """Seconds until a send to this chat may go."""
        policy = self._settings.now().policy
        if policy.mode == "open" or self._last is None or chat in {self._last[0], *self._excused}:
            return 0.0
        return gap(policy, self._last[1], now, self._chance)

    def take(self, chat: str, now: datetime) -> float:
        """Record a send to a chat; return the seconds until it goes (`left`). The next gap starts then."""
        seconds = self.left(chat, now)
        self._excused.discard(chat)
        self._last = (chat, now + timedelta(seconds=seconds))
        return seconds


class Lines:
    """The lines of the chats that are served now.

    Args:
        archive: Has the sends.
        clock: The leader's.
        evidence: Which sends without an answer may come back to the queue.
        deliveries: Hands a send over.
        look_again: Has the outbox looked at again.
        online: Whether the connection is up.
        knows_replies: As of `Outbox`.
        pacer: Keeps sends to different chats apart; None does not.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        evidence: DeliveryEvidence,
        deliveries: Deliveries,
        look_again: Callable[[], None],
        *,
        online: Callable[[], bool],
        knows_replies: Callable[[], bool],
        pacer: Pacer | None,
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._evidence = evidence
        self._deliveries = deliveries
        self._look_again = look_again
        self._online = online
        self._knows_replies = knows_replies
        self._pacer = pacer
        self._lines: set[str] = set()
        self._line_refused = False

    def claim(self, chat: str) -> bool:
        """Begin a chat's line; False if it is served already, or no more can be now.

        Then the next line to end has the outbox looked at again.
        """
        if chat in self._lines or len(self._lines) >= _LINES:
            self._line_refused = True
            return False
        self._lines.add(chat)
        return True

    def end(self, chat: str) -> None:
        """End a chat's line that was begun and is not served."""
        self._lines.discard(chat)

    async def serve(self, entry: OutboxEntry, tasks: TaskGroup, prepared: Prepared | None = None) -> None:
        """Hand over what is queued for one chat, in order, from this one on; it may be `sending` already.

        Args:
            entry: The first.
            tasks: Where hand-overs run that take longer than the line waits for them.
            prepared: The message of the first and the name of its hand-over, if it is `sending`.
        """
        chat, following = entry.request.chat, entry
        try:
            if prepared is not None:
                await self._deliveries.hand_over(entry, prepared, tasks)
                # Nothing was ahead of it; what is behind it was refused a line, or are its own files.
                is_album = isinstance(entry.request.content, AlbumContent)
                following = await self._next(chat) if self._line_refused or is_album else None
            while following is not None and self._online():
                await self._clock.sleep(self.gap(chat, take=True))
                await self._deliveries.deliver(following, tasks)
                following = await self._next(chat)
        finally:
            self._lines.discard(chat)
        if self._line_refused:
            # It may have been queued between the last look and now.
            self._line_refused = False
            self._look_again()

    def gap(self, chat: str, *, take: bool = False) -> float:
        """Seconds until a send to this chat may go; with `take` one goes then."""
        if self._pacer is None:
            return 0.0
        now = self._clock.now()
        return self._pacer.take(chat, now) if take else self._pacer.left(chat, now)

    async def _next(self, chat: str) -> OutboxEntry | None:
        return self.heads(await self._archive.outbox_unsettled(chat=chat, limit=_AHEAD)).get(chat)

    def heads(self, entries: Iterable[OutboxEntry]) -> dict[str, OutboxEntry]:
        """By chat, what goes out next: nothing while an earlier send may yet come back to the queue."""
        first, now = dict[str, OutboxEntry](), self._clock.now()
        for entry in entries:
            if self._waits_for_replies(entry):
                continue
            may_come_back = is_open(entry) and not self._evidence.is_here(entry.handed_to or "")
            if may_come_back or (entry.status is SendStatus.QUEUED and not is_late(entry, now)):
                first.setdefault(entry.request.chat, entry)
        return {chat: entry for chat, entry in first.items() if entry.status is SendStatus.QUEUED}

    def _waits_for_replies(self, entry: OutboxEntry) -> bool:
        """Check whether a reply that forbids the send may have come while the connection was down."""
        forbids = entry.request.unless_reply and entry.due_at is not None and entry.reason is None
        return entry.status is SendStatus.QUEUED and forbids and not self._knows_replies()

    def skip_pause(self, chat: str) -> None:
        """Let the next send to a chat go without a gap: a person has just said yes to it."""
        if self._pacer is not None:
            self._pacer.skip_pause(chat)


def is_late(entry: OutboxEntry, now: datetime) -> bool:
    """Return whether the time until which a send was to go out is over."""
    return entry.expires_at is not None and entry.expires_at <= now
