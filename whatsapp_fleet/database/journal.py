"""The journal in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from psycopg import sql

from whatsapp_fleet.database.connections import Database, Session
from whatsapp_fleet.database.streams import Statements, Stream, await_standby, fenced
from whatsapp_fleet.protocol import AppendOutcome
from whatsapp_mcp.storage import EVENT_BYTES, READ_BYTES, TOO_LARGE, JournalRow

_STATEMENTS: Final = Statements(
    append="""
    WITH head AS (
        UPDATE whatsapp_mcp.heads SET seq = seq + %(rows)s
        WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
        RETURNING seq
    ), appended AS (
        INSERT INTO whatsapp_mcp.journal (account, seq, epoch, n, generation, received_at, code, payload)
        SELECT %(account)s, seq, %(epoch)s, %(n)s + 1, %(generation)s, %(received_at)s, %(code)s, %(payload)b
        FROM head
    )
    SELECT seq FROM head
    """,
    confirm="""
    UPDATE whatsapp_mcp.heads SET seq = seq
    WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
    RETURNING (
        SELECT journal.seq FROM whatsapp_mcp.journal
        WHERE journal.account = %(account)s AND journal.epoch = %(epoch)s AND journal.n = %(n)s
    )
    """,
    stamp_at="SELECT epoch, n FROM whatsapp_mcp.journal WHERE account = %(account)s AND seq = %(seq)s",
    constraint="journal_stamp",
)
_TRIAL: Final = 1_000
"""Bytes of a trial, about those of a message."""
_READ: Final = """
SELECT seq, generation, received_at,
    CASE WHEN octet_length(payload) <= %(most)s THEN code ELSE %(too_large)s END,
    CASE WHEN octet_length(payload) <= %(most)s THEN payload ELSE '' END
FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY seq) - octet_length(payload) AS before
    FROM (
        SELECT seq, generation, received_at, code, payload FROM whatsapp_mcp.journal
        WHERE account = %(account)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
    ) AS few
) AS sized
WHERE before < %(size)s ORDER BY seq
"""
# No lock on the head: a leader prunes what it has archived for good, whether it leads still or not, and the
# client's appends need not wait for it.
_PRUNE: Final = """
DELETE FROM whatsapp_mcp.journal
WHERE account = %s AND seq <= %s
    AND EXISTS (SELECT FROM whatsapp_mcp.heads WHERE account = %s AND stream = 'journal' AND epoch = %s)
"""
_CONTINUE: Final = """
UPDATE whatsapp_mcp.heads SET seq = greatest(seq, %s)
WHERE account = %s AND stream = 'journal' AND epoch = %s
"""


class PostgresJournal:
    """The journal of one account, for its client process or its leader: a `storage.JournalStore`.

    Args:
        database: Where.
        account: Whose.
        epoch: Of the leader, or of the leader that started the client.
        now: The time, in milliseconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        account: str,
        epoch: int,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._account = account
        self._epoch = epoch
        self._now = now
        self._stream = Stream(database, account, "journal", epoch, _STATEMENTS)

    def __enter__(self) -> PostgresJournal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the journal stays."""
        self._stream.close()

    def append(self, generation: int, code: int, payload: bytes) -> int:
        """Commit one event and return its `seq`; it is durable when this returns."""
        values = {"generation": generation, "received_at": self._now(), "code": code, "payload": payload}
        return self._stream.append(1, values)

    def try_append(self) -> None:
        """Append a row and take it back: who cannot is to receive nothing.

        Raises:
            Fenced: A newer leader has taken over.
            Unavailable: The database does not answer, or takes no rows.
        """
        values = {"generation": 0, "received_at": self._now(), "code": 0, "payload": bytes(_TRIAL)}

        def attempt(session: Session) -> None:
            self._stream.first_stamp(session)  # stays, so that no other writer gets it
            with session.transaction(force_rollback=True):
                outcome, _ = self._stream.send(session, 1, values)
            if outcome is AppendOutcome.FENCED:
                raise fenced()

        self._stream.link.run(attempt)

    def read(self, after_seq: int, limit: int, size: int = READ_BYTES) -> list[JournalRow]:
        """Read up to `limit` events above `after_seq`; they are durable: a log may name these rows."""

        def look(session: Session) -> list[JournalRow]:
            if events := events_of(session, self._account, after_seq, limit, size):
                await_standby(session)
            return events

        return self._stream.link.run(look)

    def last_seq(self) -> int:
        """Return the highest `seq` ever used, pruned or not; 0 if there has been none."""
        return self._stream.confirmed_seq()

    def prune(self, up_to_seq: int) -> int:
        """Delete the events up to and including `up_to_seq`; return how many there were."""

        def delete(session: Session) -> int:
            values = [self._account, up_to_seq, self._account, self._epoch]
            pruned = session.execute(_PRUNE, values).rowcount
            if not pruned:
                self._stream.check_epoch(session)
            return pruned

        return self._stream.link.run(delete)

    def continue_after(self, seq: int) -> None:
        """Number the next events above `seq`."""

        def move(session: Session) -> None:
            if session.execute(_CONTINUE, [seq, self._account, self._epoch]).rowcount == 0:
                raise fenced()

        self._stream.link.run(move)


def events_of(session: Session, account: str, after: int, limit: int, size: int) -> list[JournalRow]:
    """Read events as `storage.JournalReader.read` does, whether they are durable or not."""
    values = {"account": account, "after": after, "limit": limit, "size": size}
    rows = session.execute(_READ, {**values, "most": EVENT_BYTES, "too_large": TOO_LARGE}).fetchall()
    return [JournalRow(*row) for row in rows]


def admit(session: Session, account: str, role: str) -> None:
    """Let a login role, that of an account's client process, append to the journal of this account alone.

    Rights and policies belong to the role, not to its name, so they stay when it is renamed.
    """
    who = sql.Identifier(role)
    of_account = sql.SQL("account = {}").format(sql.Literal(account))
    with session.transaction():
        for table, rights, own in (
            ("heads", "SELECT, UPDATE (seq, writer)", of_account + sql.SQL(" AND stream = 'journal'")),
            ("journal", "SELECT, INSERT", of_account),
        ):
            name = sql.Identifier("whatsapp_mcp", table)
            policy = sql.Identifier(f"account {account}")
            session.execute(sql.SQL("DROP POLICY IF EXISTS {} ON {}").format(policy, name))
            session.execute(
                sql.SQL("CREATE POLICY {} ON {} TO {} USING ({}) WITH CHECK ({})").format(
                    policy, name, who, own, own
                )
            )
            session.execute(sql.SQL("GRANT {} ON {} TO {}").format(sql.SQL(rights), name, who))  # pyright: ignore[reportArgumentType]
        session.execute(sql.SQL("GRANT USAGE ON SCHEMA whatsapp_mcp TO {}").format(who))
