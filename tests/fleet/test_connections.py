"""Which databases are used, over which connections, and what a client process may do there."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import psycopg
import pytest
import trustme
from psycopg import sql

from tests.fault_proxy import fault_proxy
from tests.fleet.led import ACCOUNT, LedAccount, patient
from tests.fleet.postgres import PASSWORD, PostgresServer, SynchronousPair, debian_binaries, postgres_server
from whatsapp_fleet.database import (
    Database,
    Link,
    NotDurable,
    PostgresJournal,
    add_account,
    admit,
    connect,
    durability,
)
from whatsapp_mcp.storage import Refused, Unavailable

LIMIT = 30


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        yield account


def test_a_server_without_a_standby_is_refused(database: str) -> None:
    with pytest.raises(NotDurable) as raised:
        connect(Database(database))
    assert raised.value.weaknesses == (
        "`synchronous_standby_names` is empty: a failover loses what was confirmed.",
    )


def test_a_server_without_a_standby_is_used_if_that_is_allowed(database: str) -> None:
    with connect(Database(database, allow_asynchronous=True)) as session:
        assert durability(session).weaknesses() != ()


def test_a_server_with_a_synchronous_standby_is_used(pair: SynchronousPair) -> None:
    with connect(Database(pair.primary.url())) as session:
        assert durability(session).weaknesses() == ()


def test_a_role_that_does_not_wait_for_the_standby_is_refused(pair: SynchronousPair) -> None:
    pair.primary.query("CREATE ROLE hasty LOGIN PASSWORD 'x'")
    pair.primary.query("ALTER ROLE hasty SET synchronous_commit = local")
    with pytest.raises(NotDurable):
        connect(Database(pair.primary.url(user="hasty", password="x")))


def test_a_call_that_waits_ends_when_nothing_more_is_asked_of_the_database(
    postgres: PostgresServer, database: str
) -> None:
    stopped = Event()
    with fault_proxy(postgres.port) as network, ThreadPoolExecutor(1) as thread:
        url = database.replace(f":{postgres.port}/", f":{network.port}/")
        with Link(replace(patient(url, 600.0), stopped=stopped.is_set), lambda session: None) as link:
            assert link.run(lambda session: session.execute("SELECT 1").fetchone()) == (1,)
            network.hold()
            waiting = thread.submit(link.run, lambda session: session.execute("SELECT 2").fetchone())
            stopped.set()
            with pytest.raises(Unavailable):
                waiting.result(LIMIT)


def test_no_statement_is_ended_by_a_timeout_of_the_server(led: LedAccount, postgres: PostgresServer) -> None:
    led.session.execute(f"ALTER DATABASE {led.session.info.dbname} SET statement_timeout = 50".encode())
    with connect(led.database) as session:
        assert session.execute("SHOW statement_timeout").fetchone() == ("0",)


def test_no_statement_is_cancelled_when_it_takes_too_long(led: LedAccount) -> None:
    with connect(led.database) as session:
        session.deadline = session.monotonic() + 0.2
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT pg_sleep(600)")
        active = led.session.execute(
            "SELECT state FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        ).fetchall()
        assert active == [("active",)]
    led.session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_s%'"
    )


@pytest.fixture
def client(led: LedAccount, postgres: PostgresServer) -> Iterator[Database]:
    """The database as the role of a client process has it."""
    role = f"client {led.session.info.dbname}"
    led.session.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(PASSWORD))
    )
    admit(led.session, ACCOUNT, role)
    yield patient(postgres.url(led.session.info.dbname, role.replace(" ", "%20")))
    led.session.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))


def test_what_is_refused_ends_a_connection_that_is_not_a_lasting_one(led: LedAccount) -> None:
    for is_lasting in (True, False):
        with Link(led.database, lasting=is_lasting) as link:
            with pytest.raises(Refused):
                link.run(lambda session: session.execute("SELECT 1 / 0"))
            if is_lasting:
                assert link.run(lambda session: session.execute("SELECT 1").fetchone()) == (1,)
            else:
                with pytest.raises(Refused):
                    link.run(lambda session: session)
        with pytest.raises(Unavailable if is_lasting else Refused):
            link.run(lambda session: session)


def test_a_client_appends_to_the_journal_of_its_account(led: LedAccount, client: Database) -> None:
    with PostgresJournal(client, ACCOUNT, led.epoch) as journal:
        assert journal.append(1, 17, b"mine") == 1
    with led.journal() as read:
        assert [row.payload for row in read.read(0, 10)] == [b"mine"]


def test_a_client_neither_reads_nor_writes_the_journal_of_another_account(
    led: LedAccount, client: Database
) -> None:
    add_account(led.session, "home")
    led.session.execute("INSERT INTO whatsapp_mcp.journal VALUES ('home', 1, 0, 1, 1, 1, 17, 'secret')")
    with PostgresJournal(client, "home", 0) as journal:
        assert journal.read(0, 10) == []
        with pytest.raises(Exception, match="newer leader"):
            journal.append(1, 17, b"x")
    with connect(client) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("INSERT INTO whatsapp_mcp.journal VALUES ('home', 2, 0, 2, 1, 1, 17, 'x')")


def test_a_client_neither_sees_nor_moves_the_heads_of_other_streams(
    led: LedAccount, client: Database
) -> None:
    with connect(client) as session:
        moved = session.execute("UPDATE whatsapp_mcp.heads SET seq = seq RETURNING account, stream")
        assert moved.fetchall() == [(ACCOUNT, "journal")]
        assert session.execute("SELECT stream FROM whatsapp_mcp.heads").fetchall() == [("journal",)]


def test_a_leader_finds_nothing_without_the_name_of_its_schema(led: LedAccount) -> None:
    assert led.session.execute("SELECT current_schemas(false)").fetchone() == (["pg_catalog"],)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM whatsapp_mcp.log",
        "SELECT FROM whatsapp_mcp.leases",
        "UPDATE whatsapp_mcp.heads SET epoch = 0",
        "DELETE FROM whatsapp_mcp.journal",
        "UPDATE whatsapp_mcp.journal SET payload = ''",
    ],
)
def test_a_client_may_do_nothing_else(client: Database, statement: str) -> None:
    with connect(client) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement.encode())


def test_rights_stay_with_a_role_that_is_renamed(
    led: LedAccount, client: Database, postgres: PostgresServer
) -> None:
    name = led.session.info.dbname
    rename = sql.SQL("ALTER ROLE {} RENAME TO {}")
    old, new = sql.Identifier(f"client {name}"), sql.Identifier(f"renamed {name}")
    led.session.execute(rename.format(old, new))
    led.session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(new, sql.Literal(PASSWORD)))
    try:
        renamed = patient(postgres.url(name, f"renamed%20{name}"))
        with PostgresJournal(renamed, ACCOUNT, led.epoch) as journal:
            assert journal.append(1, 17, b"mine") == 1
    finally:
        led.session.execute(rename.format(new, old))


needs_tls = pytest.mark.skipif(debian_binaries() is None, reason="only the system's PostgreSQL knows TLS")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def encrypted(authority: trustme.CA) -> Iterator[PostgresServer]:
    with postgres_server(authority=authority) as server:
        yield server


def with_certificate(server: PostgresServer, authority: trustme.CA, folder: Path) -> Database:
    """The server's database as an operator gives it who trusts one authority."""
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    url = f"{server.url()}?sslmode=verify-full&sslrootcert={bundle}"
    return Database(url, patience=3, allow_asynchronous=True)


@needs_tls
def test_a_database_is_reached_over_tls(
    encrypted: PostgresServer, authority: trustme.CA, tmp_path: Path
) -> None:
    with connect(with_certificate(encrypted, authority, tmp_path)) as session:
        assert session.pgconn.ssl_in_use


@needs_tls
def test_a_server_with_a_certificate_of_somebody_else_is_refused(
    encrypted: PostgresServer, tmp_path: Path
) -> None:
    database = with_certificate(encrypted, trustme.CA(), tmp_path)
    with PostgresJournal(database, ACCOUNT, 1) as journal, pytest.raises(Unavailable):
        journal.append(1, 17, b"x")
