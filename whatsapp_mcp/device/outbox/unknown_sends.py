"""Finds out what became of sends that were handed over and not answered, by their delivery evidence."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.outcomes import Outcomes
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import InvalidArgument, SendUnknown
from whatsapp_mcp.models import OutboxEntry, SendStatus
from whatsapp_mcp.storage import KeysUnreadable

ENDED: Final = "The server ended between handing over and the answer."
"""Why a send has no answer, where nothing else is known."""
_REPEATABLE: Final = frozenset({"reaction", "edit", "revoke", "vote"})
"""Contents that set a state: sent twice, they change nothing more."""
_MAYBE_APPLIED: Final = "A client ended before WhatsApp answered, so it may have been made already."
_NOT_FOUND_OUT: Final = partial(SendUnknown, "This server failed while it looked for what became of it.")

TakeBack = Callable[[OutboxEntry, str | None], Awaitable[None]]
"""Puts a send back into the queue; the reason that it keeps if it may have been made."""

logger = logging.getLogger(__name__)


def is_open(entry: OutboxEntry) -> bool:
    """Return whether the outcome of a send without an answer may still be found out."""
    return entry.status is SendStatus.UNKNOWN and entry.handed_to is not None


class UnknownSends:
    """Looks for sends without an answer.

    Args:
        evidence: What the client library knows of earlier messages.
        outcomes: Ends those that are settled.
        take_back: What is done with one that has not gone out.
    """

    def __init__(
        self, archive: Archive, evidence: DeliveryEvidence, outcomes: Outcomes, take_back: TakeBack
    ) -> None:
        self._archive = archive
        self._evidence = evidence
        self._outcomes = outcomes
        self._take_back = take_back

    async def look_for(self, entry: OutboxEntry) -> None:
        """Find out what became of one, as far as that can be known."""
        look = partial(self._look_for, entry, entry.handed_to or "")
        try:
            await contained(f"looking for send {entry.send_id}", look, _NOT_FOUND_OUT)
        except InvalidArgument:
            logger.info("outbox: send %d was settled while it was looked for", entry.send_id)
            self._outcomes.callers.settle(entry.send_id)
        except SendUnknown as error:  # it would fail at every look
            await self._archive.write(outbox.unknown, entry.send_id, error.message, traceable=False)
            self._outcomes.callers.settle(entry.send_id)

    async def _look_for(self, entry: OutboxEntry, handed_to: str) -> None:
        try:
            await self._find_out(entry, handed_to)
        except (sqlite3.Error, KeysUnreadable) as error:
            logger.warning("outbox: evidence of send %d cannot be read: %s", entry.send_id, error)

    async def _find_out(self, entry: OutboxEntry, handed_to: str) -> None:
        # Asked first: what is not found afterwards will not be there later either.
        is_over = self._evidence.is_over(handed_to)
        message_id = entry.message_id
        if message_id is None and entry.secret is not None:
            message_id = await self._evidence.message_id(entry.secret)
        if not is_over:
            if message_id != entry.message_id:
                await self._note_unknown(entry, message_id)
        elif await self._evidence.was_not_sent(handed_to, entry.request.chat, entry.secret, message_id):
            await self._take_back(entry, _MAYBE_APPLIED if entry.reason == _MAYBE_APPLIED else None)
        elif self._may_repeat(entry, handed_to):
            await self._take_back(entry, _MAYBE_APPLIED)
        else:
            await self._note_unknown(entry, message_id, traceable=False)
            self._outcomes.callers.settle(entry.send_id)

    async def _note_unknown(
        self, entry: OutboxEntry, message_id: str | None, *, traceable: bool = True
    ) -> None:
        reason, handed_to = entry.reason or ENDED, entry.handed_to
        await self._archive.write(
            outbox.unknown,
            entry.send_id,
            reason,
            message_id=message_id,
            traceable=traceable,
            handed_to=handed_to,
        )

    def _may_repeat(self, entry: OutboxEntry, handed_to: str) -> bool:
        return entry.request.content.kind in _REPEATABLE and self._evidence.is_of_this_device(handed_to)
