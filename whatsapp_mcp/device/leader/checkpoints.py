"""Checkpoints of the account's write-ahead logs, also where SQLite would not do them.

SQLite checkpoints a log after a commit, up to where the slowest reader stands; see
https://sqlite.org/wal.html, section 6. While a reader is blocked (its process is stopped, or gets no
processor) the log grows. If it fills the disk meanwhile, nothing can be committed any more, so nothing would
ever checkpoint it, even after the reader is gone. Then the database file has no room to grow either: for that
a reserve is kept on the disk.
"""

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

from whatsapp_mcp.files import encryption
from whatsapp_mcp.settings import AccountFolder
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
            with closing(encryption.connect(address, key, uri=True, timeout=_PATIENCE)) as db:
                in_use |= db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 1
        except sqlite3.Error as error:
            logger.warning("checkpoints: %s failed: %s", file.name, error)
            no_room = True
    return in_use, no_room
