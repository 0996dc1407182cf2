"""What a database notes of its own writers, by triggers: when leases changed, and who wrote keys and rows.

It stands in tables beside those of the program, so it is as durable, and it uses the clock of this machine.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg import sql

from whatsapp_fleet.database import Session
from whatsapp_fleet.keys import schema_of

_STATEMENTS: Final = (
    "CREATE SCHEMA witness",
    "CREATE TABLE witness.leases (account text, run text, epoch bigint, at timestamptz)",
    """
    CREATE TABLE witness.key_writers (
        account text, pid integer, began timestamptz, last timestamptz,
        PRIMARY KEY (account, pid, began)
    )
    """,
    "CREATE TABLE witness.stale_rows (account text, stream text, epoch bigint, newer bigint)",
    """
    CREATE FUNCTION witness.lease() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO witness.leases VALUES (NEW.account, NEW.run, NEW.epoch, clock_timestamp());
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION witness.note_key_writer(account text) RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
        INSERT INTO witness.key_writers
        SELECT $1, pid, backend_start, clock_timestamp() FROM pg_stat_get_activity(pg_backend_pid()) AS mine
        ON CONFLICT (account, pid, began) DO UPDATE SET last = excluded.last;
    $$
    """,
    "GRANT USAGE ON SCHEMA witness TO PUBLIC",
    """
    CREATE FUNCTION witness.row_written() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO witness.stale_rows
        SELECT NEW.account, TG_TABLE_NAME, NEW.epoch, epoch
        FROM whatsapp_mcp.leases WHERE account = NEW.account AND epoch > NEW.epoch;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER witness AFTER INSERT OR UPDATE ON whatsapp_mcp.leases
    FOR EACH ROW EXECUTE FUNCTION witness.lease()
    """,
    *(
        f"CREATE TRIGGER witness AFTER INSERT ON whatsapp_mcp.{table}"
        " FOR EACH ROW EXECUTE FUNCTION witness.row_written()"
        for table in ("journal", "log", "ledger")
    ),
)
# The one function that a table of keys may have as a trigger, or nobody would read it.
_ALLOWED: Final = "whatsapp_mcp.skip_stored_identity()"
_NOTE: Final = """BEGIN
    IF TG_LEVEL = 'STATEMENT' THEN
        PERFORM witness.note_key_writer(TG_ARGV[0]);
        RETURN NULL;
    END IF;"""
_KEY_TABLES: Final = (
    "whatsmeow_sessions", "whatsmeow_pre_keys", "whatsmeow_sender_keys", "whatsmeow_identity_keys",
)  # fmt: skip
_LEASES: Final = """
SELECT account, runs.node, epoch, extract(epoch FROM at)::float8 FROM witness.leases
JOIN whatsapp_mcp.runs USING (run) ORDER BY at
"""
_KEY_WRITERS: Final = """
SELECT account, extract(epoch FROM began)::float8, extract(epoch FROM last)::float8 FROM witness.key_writers
"""


class LeaseChange(NamedTuple):
    """From when on a node led an account, in which epoch; seconds since 1970."""

    account: str
    node: str
    epoch: int
    at: float


class KeyWriter(NamedTuple):
    """When one connection that wrote keys of an account began and last wrote; seconds since 1970."""

    account: str
    began: float
    last: float


def watch(session: Session) -> None:
    """Let a database whose schema is whole take note, for its superuser."""
    for statement in _STATEMENTS:
        session.execute(statement.encode())
    [(allowed,)] = session.execute("SELECT pg_get_functiondef(%s::regprocedure)", [_ALLOWED]).fetchall()
    session.execute(allowed.replace("BEGIN", _NOTE, 1).encode())


def watch_keys(session: Session, account: str) -> None:
    """Let it note who writes the keys of an account, whose tables the client library has made."""
    for table in _KEY_TABLES:
        session.execute(
            sql.SQL(
                "CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON {}"
                " FOR EACH STATEMENT EXECUTE FUNCTION whatsapp_mcp.skip_stored_identity({})"
            ).format(sql.Identifier(schema_of(account), table), sql.Literal(account))
        )


def lease_changes(session: Session) -> list[LeaseChange]:
    """All that were noted, in order, but for those by which an account was given up."""
    seen: set[tuple[str, int]] = set()
    found: list[LeaseChange] = []
    for row in session.execute(_LEASES).fetchall():
        change = LeaseChange(*row)
        if (change.account, change.epoch) not in seen:
            seen.add((change.account, change.epoch))
            found.append(change)
    return found


def key_writers(session: Session) -> list[KeyWriter]:
    """All connections that wrote keys."""
    return [KeyWriter(*row) for row in session.execute(_KEY_WRITERS).fetchall()]


def stale_rows(session: Session) -> int:
    """How many rows were appended by a leader when another had a newer epoch."""
    row = session.execute("SELECT count(*) FROM witness.stale_rows").fetchone()
    assert row is not None
    return row[0]
