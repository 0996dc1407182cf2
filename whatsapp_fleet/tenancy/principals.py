"""Principals that may use the accounts of a fleet: holders of tokens, and users of an OAuth issuer.

Of a token only its SHA-256 is stored. Tokens are random (256 bits), so a plain hash does not help to find
one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg.rows import class_row

from whatsapp_fleet.database import Session
from whatsapp_fleet.tenancy.sessions import durably
from whatsapp_mcp.errors import InvalidArgument

SUBJECT: Final = "oauth:"
"""Begins the name of a principal that is a user of the OAuth issuer; the rest is the claim `sub`."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}|oauth:[\x21-\x7e]{1,255}")
_PREFIX: Final = "wamcp_"
"""Lets people and secret scanners see what it is."""
_ALL: Final = """
SELECT name, token_hash, accounts, scopes, calls_per_minute, created_at, revoked_at
FROM whatsapp_mcp.principals ORDER BY name
"""
_HERE: Final = "SELECT account FROM whatsapp_mcp.accounts WHERE account = ANY (%s) AND state <> 'moved'"
_MINUTE: Final = """
SELECT floor(seconds / 60)::bigint, (60 - mod(seconds, 60))::float
FROM (SELECT extract(epoch FROM now()) AS seconds) AS clock
"""
_COUNT: Final = """
INSERT INTO whatsapp_mcp.principal_calls (name, minute, replica, calls) VALUES (%s, %s, %s, %s)
ON CONFLICT (name, minute, replica) DO UPDATE SET calls = excluded.calls
"""
_OTHERS: Final = """
SELECT name, sum(calls)::integer FROM whatsapp_mcp.principal_calls
WHERE minute = %s AND replica <> %s GROUP BY name
"""


@dataclass(frozen=True, slots=True)
class PrincipalRow:
    """One principal.

    Attributes:
        name: Chosen by an operator; of a user of the OAuth issuer `oauth:SUBJECT`.
        token_hash: Of its token; None where it has none.
        accounts: Those that it may use and know of; None for every one, as operators need it.
        scopes: What it may do there.
        calls_per_minute: How many requests it may make in a minute; None for as many as every server takes.
        created_at: When.
        revoked_at: From when on it may do nothing; None while it may.
    """

    name: str
    token_hash: bytes | None
    accounts: list[str] | None
    scopes: list[str]
    calls_per_minute: int | None
    created_at: datetime
    revoked_at: datetime | None


class CallCounts(NamedTuple):
    """Numbers of calls that principals have made in the present minute.

    Attributes:
        minute: The present minute of the database, counted from 1970.
        left: Seconds of it that are left.
        elsewhere: By the name of the principal, at all other replicas in this minute.
    """

    minute: int
    left: float
    elsewhere: dict[str, int]


def hash_of(token: str) -> bytes:
    """By what a token is found."""
    return hashlib.sha256(token.encode()).digest()


def principal_rows(session: Session) -> list[PrincipalRow]:
    """Every principal, also those that were revoked, by name."""
    with session.cursor(row_factory=class_row(PrincipalRow)) as cursor:
        return cursor.execute(_ALL).fetchall()


def create_principal(
    session: Session,
    name: str,
    scopes: Iterable[str],
    accounts: Iterable[str] | None,
    calls_per_minute: int | None = None,
) -> str | None:
    """Make a principal.

    Args:
        session: Of an operator.
        name: As in `PrincipalRow`.
        scopes: As in `PrincipalRow`.
        accounts: As in `PrincipalRow`; each has to be there.
        calls_per_minute: As in `PrincipalRow`.

    Returns:
        Its token, which cannot be read again; None for a user of the OAuth issuer, who has tokens of it.

    Raises:
        InvalidArgument: The name is unusable or taken, or an account is not there.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidArgument(
            f"{name!r} cannot be the name of a principal.",
            "Use letters, digits, '_', '-' and '.', 64 characters at most; or oauth: and a subject.",
        )
    token = None if name.startswith(SUBJECT) else _PREFIX + secrets.token_urlsafe(32)
    if any(row.name == name for row in principal_rows(session)):
        raise _taken(name)
    named = _known(session, accounts)

    def work() -> None:
        # Written where this call has made it already, too: this commit waits for the standby.
        done = session.execute(
            "INSERT INTO whatsapp_mcp.principals AS there"
            " (name, token_hash, accounts, scopes, calls_per_minute) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET name = excluded.name"
            " WHERE there.token_hash = excluded.token_hash OR excluded.token_hash IS NULL",
            [name, None if token is None else hash_of(token), named, sorted(scopes), calls_per_minute],
        )
        if done.rowcount == 0:
            raise _taken(name)

    durably(session, work)
    return token


def change_principal(
    session: Session, name: str, accounts: Iterable[str] | None, calls_per_minute: int | None
) -> None:
    """Change which accounts a principal may use, and how often it may call.

    Raises:
        InvalidArgument: There is no such principal, or an account is not there.
    """
    named = _known(session, accounts)
    _change(session, name, "accounts = %s, calls_per_minute = %s", named, calls_per_minute)


def revoke_principal(session: Session, name: str) -> None:
    """Let a principal do nothing from now on. Its name stays taken, so that the audit means one of them.

    Raises:
        InvalidArgument: There is none of this name.
    """
    _change(session, name, "revoked_at = coalesce(revoked_at, now()), token_hash = NULL")


def count_calls(session: Session, replica: str, calls: Mapping[str, int], counted_in: int) -> CallCounts:
    """Tell the other replicas how often principals have called here in a minute, and hear the same of them.

    It waits for no standby: what a failover takes away are a few seconds of counts.

    Args:
        session: Of this replica.
        replica: A name that no other one has.
        calls: By the name of the principal, of those that have a limit.
        counted_in: The minute in which they were counted, as this function answered it.

    """
    with session.transaction():
        session.execute("SET LOCAL synchronous_commit = off")
        row = session.execute(_MINUTE).fetchone()
        assert row is not None
        minute, left = row
        for name, count in sorted(calls.items()) if counted_in == minute else ():
            session.execute(_COUNT, [name, minute, replica, count])
        session.execute("DELETE FROM whatsapp_mcp.principal_calls WHERE minute < %s", [minute - 1])
        return CallCounts(minute, left, dict(session.execute(_OTHERS, [minute, replica]).fetchall()))


def _taken(name: str) -> InvalidArgument:
    return InvalidArgument(f"There is a principal {name} already.", "Choose another name.")


def _known(session: Session, accounts: Iterable[str] | None) -> list[str] | None:
    if accounts is None:
        return None
    named = sorted(set(accounts))
    rows = session.execute(_HERE, [named])
    missing = sorted(set(named) - {row[0] for row in rows.fetchall()})
    if missing:
        raise InvalidArgument(f"There is no account {missing[0]}.", "List the accounts, or create it first.")
    return named


def _change(session: Session, name: str, changes: LiteralString, *values: Any) -> None:
    def work() -> None:
        done = session.execute(
            f"UPDATE whatsapp_mcp.principals SET {changes} WHERE name = %s",  # noqa: S608  constants alone
            [*values, name],
        )
        if done.rowcount == 0:
            raise InvalidArgument(f"There is no principal {name}.", "List the principals.")

    durably(session, work)
