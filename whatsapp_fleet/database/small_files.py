"""Small files of an account in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from whatsapp_fleet.database.connections import Database, Link, Session, link_of
from whatsapp_fleet.database.streams import fenced

T = TypeVar("T")

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
