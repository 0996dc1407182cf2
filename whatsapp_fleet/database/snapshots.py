"""Snapshots of an archive: which there are is in PostgreSQL, the content there or in an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, LiteralString, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database.bodies import Bodies, Run, fetch_body
from whatsapp_fleet.database.connections import Database, Link, Session, link_of
from whatsapp_fleet.database.streams import change_fenced
from whatsapp_mcp.storage import Snapshot

T = TypeVar("T")
Query = LiteralString | bytes

PART: Final = 1 << 20
"""Bytes of one part."""
_THERE: Final = """
SELECT FROM whatsapp_mcp.snapshots WHERE account = %(account)s AND seq = %(seq)s AND epoch = %(epoch)s
"""
# Of a put that did not come to its end.
_CLEAR: Final = """
DELETE FROM whatsapp_mcp.snapshot_parts
WHERE account = %(account)s AND seq = %(seq)s AND epoch = %(epoch)s
"""
_PART: Final = """
INSERT INTO whatsapp_mcp.snapshot_parts (account, seq, epoch, part, body)
VALUES (%(account)s, %(seq)s, %(epoch)s, %(part)s, %(body)b)
ON CONFLICT (account, seq, epoch, part) DO UPDATE SET body = excluded.body
"""
_WHOLE: Final = """
INSERT INTO whatsapp_mcp.snapshots (account, seq, epoch, hash, position, parts, object)
VALUES (%(account)s, %(seq)s, %(epoch)s, %(hash)s, %(position)s, %(parts)s, %(object)s) ON CONFLICT DO NOTHING
"""
# The lock of the head lets a takeover wait, and this find no head after it.
_POINT: Final = """
WITH head AS (
    UPDATE whatsapp_mcp.heads SET seq = seq
    WHERE account = %(account)s AND stream = 'log' AND epoch = %(epoch)s RETURNING account
)
INSERT INTO whatsapp_mcp.snapshot_pointers (account, seq, epoch)
SELECT account, %(seq)s, %(epoch)s FROM head
ON CONFLICT (account) DO UPDATE SET seq = excluded.seq, epoch = excluded.epoch
RETURNING seq
"""
_NEWEST: Final = """
SELECT seq, hash, position FROM whatsapp_mcp.snapshot_pointers
JOIN whatsapp_mcp.snapshots USING (account, seq, epoch) WHERE account = %(account)s
"""
_COUNTS: Final = """
SELECT epoch, parts, object FROM whatsapp_mcp.snapshot_pointers
JOIN whatsapp_mcp.snapshots USING (account, seq, epoch) WHERE account = %(account)s AND seq = %(seq)s
"""
_READ: Final = """
SELECT body FROM whatsapp_mcp.snapshot_parts
WHERE account = %(account)s AND seq = %(seq)s AND epoch = %(epoch)s AND part = %(part)s
"""
_KEEP: Final = """
DELETE FROM whatsapp_mcp.{table} AS old
WHERE account = %(account)s AND seq < %(seq)s
    AND EXISTS (SELECT FROM whatsapp_mcp.heads
        WHERE account = %(account)s AND stream = 'log' AND epoch = %(epoch)s)
    AND NOT EXISTS (SELECT FROM whatsapp_mcp.snapshot_pointers AS newest
        WHERE (newest.account, newest.seq, newest.epoch) = (old.account, old.seq, old.epoch))
"""


class PostgresSnapshots:
    """The snapshots of one account, for its leader: a `storage.SnapshotStore`.

    In the database they are for archives of some megabytes: one that is backed up and replicated carries them
    along.

    Args:
        database: Where, or a connection that others use too; each part may take as long as its patience.
        account: Whose.
        epoch: Of the leader.
    """

    def __init__(self, database: Database | Link, account: str, epoch: int) -> None:
        self._about: Final[dict[str, Any]] = {"account": account, "epoch": epoch}
        self._link = link_of(database)
        self._bodies = Bodies(self._link.database, account, epoch)
        self._thread = anyio.CapacityLimiter(1)

    async def __aenter__(self) -> PostgresSnapshots:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the snapshots stay."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._link.close, limiter=self._thread)

    async def put(self, snapshot: Snapshot, file: Path) -> None:
        """Keep a snapshot, whole or not at all; it does not count yet."""
        await anyio.to_thread.run_sync(self._put, snapshot, file, limiter=self._thread)

    async def point_to(self, snapshot: Snapshot) -> None:
        """Make a stored snapshot the one that counts."""
        await self._run(partial(change_fenced, _POINT, self._about | {"seq": snapshot.seq}))

    async def newest(self) -> Snapshot | None:
        """Return the snapshot that counts; None before the first."""
        return await self._run(lambda session: newest_of(session, self._about["account"]))

    async def fetch(self, snapshot: Snapshot, file: Path) -> None:
        """Write a snapshot that counts to an existing file."""
        await anyio.to_thread.run_sync(
            fetch_snapshot,
            self._link.run,
            self._link.database,
            self._about["account"],
            snapshot,
            file,
            limiter=self._thread,
        )

    async def keep_from(self, seq: int) -> None:
        """Delete the snapshots that end before operation `seq`, except the one that counts."""
        values = self._about | {"seq": seq}
        for table in ("snapshots", "snapshot_parts"):
            statement = _KEEP.format(table=table).encode()
            await self._run(partial(_do, statement, values))
        await anyio.to_thread.run_sync(self._bodies.clear, self._link.run, limiter=self._thread)

    def _put(self, snapshot: Snapshot, file: Path) -> None:
        values = self._about | snapshot._asdict()
        # What one leader puts a second time is the same archive, and may be the one that counts.
        if self._link.run(partial(_row, _THERE, values)) is not None:
            return

        def note(reference: str, parts: int, size: int = 0) -> None:
            self._link.run(partial(_do, _WHOLE, values | {"parts": parts, "object": reference}))

        if self._bodies.put(self._link.run, file, note):
            return
        self._link.run(partial(_do, _CLEAR, values))
        parts = 0
        for body in _parts(file):
            self._link.run(partial(_do, _PART, values | {"part": parts, "body": body}))
            parts += 1
        note("", parts)

    async def _run(self, work: Callable[[Session], T]) -> T:
        return await anyio.to_thread.run_sync(self._link.run, work, limiter=self._thread)


def newest_of(session: Session, account: str) -> Snapshot | None:
    """Return an account's snapshot that counts; None before the first."""
    row = session.execute(_NEWEST, {"account": account}).fetchone()
    return None if row is None else Snapshot(*row)


def fetch_snapshot(run: Run, database: Database, account: str, snapshot: Snapshot, file: Path) -> None:
    """Write a snapshot to a file; each part is a call of `run`, or lies in the object store."""
    values = {"account": account, "seq": snapshot.seq}
    counts = run(partial(_row, _COUNTS, values))
    if counts is None:
        raise OSError("The snapshot does not count any more.")
    epoch, parts, reference = counts
    with file.open("wb") as target:
        if reference:
            fetch_body(database, account, reference, target)
            return
        for number in range(parts):
            row = run(partial(_row, _READ, values | {"epoch": epoch, "part": number}))
            if row is None:
                raise OSError("The snapshot was deleted meanwhile.")
            target.write(row[0])


def _do(statement: Query, values: Mapping[str, Any], session: Session) -> None:
    session.execute(statement, values)


def _row(statement: Query, values: Mapping[str, Any], session: Session) -> Any:
    return session.execute(statement, values).fetchone()


def _parts(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while body := source.read(PART):
            yield body
