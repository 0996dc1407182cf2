"""Logs of an account's databases kept small, and snapshots made of an archive whose truth is a log."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import StorageError
from whatsapp_mcp.system import make_private_file

INTERVAL: Final = 5.0
"""Seconds between two looks."""
LIMIT: Final = 32 * 1024 * 1024
"""Bytes of a log from which all are checkpointed: twice what they have when nobody blocks them."""
LOW: Final = 32 * 1024 * 1024
"""Free bytes of the disk below which all are checkpointed, whatever their size."""
RESERVE: Final = 4 * 1024 * 1024
"""Bytes reserved so that a full disk can recover: what a large log of live messages adds to its file."""
_PATIENCE: Final = 0.2
"""Seconds that a checkpoint waits for readers and the writer, who wait for it meanwhile."""
SNAPSHOT_INTERVAL: Final = 60.0
"""Seconds between two looks."""
LAST_LIMIT: Final = 8.0
"""Seconds that the last one may take: a process that ends has 25 for all accounts."""

logger = logging.getLogger(__name__)


async def keep_logs_small(
    folder: AccountFolder, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> None:
    """Checkpoint what a leader that died has left, then look at the logs every five seconds."""
    above, warned = 0, False
    while True:
        large = await anyio.to_thread.run_sync(checkpoint_large_logs, folder, above)
        if large and not warned:
            logger.warning("checkpoints: %s blocked by a reader", ", ".join(large))
        above, warned = LIMIT, bool(large)
        await sleep(INTERVAL)


def checkpoint_large_logs(folder: AccountFolder, above: int | None = None) -> list[str]:
    """Checkpoint and truncate all logs, if one is large or the disk has little room left.

    Args:
        folder: The account's.
        above: Bytes from which a log is large; the usual limit when not given.

    Returns:
        The names of those that are still above the usual limit, because they are in use.
    """
    limit = LIMIT if above is None else above
    # The smallest files first: on a full disk their room is what the archive can then grow into.
    files = folder.inbox_db, folder.raw_db, folder.archive_db
    low = shutil.disk_usage(folder.path).free < LOW
    if low or max(map(_log_size, files)) > limit:
        in_use, no_room = _checkpoint(folder, files)
        # A log that a reader blocks would not be checkpointed with more room either.
        if no_room and not in_use:
            folder.reserve.unlink(missing_ok=True)
            _checkpoint(folder, files)
    elif _size(folder.reserve) != RESERVE:
        _make_reserve(folder.reserve)
    return [f"{file.name}-wal" for file in files if _log_size(file) > LIMIT]


def _log_size(file: Path) -> int:
    return _size(file.with_name(f"{file.name}-wal"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _make_reserve(reserve: Path) -> None:
    try:
        make_private_file(reserve)
        reserve.write_bytes(os.urandom(RESERVE))  # zeros may take no room
    except OSError as error:
        logger.info("checkpoints: no reserve can be kept on the disk: %s", error)


def _checkpoint(folder: AccountFolder, files: Sequence[Path]) -> tuple[bool, bool]:
    """Checkpoint logs; whether one is in use, and whether there was no room for another."""
    in_use = no_room = False
    for file in filter(_log_size, files):
        try:
            address, key = f"{file.as_uri()}?mode=rw", folder.key_of(file)
            with closing(encrypted_databases.connect(address, key, uri=True, timeout=_PATIENCE)) as db:
                # TRUNCATE also gives the room of the log back to the disk; no other checkpoint does.
                in_use |= db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1
        except sqlite3.Error as error:
            logger.warning("checkpoints: %s failed: %s", file.name, error)
            no_room = True
    return in_use, no_room


async def keep_snapshots(
    archive: Archive, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> None:
    """Make one whenever it is due, and finish purges, until cancelled; nothing without a log.

    Raises:
        LeadershipOver: Nothing more can be written.
    """
    while archive.is_logged:
        await sleep(SNAPSHOT_INTERVAL)
        try:
            if archive.is_purge_left:
                await archive.finish_purges()
            if await archive.is_snapshot_due():
                await archive.snapshot()
        except Busy as error:
            logger.warning("snapshots: %s", error.message)
        except (OSError, sqlite3.Error) as error:
            logger.warning("snapshots: none can be made now: %s", cause(error))


async def make_last_snapshot(archive: Archive, give_up: Callable[[], None]) -> None:
    """Make one at the end of a leadership, if events were archived since the former one.

    Another version may decode them otherwise; it leads on from the snapshot. One that fails or takes too long
    is left out.

    Args:
        archive: Which nobody writes any more.
        give_up: Lets the storage refuse whatever is still asked of it.
    """
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_end_after, LAST_LIMIT, give_up, tasks.cancel_scope)
            if await archive.is_snapshot_due(at_end=True):
                await archive.snapshot()
            tasks.cancel_scope.cancel()
    except* (StorageError, OSError, sqlite3.Error) as errors:
        logger.warning("snapshots: the last one was not made: %s", type(errors.exceptions[0]).__name__)


async def _end_after(seconds: float, give_up: Callable[[], None], scope: anyio.CancelScope) -> None:
    await anyio.sleep(seconds)
    logger.warning("snapshots: the last one is given up after %g s", seconds)
    give_up()
    scope.cancel()
