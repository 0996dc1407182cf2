"""Snapshots of a projection, and what may go once there is one: older ones, and the rows that led to it."""

from __future__ import annotations

from functools import partial
from typing import Final

import anyio.from_thread
import anyio.to_thread

from whatsapp_mcp.archive import care
from whatsapp_mcp.archive.projection.log_contents import LogStorage
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Snapshot
from whatsapp_mcp.system import draft_of

_FEWEST: Final = 2_000
"""Operations after which a snapshot of the smallest archive is due."""
_MOST: Final = 20_000
"""Operations that may follow a snapshot: a machine without a copy applies them before it leads."""
_BYTES_OF_ONE: Final = 4096
"""About what an operation with its event takes."""


async def is_due(storage: LogStorage, size: int) -> bool:
    """Return whether enough operations follow the newest snapshot to justify the cost of another.

    The larger an archive, the more a copy of it costs, and the more operations may follow: as many as have
    about the size of the archive, within limits.

    Args:
        storage: Where the log and the snapshots are.
        size: Of the archive, in bytes.

    Raises:
        OSError: The store cannot be used.
        StorageError: What the store or the log raised.
    """
    newest = await storage.snapshots.newest()
    following = await storage.log.last() - (newest.seq if newest is not None else 0)
    return following >= max(_FEWEST, min(size // _BYTES_OF_ONE, _MOST))


async def names_events(storage: LogStorage, position: int) -> bool:
    """Return whether the log names rows of the journal that the newest snapshot does not hold.

    A version that decodes them otherwise cannot apply that part of the log.

    Args:
        storage: Where the log and the snapshots are.
        position: The last row of the journal that is archived.

    Raises:
        OSError: The store cannot be used.
        StorageError: What the store raised.
    """
    newest = await storage.snapshots.newest()
    return position > (newest.position if newest is not None else 0)


async def make_snapshot(folder: AccountFolder, storage: LogStorage) -> Snapshot:
    """Make the snapshot of now; what the former one led on from goes.

    What follows the former one stays, for those who are a little behind. Whoever is cancelled leaves the
    former one.

    Raises:
        OSError: The disk, or the store, has no room.
        sqlite3.Error: The archive cannot be read.
        StorageError: What the store or the log raised.
    """
    former = await storage.snapshots.newest()
    made = await _make(folder, storage)
    if former is not None:
        await _forget(storage, former.seq, former.position)
    return made


async def forget_purged(folder: AccountFolder, storage: LogStorage, purged: tuple[int, int]) -> None:
    """Let nothing lead back before a purge: a snapshot that comes after it, then the rest goes.

    Each step can be done once more: after one that was cut short, call it again.

    Raises:
        Busy: The store of snapshots cannot be used now.
        sqlite3.Error: The archive cannot be read.
        StorageError: What the store or the log raised.

    Args:
        folder: The account's files, which have applied the purge.
        storage: Where the log, the journal and the snapshots are.
        purged: The operation that purged, and the last row of the journal before it.
    """
    seq, position = purged
    try:
        newest = await storage.snapshots.newest()
        if newest is None or newest.seq < seq:
            await _make(folder, storage)
        await _forget(storage, seq, position)
    except OSError as error:
        raise Busy(
            f"The messages are deleted, but not in a snapshot of the archive: {cause(error)}.",
            "The leader tries that again by itself.",
        ) from error


async def _make(folder: AccountFolder, storage: LogStorage) -> Snapshot:
    with draft_of(folder.path / "snapshot") as draft:
        copy = partial(care.copy_archive, folder, draft, check=anyio.from_thread.check_cancelled)
        snapshot = await anyio.to_thread.run_sync(copy, limiter=storage.copying)
        await storage.snapshots.put(snapshot, draft)
    await storage.snapshots.point_to(snapshot)
    return snapshot


async def _forget(storage: LogStorage, seq: int, position: int) -> None:
    """Delete what led to an operation: snapshots before it, and the rows up to it."""
    # The journal last: rows of the log that are left name its rows, and could not be applied without them.
    await storage.snapshots.keep_from(seq)
    await storage.log.prune(seq)
    await anyio.to_thread.run_sync(storage.journal.prune, position)
