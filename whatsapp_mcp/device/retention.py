"""Upkeep of what is stored: old messages and copies of sent files are deleted, and idle files sealed.

Files of an encrypted account that nobody has used for an hour are sealed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.files.sealed_files import SEALED, seal
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.settings import AccountFolder

PAUSE: Final = 86_400.0
"""Seconds between two purges: a day."""
SENT_FILES_INTERVAL: Final = 3600.0
"""Seconds between two looks for copies of files that nothing needs."""
INTERVAL: Final = 300.0
"""Seconds between two looks for idle files."""
IDLE: Final = 3600.0
"""Seconds that a file stays readable after it was downloaded, asked for or exported."""

logger = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


async def keep_only(
    archive: Archive,
    ledger: Ledger,
    days: int,
    *,
    now: Callable[[], datetime] = _now,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Purge what is older than `days` days, at once and then every day; 0 keeps everything."""
    while days > 0:
        before = now() - timedelta(days=days)
        purged = await archive.purge(before=before, keep_quarantined=True)
        await ledger.purge(before)
        if purged.messages:
            logger.info("retention: %d messages older than %d days purged", purged.messages, days)
        await sleep(PAUSE)


async def clear_sent_files(
    archive: Archive,
    stored: StoredFiles,
    *,
    now: Callable[[], datetime] = _now,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Delete copies of files that nothing needs any more, at once and then every hour, until cancelled.

    Args:
        archive: Whose folder holds them.
        stored: Those that are kept elsewhere as well.
        now: The wall clock.
        sleep: Waits.
    """
    while True:
        await archive.clear_sent_files(now())
        await stored.clear(await archive.needed_files())
        await sleep(SENT_FILES_INTERVAL)


async def seal_idle_files(
    folder: AccountFolder,
    *,
    now: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Seal what is idle, at once and then every five minutes, until cancelled."""
    while True:
        count = await anyio.to_thread.run_sync(seal_idle, folder, now())
        if count:
            logger.info("sealing: %d files sealed", count)
        await sleep(INTERVAL)


def seal_idle(folder: AccountFolder, now: float) -> int:
    """Seal the files that were idle for an hour; answers how many.

    Raises:
        InvalidArgument: The key is missing or wrong.
    """
    key = folder.vault.files_key()
    if key is None or folder.vault.step is not None:
        return 0
    count = 0
    for path in folder.files_to_seal():
        with suppress(OSError):  # it is gone, or the disk is full: the next time
            if path.suffix != SEALED and now - path.stat().st_mtime > IDLE:
                seal(path, key)
                count += 1
    return count
