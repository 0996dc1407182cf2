"""Reading what the role of an account has made of its schema, whatever that is.

A view, a policy or a trigger there is code of whoever has the account's login. It would run on the connection
of whoever reads, and could answer, or say on the way, more than a process can hold. So only plain tables are
read, with functions and operators of the system alone, and the server refuses to answer too much.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg
from psycopg import errors, sql

from whatsapp_fleet.database import Session
from whatsapp_mcp.storage import KeysUnreadable

MOST_ROWS: Final = 1_000
"""Most rows of one answer; what is read of one chat has some tens."""
MOST_BYTES: Final = 32 << 20
"""Most bytes of one answer as text, in which a byte of keys has two characters."""
_TABLE: Final = re.compile(r"\{keys\}\.(\w+)")
# It lets rows be written, and keeps everybody from changing what the table is, its indexes included.
_LOCK: Final = "LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE"
# The planner evaluates constants in expressions of indexes and statistics, so those count as code, too. What
# follows in the same exchange is not begun if this fails, which a mere answer could not do. The names are a
# parameter: a prepared statement with a constant `regclass` would look at a former table. Rows that are
# deleted take along those that refer to them, so a change has to name, and lock, every table that refers to
# one of its own. Of triggers only the function of the schema is known. All is found by indexes, since a
# database has the tables of a thousand accounts.
_PLAIN: Final = """
WITH RECURSIVE concerned AS (
    SELECT unnest(%(tables)s::text[]::regclass[])::oid AS oid
    UNION
    SELECT tgconstrrelid FROM concerned CROSS JOIN LATERAL (
        SELECT tgconstrrelid FROM pg_trigger JOIN pg_constraint ON pg_constraint.oid = tgconstraint
        WHERE tgrelid = concerned.oid AND confrelid = tgrelid OFFSET 0
    ) AS referring
)
SELECT 1 / (NOT EXISTS (
    SELECT FROM pg_class WHERE oid = ANY (%(tables)s::text[]::regclass[])
        AND (relkind <> 'r' OR relrowsecurity OR relhasrules OR relhassubclass)
    UNION ALL
    SELECT FROM concerned WHERE %(changes)s AND oid <> ALL (%(tables)s::text[]::regclass[])
    UNION ALL
    SELECT FROM pg_attribute WHERE attrelid = ANY (%(tables)s::text[]::regclass[]) AND attnum > 0 AND (
        attgenerated <> '' OR (
            SELECT typtype <> 'b' OR typnamespace <> 'pg_catalog'::regnamespace
            FROM pg_type WHERE pg_type.oid = atttypid
        )
    )
    UNION ALL
    SELECT FROM pg_index WHERE indrelid = ANY (%(tables)s::text[]::regclass[])
        AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
    UNION ALL
    SELECT FROM pg_statistic_ext WHERE stxrelid = ANY (%(tables)s::text[]::regclass[])
    UNION ALL
    SELECT FROM pg_trigger WHERE tgrelid = ANY (ARRAY(SELECT oid FROM concerned)) AND NOT tgisinternal AND (
        tgqual IS NOT NULL
        OR tgfoid::oid IS DISTINCT FROM to_regprocedure('whatsapp_mcp.skip_stored_identity()')::oid
    )
))::integer
"""
_BOUNDED: Final = """
SELECT
    1 / (
        count(*) OVER () <= %(rows)s AND sum(octet_length(found::text)) OVER () <= %(bytes)s
    )::integer, found.*
FROM ({query} LIMIT %(rows)s + 1) AS found
"""


def read(session: Session, schema: str, query: LiteralString, **values: object) -> list[tuple[Any, ...]]:
    """The rows of a query, in whatever order, in one exchange with the server.

    Args:
        session: A connection with the account's login, whose `search_path` names the system's schema alone.
        schema: Of the account's keys.
        query: Without a limit; names each table as `{keys}.name`, and each value as `%(name)s`.
        values: By name.

    Raises:
        KeysUnreadable: The tables are not plain, or the answer would be too large.
        psycopg.Error: Anything else, such as a table that is not there.
    """
    asked = _BOUNDED.format(query=query)
    bounds = {"rows": MOST_ROWS, "bytes": MOST_BYTES}
    answered = _answered(session, schema, asked, {**values, **bounds}, changes=False)
    return [row[1:] for row in answered.fetchall()]


def change(session: Session, schema: str, statement: LiteralString) -> int:
    """Execute a statement as `read` does a query; answers how many rows it has changed.

    It names every table that refers to one that it names.

    Raises:
        KeysUnreadable, psycopg.Error: As `read`.
    """
    return _answered(session, schema, statement, {}, changes=True).rowcount


def lock_plain(session: Session, schema: str, tables: Iterable[str]) -> None:
    """Keep tables as they are until the end of the transaction, and see that they are plain.

    No table that is not among them refers to one of them.

    Raises:
        KeysUnreadable: They are not.
        psycopg.Error: Anything else, such as a table that is not there.
    """
    with _understood():
        _lock(session, [sql.Identifier(schema, table) for table in sorted({*tables})], changes=True)


def _answered(
    session: Session, schema: str, statement: LiteralString, values: Mapping[str, object], *, changes: bool
) -> psycopg.Cursor[Any]:
    """The answer of a statement, in a transaction of its own that keeps its tables as they are.

    All of it is one exchange, in which nothing follows what has failed. The statements are prepared: planning
    them each time would take longer than all the rest.
    """
    tables = sorted({*_TABLE.findall(statement)})
    try:
        with _understood(), session.pipeline():
            session.execute("BEGIN")
            _lock(session, [sql.Identifier(schema, table) for table in tables], changes=changes)
            cursor = session.execute(sql.SQL(statement).format(keys=sql.Identifier(schema)), values)
            session.execute("COMMIT")
    except BaseException:
        if not session.closed:
            session.rollback()
        raise
    return cursor


def _lock(session: Session, tables: Sequence[sql.Identifier], *, changes: bool) -> None:
    session.execute(sql.SQL(_LOCK).format(sql.SQL(", ").join(tables)))
    session.execute(_PLAIN, {"tables": [table.as_string(session) for table in tables], "changes": changes})


@contextmanager
def _understood() -> Generator[None]:
    """Say what a division by zero stands for."""
    try:
        yield
    except errors.DivisionByZero:
        raise KeysUnreadable(
            "The keys of the account are not as the client library keeps them, or are too many to read."
        ) from None
