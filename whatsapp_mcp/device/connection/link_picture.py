"""The current QR as a PNG in the account's folder, for a person whose application shows no images."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import segno

from whatsapp_mcp.system import replaced

FILE_NAME: Final = "link.png"
_SCALE: Final = 8
"""Pixels a module."""
_QUIET_ZONE: Final = 4

logger = logging.getLogger(__name__)


class LinkPicture:
    """`link.png`, which only its owner can read; it belongs to the leader and exists while a QR is valid."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def draw(self, text: str) -> str | None:
        """Replace the picture by the QR of `text`; its path, or None when it cannot be written."""
        try:
            with replaced(self._path) as part:
                segno.make_qr(text, error="l").save(str(part), kind="png", scale=_SCALE, border=_QUIET_ZONE)
        except OSError as error:
            logger.warning("link.png cannot be written: %s", error.strerror)
            return None
        return str(self._path)

    def remove(self) -> None:
        """Delete it, and what a killed leader left of it."""
        for left in self._path.parent.glob(f"{FILE_NAME}*"):
            try:
                left.unlink(missing_ok=True)
            except OSError as error:
                logger.warning("%s cannot be deleted: %s", left.name, error.strerror)
