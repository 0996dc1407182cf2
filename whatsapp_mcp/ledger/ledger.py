"""`Ledger`: the file of one account, as a server process uses it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_bytes
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger.approvals import Approvals
from whatsapp_mcp.ledger.audit import Audit
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.ledger.exposures import ANYBODYS, Exposure, Exposures, Taint, TaintedWords
from whatsapp_mcp.ledger.handed_on import HandedOnRecord
from whatsapp_mcp.ledger.pairings import Pairings
from whatsapp_mcp.ledger.pauses import PauseRecord
from whatsapp_mcp.ledger.replication import open_replica, quarantine_file, restore_alone, snapshot
from whatsapp_mcp.ledger.webhooks import WebhookRecord
from whatsapp_mcp.models import Caller
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import LedgerStorage, SmallFile, StatementLog, StorageError
from whatsapp_mcp.system import read_or_make, write_private

_KEY_BYTES: Final = 32
_LOOK_EVERY: Final = 60.0
"""Seconds between two looks whether a snapshot is due."""

logger = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Ledger:
    """The ledger: words handed out, questions to a person, acts done. All servers of an account open it.

    Args:
        folder: The account's.
        now: The wall clock.
        storage: Of an account that several machines may lead; its leader's process opens the ledger once.

    Attributes:
        approvals: What waits for a person.
        audit: What was done and read.
        handed_on: The messages that agents are to answer.
        pairings: The strangers who ask to be let in to an agent, and those who were.
        pauses: What WhatsApp has imposed.
        tainted_words: What tainted calls wrote that no send of the archive carries.
        webhooks: How far webhooks have come.

    Raises:
        Busy: The file cannot be used.
        StorageError: The storage cannot be used.
    """

    def __init__(
        self,
        folder: AccountFolder,
        now: Callable[[], datetime] = _utc_now,
        storage: LedgerStorage | None = None,
    ) -> None:
        if storage is not None:
            _share_key(folder.approval_key, storage.key)
        log = None if storage is None else storage.log
        self._file = LedgerFile(folder.ledger_db, folder.key_of(folder.ledger_db), log)
        self._exposures = Exposures(self._file)
        self._now = now
        self.approvals = Approvals(self._file, folder.approval_key)
        self.audit = Audit(self._file, folder.approval_key, now)
        self.handed_on = HandedOnRecord(self._file)
        self.pairings = Pairings(self._file)
        self.pauses = PauseRecord(self._file)
        self.tainted_words = TaintedWords(self._file)
        self.webhooks = WebhookRecord(self._file)

    @property
    def is_copy(self) -> bool:
        """True if another process leads the account, so that nothing is written here."""
        return self._file.is_copy

    def close(self) -> None:
        """Write what waits to be written, and close the file."""
        self.audit.close()
        self._file.close()

    async def run(self, pause: Callable[[float], Awaitable[object]] = anyio.sleep) -> None:
        """Write what is noted, and make snapshots where there is a log, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.audit.run)
            tasks.start_soon(self._make_snapshots, pause)

    async def wait_ended(self) -> StorageError:
        """Wait until nothing more can be written, as another leads or the log is lost; answers why."""
        return await self._file.wait_ended()

    async def _make_snapshots(self, pause: Callable[[float], Awaitable[object]]) -> None:
        while True:
            await pause(_LOOK_EVERY)
            if self._file.is_snapshot_due():
                try:
                    await self._file.snapshot()
                except Busy as error:
                    logger.warning("ledger: no snapshot could be made: %s", error)

    async def expose(self, principal: str, source: Exposure) -> None:
        """Write down that words are about to be handed out; what is remembered already costs no write.

        Raises:
            Busy: It could not be written: the words must not leave.
        """
        await self._exposures.expose(principal, source, self._now())

    async def taint(self, principal: str) -> Taint:
        """Return the taint of a principal; the query counts as one of its calls."""
        return await self._exposures.taint(principal, self._now())

    async def taint_of(self, caller: Caller) -> Taint:
        """Return the taint of a caller: none if it is trusted, anybody's words if it is unknown."""
        if caller.is_trusted:
            return Taint()
        return ANYBODYS if caller.is_unknown else await self.taint(caller.principal)

    def tainted(self) -> dict[str, frozenset[Exposure]]:
        """Return the exposures of each principal that are still remembered."""
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
async def open_ledger(
    folder: AccountFolder, now: Callable[[], datetime] = _utc_now, storage: LedgerStorage | None = None
) -> AsyncIterator[Ledger]:
    """The ledger of an account, closed at the end.

    Raises:
        Busy: The file cannot be used.
        StorageError: The storage cannot be used.
    """
    ledger = await anyio.to_thread.run_sync(Ledger, folder, now, storage)
    try:
        yield ledger
    finally:
        # A cancelled server still writes down what was noted.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(ledger.close)


def dump_ledger(folder: AccountFolder) -> bytes:
    """All that an account's ledger holds, as a `LedgerSnapshot` keeps it; equal for equal ledgers.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    return snapshot(folder.ledger_db, folder.key_of(folder.ledger_db))[1]


def restore_ledger(folder: AccountFolder, content: bytes) -> None:
    """Let an account's ledger hold what was dumped, and be that of this folder alone.

    Raises:
        Busy: A newer version has dumped it.
        sqlite3.Error: The file cannot be written.
    """
    restore_alone(folder.ledger_db, folder.key_of(folder.ledger_db), content)


def follow_ledger(folder: AccountFolder, log: StatementLog) -> None:
    """Bring the copy of a ledger up to date that another process leads.

    Raises:
        Busy: A newer version leads.
        StorageError: The log cannot be read.
        sqlite3.Error: The file cannot be written.
    """
    open_replica(folder.ledger_db, folder.key_of(folder.ledger_db), log, leads=False).close()


def set_aside(folder: AccountFolder) -> None:
    """Quarantine the ledger of an account that nobody has open; what its log has is made again of it."""
    quarantine_file(folder.ledger_db)


def _share_key(path: Path, shared: SmallFile) -> None:
    """Let the key of the seals be that of the account's former leaders; the first one gives it."""
    key = shared.read()
    if key is None:
        shared.write(read_or_make(path, token_bytes(_KEY_BYTES)))
    elif not path.exists() or path.read_bytes() != key:
        write_private(path, key, synced=True)
