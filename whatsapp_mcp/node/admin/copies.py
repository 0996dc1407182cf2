"""Copies of accounts that were forgotten: a node that has one deletes it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from whatsapp_mcp.fleet.database import Session
from whatsapp_mcp.fleet.tenancy import forgotten_among

logger = logging.getLogger(__name__)


def delete_copies(session: Session, home: Path) -> set[str]:
    """Delete the folders of accounts that were forgotten; the names of those accounts.

    Nothing may use them: an account that was forgotten is led by nobody, and followed no longer.

    Args:
        session: Of a node.
        home: Its home folder.

    Raises:
        OSError: A folder cannot be deleted.
    """
    folders = {path.name: path for path in home.glob("accounts/*") if path.is_dir()}
    forgotten = forgotten_among(session, folders)
    for name in sorted(forgotten):
        logger.warning("node: the copy of an account that was forgotten is deleted")
        shutil.rmtree(folders[name])
    return forgotten
