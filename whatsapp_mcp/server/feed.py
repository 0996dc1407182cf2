"""Change feed of the archive, for everything in a server process that waits for changes.

One task waits for the archive; whoever follows the feed reads it by a number of its own (`Change.seq`). So
there is no queue for each of them: one that is slow costs the others nothing, and nothing falls between.
"""

from __future__ import annotations

import logging
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from whatsapp_mcp.device.operations import control
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Activity

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.models import Change

SLICE: Final = 5.0
"""Seconds after which the archive is read although no change was reported."""
_LATE: Final = 0.5
"""Seconds by which a leader may be late to say that nothing changed."""
_TOGETHER: Final = 0.005
"""Seconds for which changes after one that was just told wait: those who follow go first, a burst at once."""
_AGAIN: Final = 1.0
"""Seconds until an archive that could not be read is read again."""
_BATCH: Final = 500
"""Changes that are read at once."""

logger = logging.getLogger(__name__)


class WaitedFor(Protocol):
    """An archive of which it can be told when it changes."""

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait until the feed goes beyond `after` or `timeout` seconds are over; return its last number."""
        ...


class Changing(WaitedFor, Protocol):
    """The part of `ReadingArchive` that the feed needs; it holds nobody's words."""

    async def last_change(self) -> int:
        """Return the newest number of the change feed; 0 if nothing ever changed."""
        ...

    async def resume(self, after: int) -> int:
        """Return the number from which a reader that has seen everything up to `after` resumes."""
        ...

    async def changes(self, after: int, *, limit: int = ...) -> tuple[Change, ...]:
        """Return the change feed after a number, oldest first."""
        ...


async def next_change(devices: Devices, archive: WaitedFor, after: int, wait: float) -> Activity:
    """Wait until the change feed is beyond a number, or so many seconds.

    The leader reports a change at once. Without one, or with one of a version that reports none, the file
    shows it, some hundredths of a second later.
    """
    with anyio.move_on_after(wait + _LATE):
        try:
            async with devices.use() as device:
                return await device.do(control.activity, after, wait)
        except WhatsAppError:
            return Activity(await archive.wait_change(after, wait))
    return Activity(after)


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that follow one another.

    Attributes:
        changes: Oldest first. A caller hears of those that `GuardedArchive.readable` leaves.
        seq: The number to go on from.
        missed: Whether changes before these are no longer kept: a copy has to be read again.
    """

    changes: tuple[Change, ...]
    seq: int
    missed: bool = False


class ChangeFeed:
    """The change feed of an account; `run` keeps it going."""

    def __init__(self) -> None:
        self._followed: Changing | None = None
        self._woken = anyio.Event()
        self._followers = 0
        self._has_followers = anyio.Event()

    async def run(self, devices: Devices, archive: Changing) -> None:
        """Wake those who follow with each change of this archive, until cancelled."""
        self._followed = archive
        last = 0
        try:
            while True:
                self._wake()
                # Looking costs a server a tenth of the time of each send, so nobody looks for nobody.
                await self._has_followers.wait()
                await anyio.sleep(_TOGETHER)
                try:
                    last = await self._changed(devices, archive, last)
                except (WhatsAppError, sqlite3.Error):
                    logger.exception("feed: the archive could not be read")
                    await anyio.sleep(_AGAIN)
        finally:
            self._followed = None

    async def _changed(self, devices: Devices, archive: Changing, last: int) -> int:
        """Wait until the last number is another one than `last`; after a long quiet all the same."""
        # Before waiting: what has changed since the last look is reported at once.
        current = await archive.last_change()
        if current != last:
            return current
        return (await next_change(devices, archive, last, SLICE)).last_change

    async def follow(self, after: int | None = None) -> AsyncGenerator[Batch]:
        """Every change after a number, as it happens; without end.

        Args:
            after: `seq` of the last one that is known; None begins with what happens from now on.
        """
        self._followers += 1
        self._has_followers.set()
        try:
            while True:
                # Taken before reading: a change that comes meanwhile sets this event, so nothing falls
                # between.
                woken, archive = self._woken, self._followed
                batch = None
                if archive is not None:
                    try:
                        batch = await self._read(archive, after)
                    except (WhatsAppError, sqlite3.Error):
                        logger.exception("feed: the archive could not be read")
                        await anyio.sleep(_AGAIN)
                        continue
                if batch is not None:
                    after = batch.seq
                    if batch.changes or batch.missed:
                        yield batch
                        continue
                await woken.wait()
        finally:
            self._followers -= 1
            if not self._followers:
                self._has_followers = anyio.Event()

    async def _read(self, archive: Changing, after: int | None) -> Batch:
        if after is None:
            return Batch((), await archive.last_change())
        start = await archive.resume(after)
        changes = await archive.changes(start, limit=_BATCH)
        return Batch(changes, changes[-1].seq if changes else start, missed=start != after)

    def _wake(self) -> None:
        # The next event is in place before this one is set: who wakes finds it.
        woken, self._woken = self._woken, anyio.Event()
        woken.set()
