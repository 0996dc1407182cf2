"""Counters of an account that outlive one leader, kept as a small value in its archive."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import Counter
from datetime import datetime, timedelta
from typing import Final

import anyio

from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Gap
from whatsapp_mcp.storage import LeadershipOver

_KEY: Final = "counters"
LOST_AT_MOST: Final = 101
"""Events that the library has acknowledged and not handed over: 100 in its channel, one in hand."""
_BUSY_SECONDS: Final = 1.0
"""Nothing is in the library's channel when nothing has come for so long."""
_SAVE_INTERVAL: Final = 2.0
"""Seconds between two looks for changes to save."""

logger = logging.getLogger(__name__)


class Counters:
    """Counts since the account was made.

    Attributes:
        events_lost: Upper bound of events that WhatsApp counts as delivered and that never reached us.
        logins: How often a client has logged in.
        phone_seen_at: When the phone itself last wrote to us.
        failures: How often each background task has failed and was started again.
    """

    def __init__(self, archive: Archive, clock: Clock) -> None:
        self._archive = archive
        self._clock = clock
        self._kept = ""
        self.events_lost = 0
        self.logins = 0
        self.phone_seen_at: datetime | None = None
        self.failures: Counter[str] = Counter()

    async def load(self) -> None:
        """Go on from what was kept, if anything was."""
        kept = await self._archive.meta_get(_KEY)
        if kept is None:
            return
        try:
            values = json.loads(kept)
            seen = values["phone_seen_at"]
            self.phone_seen_at = datetime.fromisoformat(seen) if seen else None
            self.events_lost = int(values["events_lost"])
            self.logins = int(values.get("logins", 0))
            self.failures.update({str(name): int(count) for name, count in values["failures"].items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            logger.exception("counters: cannot be read and start from zero")
        self._kept = self._dumped()

    def count_lost(self, heard: float | None) -> Gap | None:
        """A client that was online has ended: what it had acknowledged and not handed over is lost.

        Args:
            heard: When an event came last, in monotonic seconds: the wall clock may have been set since.

        Returns:
            When it was lost; None when nothing was.
        """
        quiet = None if heard is None else self._clock.monotonic() - heard
        if quiet is None or quiet >= _BUSY_SECONDS:
            return None
        self.events_lost += LOST_AT_MOST
        until = self._clock.now()
        reason = f"The client ended while events came in: up to {LOST_AT_MOST} of them may be missing."
        return Gap(until - timedelta(seconds=quiet), until, reason)

    async def keep_gap(self, gap: Gap) -> None:
        """Archive a loss with its count."""
        try:
            await self._archive.write(recording.record_gap, gap.since, gap.until, gap.reason)
            await self.keep()
        except (sqlite3.Error, LeadershipOver, WhatsAppError):
            logger.exception("counters: gap cannot be archived")

    async def run(self) -> None:
        """Keep what changes, until cancelled, and what has changed by then."""
        try:
            while True:
                await self._clock.sleep(_SAVE_INTERVAL)
                await self.keep()
        finally:
            # The end of a leadership cancels this task, and the last counts are to be kept.
            with anyio.CancelScope(shield=True):
                await self.keep()

    async def keep(self) -> None:
        """Keep the counts, if they have changed."""
        now = self._dumped()
        if now != self._kept:
            await self._archive.write(recording.meta_set, _KEY, now)
            self._kept = now

    def _dumped(self) -> str:
        seen = self.phone_seen_at.isoformat() if self.phone_seen_at else None
        return json.dumps(
            {
                "events_lost": self.events_lost,
                "logins": self.logins,
                "phone_seen_at": seen,
                "failures": dict(self.failures),
            }
        )
