"""Restrictions that WhatsApp imposed on an account, kept for all servers: the timelock (463) and bans.

WhatsApp does not tell this device how long a timelock lasts. So the first one counts for a day, and each that
comes within a week of the last is twice as long, up to a week.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Pauses

TIMELOCK: Final = timedelta(days=1)
"""Length of the first timelock."""
_LONGEST: Final = timedelta(days=7)
"""Most time for which a timelock counts."""
_FORGIVEN: Final = timedelta(days=7)
"""Time after the end of a timelock from which the next counts as a first one."""


class PauseRecord:
    """The pauses of an account."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def now(self) -> Pauses:
        """Return the recorded pauses, including those that are over."""
        rows = dict(self._file.read(lambda db: db.execute("SELECT kind, until FROM pauses").fetchall()))
        return Pauses(*(_time(rows.get(kind)) for kind in ("linked", "timelock", "ban")))

    async def linked(self, linked_at: datetime) -> None:
        """A phone was linked; what was imposed on another account no longer counts."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM pauses")
            _write(db, "linked", linked_at, 0)

        await self._file.write(change)

    async def timelocked(self, refused_at: datetime) -> datetime:
        """WhatsApp refused a message to somebody new (463); answers until when nobody new is written to."""

        def change(db: sqlite3.Connection) -> datetime:
            row = db.execute("SELECT until, times FROM pauses WHERE kind = 'timelock'").fetchone()
            before, times = (_time(row[0]), int(row[1])) if row else (None, 0)
            if before is not None and refused_at < before:
                return before  # of what was already on its way when the first was refused
            times = times + 1 if before is not None and refused_at < before + _FORGIVEN else 1
            until = refused_at + min(_LONGEST, TIMELOCK * 2 ** (times - 1))
            _write(db, "timelock", until, times)
            return until

        return await self._file.write(change)

    async def banned(self, until: datetime) -> None:
        """WhatsApp has banned the account for a time."""
        await self._file.write(lambda db: _write(db, "ban", until, 1))


def _write(db: sqlite3.Connection, kind: str, until: datetime, times: int) -> None:
    db.execute("INSERT OR REPLACE INTO pauses VALUES (?, ?, ?)", (kind, int(until.timestamp()), times))


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
