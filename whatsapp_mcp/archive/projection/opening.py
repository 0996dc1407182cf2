"""Opening a projection: files that belong to the log go on from where they are, others are made again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from typing import Final

import anyio.to_thread

from whatsapp_mcp.archive import care, database
from whatsapp_mcp.archive.projection.log_contents import (
    Agreement,
    LogStorage,
    Places,
    agreement,
    place_of,
    places_of,
)
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Rewound
from whatsapp_mcp.system import draft_of

Files = tuple[sqlite3.Connection, sqlite3.Connection]
"""`archive.db` and `raw.db`, open for writing."""

_WHY: Final = {
    Agreement.DIFFERENT: "they do not belong to this log",
    Agreement.TOO_OLD: "the log no longer has what follows",
}
_PARTS: Final = ("", "-wal", "-shm")

logger = logging.getLogger(__name__)


async def open_projection(folder: AccountFolder, storage: LogStorage, *, leads: bool = False) -> Files:
    """Open the files of an archive at some place of the log.

    Files that are ahead of the log, differ from it or are damaged are quarantined. Those from which the log
    no longer leads on are deleted: what was purged is in them. In their place comes the newest snapshot, or
    nothing.

    Args:
        folder: The account's files.
        storage: The log, and what it names.
        leads: Whether they are opened to lead the account. Files that are ahead or differ then stay where
            they are, as they show that the log has lost something.

    Raises:
        Rewound: The log of a leader lacks what the files have.
        Unsupported: They hold what was never in a log, or neither log nor snapshot lead to an archive.
        StorageError: The log cannot be read.
    """
    try:
        files = await anyio.to_thread.run_sync(database.connect, folder)
        comparison = await _checked(files, storage)
    except sqlite3.DatabaseError as error:
        if not database.is_damage(error):
            raise
        comparison, files = Agreement.DIFFERENT, None
    if files is not None and comparison is Agreement.WHOLE:
        return files
    if files is not None:
        await anyio.to_thread.run_sync(_close, files)
        if leads and comparison is Agreement.DIFFERENT:
            raise Rewound("The log lacks operations that are in the archive.")
    logger.warning("archive: the files are made again from a snapshot and the log (%s)", _WHY[comparison])
    remove = _delete if comparison is Agreement.TOO_OLD else _quarantine
    await anyio.to_thread.run_sync(_each, folder, remove)
    await _restore(folder, storage)
    files = await anyio.to_thread.run_sync(database.connect, folder)
    if await _checked(files, storage) is not Agreement.WHOLE:
        await anyio.to_thread.run_sync(_close, files)
        raise Unsupported(
            "The newest snapshot of the account and its log do not fit together.",
            "Restore both of one moment from a backup.",
        )
    return files


async def skip_to_snapshot(folder: AccountFolder, storage: LogStorage) -> bool:
    """Put the newest snapshot in the place of files that are closed and cannot be brought up to it.

    Args:
        folder: The account's files.
        storage: Where the snapshots are.

    Returns:
        Whether there is one that goes beyond the files.

    Raises:
        OSError: The snapshot cannot be had.
        StorageError: The storage cannot be read.
    """
    newest = await storage.snapshots.newest()
    if newest is None or newest.seq <= await anyio.to_thread.run_sync(_applied, folder):
        return False
    logger.warning("archive: goes on from the newest snapshot: what precedes it is of another version")
    await anyio.to_thread.run_sync(_each, folder, _delete)
    await _restore(folder, storage)
    return True


def _applied(folder: AccountFolder) -> int:
    files = database.connect(folder)
    try:
        return place_of(files[0]).seq
    finally:
        _close(files)


def set_aside(folder: AccountFolder) -> None:
    """Quarantine the files of an archive that nobody has open; what the log has is made again of it."""
    _each(folder, _quarantine)


async def _checked(files: Files, storage: LogStorage) -> Agreement:
    try:
        places: Places = await anyio.to_thread.run_sync(places_of, *files)
        return await agreement(places, storage)
    except BaseException:
        _close(files)
        raise


def _close(files: Files) -> None:
    for one in files:
        one.close()


def _each(folder: AccountFolder, act: Callable[[AccountFolder, str], None]) -> None:
    for path in (folder.archive_db, folder.raw_db):
        act(folder, path.name)


def _quarantine(folder: AccountFolder, name: str) -> None:
    database.quarantine(folder.path / name, sqlite3.DatabaseError("it does not belong to the log"))


def _delete(folder: AccountFolder, name: str) -> None:
    for part in _PARTS:
        (folder.path / f"{name}{part}").unlink(missing_ok=True)


async def _restore(folder: AccountFolder, storage: LogStorage) -> None:
    """Bring the newest snapshot; nothing where there is none, for the whole log may be there."""
    newest = await storage.snapshots.newest()
    if newest is None:
        return
    with draft_of(folder.path / "snapshot") as draft:
        await storage.snapshots.fetch(newest, draft)
        await anyio.to_thread.run_sync(care.restore_snapshot, folder, draft)
