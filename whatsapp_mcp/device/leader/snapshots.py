"""Snapshots of an archive that has a log, now and then, so that log and journal stay short."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, cause

INTERVAL: Final = 60.0
"""Seconds between two looks."""

logger = logging.getLogger(__name__)


async def keep_snapshots(
    archive: Archive, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> None:
    """Make one whenever it is due, and finish purges, until cancelled; nothing without a log.

    Raises:
        LeadershipOver: Nothing more can be written.
    """
    while archive.is_logged:
        await sleep(INTERVAL)
        try:
            if archive.is_purge_left:
                await archive.finish_purges()
            if await archive.is_snapshot_due():
                await archive.snapshot()
        except Busy as error:
            logger.warning("snapshots: %s", error.message)
        except (OSError, sqlite3.Error) as error:
            logger.warning("snapshots: none can be made now: %s", cause(error))
