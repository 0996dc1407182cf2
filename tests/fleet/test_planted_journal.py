"""What a client that was taken over writes into its journal costs its own account alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import psycopg
import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import MIGRATIONS, connect, migrate, migrations
from whatsapp_fleet.node.moving.contents import _is_same
from whatsapp_fleet.tenancy import create_account
from whatsapp_mcp.archive.projection import log_contents
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.storage import JournalReader, JournalRow

LIMIT = 10.0


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


def test_an_event_that_no_leader_could_hold_is_not_taken(account: TakenAccount) -> None:
    with account.log_in(account.take_over()) as client, pytest.raises(psycopg.errors.CheckViolation):
        client.execute(
            b"INSERT INTO whatsapp_mcp.journal VALUES"
            b" ('work', 1, 1, 1, 1, 0, 17, convert_to(repeat('x', (1 << 27) + 1), 'SQL_ASCII'))"
        )


def test_locks_that_a_client_takes_keep_nobody_from_starting_and_no_account_from_being_made(
    account: TakenAccount,
) -> None:
    with account.log_in(account.take_over()) as client:
        client.execute(b"SELECT pg_advisory_lock(%s)", [migrations._LOCK])
        client.execute(b"SELECT pg_advisory_lock(hashtextextended('account another', 0))")
        with connect(replace(account.database, patience=LIMIT)) as session:
            migrate(session, MIGRATIONS)
            create_account(session, "another")
        for table in ("migrations", "forgotten", "leases"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), client.transaction():
                client.execute(f"LOCK TABLE whatsapp_mcp.{table} IN ACCESS SHARE MODE".encode())


class Endless:
    """A journal without an end.

    Attributes:
        given: How many rows were read of it.
    """

    def __init__(self, payload: bytes) -> None:
        self.given = 0
        self._payload = payload

    def read(self, after_seq: int, limit: int, size: int = 0) -> Sequence[JournalRow]:
        self.given += limit
        return [JournalRow(after_seq + n, 1, 0, 17, self._payload) for n in range(1, limit + 1)]


def endless(payload: bytes) -> tuple[JournalReader, Endless]:
    journal = Endless(payload)
    return cast("JournalReader", journal), journal


@pytest.mark.parametrize(("rows", "size"), [(100, 1 << 30), (1 << 30, 1_000)])
def test_rows_that_were_written_between_those_that_a_log_names_are_not_all_read(
    monkeypatch: pytest.MonkeyPatch, rows: int, size: int
) -> None:
    monkeypatch.setattr(log_contents, "_MOST_ROWS", min(rows, 100))
    monkeypatch.setattr(log_contents, "_MOST_BYTES", size)
    reader, journal = endless(b"x" * 100)
    with pytest.raises(Unsupported):
        log_contents._events(log_contents.JournalRows(1, 1 << 40, "digest"), reader)
    assert journal.given <= 100


def test_journals_that_differ_are_not_compared_to_their_ends() -> None:
    (one, journal), (other, _) = endless(b"x"), endless(b"y")
    assert not _is_same(one, other, 0)
    assert journal.given < 1_000
