"""Snapshots of an archive that has a log, now and then, so that log and journal stay short."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, cause
from whatsapp_mcp.storage import StorageError

INTERVAL: Final = 60.0
"""Seconds between two looks."""
LAST_LIMIT: Final = 8.0
"""Seconds that the last one may take: a process that ends has 25 for all accounts."""

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
