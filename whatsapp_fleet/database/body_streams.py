"""Streams whose rows are bodies: the log of operations, and the statements of a ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, LiteralString, NamedTuple

from whatsapp_fleet.database.connections import Database, Session
from whatsapp_fleet.database.streams import Statements, Stream
from whatsapp_mcp.storage import Pruned


class BodyRow(NamedTuple):
    """A row: its number, the epoch that appended it, its body."""

    seq: int
    epoch: int
    body: bytes


class _Reading(NamedTuple):
    """Statements other than appends; one statement reads head and rows, so that no append comes between."""

    read: LiteralString
    prune: LiteralString


def _appending(table: LiteralString) -> Statements:
    return Statements(
        append=f"""
        WITH head AS (
            UPDATE whatsapp_mcp.heads SET seq = seq + %(rows)s
            WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
            RETURNING seq
        ), appended AS (
            INSERT INTO whatsapp_mcp.{table} (account, seq, epoch, n, body)
            SELECT %(account)s, seq - %(rows)s + place, %(epoch)s, %(n)s + place, body
            FROM head, unnest(%(bodies)b::bytea[]) WITH ORDINALITY AS given (body, place)
        )
        SELECT seq FROM head
        """,  # noqa: S608
        confirm=f"""
        UPDATE whatsapp_mcp.heads SET seq = seq
        WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
        RETURNING (
            SELECT there.seq FROM whatsapp_mcp.{table} AS there
            WHERE there.account = %(account)s AND there.epoch = %(epoch)s AND there.n = %(n)s
        )
        """,  # noqa: S608
        stamp_at=f"""
        SELECT epoch, n FROM whatsapp_mcp.{table} WHERE account = %(account)s AND seq = %(seq)s
        """,  # noqa: S608
        constraint=f"{table}_stamp",
    )


def _reading(table: LiteralString) -> _Reading:
    return _Reading(
        read=f"""
        SELECT head.seq, given.seq, given.epoch, given.body
        FROM whatsapp_mcp.heads AS head LEFT JOIN LATERAL (
            SELECT seq, epoch, body FROM whatsapp_mcp.{table}
            WHERE account = head.account AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
        ) AS given ON true
        WHERE head.account = %(account)s AND head.stream = %(stream)s ORDER BY given.seq
        """,  # noqa: S608
        prune=f"""
        DELETE FROM whatsapp_mcp.{table}
        WHERE account = %(account)s AND seq <= %(upto)s AND EXISTS (
            SELECT FROM whatsapp_mcp.heads
            WHERE account = %(account)s AND stream = %(stream)s AND epoch = %(epoch)s
        )
        """,  # noqa: S608
    )


_APPENDING: Final = {"log": _appending("log"), "ledger": _appending("ledger")}
_READING: Final = {"log": _reading("log"), "ledger": _reading("ledger")}


class BodyStream(Stream):
    """The log or the ledger of one account, as one leader sees it; usable from any thread."""

    def __init__(self, database: Database, account: str, name: Literal["log", "ledger"], epoch: int) -> None:
        super().__init__(database, account, name, epoch, _APPENDING[name])
        self._account: Final = account
        self._name: Final = name

    def append_bodies(self, bodies: Sequence[bytes]) -> int:
        """Append bodies in this order; see `append`."""
        return self.append(len(bodies), {"bodies": list(bodies)})

    def read(self, after: int, limit: int) -> list[BodyRow]:
        """Up to `limit` rows with a `seq` above `after`, oldest first.

        Raises:
            Pruned: Rows directly after `after` were deleted.
            Unavailable: See there.
        """
        return self.link.run(lambda session: rows_of(session, self._account, self._name, after, limit))

    def prune(self, upto: int) -> int:
        """Delete the rows up to and including `upto`; returns how many there were.

        Raises:
            Fenced: Nothing was deleted.
            Unavailable: See there.
        """
        values = {**self.about, "upto": upto}

        def delete(session: Session) -> int:
            pruned = session.execute(_READING[self._name].prune, values).rowcount
            if not pruned:
                self.check_epoch(session)
            return pruned

        return self.link.run(delete)


def rows_of(
    session: Session, account: str, name: Literal["log", "ledger"], after: int, limit: int
) -> list[BodyRow]:
    """Read rows as `BodyStream.read` does, without an epoch; they may not be durable yet.

    Raises:
        Pruned: Rows directly after `after` were deleted, or the account is not there.
    """
    values = {"account": account, "stream": name, "after": after, "limit": limit}
    records = session.execute(_READING[name].read, values).fetchall()
    if not records:
        raise Pruned("The account is not in this database.")
    rows = [BodyRow(*row) for _, *row in records if row[0] is not None]
    following = rows[0].seq if rows else records[0][0] + 1
    if limit > 0 and following > after + 1:
        raise Pruned(f"The rows begin with {following}, so what follows {after} is gone.")
    return rows
