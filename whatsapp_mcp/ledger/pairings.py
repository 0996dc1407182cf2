"""Strangers who ask for access to an agent: each is told a code, with which a person lets them in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Pairing

VALID: Final = timedelta(hours=1)
"""Time for which a code lets somebody in."""
MOST_TOLD: Final = 5
"""Strangers who are told a code within `_SOON`; others are told nothing, and may write again."""
_SOON: Final = timedelta(minutes=10)
"""Short, so that a few numbers that ask for codes keep nobody else out for long."""
_AGAIN: Final = timedelta(days=1)
"""Time after which the same stranger gets another code."""
_CODES: Final = 20
"""Codes that are drawn until one is nobody else's: else the wrong stranger would be let in."""


class Pairings:
    """The pairings of an account."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def all(self, now: datetime) -> list[Pairing]:
        """Return the pairings that a person confirmed, and those whose code is valid."""
        rows = self._file.read(
            lambda db: db.execute(
                """SELECT chat, code, given_at, paired_at FROM pairings
                WHERE paired_at IS NOT NULL OR given_at > ? ORDER BY given_at""",
                (int((now - VALID).timestamp()),),
            ).fetchall()
        )
        return [_pairing(*row) for row in rows]

    def is_paired(self, *chats: str | None) -> bool:
        """Return whether a person has let in any of these addresses."""
        marks = ", ".join("?" * len(chats))
        return self._file.read(
            lambda db: (
                db.execute(
                    f"SELECT 1 FROM pairings WHERE paired_at IS NOT NULL AND chat IN ({marks})",  # noqa: S608
                    chats,
                ).fetchone()
                is not None
            )
        )

    async def ask(self, chat: str, new_code: Callable[[], str], now: datetime) -> Pairing | None:
        """The code that a stranger is to be told; None if they were told one lately, or many others."""

        def change(db: sqlite3.Connection) -> Pairing | None:
            now_seconds = int(now.timestamp())
            db.execute(
                "DELETE FROM pairings WHERE paired_at IS NULL AND given_at < ?",
                (now_seconds - _seconds(_AGAIN),),
            )
            row = db.execute(
                "SELECT chat, code, given_at, paired_at, is_told FROM pairings WHERE chat = ?", (chat,)
            ).fetchone()
            if row is not None:
                # Not told yet: the process may have ended in between, and the same code goes out.
                return None if row[4] else _pairing(*row[:4])
            lately = "SELECT count(*) FROM pairings WHERE paired_at IS NULL AND given_at > ?"
            if db.execute(lately, (now_seconds - _seconds(_SOON),)).fetchone()[0] >= MOST_TOLD:
                return None
            taken = {row[0] for row in db.execute("SELECT code FROM pairings WHERE paired_at IS NULL")}
            code = next((each for each in (new_code() for _ in range(_CODES)) if each not in taken), None)
            if code is None:
                return None
            db.execute("INSERT INTO pairings VALUES (?, ?, ?, 0, NULL)", (chat, code, now_seconds))
            return _pairing(chat, code, now_seconds, None)

        return await self._file.write(change)

    async def note_told(self, chat: str) -> None:
        """The message with the code is in the outbox."""
        await self._file.write(
            lambda db: db.execute("UPDATE pairings SET is_told = 1 WHERE chat = ?", (chat,))
        )

    async def let_in(self, code: str, now: datetime) -> Pairing:
        """Let in whoever was told this code.

        Raises:
            InvalidArgument: Nobody has it, or it is no longer valid.
        """

        def change(db: sqlite3.Connection) -> Pairing:
            now_seconds = int(now.timestamp())
            row = db.execute(
                """SELECT chat, code, given_at FROM pairings
                WHERE code = ? AND given_at > ? AND paired_at IS NULL""",
                (code.strip(), now_seconds - _seconds(VALID)),
            ).fetchone()
            if row is None:
                raise InvalidArgument(
                    "No such code is valid.",
                    "Look at `whatsapp-mcp agent status`; a code is valid for an hour.",
                )
            db.execute("UPDATE pairings SET paired_at = ? WHERE chat = ?", (now_seconds, row[0]))
            return _pairing(row[0], row[1], row[2], now_seconds)

        return await self._file.write(change)

    async def drop(self, chat: str) -> bool:
        """Let somebody out again; false if they were not in."""

        def change(db: sqlite3.Connection) -> bool:
            return db.execute("DELETE FROM pairings WHERE chat = ?", (chat,)).rowcount > 0

        return await self._file.write(change)


def _pairing(chat: str, code: str, given_at: int, paired_at: int | None) -> Pairing:
    paired = None if paired_at is None else datetime.fromtimestamp(paired_at, UTC)
    return Pairing(chat, code, datetime.fromtimestamp(given_at, UTC), paired)


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
