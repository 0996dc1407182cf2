"""The statements of an account's ledger in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whatsapp_fleet.database.body_streams import BodyStream, rows_of
from whatsapp_fleet.database.connections import Database, Link, Session
from whatsapp_fleet.database.streams import await_standby
from whatsapp_mcp.storage import LedgerSnapshot, StatementRow

# The lock of the head lets a takeover wait, and this find no head after it. A snapshot whose answer was lost
# may be executed after a later one.
_PUT: Final = """
WITH head AS (
    UPDATE whatsapp_mcp.heads SET seq = seq
    WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
    RETURNING account
), put AS (
    INSERT INTO whatsapp_mcp.ledger_snapshots AS former (account, seq, epoch, body)
    SELECT account, %(seq)s, %(epoch)s, %(body)b FROM head
    ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch, body = excluded.body
    WHERE former.seq <= excluded.seq
), pruned AS (
    DELETE FROM whatsapp_mcp.ledger AS old USING head
    WHERE old.account = head.account AND old.seq < %(seq)s
)
SELECT account FROM head
"""
SNAPSHOT_PATIENCE: Final = 60.0
"""Seconds that a snapshot may take, which is one statement."""
_NEWEST: Final = "SELECT seq, body FROM whatsapp_mcp.ledger_snapshots WHERE account = %(account)s"


class PostgresStatements:
    """The ledger's log of one account: a `storage.StatementLog`.

    Args:
        database: Where.
        account: Whose.
        epoch: Of the leader; None for who only reads, and then rows that no failover takes away.
    """

    def __init__(self, database: Database, account: str, epoch: int | None = None) -> None:
        self._database = database
        self._stream = BodyStream(database, account, "ledger", -1 if epoch is None else epoch)
        self._account = account
        self._follows = epoch is None

    def __enter__(self) -> PostgresStatements:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the log stays."""
        self._stream.close()

    def append(self, body: bytes) -> int:
        """Commit the statements of a transaction, durably, and return their number."""
        return self._stream.append_bodies([body])

    def last(self) -> int:
        """Return the number of the last row, 0 if there is none; all rows are then durable."""
        return self._stream.confirmed_seq()

    def read(self, after: int, limit: int) -> list[StatementRow]:
        """Read up to `limit` rows with a `seq` above `after`, oldest first."""

        def look(session: Session) -> list[StatementRow]:
            rows = rows_of(session, self._account, "ledger", after, limit)
            if rows and self._follows:
                await_standby(session)
            return [StatementRow(row.seq, row.body) for row in rows]

        return self._stream.link.run(look)

    def put_snapshot(self, seq: int, content: bytes) -> None:
        """Replace the snapshot and delete the rows before its last; all or nothing."""
        values = {**self._stream.about, "seq": seq, "body": content}

        def put(session: Session) -> None:
            self._stream.durably(session, _PUT, values)

        # Over a connection of its own: its size is that of the ledger, and if it fails the log goes on.
        with Link(replace(self._database, patience=SNAPSHOT_PATIENCE)) as link:
            link.run(put)

    def newest_snapshot(self) -> LedgerSnapshot | None:
        """Return the snapshot; None before the first."""

        def look(session: Session) -> LedgerSnapshot | None:
            row = session.execute(_NEWEST, self._stream.about, binary=True).fetchone()
            return None if row is None else LedgerSnapshot(*row)

        return self._stream.link.run(look)
