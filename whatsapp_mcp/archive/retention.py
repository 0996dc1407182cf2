"""Messages older than the owner wants to keep are purged: once when hosting begins, then every day."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from whatsapp_mcp.archive.interface import Archive

PAUSE: Final = 86_400.0

logger = logging.getLogger(__name__)


async def keep_only(
    archive: Archive,
    days: int,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Purge what is older than `days` days, for ever; 0 keeps everything."""
    while days > 0:
        purged = await archive.purge(before=now() - timedelta(days=days))
        if purged:
            logger.info("%d messages older than %d days were purged", purged, days)
        await sleep(PAUSE)
