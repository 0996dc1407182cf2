"""Warm copies: the archives of accounts that other nodes lead, kept up with their logs.

A copy lies where the archive of an account lies that this node leads. So a node that takes an account over
opens the copy as its archive, and has only the last moment of the log to apply.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from whatsapp_fleet.database import LogHead, Reader
from whatsapp_mcp.archive import Archive, LogStorage, open_archive
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Pruned, Rewound, SnapshotStore, StorageError, Unavailable

LOOK_INTERVAL: Final = 0.4
"""Seconds between two looks at the logs of all copies, which are one statement."""
RETRY: Final = 60.0
"""Seconds after which a copy that cannot be kept up is opened again."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Copy:
    """One account that is followed.

    Attributes:
        last: The last operation of its log, as the database was last seen to have it.
        applied: What the copy has applied, at least.
        moved: Set when the log has moved on.
        as_of: A moment at which the copy had all operations; None while it never had.
        pulse: Of the account's leader, as last seen.
        led_at: A moment at which the account had a leader that could act; None while none was seen.
        written_at: When the last operation was made that the copy had when it was opened.
    """

    last: int = 0
    applied: int = -1
    moved: anyio.Event = field(default_factory=anyio.Event)
    as_of: float | None = None
    pulse: tuple[str, int] | None = None
    led_at: float | None = None
    written_at: datetime | None = None
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    closed: anyio.Event = field(default_factory=anyio.Event)

    def seen(self, head: LogHead, looked: float) -> None:
        """The database had this at some moment after `looked`."""
        self.last = head.seq
        # A counter that stays as it is may be that of a run which was stopped, or is cut off.
        if self.pulse is not None and head.pulse not in {None, self.pulse}:
            self.led_at = looked
        self.pulse = head.pulse
        if head.seq > self.applied:
            self.moved.set()
        else:
            self.as_of = looked

    def has_applied(self, last: int, began: float) -> None:
        """The copy has this, and all that was in the log when it began to read it."""
        self.applied, self.as_of = last, began

    async def wait_moved(self) -> None:
        """Wait until the log has more than the copy."""
        if self.last <= self.applied:
            self.moved = anyio.Event()
            await self.moved.wait()


class Following:
    """The warm copies of one node.

    Args:
        tasks: Runs the copies.
        reader: Reads the database.
        folder_of: The files of an account on this node.
        snapshots: Where the snapshots of an account are.
        monotonic: The time, in seconds.
    """

    def __init__(
        self,
        tasks: TaskGroup,
        reader: Reader,
        folder_of: Callable[[str], AccountFolder],
        snapshots: Callable[[str], SnapshotStore],
        monotonic: Callable[[], float],
    ) -> None:
        self._tasks = tasks
        self._reader = reader
        self._folder_of = folder_of
        self._snapshots = snapshots
        self._monotonic = monotonic
        self._copies: dict[str, _Copy] = {}

    @property
    def accounts(self) -> frozenset[str]:
        """Names of the accounts that are followed."""
        return frozenset(self._copies)

    def as_of(self, account: str) -> float | None:
        """A moment of `monotonic` at which the copy had all that was in the log; None where there is none."""
        copy = self._copies.get(account)
        return None if copy is None else copy.as_of

    def whole_at(self, account: str) -> float | None:
        """A moment of `monotonic` up to which the copy has all that has come to the account.

        While nobody leads the account, nothing comes into its log, and even a copy of the whole log lacks
        what comes to the account. None where no leader has been seen yet.
        """
        copy = self._copies.get(account)
        if copy is None or copy.as_of is None or copy.led_at is None:
            return None
        return min(copy.as_of, copy.led_at)

    def written_at(self, account: str) -> datetime | None:
        """When the last operation was made that the copy had when it was opened; None without one."""
        copy = self._copies.get(account)
        return None if copy is None else copy.written_at

    def begin(self, account: str) -> None:
        """Follow an account, if it is not followed already; nobody else may have its archive open."""
        if account not in self._copies:
            copy = self._copies[account] = _Copy()
            self._tasks.start_soon(self._keep, account, copy, name=f"copy of {account}")

    async def end(self, account: str) -> None:
        """Follow an account no longer; its archive is closed when this returns."""
        if copy := self._copies.get(account):
            copy.scope.cancel()
            await copy.closed.wait()

    async def look(self) -> None:
        """Look at the logs once, for all copies.

        Raises:
            StorageError: The database does not answer, or may not be used.
        """
        if not self._copies:
            return
        looked = self._monotonic()
        heads = await anyio.to_thread.run_sync(self._reader.log_heads, tuple(self._copies))
        for account, head in heads.items():
            if copy := self._copies.get(account):
                copy.seen(head, looked)

    async def _keep(self, account: str, copy: _Copy) -> None:
        try:
            with copy.scope:
                await supervised(f"copy of {account}", partial(self._keep_opening, account, copy))
        finally:
            del self._copies[account]
            copy.closed.set()

    async def _keep_opening(self, account: str, copy: _Copy) -> None:
        while True:
            pause = await self._follow(account, copy)
            await anyio.sleep(pause)

    async def _follow(self, account: str, copy: _Copy) -> float:
        """Keep a copy until that fails; answers after how many seconds to try it again."""
        storage = LogStorage(
            self._reader.log(account), self._reader.journal(account), self._snapshots(account)
        )
        last, began = copy.last, self._monotonic()
        try:
            async with open_archive(self._folder_of(account), write=True, storage=storage) as archive:
                copy.has_applied(last, began)
                copy.written_at = await archive.last_written()
                await self._keep_up(archive, copy)
        except (Pruned, Rewound, Unavailable) as error:
            logger.info("node: the copy of %s is opened again (%s)", account, type(error).__name__)
        except (StorageError, WhatsAppError, sqlite3.Error, OSError) as error:
            logger.warning("node: the copy of %s cannot be kept up (%s)", account, type(error).__name__)
            return RETRY
        return LOOK_INTERVAL

    async def _keep_up(self, archive: Archive, copy: _Copy) -> None:
        while True:
            await copy.wait_moved()
            last, began = copy.last, self._monotonic()
            try:
                await archive.catch_up()
            except Unavailable:
                await anyio.sleep(LOOK_INTERVAL)
            else:
                copy.has_applied(last, began)


@asynccontextmanager
async def following(
    reader: Reader,
    folder_of: Callable[[str], AccountFolder],
    snapshots: Callable[[str], SnapshotStore] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Following]:
    """Keep warm copies until the end of the block, at first none; the logs are looked at all the time.

    Args:
        reader: Reads the database, with a patience of a few seconds.
        folder_of: The files of an account on this node.
        snapshots: Where the snapshots of an account are; None: in the database.
        monotonic: The time, in seconds.
    """
    async with anyio.create_task_group() as tasks:
        copies = Following(tasks, reader, folder_of, snapshots or reader.snapshots, monotonic)
        tasks.start_soon(_look_again_and_again, copies)
        yield copies
        tasks.cancel_scope.cancel()


async def _look_again_and_again(copies: Following) -> None:
    while True:
        try:
            await copies.look()
        except StorageError as error:
            logger.info("node: the logs of the copies cannot be read now: %s", error)
        await anyio.sleep(LOOK_INTERVAL)
