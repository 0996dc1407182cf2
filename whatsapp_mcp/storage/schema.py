"""The tables of a database file, under a number, and the migrations that bring an older file to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import NamedTuple

from whatsapp_mcp.errors import Unsupported


class Schema(NamedTuple):
    """Schema of a file, and the migrations from older schemas to it.

    Attributes:
        name: What errors call the file.
        version: Number of the tables, kept in the file (`PRAGMA user_version`); any change of one raises it.
        make: Makes the tables in an empty file.
        migrations: Each changes a file of one number into one of the next; the last one leads to `version`.
    """

    name: str
    version: int
    make: Callable[[sqlite3.Connection], None]
    migrations: tuple[Callable[[sqlite3.Connection], None], ...] = ()

    def version_of(self, db: sqlite3.Connection) -> int:
        """Return the number of a file's tables; 0 where it has none yet.

        Raises:
            Unsupported: A newer version wrote it, or one so old that no migration begins there.
        """
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > self.version:
            raise Unsupported(
                f"The {self.name} was written by a newer version of whatsapp-mcp.",
                "Upgrade whatsapp-mcp and restart it.",
            )
        oldest = self.version - len(self.migrations)
        if 0 < version < oldest:
            raise Unsupported(
                f"The {self.name} has tables of version {version}, and this whatsapp-mcp migrates those from"
                f" version {oldest} on.",
                "Start an earlier version that migrates them once, or restore a newer backup.",
            )
        return version

    def upgrade(self, db: sqlite3.Connection) -> None:
        """Make the tables or migrate them, in the open transaction.

        Raises:
            Unsupported: As `version_of`.
        """
        version = self.version_of(db)
        if version == 0:
            self.make(db)
        else:
            for migration in self.migrations[version - self.version + len(self.migrations) :]:
                migration(db)
        # Part of the transaction: the number and the tables change together or not at all.
        db.execute(f"PRAGMA user_version = {self.version}")

    def prepare(self, db: sqlite3.Connection) -> None:
        """Make the tables or migrate them, where that is needed: in one transaction, or nothing changes.

        Raises:
            Unsupported: As `version_of`.
        """
        if self.version_of(db) != self.version:
            with transaction(db):
                self.upgrade(db)


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """One write transaction: committed at the end, rolled back on any error."""
    # A deferred transaction that reads and then writes fails at once, whatever the timeout, if another has
    # written in between (134 of 4,000 with two writers): https://sqlite.org/lang_transaction.html
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # Some errors, such as a full disk, roll back by themselves; a second ROLLBACK would hide them.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def run_script(db: sqlite3.Connection, script: str) -> None:
    """Run statements inside the open transaction (`executescript` would commit it)."""
    for statement in statements(script):
        db.execute(statement)


def statements(script: str) -> Iterable[str]:
    """The statements of a script, one by one."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
