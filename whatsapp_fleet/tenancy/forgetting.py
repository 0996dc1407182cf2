"""Forgetting an account: its keys, messages, ledger, files and login. What is left is a hash of its name.

The hash has two uses. A node that was off, or that kept a warm copy, finds by it the folder that it has.
And nobody is given the name a second time: such a folder could be taken for the new account's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, LiteralString

from psycopg import sql

from whatsapp_fleet.database import Database, Session, forget_bodies, has_ended
from whatsapp_fleet.keys import schema_of, terminate_backends
from whatsapp_fleet.tenancy.sessions import durably
from whatsapp_mcp.errors import Busy, InvalidArgument, cause

FORGETTING: Final = "is being forgotten"
"""The reason of an account of which not everything is deleted yet."""
ACCOUNT_TABLES: Final = (
    "journal",
    "log",
    "ledger",
    "ledger_snapshots",
    "snapshot_pointers",
    "snapshot_parts",
    "snapshots",
    "file_parts",
    "files",
    "account_stores",
    "account_files",
    "heads",
    "accounts",
    "leases",
)
"""Every table with rows of an account, each before those that it refers to."""
_LIMIT: Final = 600.0
"""Seconds in which everything of a large account has to be deleted."""
_OWNER: Final = """
SELECT rolname FROM pg_namespace JOIN pg_roles ON pg_roles.oid = nspowner WHERE nspname = %s
"""
_TABLES: Final = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'whatsapp_mcp' AND column_name = 'account' ORDER BY table_name
"""
_SCHEMA: Final = "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = %s"
_ROLES: Final = """
SELECT 'role ' || rolname FROM pg_roles
WHERE rolname ~ ('^wa_' || (SELECT oid FROM pg_database WHERE datname = current_database())
    || '_' || %s || '_[0-9]+$')
"""
_POLICIES: Final = """
SELECT 'policy of ' || tablename FROM pg_policies
WHERE schemaname = 'whatsapp_mcp' AND policyname = 'account ' || %s
"""
_FORGOTTEN: Final = """
SELECT name FROM unnest(%s::text[], %s::text[]) AS asked (name, hash)
JOIN whatsapp_mcp.forgotten ON name_hash = hash
WHERE NOT EXISTS (SELECT FROM whatsapp_mcp.leases WHERE account = name)
"""
_MOVED: Final = "SELECT account FROM whatsapp_mcp.accounts WHERE account = ANY (%s) AND state = 'moved'"
_OF_PRINCIPALS: Final = "SELECT 'principal ' || name FROM whatsapp_mcp.principals WHERE %s = ANY (accounts)"


def hash_of_name(account: str) -> str:
    """Return the hash of an account's name, which remains once the account is forgotten."""
    return hashlib.sha256(account.encode()).hexdigest()


def forget_account(session: Session, database: Database, account: str) -> None:
    """Delete everything of an account that no run leads; repeat it where it was interrupted.

    It is marked first, so that no node takes it up again and those with a copy delete that. Then the
    connections of its client end, its objects are deleted, and all the rest is one transaction.

    Args:
        session: Of a role like that of the nodes, which may change and drop the account's.
        database: How long its connections are waited for.
        account: Its name.

    Raises:
        Busy: A run leads it, and it has to be drained first; or its objects cannot be deleted.
        Unavailable: A connection of its client does not end.
    """
    durably(session, lambda: _mark(session, account))
    role = _role_of(session, account)
    if role is not None:
        session.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
        terminate_backends(session, database, account)
    try:
        forget_bodies(session, database, account)
    except OSError as error:
        raise Busy(cause(error), "Correct that, then forget the account once more.") from error
    session.deadline = database.monotonic() + _LIMIT
    durably(session, lambda: _delete(session, account))


def forgotten_among(session: Session, names: Iterable[str]) -> set[str]:
    """Return those of the accounts that were forgotten; anybody with a copy of one deletes it."""
    asked = sorted(set(names))
    rows = session.execute(_FORGOTTEN, [asked, [hash_of_name(name) for name in asked]])
    return {row[0] for row in rows.fetchall()}


def gone_among(session: Session, names: Iterable[str]) -> set[str]:
    """Return those of the accounts that were forgotten or have moved elsewhere."""
    asked = sorted(set(names))
    moved = session.execute(_MOVED, [asked]).fetchall()
    return forgotten_among(session, asked) | {row[0] for row in moved}


def require_new_name(session: Session, account: str) -> None:
    """Check that this name was never forgotten; other checks and forgetting wait for this transaction.

    Raises:
        InvalidArgument: One was.
    """
    # Every role may take an advisory lock, an account's too.
    session.execute("LOCK TABLE whatsapp_mcp.forgotten IN SHARE ROW EXCLUSIVE MODE")
    if forgotten_among(session, [account]):
        raise InvalidArgument(
            f"An account {account} was forgotten.",
            "Choose another name: copies of that one may still come back.",
        )


def remains(session: Session, account: str) -> list[str]:
    """List the remains of an account in this database, table by table; empty once it is forgotten.

    The tables are those of the catalogue, so one that is added later is looked at as well.
    """
    leftovers: list[str] = []
    for (table,) in session.execute(_TABLES).fetchall():
        name = sql.Identifier("whatsapp_mcp", table)
        there = session.execute(
            sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE account = %s)").format(name), [account]
        ).fetchone()
        if there == (True,):
            leftovers.append(f"rows of {table}")
    others: list[tuple[LiteralString, str]] = [
        (_SCHEMA, schema_of(account)),
        (_ROLES, account),
        (_POLICIES, account),
        (_OF_PRINCIPALS, account),
    ]
    for query, value in others:
        leftovers += [row[0] for row in session.execute(query, [value]).fetchall()]
    return leftovers


def _role_of(session: Session, account: str) -> str | None:
    row = session.execute(_OWNER, [schema_of(account)]).fetchone()
    return None if row is None else row[0]


def _mark(session: Session, account: str) -> None:
    """Let no node lead it again."""
    _require_unled(session, account)
    session.execute(
        "UPDATE whatsapp_mcp.accounts SET state = 'drained', reason = %s WHERE account = %s",
        [FORGETTING, account],
    )
    session.execute(
        "INSERT INTO whatsapp_mcp.forgotten (name_hash) VALUES (%s) ON CONFLICT DO NOTHING",
        [hash_of_name(account)],
    )


def _require_unled(session: Session, account: str) -> None:
    """Refuse what a run leads. The lock of the lease makes a takeover wait until this transaction is over."""
    lease = session.execute(
        "SELECT run FROM whatsapp_mcp.leases WHERE account = %s FOR UPDATE", [account]
    ).fetchone()
    if lease is not None and lease[0] is not None and not has_ended(session, lease[0]):
        raise Busy(f"A node leads {account}.", "Drain it first, then forget it.")


def _delete(session: Session, account: str) -> None:
    # A run that saw it active may have taken it since it was marked; it sees the mark and gives it up.
    _require_unled(session, account)
    # A writer that is not done is waited for, and the next one finds no head.
    session.execute("SELECT FROM whatsapp_mcp.heads WHERE account = %s FOR UPDATE", [account])
    if (role := _role_of(session, account)) is not None:
        schema, name = sql.Identifier(schema_of(account)), sql.Identifier(role)
        session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
        session.execute(sql.SQL("DROP OWNED BY {}").format(name))
        session.execute(sql.SQL("DROP ROLE {}").format(name))
    for table in ACCOUNT_TABLES:
        rows = sql.SQL("DELETE FROM {} WHERE account = %s").format(sql.Identifier("whatsapp_mcp", table))
        session.execute(rows, [account])
    session.execute(
        "UPDATE whatsapp_mcp.principals SET accounts = array_remove(accounts, %s) WHERE %s = ANY (accounts)",
        [account, account],
    )
