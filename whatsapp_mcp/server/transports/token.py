"""The bearer token of the HTTP server: created at first use, readable by its owner only."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.private_file import draft_of
from whatsapp_mcp.settings import make_private

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "http-token"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

logger = logging.getLogger(__name__)


def load_or_make(home: Path) -> str:
    """The token in `home/http-token`; a new one (256 bits) when there is none.

    A file that other users can read is made private, and the log says so.

    Raises:
        InvalidArgument: The home folder cannot be made or written.
        Busy: The file exists and holds no token, or others can read it and that cannot be changed.
    """
    make_private(home)
    path = home / FILE_NAME
    if not path.exists():
        with draft_of(path) as draft:
            draft.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
            with suppress(FileExistsError):
                os.link(draft, path)  # whole or not at all, and the first of two servers wins
    _make_private(path)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if len(token) < 16:
        raise Busy(f"{path} holds no usable token.", "Delete it; a new one is created at the next start.")
    return token


def _make_private(path: Path) -> None:
    """Remove other users' access to the file, on systems with file modes."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if sys.platform == "win32" or not mode & _OTHERS:
        return
    try:
        path.chmod(0o600)
    except OSError as error:
        raise Busy(
            f"{path} can be read by other users (mode {mode:04o}), and that cannot be changed.",
            "Delete it; a new one is created at the next start.",
        ) from error
    logger.warning(
        "%s could be read by other users (mode %04o) and was made private; if others use this machine, "
        "delete it and restart: a new token is created",
        path,
        mode,
    )
