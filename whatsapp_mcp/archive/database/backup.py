"""A copy of the archive as it is before a newer version of this program changes its tables."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.files import encryption
from whatsapp_mcp.files.encryption import DatabaseKey
from whatsapp_mcp.system import replaced

_ROOM: Final = 2
"""Free space that an upgrade needs, in sizes of the file: for the copy and, while it lasts, the log."""
_PAGES: Final = 25_000
"""Pages copied between two log lines on the progress: 100 MB."""

logger = logging.getLogger(__name__)


def back_up_before_upgrade(db: sqlite3.Connection, path: Path, key: DatabaseKey | None = None) -> None:
    """Copy an archive of an older version to `NAME.version-N`, whole or not at all; a former copy goes.

    Args:
        db: The archive.
        path: Where it lies.
        key: Its key, if it is encrypted; the copy has the same.

    Raises:
        Busy: The disk has no room for the copy and the upgrade.
        Unsupported: The file is of a newer version, or of one that is too old.
        OSError: The copy cannot be written.
    """
    version = schema.ARCHIVE.version_of(db)
    if version in (0, schema.ARCHIVE.version):
        return
    copy = path.with_name(f"{path.name}.version-{version}")
    pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    size = int(db.execute(pages).fetchone()[0])
    needed, free = _ROOM * size, shutil.disk_usage(path.parent).free
    if free < needed:
        raise Busy(
            f"Upgrading the archive takes {needed >> 20} MB of free space, and there are {free >> 20} MB.",
            "Free that much on the disk; the archive is unchanged.",
        )
    for former in path.parent.glob(f"{path.name}.version-*"):
        former.unlink(missing_ok=True)

    def log_progress(_: int, remaining: int, total: int) -> None:
        logger.info("archive: backup before the upgrade: %d %%", 100 - 100 * remaining // max(total, 1))

    with replaced(copy) as part, closing(encryption.connect(part, key)) as target:
        db.backup(target, pages=_PAGES, progress=log_progress)
    logger.info("archive: the former version is kept in %s", copy.name)
