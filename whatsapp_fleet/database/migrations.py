"""Changes of the schema while programs of two versions work on it: first expand, later contract.

An expanding migration adds what the new version needs and leaves what the old one uses: columns with a
default, tables, indexes. A contracting one takes away what no version uses any more, so it names the oldest
program that works without it, and waits until no run of an older one is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from psycopg import errors

from whatsapp_fleet.database.connections import Session
from whatsapp_mcp.storage import StorageError

_LOCK: Final = 0x77_6D_63_70
"""Number of the advisory lock under which one process at a time makes the first table."""

_MISSING: Final = """
SELECT FROM unnest(%s::text[], %s::text[]) AS needed (name, privilege)
WHERE NOT has_table_privilege('whatsapp_mcp.' || name, privilege)
"""
_NOT_GRANTED: Final = "The role lacks rights: run the statements of docs/fleet/operations.md for replicas."


class TooNew(StorageError):
    """The schema lacks what this version of the program needs: a newer version has contracted it."""


class NotPrepared(StorageError):
    """The tables are not there yet, or the role has not been granted what it needs of them."""


class Right(NamedTuple):
    """A right on a table, as `has_table_privilege` calls it."""

    table: str
    privilege: str


@dataclass(frozen=True, slots=True)
class Migration:
    """One change.

    Attributes:
        version: 1, 2, 3 and so on; a program's own version is that of the last migration that it knows.
        needs: The oldest program that works once this is applied. Lower than `version` where it expands.
        statements: Run in one transaction.
    """

    version: int
    needs: int
    statements: tuple[str, ...]


def migrate(session: Session, migrations: Sequence[Migration]) -> int:
    """Apply what is missing and may be applied; returns the version of the schema afterwards.

    A migration that contracts stays undone, with all that follow it, while an older program runs.

    Raises:
        TooNew: Nothing was changed.
    """
    with session.transaction():
        _lock(session)
        there, needs = _applied(session)
        if needs > migrations[-1].version:
            raise TooNew(
                f"The database needs version {needs} of its schema, this is {migrations[-1].version}."
            )
        for migration in migrations[there:]:
            if migration.needs > _oldest_program(session, there, migration.needs):
                break
            for statement in migration.statements:
                session.execute(statement.encode(), prepare=False)
            session.execute(
                "INSERT INTO whatsapp_mcp.migrations VALUES (%s, %s)", [migration.version, migration.needs]
            )
            there = migration.version
    return there


def _lock(session: Session) -> None:
    """Wait until no other process changes the schema, and keep others from it until the transaction ends.

    The lock is that of a table: every role may take an advisory lock, an account's too, and keep nodes from
    starting. There are no accounts yet where the table is not there.
    """
    if session.execute("SELECT to_regclass('whatsapp_mcp.migrations')").fetchone() == (None,):
        session.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        session.execute("CREATE SCHEMA IF NOT EXISTS whatsapp_mcp")
        session.execute(
            "CREATE TABLE IF NOT EXISTS whatsapp_mcp.migrations"
            " (version integer PRIMARY KEY, needs integer NOT NULL)"
        )
    session.execute("LOCK TABLE whatsapp_mcp.migrations IN SHARE ROW EXCLUSIVE MODE")


def require_schema(session: Session, migrations: Sequence[Migration], rights: Iterable[Right]) -> None:
    """Check that all migrations are applied, that this program may use the schema, and the role's rights.

    Args:
        session: Of a role that changes no table.
        migrations: What makes the tables.
        rights: That the role needs.

    Raises:
        NotPrepared: An operator or a program that migrates has something to do first.
        TooNew: A newer version has contracted the schema.
    """
    needed = sorted(rights)
    try:
        there, needs = _applied(session)
        missing = session.execute(
            _MISSING, [[right.table for right in needed], [right.privilege for right in needed]]
        ).fetchall()
    except errors.UndefinedTable:
        raise NotPrepared("The database has no tables yet: a node makes them when it starts.") from None
    except errors.InsufficientPrivilege:
        raise NotPrepared(_NOT_GRANTED) from None
    if needs > migrations[-1].version:
        raise TooNew(f"The database needs version {needs} of its schema, this is {migrations[-1].version}.")
    if there < migrations[-1].version:
        raise NotPrepared(
            f"The database has version {there} of its schema, and this needs {migrations[-1].version}: "
            "start a node of this version first."
        )
    if missing:
        raise NotPrepared(_NOT_GRANTED)


def _applied(session: Session) -> tuple[int, int]:
    """The version of the schema, and the oldest program that it is for; zeros before the first migration."""
    row = session.execute(
        "SELECT coalesce(max(version), 0), coalesce(max(needs), 0) FROM whatsapp_mcp.migrations"
    ).fetchone()
    assert row is not None
    return row


def _oldest_program(session: Session, there: int, otherwise: int) -> int:
    """Version of the oldest program that has a run; `otherwise` where there is none."""
    if there == 0:
        return otherwise
    # A run that begins after this look finds the schema changed, or waits for the lock.
    row = session.execute("SELECT min(program) FROM whatsapp_mcp.runs WHERE NOT ended").fetchone()
    assert row is not None
    return otherwise if row[0] is None else row[0]
