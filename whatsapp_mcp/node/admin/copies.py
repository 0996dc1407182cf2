"""Copies of accounts that were forgotten: a node that has one deletes it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import cause
from whatsapp_mcp.fleet.database import DatabaseCalls
from whatsapp_mcp.fleet.tenancy import forgotten_among
from whatsapp_mcp.storage import StorageError

INTERVAL: Final = 60.0
"""Seconds between two looks."""

logger = logging.getLogger(__name__)


async def keep_no_forgotten(calls: DatabaseCalls, home: Path, in_use: Callable[[], Collection[str]]) -> None:
    """Look for copies of accounts that were forgotten, now and every minute, until cancelled.

    Args:
        calls: The database of the node.
        home: Its home folder.
        in_use: The accounts that it leads or follows at the moment; those are given up first.
    """
    while True:
        try:
            await delete_copies(calls, home, in_use())
        except StorageError as error:
            logger.info("node: accounts that were forgotten cannot be looked up: %s", error)
        await anyio.sleep(INTERVAL)


async def delete_copies(calls: DatabaseCalls, home: Path, in_use: Collection[str]) -> None:
    """Delete the folders of accounts that were forgotten.

    Args:
        calls: The database of the node.
        home: Its home folder.
        in_use: Accounts whose folders stay for now.

    Raises:
        StorageError: The database does not answer.
    """
    folders = await anyio.to_thread.run_sync(_folders, home)
    names = folders.keys() - set(in_use)
    if not names:
        return
    forgotten = await calls.run(partial(forgotten_among, names=names))
    await anyio.to_thread.run_sync(_delete, folders, forgotten)


def _folders(home: Path) -> dict[str, Path]:
    return {path.name: path for path in home.glob("accounts/*") if path.is_dir()}


def _delete(folders: Mapping[str, Path], names: Collection[str]) -> None:
    for name in names:
        logger.warning("node: deletes its copy of an account that was forgotten")
        try:
            shutil.rmtree(folders[name])
        except OSError as error:
            logger.warning("node: the copy could not be deleted: %s", cause(error))
