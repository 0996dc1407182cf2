"""The folder of the client process, as who begins to lead finds it.

Former versions kept its files among those of the account. And a client that was taken over can put a folder
or a link in the place of a file, which would keep the account from ever being led again.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from whatsapp_mcp.client.claim import FILE_NAME, claimed
from whatsapp_mcp.settings import AccountFolder, make_private
from whatsapp_mcp.system import sync_folder

_BESIDE: Final = ("-journal", "-wal")
"""What belongs to a database beside its file; `-shm` is made from the log again."""

_PLACES: Final = tuple(
    f"{name}{end}{beside}"
    for name in ("client.db", "inbox.db")
    for end in ("", ".damaged")
    for beside in ("", *_BESIDE, "-shm")
)
"""Where the leader opens files of the client's folder, or moves them."""

logger = logging.getLogger(__name__)


def move_into_client_folder(folder: AccountFolder) -> None:
    """Move keys and journal into the client's folder; only who holds the account's lock may.

    Each database moves after its log, so one that was interrupted goes on where it was: as long as the file
    itself is at the former place, whatever of it has arrived belongs to it. One that is at both places was
    brought by a former version that has led since, and takes the place of the other.

    Raises:
        OSError: A file cannot be moved.
    """
    former = [path for path in map(folder.path.joinpath, ("client.db", "inbox.db")) if path.exists()]
    lock = folder.path / FILE_NAME
    if former:
        logger.info("account %s: keys and journal move into %s", folder.name, folder.client.name)
        make_private(folder.client)
        held = claimed(lock)  # a client of a former version may still write
        try:
            for path in former:
                _move(path, folder.client)
        finally:
            os.close(held)
        sync_folder(folder.client)
        sync_folder(folder.path)
    lock.unlink(missing_ok=True)


def set_aside_no_files(folder: AccountFolder) -> None:
    """Move what lies in the place of a file and is none to where the client cannot write.

    Raises:
        OSError: It cannot be moved.
    """
    for name in _PLACES:
        path = folder.client / name
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):
            continue
        if stat.S_ISDIR(mode):
            path.chmod(0o700)  # a folder is moved by who may write in it
        aside = folder.path / f"no-file-{secrets.token_hex(4)}"
        logger.error("account %s: %s is no file, and is kept as %s", folder.name, name, aside.name)
        path.replace(aside)


def _move(path: Path, target: Path) -> None:
    if (target / path.name).exists():
        # Its log first: it must not be taken for that of the file that comes.
        for suffix in (*_BESIDE, "-shm", ""):
            (target / f"{path.name}{suffix}").unlink(missing_ok=True)
    for suffix in _BESIDE:
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.replace(target / beside.name)
    for place in (path.parent, target):
        (place / f"{path.name}-shm").unlink(missing_ok=True)
    path.replace(target / path.name)
