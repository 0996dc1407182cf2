"""`Ledger`: the file of one account, as a server process uses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio.to_thread

from whatsapp_mcp.ledger.approvals import Approvals
from whatsapp_mcp.ledger.audit import Audit
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.ledger.exposures import Exposure, Exposures, Taint
from whatsapp_mcp.ledger.handed_on import HandedOnRecord
from whatsapp_mcp.ledger.pairings import Pairings
from whatsapp_mcp.ledger.pauses import PauseRecord
from whatsapp_mcp.ledger.tainted_sends import TaintedSends
from whatsapp_mcp.ledger.webhooks import WebhookRecord
from whatsapp_mcp.settings import AccountFolder


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """What was handed out, asked and done; every server of an account opens it.

    Args:
        folder: The account's.
        now: The wall clock.

    Attributes:
        approvals: What waits for a person.
        audit: What was done and read.
        handed_on: The messages that agents are to answer.
        pairings: The strangers who ask to be let in to an agent, and those who were.
        pauses: What WhatsApp has imposed.
        tainted_sends: The messages that tainted calls have sent.
        webhooks: How far webhooks have come.

    Raises:
        Busy: The file cannot be used.
    """

    def __init__(self, folder: AccountFolder, now: Callable[[], datetime] = _utc_now) -> None:
        self._file = LedgerFile(folder.ledger_db, folder.key_of(folder.ledger_db))
        self._exposures = Exposures(self._file)
        self._now = now
        self.approvals = Approvals(self._file, folder.approval_key)
        self.audit = Audit(self._file, folder.approval_key, now)
        self.handed_on = HandedOnRecord(self._file)
        self.pairings = Pairings(self._file)
        self.pauses = PauseRecord(self._file)
        self.tainted_sends = TaintedSends(self._file)
        self.webhooks = WebhookRecord(self._file)

    def close(self) -> None:
        """Write what waits to be written, and close the file."""
        self.audit.close()
        self._file.close()

    async def expose(self, principal: str, source: Exposure) -> None:
        """Write down that words are about to be handed out; what is remembered already costs no write.

        Raises:
            Busy: It could not be written: the words must not leave.
        """
        await self._exposures.expose(principal, source, self._now())

    async def taint(self, principal: str) -> Taint:
        """Whose words were handed out to a principal; asking counts as one of its calls."""
        return await self._exposures.taint(principal, self._now())

    def tainted(self) -> dict[str, frozenset[Exposure]]:
        """Whose words every principal was given, of those for whom it is remembered."""
        return self._exposures.principals(self._now())

    async def clear(self, principal: str | None = None) -> None:
        """Forget what was handed out to a principal, or to all: what a person alone may do."""
        await self._exposures.clear(principal)

    async def purge(self, before: datetime | None = None, *, chats: Collection[str] | None = None) -> None:
        """Delete the words of acts (before a time, or all), and leave nothing of them in file and log.

        What was done stays, without its words. An act that waits for a person keeps them until it is decided,
        an hour at most; if all are deleted, it is not asked about any more.

        Args:
            before: Until when.
            chats: The addresses of the chat whose messages are deleted, which no agent gets any more; None:
                of all.

        Raises:
            Busy: They are deleted, but a process that reads keeps old pages in the log.
        """
        await self.audit.forget_texts(before)
        await self.handed_on.forget(chats, before)
        if before is None:
            for held in (*self.approvals.open(self._now()), *self.approvals.approved()):
                await self.approvals.void(held.approval.id)
        await self._file.scrub()


@asynccontextmanager
async def open_ledger(folder: AccountFolder, now: Callable[[], datetime] = _utc_now) -> AsyncIterator[Ledger]:
    """The ledger of an account, closed at the end.

    Raises:
        Busy: The file cannot be used.
    """
    ledger = await anyio.to_thread.run_sync(Ledger, folder, now)
    try:
        yield ledger
    finally:
        ledger.close()
