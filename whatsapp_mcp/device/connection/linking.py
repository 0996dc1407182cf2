"""`Linking`: how far linking has come, for whoever waits for the next step.

With the current QR as a picture.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import anyio
import segno

from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.models import ConnectionState, LinkState, QrCode
from whatsapp_mcp.system import replaced

FILE_NAME: Final = "link.png"
_SCALE: Final = 8
"""Pixels a module."""
_QUIET_ZONE: Final = 4
"""Modules of white around the code; ISO/IEC 18004 asks for four."""
_BEFORE_A_PHONE: Final = frozenset({ConnectionState.LINKING, ConnectionState.UNLINKED})

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


class Linking:
    """The current `LinkState`; every change gets a higher revision and wakes who waits.

    Args:
        picture: Where the current QR is drawn.
    """

    def __init__(self, clock: Clock, picture: LinkPicture) -> None:
        self._clock = clock
        self._picture = picture
        self._now = LinkState(ConnectionState.UNLINKED, 0)
        self._first_qr_at = clock.now()
        self._news = anyio.Event()

    @property
    def now(self) -> LinkState:
        """The current state of linking."""
        return self._now

    def enter(self, state: ConnectionState, reason: str | None, number: str | None) -> None:
        """Note the state of the connection; codes shown in a former state become worthless."""
        if (state, reason, number) == (self._now.state, self._now.reason, self._now.number):
            return
        known = self._now
        if state is not known.state:
            failed = reason if known.state is ConnectionState.LINKING else known.failed
            kept = failed if state in _BEFORE_A_PHONE else None
            known = LinkState(state, known.revision, failed=kept)
        if known.qr is None:
            self._picture.remove()
        self._become(replace(known, revision=known.revision + 1, reason=reason, number=number))

    def show_qr(self, text: str, lifetime: float) -> None:
        """A QR text is out."""
        now = self._clock.now()
        if self._now.qr is None:
            self._first_qr_at = now
        expires = now + timedelta(seconds=lifetime)
        qr = QrCode(text, expires, self._picture.draw(text))
        self._become(replace(self._now, revision=self._now.revision + 1, qr=qr))

    def show_code(self, code: str, lifetime: float) -> None:
        """A pairing code is out; `lifetime` counts from the first QR: the library ends both together."""
        expires = self._first_qr_at + timedelta(seconds=lifetime)
        self._become(replace(self._now, revision=self._now.revision + 1, code=code, code_expires_at=expires))

    def _become(self, state: LinkState) -> None:
        self._now = state
        self._news.set()
        self._news = anyio.Event()

    async def wait_for(self, met: Callable[[LinkState], bool]) -> LinkState:
        """Wait until it is as asked; the caller sets the limit."""
        while not met(self._now):
            await self._news.wait()
        return self._now
