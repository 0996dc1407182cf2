"""Files of an account: their names in PostgreSQL, their content there in parts or in an object store.

Small files are rows of their own, which are replaced whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, LiteralString, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database.bodies import Bodies, fetch_body
from whatsapp_fleet.database.connections import Database, Link, Session, link_of
from whatsapp_fleet.database.streams import change_fenced, fenced

T = TypeVar("T")

PART: Final = 1 << 20
_THERE: Final = """
SELECT size, object FROM whatsapp_mcp.files WHERE account = %(account)s AND name = %(name)s
"""
_NAMES: Final = "SELECT name FROM whatsapp_mcp.files WHERE account = %(account)s"
# The lock of the lease lets a takeover wait, and each of these find another epoch after it.
_LEASE: Final = """
WITH lease AS (
    SELECT account FROM whatsapp_mcp.leases WHERE account = %(account)s AND epoch = %(epoch)s FOR SHARE
)
"""
_PUT_PART: Final = f"""{_LEASE}, put AS (
    INSERT INTO whatsapp_mcp.file_parts (account, name, part, body)
    SELECT account, %(name)s, %(part)s, %(body)b FROM lease
    ON CONFLICT (account, name, part) DO UPDATE SET body = excluded.body
) SELECT account FROM lease"""  # noqa: S608
_PUT: Final = f"""{_LEASE}, put AS (
    INSERT INTO whatsapp_mcp.files (account, name, size, object)
    SELECT account, %(name)s, %(size)s, %(object)s FROM lease ON CONFLICT DO NOTHING
) SELECT account FROM lease"""  # noqa: S608
_GET_PART: Final = """
SELECT body FROM whatsapp_mcp.file_parts
WHERE account = %(account)s AND name = %(name)s AND part = %(part)s
"""
# With the parts of what was never put whole: the leader puts one file at a time, and none meanwhile.
_DELETE: Final = f"""{_LEASE}, gone AS (
    DELETE FROM whatsapp_mcp.files USING lease
    WHERE files.account = lease.account AND name = ANY(%(names)s)
), parts AS (
    DELETE FROM whatsapp_mcp.file_parts AS part USING lease
    WHERE part.account = lease.account AND (part.name = ANY(%(names)s) OR NOT EXISTS (
        SELECT FROM whatsapp_mcp.files AS whole
        WHERE whole.account = part.account AND whole.name = part.name))
) SELECT account FROM lease"""  # noqa: S608
_READ: Final = """
SELECT content FROM whatsapp_mcp.account_files WHERE account = %(account)s AND name = %(name)s
"""
_WRITTEN: Final = """
SELECT n FROM whatsapp_mcp.account_files
WHERE account = %(account)s AND name = %(name)s AND epoch = %(epoch)s
"""
# The lock of the lease lets a takeover wait, and this find another epoch after it.
_WRITE: Final = """
WITH lease AS (
    SELECT account FROM whatsapp_mcp.leases
    WHERE account = %(account)s AND epoch = %(epoch)s FOR SHARE
), written AS (
    INSERT INTO whatsapp_mcp.account_files AS former (account, name, epoch, n, content)
    SELECT account, %(name)s, %(epoch)s, %(n)s, %(content)b FROM lease
    ON CONFLICT (account, name)
    DO UPDATE SET epoch = excluded.epoch, n = excluded.n, content = excluded.content
    WHERE (former.epoch, former.n) <= (excluded.epoch, excluded.n)
)
SELECT account FROM lease
"""


class PostgresFiles:
    """The files of one account, for its leader: a `storage.FileStore`.

    Args:
        database: Where; each part may take as long as its patience.
        account: Whose.
        epoch: Of the leader.
    """

    def __init__(self, database: Database, account: str, epoch: int) -> None:
        self._about: Final[dict[str, Any]] = {"account": account, "epoch": epoch}
        self._database = database
        self._bodies = Bodies(database, account, epoch)
        self._link = Link(database, lasting=True)  # one call has nothing to do with the next
        self._thread = anyio.CapacityLimiter(1)

    async def __aenter__(self) -> PostgresFiles:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection; the files stay."""
        with anyio.CancelScope(shield=True):
            await self._run(lambda: self._link.close())

    async def put(self, name: str, file: Path) -> None:
        """Keep a file, durably; a stored file of this name stays."""
        await self._run(partial(self._put, name, file))

    async def fetch(self, name: str, target: Path) -> bool:
        """Write a stored file to `target`; return False if there is none of this name."""
        return await self._run(partial(self._fetch, name, target))

    async def names(self) -> frozenset[str]:
        """Return the names of all stored files."""

        def look(session: Session) -> frozenset[str]:
            return frozenset(name for (name,) in session.execute(_NAMES, self._about))

        return await self._run(lambda: self._link.run(look))

    async def delete(self, names: Collection[str]) -> None:
        """Delete files, and the bodies that no row names any more."""
        await self._run(partial(self._delete, list(names)))

    def _delete(self, names: list[str]) -> None:
        self._link.run(partial(change_fenced, _DELETE, {**self._about, "names": names}))
        self._bodies.clear(self._link.run)

    def _put(self, name: str, file: Path) -> None:
        values = {**self._about, "name": name}
        if self._link.run(partial(_row, _THERE, values)) is not None:
            return

        def note(reference: str, parts: int, size: int) -> None:
            row = {**values, "size": size, "object": reference}
            self._link.run(partial(change_fenced, _PUT, row))

        if self._bodies.put(self._link.run, file, note):
            return
        part = size = 0
        with file.open("rb") as source:
            while body := source.read(PART):
                self._link.run(partial(change_fenced, _PUT_PART, {**values, "part": part, "body": body}))
                part, size = part + 1, size + len(body)
        note("", part, size)

    def _fetch(self, name: str, target: Path) -> bool:
        values = {**self._about, "name": name}
        there = self._link.run(partial(_row, _THERE, values))
        if there is None:
            return False
        size, reference = there
        with target.open("wb") as written:
            if reference:
                return self._fetch_body(values, reference, written)
            for part in range(-(-size // PART)):
                row = self._link.run(partial(_row, _GET_PART, {**values, "part": part}))
                if row is None:
                    return False  # deleted meanwhile
                written.write(row[0])
        return True

    def _fetch_body(self, values: Mapping[str, Any], reference: str, target: BinaryIO) -> bool:
        try:
            fetch_body(self._database, self._about["account"], reference, target)
        except FileNotFoundError:
            if self._link.run(partial(_row, _THERE, values)) is None:
                return False  # deleted meanwhile
            raise
        return True

    async def _run(self, call: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(self._resting, call, limiter=self._thread)

    def _resting(self, call: Callable[[], T]) -> T:
        """Run a call, then close the connection: files are few, and a connection is a server process."""
        try:
            return call()
        finally:
            self._link.rest()


def _row(statement: LiteralString, values: Mapping[str, Any], session: Session) -> Any:
    return session.execute(statement, values).fetchone()


class PostgresSmallFile:
    """One small file of an account, for its leader: a `storage.SmallFile`.

    Args:
        database: Where, or a connection that others use too.
        account: Whose.
        name: Of the file, as in the account's folder.
        epoch: Of the leader.
    """

    def __init__(self, database: Database | Link, account: str, name: str, epoch: int) -> None:
        self._about = {"account": account, "name": name, "epoch": epoch}
        self._link = link_of(database)
        self._n: int | None = None

    def __enter__(self) -> PostgresSmallFile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the file stays."""
        self._link.close()

    def read(self) -> bytes | None:
        """Return the content of the file; None if there is none."""

        def look(session: Session) -> bytes | None:
            row = session.execute(_READ, self._about).fetchone()
            return None if row is None else row[0]

        return self._resting(look)

    def write(self, content: bytes) -> None:
        """Replace the content of the file; it is durable when this returns."""
        if self._n is None:
            self._n = self._link.run(self._written)
        self._n += 1
        values = {**self._about, "n": self._n, "content": content}

        def write(session: Session) -> None:
            while True:
                session.warned = False
                if session.execute(_WRITE, values).fetchone() is None:
                    raise fenced()
                if not session.warned:
                    return

        self._resting(write)

    def _resting(self, work: Callable[[Session], T]) -> T:
        """Run `work`, then close the connection: calls are rare, and a connection is a server process."""
        try:
            return self._link.run(work)
        finally:
            self._link.rest()

    def _written(self, session: Session) -> int:
        """Return how often this epoch has written the file."""
        row = session.execute(_WRITTEN, self._about).fetchone()
        return 0 if row is None else row[0]


def shared_secret(session: Session, name: str, fresh: bytes) -> bytes:
    """A secret that all replicas share, which the first of them makes.

    Args:
        session: Of a role that may write.
        name: Which.
        fresh: What it becomes where there is none.
    """
    session.execute(
        "INSERT INTO whatsapp_mcp.secrets (name, content) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [name, fresh],
    )
    row = session.execute("SELECT content FROM whatsapp_mcp.secrets WHERE name = %s", [name]).fetchone()
    assert row is not None
    return bytes(row[0])
