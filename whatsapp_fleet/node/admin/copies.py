"""Deletion of what nodes and the object store hold of accounts that are no longer in the database."""

from __future__ import annotations

import logging
import secrets
import shutil
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.from_thread
import anyio.to_thread

from whatsapp_fleet.database import DatabaseCalls, delete_forgotten
from whatsapp_fleet.object_places import StoreFailed
from whatsapp_fleet.objects import ObjectStore
from whatsapp_fleet.tenancy import forgotten_among, gone_among
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.settings import AccountFolder, make_private
from whatsapp_mcp.storage import StorageError
from whatsapp_mcp.system import write_private

INTERVAL: Final = 60.0
"""Seconds between two looks."""
_GONE: Final = ".gone-"
"""Begins the name of a copy that is being deleted."""
_MADE: Final = ".made-"
"""Begins the name of the file beside a copy that says whose it is; no client can write there."""

logger = logging.getLogger(__name__)


async def keep_none_gone(
    calls: DatabaseCalls, home: Path, objects: ObjectStore | None, in_use: Callable[[], Collection[str]]
) -> None:
    """Look for copies of accounts that were forgotten or moved away, now and every minute, until cancelled.

    The objects of those that were forgotten are deleted as well.

    Args:
        calls: The database of the node.
        home: Its home folder.
        objects: The object store, if there is one.
        in_use: The accounts that it leads or follows at the moment; those are given up first.
    """
    while True:
        try:
            await delete_copies(calls, home, in_use)
            if objects is not None:
                await delete_objects(calls, objects)
        except StorageError as error:
            logger.info("node: accounts that are gone cannot be looked up: %s", error)
        except StoreFailed as error:
            logger.warning("node: objects of forgotten accounts cannot be deleted: %s", cause(error))
        await anyio.sleep(INTERVAL)


def take_folder(folder: AccountFolder, made: str) -> None:
    """Make the folder of an account ready for this node.

    What is there of a former account of this name, which left while this node was off, is set aside to be
    deleted.

    Args:
        folder: The account's.
        made: Tells the account from others that have had its name.

    Raises:
        InvalidArgument: It cannot be made or written, or holds an account that is kept in files.
    """
    note = folder.path.with_name(f"{_MADE}{folder.name}")
    try:
        noted = note.read_text(encoding="utf-8") if note.exists() else None
        if noted != made:
            _set_aside_former(folder, is_noted=noted is not None)
            make_private(note.parent.parent)
            make_private(note.parent)
            write_private(note, made.encode(), synced=True)
    except OSError as error:
        raise InvalidArgument(
            f"{folder.path} cannot be made ready: {cause(error)}.",
            "Make the home folder one that can be written.",
        ) from error
    folder.create()


def _set_aside_former(folder: AccountFolder, *, is_noted: bool) -> None:
    if folder.client_db.exists():
        raise InvalidArgument(
            f"{folder.path} holds keys: an account that is kept in files.", "Rename it, or move it elsewhere."
        )
    if folder.path.exists() and (is_noted or folder.archive_db.exists()):
        logger.warning("node: deletes its copy of a former account of the name %s", folder.name)
        folder.path.rename(folder.path.with_name(f"{_GONE}{folder.name}-{secrets.token_hex(4)}"))


async def delete_copies(calls: DatabaseCalls, home: Path, in_use: Callable[[], Collection[str]]) -> None:
    """Delete the folders of accounts that were forgotten or have moved away.

    A folder with keys is no copy: it is an account that is kept in files, such as one that was moved here.

    Args:
        calls: The database of the node.
        home: Its home folder.
        in_use: Accounts whose folders stay for now.

    Raises:
        StorageError: The database does not answer.
    """
    copies = await anyio.to_thread.run_sync(_copies, home)
    names = copies.keys() - set(in_use())
    gone = await calls.run(partial(gone_among, names=names)) if names else set[str]()
    for name in sorted(gone):
        # An account of this name may have come since, and be taken by this node: nothing comes between the
        # look at what is in use and the new name.
        if name in in_use():
            continue
        logger.warning("node: deletes its copy of an account that is gone")
        try:
            copies[name].rename(home / "accounts" / f"{_GONE}{name}")
            (home / "accounts" / f"{_MADE}{name}").unlink(missing_ok=True)
        except OSError as error:
            logger.warning("node: the copy could not be deleted: %s", cause(error))
    await anyio.to_thread.run_sync(_delete_set_aside, home)


async def delete_objects(calls: DatabaseCalls, objects: ObjectStore) -> None:
    """Delete objects of accounts that were forgotten, which a leader that was stopped has put afterwards.

    Args:
        calls: The database of the node.
        objects: The object store.

    Raises:
        StorageError: The database does not answer.
        StoreFailed: The object store does not.
    """

    def forgotten(names: Collection[str]) -> Collection[str]:
        return anyio.from_thread.run(calls.run, partial(forgotten_among, names=names))

    await anyio.to_thread.run_sync(delete_forgotten, objects, forgotten)


def _copies(home: Path) -> dict[str, Path]:
    folders = (path for path in home.glob("accounts/*") if path.is_dir() and not path.name.startswith("."))
    return {path.name: path for path in folders if not AccountFolder(path.name, path).client_db.exists()}


def _delete_set_aside(home: Path) -> None:
    for path in home.glob(f"accounts/{_GONE}*"):
        try:
            shutil.rmtree(path)
        except OSError as error:
            logger.warning("node: the copy could not be deleted: %s", cause(error))
