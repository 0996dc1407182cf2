"""Deletes messages older than the owner wants to keep, and copies of files that were sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.ledger import Ledger

PAUSE: Final = 86_400.0
SENT_FILES_INTERVAL: Final = 3600.0

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
