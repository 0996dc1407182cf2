"""Progress of each webhook in the change feed, and the events that it could not deliver.

Events are kept by the number of their change, without words: what is delivered again is read again, as the
rules of that moment allow.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from whatsapp_mcp.ledger.database import LedgerFile

MOST_FAILED: Final = 1_000
"""Failed deliveries that are kept of each webhook; the oldest are dropped."""
_COLUMNS: Final = "name, seq, refusals, retry_at, reason, delivered_at"
_FAILED: Final = "webhook, seq, failed_at, reason, missed_after, replay"


@dataclass(frozen=True, slots=True)
class WebhookProgress:
    """Progress of a webhook.

    Attributes:
        name: Of the webhook.
        seq: The change up to which every event was delivered, or is kept as failed.
        refusals: How often the receiver has refused the event after it.
        retry_at: When that event is tried again.
        reason: Why it could not be delivered; empty when nothing is wrong.
        delivered_at: When the newest event was delivered.
    """

    name: str
    seq: int
    refusals: int = 0
    retry_at: datetime | None = None
    reason: str = ""
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FailedDelivery:
    """An event that a receiver refused until it was given up.

    Attributes:
        webhook: The webhook's name.
        seq: The number of the change.
        failed_at: When it was last tried.
        reason: Why it failed.
        missed_after: Of an event that says that changes are gone: the change before them, `seq` being the
            last of them. None for the event of a change.
        replay: Whether it is about to be tried again.
    """

    webhook: str
    seq: int
    failed_at: datetime
    reason: str
    missed_after: int | None = None
    replay: bool = False


class WebhookRecord:
    """The webhooks of an account."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def names(self) -> frozenset[str]:
        """The names of all that have begun and were not forgotten."""
        query = "SELECT name FROM webhooks UNION SELECT webhook FROM failed_deliveries"
        return self._file.read(lambda db: frozenset(str(name) for (name,) in db.execute(query)))

    def progress(self, name: str) -> WebhookProgress | None:
        """Return the progress of a webhook; None if it never began."""
        query = f"SELECT {_COLUMNS} FROM webhooks WHERE name = ?"  # noqa: S608
        row = self._file.read(lambda db: db.execute(query, (name,)).fetchone())
        if row is None:
            return None
        name, seq, refusals, retry_at, reason, delivered_at = row
        return WebhookProgress(name, seq, refusals, _time(retry_at), reason, _time(delivered_at))

    async def begin(self, name: str, seq: int) -> WebhookProgress:
        """Return the progress of a webhook, beginning a new one after this change."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO webhooks (name, seq) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, seq))

        await self._file.write(change)
        progress = self.progress(name)
        assert progress is not None
        return progress

    async def advance(self, name: str, seq: int, delivered_at: datetime | None = None) -> None:
        """The event of this change was delivered, or there is none for this webhook up to it."""

        def change(db: sqlite3.Connection) -> None:
            db.execute(
                """UPDATE webhooks SET seq = ?, refusals = 0, retry_at = NULL, reason = '',
                delivered_at = coalesce(?, delivered_at) WHERE name = ?""",
                (seq, _seconds(delivered_at), name),
            )

        await self._file.write(change)

    async def put_off(self, name: str, refusals: int, retry_at: datetime, reason: str) -> None:
        """The next event could not be delivered, and is tried again at a time."""

        def change(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE webhooks SET refusals = ?, retry_at = ?, reason = ? WHERE name = ?",
                (refusals, _seconds(retry_at), reason, name),
            )

        await self._file.write(change)

    async def give_up(self, failed: FailedDelivery) -> None:
        """This event is kept as failed, and the next one's turn comes."""
        name, seq = failed.webhook, failed.seq

        def change(db: sqlite3.Connection) -> None:
            _keep(db, failed)
            db.execute(
                "UPDATE webhooks SET seq = ?, refusals = 0, retry_at = NULL, reason = '' WHERE name = ?",
                (seq, name),
            )
            db.execute(
                """DELETE FROM failed_deliveries WHERE webhook = ?1 AND seq <=
                (SELECT seq FROM failed_deliveries WHERE webhook = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)""",
                (name, MOST_FAILED),
            )

        await self._file.write(change)

    def failed(self, name: str, *, replay: bool = False) -> tuple[FailedDelivery, ...]:
        """Return a webhook's failed deliveries, oldest first; with `replay`, only those to be retried."""
        query = f"""SELECT {_FAILED} FROM failed_deliveries
            WHERE webhook = ? AND replay >= ? ORDER BY seq"""  # noqa: S608
        rows = self._file.read(lambda db: db.execute(query, (name, replay)).fetchall())
        return tuple(
            FailedDelivery(webhook, seq, datetime.fromtimestamp(at, UTC), reason, after, bool(replay))
            for webhook, seq, at, reason, after, replay in rows
        )

    async def replay(self, name: str) -> int:
        """Have everything that failed tried again, and what is put off at once; answers how much failed."""

        def change(db: sqlite3.Connection) -> int:
            db.execute("UPDATE webhooks SET retry_at = NULL WHERE name = ?", (name,))
            return db.execute("UPDATE failed_deliveries SET replay = 1 WHERE webhook = ?", (name,)).rowcount

        return await self._file.write(change)

    async def failed_again(self, failed: FailedDelivery) -> None:
        """Record that a retried delivery failed again."""
        await self._file.write(lambda db: _keep(db, failed))

    async def settle(self, name: str, seq: int) -> None:
        """Remove a failed delivery that was delivered, or whose change is no longer there."""

        def change(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM failed_deliveries WHERE webhook = ? AND seq = ?", (name, seq))

        await self._file.write(change)

    async def forget(self, kept: frozenset[str]) -> None:
        """Forget the webhooks that are not among these."""

        def change(db: sqlite3.Connection) -> None:
            for name in gone:
                db.execute("DELETE FROM webhooks WHERE name = ?", (name,))
                db.execute("DELETE FROM failed_deliveries WHERE webhook = ?", (name,))

        if gone := self.names() - kept:
            await self._file.write(change)


def _keep(db: sqlite3.Connection, failed: FailedDelivery) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO failed_deliveries ({_FAILED}) VALUES (?, ?, ?, ?, ?, 0)",  # noqa: S608
        (failed.webhook, failed.seq, _seconds(failed.failed_at), failed.reason, failed.missed_after),
    )


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
