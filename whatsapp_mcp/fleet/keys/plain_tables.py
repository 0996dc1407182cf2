"""Reading what the role of an account has made of its schema, whatever that is.

A view, a policy or a trigger there is code of whoever has the account's login. It would run on the connection
of whoever reads, and could answer, or say on the way, more than a process can hold. So only plain tables are
read, with functions and operators of the system alone, and the server refuses to answer too much.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, LiteralString

import psycopg
from psycopg import errors, sql

from whatsapp_mcp.fleet.database import Session
from whatsapp_mcp.storage import KeysUnreadable

MOST_ROWS: Final = 1_000
"""Of one answer; what is read of one chat has some tens."""
MOST_BYTES: Final = 32 << 20
"""Of one answer as text, in which a byte of keys has two characters."""
_TABLE: Final = re.compile(r"\{keys\}\.(\w+)")
# It lets rows be written, and keeps everybody from changing what the table is, its indexes included.
_LOCK: Final = "LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE"
# The planner evaluates constants in expressions of indexes and statistics, so those count as code, too. What
# follows in the same exchange is not begun if this fails, which a mere answer could not do.
_PLAIN: Final = """
WITH named AS (SELECT unnest({tables}::regclass[])::oid AS oid)
SELECT 1 / (NOT EXISTS (
    SELECT FROM pg_class JOIN named USING (oid)
    WHERE relkind <> 'r' OR relrowsecurity OR relhasrules OR relhassubclass
    UNION ALL
    SELECT FROM pg_attribute JOIN named ON attrelid = named.oid JOIN pg_type ON atttypid = pg_type.oid
    WHERE attnum > 0 AND (attgenerated <> '' OR typtype <> 'b' OR typnamespace <> 'pg_catalog'::regnamespace)
    UNION ALL
    SELECT FROM pg_index JOIN named ON indrelid = named.oid WHERE indexprs IS NOT NULL OR indpred IS NOT NULL
    UNION ALL
    SELECT FROM pg_statistic_ext JOIN named ON stxrelid = named.oid
    UNION ALL
    SELECT FROM pg_trigger JOIN pg_class ON tgrelid = pg_class.oid
    WHERE NOT tgisinternal AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
))::integer
"""
_BOUNDED: Final = """
SELECT
    1 / (count(*) OVER () <= {rows} AND sum(octet_length(found::text)) OVER () <= {bytes})::integer, found.*
FROM ({query} LIMIT {rows} + 1) AS found
"""


def read(session: Session, schema: str, query: LiteralString, **values: object) -> list[tuple[Any, ...]]:
    """The rows of a query, in whatever order, in one exchange with the server.

    Args:
        session: A connection with the account's login, whose `search_path` names the system's schema alone.
        schema: Of the account's keys.
        query: Without a limit; names each table as `{keys}.name`, and each value as `{name}`.
        values: By name.

    Raises:
        KeysUnreadable: The tables are not plain, or the answer would be too large.
        psycopg.Error: Anything else, such as a table that is not there.
    """
    asked = sql.SQL(_BOUNDED).format(
        query=_filled(schema, query, values), rows=sql.Literal(MOST_ROWS), bytes=sql.Literal(MOST_BYTES)
    )
    return [row[1:] for row in _answered(session, schema, query, asked).fetchall()]


def change(session: Session, schema: str, statement: LiteralString) -> int:
    """Execute a statement as `read` does a query; answers how many rows it has changed.

    Raises:
        KeysUnreadable, psycopg.Error: As `read`.
    """
    return _answered(session, schema, statement, _filled(schema, statement, {})).rowcount


def lock_plain(session: Session, schema: str, tables: Iterable[str]) -> None:
    """Keep tables as they are until the end of the transaction, and see that they are plain.

    Raises:
        KeysUnreadable: They are not.
        psycopg.Error: Anything else, such as a table that is not there.
    """
    _executed(session, sql.SQL("; ").join(_locking(session, schema, tables)))


def _answered(session: Session, schema: str, text: str, statement: sql.Composed) -> psycopg.Cursor[Any]:
    # Statements that are sent together are one transaction, and one is looked at once the last has succeeded.
    locking = _locking(session, schema, _TABLE.findall(text))
    cursor = _executed(session, sql.SQL("; ").join([*locking, statement]))
    while cursor.nextset():
        pass
    return cursor


def _locking(session: Session, schema: str, tables: Iterable[str]) -> list[sql.Composed]:
    names = [sql.Identifier(schema, table) for table in sorted(set(tables))]
    texts = sql.Literal([name.as_string(session) for name in names])
    return [sql.SQL(_LOCK).format(sql.SQL(", ").join(names)), sql.SQL(_PLAIN).format(tables=texts)]


def _executed(session: Session, statements: sql.Composed) -> psycopg.Cursor[Any]:
    try:
        return session.execute(statements, prepare=False)
    except errors.DivisionByZero:
        raise KeysUnreadable(
            "The keys of the account are not as the client library keeps them, or are too many to read."
        ) from None


def _filled(schema: str, statement: LiteralString, values: Mapping[str, object]) -> sql.Composed:
    filled = {name: sql.Literal(value) for name, value in values.items()}
    return sql.SQL(statement).format(keys=sql.Identifier(schema), **filled)
