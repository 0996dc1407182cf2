"""Outcomes of hand-overs: written down first, then given to the callers that wait."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import anyio

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.supervise import backoff
from whatsapp_mcp.errors import InvalidArgument, Rejected, WhatsAppError
from whatsapp_mcp.models import OutboxEntry, SendStatus
from whatsapp_mcp.storage import KeysUnreadable

_KEEP_ATTEMPTS: Final = 8
"""Then it is left to the outbox's next start, which calls it unknown."""
_FOR_NOBODY: Final = "WhatsApp gave no keys of this person's devices, so none of them got the message."


class WaitingCaller:
    """One that waits.

    Attributes:
        settled: Set with the outcome.
        settled_as: The entry as it was written down then; None where the archive has to be asked.
        refusal: Why it was not sent.
    """

    def __init__(self) -> None:
        self.settled = anyio.Event()
        self.settled_as: OutboxEntry | None = None
        self.refusal: WhatsAppError | None = None


class Callers:
    """All that wait now, by the number of their send."""

    def __init__(self) -> None:
        self._waiting: defaultdict[int, set[WaitingCaller]] = defaultdict(set)

    @contextmanager
    def waiting(self, send_id: int) -> Iterator[WaitingCaller]:
        """One more waits, for the length of the body."""
        caller = WaitingCaller()
        self._waiting[send_id].add(caller)
        try:
            yield caller
        finally:
            self._waiting[send_id].discard(caller)
            if not self._waiting[send_id]:
                del self._waiting[send_id]

    def settle(
        self, send_id: int, entry: OutboxEntry | None = None, refusal: WhatsAppError | None = None
    ) -> None:
        """The outcome of a send is known."""
        for caller in self._waiting.get(send_id, ()):
            caller.settled_as, caller.refusal = entry, refusal
            caller.settled.set()


logger = logging.getLogger(__name__)


async def nobody(error: WhatsAppError) -> None:
    """Nobody wants to hear of refusals."""


class Outcomes:
    """Ends sends.

    Args:
        archive: Where it is written down.
        clock: The leader's.
        evidence: What the client library knows.
        on_refused: Hears why WhatsApp, or what comes before it, refused a send.

    Attributes:
        callers: Who waits for which send.
        last_sent_at: When WhatsApp last took one.
        ends: How many ended how while this server leads: `sent`, `failed`, or `unknown` for the time being.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        evidence: DeliveryEvidence,
        on_refused: Callable[[WhatsAppError], Awaitable[None]] = nobody,
    ) -> None:
        self._told = on_refused
        self._archive = archive
        self._clock = clock
        self._evidence = evidence
        self.callers = Callers()
        self.last_sent_at: datetime | None = None
        self.ends: Counter[str] = Counter()

    async def answered(
        self, entry: OutboxEntry, handed_to: str, answer: dict[str, Any], message: bytes
    ) -> None:
        """WhatsApp has it; the keys say whether the other person can have it."""
        if await self._evidence.was_not_encrypted(handed_to, entry.request.chat):
            await self.refused(entry, Rejected(_FOR_NOBODY, "Try again later."))
            return
        sent = await self._keep_sent(entry.send_id, answer, message)
        self.last_sent_at = self._clock.now()
        self.ends[SendStatus.SENT] += 1
        self.callers.settle(entry.send_id, sent)

    async def _keep_sent(self, send_id: int, answer: dict[str, Any], message: bytes) -> OutboxEntry | None:
        """Write it down, however long the disk takes to have room; None if it never had."""
        seconds = int(answer["timestamp"])
        timestamp = datetime.fromtimestamp(seconds, UTC) if seconds > 0 else self._clock.now()
        for attempt in range(1, _KEEP_ATTEMPTS + 1):
            try:
                return await self._archive.outbox_sent(send_id, str(answer["id"]), timestamp, message=message)
            except sqlite3.Error:
                logger.exception("outbox: send %d was sent; that cannot be written yet", send_id)
                await self._clock.sleep(backoff(attempt, 0.5, base=0.2, cap=30.0))
        return None

    async def unanswered(self, entry: OutboxEntry, secret: bytes | None, reason: str) -> None:
        """No answer came from a client that lives: what it has noted so far goes to the callers that wait."""
        send_id, message_id = entry.send_id, None
        try:
            message_id = None if secret is None else await self._evidence.message_id(secret)
        except KeysUnreadable as error:
            logger.warning("outbox: id of send %d cannot be read: %s", send_id, error)
        try:
            settled = await self._archive.write(
                outbox.unknown, send_id, entry.reason or reason, message_id=message_id
            )
        except InvalidArgument:
            logger.info("outbox: send %d was settled meanwhile", send_id)
        else:
            self.ends[SendStatus.UNKNOWN] += 1
            self.callers.settle(send_id, settled)

    async def refused(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        """Record that a send has not gone out this time, and settle its callers."""
        await self._told(error)
        ended = await self._archive.write(outbox.failed, entry.send_id, f"{error.code}: {error.message}")
        self._end(ended, error)

    async def withdrawn(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        """Record that a queued send shall not go out any more, and settle its callers.

        Raises:
            InvalidArgument: It is on its way.
        """
        ended = await self._archive.write(outbox.withdrawn, entry.send_id, f"{error.code}: {error.message}")
        self._end(ended, error)

    def _end(self, entry: OutboxEntry, error: WhatsAppError) -> None:
        """Count the end and settle the callers; UNKNOWN means that an earlier try may have gone out."""
        self.ends[entry.status] += 1
        self.callers.settle(entry.send_id, entry, error if entry.status is SendStatus.FAILED else None)
