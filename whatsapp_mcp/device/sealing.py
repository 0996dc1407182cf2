"""Files of an encrypted account that nobody has used for an hour are sealed."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.files.encryption import SEALED, seal
from whatsapp_mcp.settings import AccountFolder

INTERVAL: Final = 300.0
IDLE: Final = 3600.0
"""Seconds that a file stays readable after it was downloaded, asked for or exported."""

logger = logging.getLogger(__name__)


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
