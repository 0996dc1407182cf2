"""The folder of the client process, as who begins to lead finds it.

A client that was taken over can put a folder or a link in the place of a file, which would keep the account
from ever being led again.
"""

from __future__ import annotations

import logging
import secrets
import stat
from typing import Final

from whatsapp_mcp.settings import AccountFolder

_PLACES: Final = tuple(
    f"{name}{end}{beside}"
    for name in ("client.db", "inbox.db")
    for end in ("", ".damaged")
    for beside in ("", "-journal", "-wal", "-shm")
)
"""Where the leader opens files of the client's folder, or moves them."""

logger = logging.getLogger(__name__)


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
