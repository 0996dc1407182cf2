"""The servers that tests of storage run on are what these tests take them for."""

import psycopg
import pytest
import trustme

from tests.fleet.postgres import PostgresServer, SynchronousPair, debian_binaries, postgres_server


def test_a_test_has_a_database_of_its_own(database: str, postgres: PostgresServer) -> None:
    other = postgres.new_database()
    with psycopg.connect(database) as mine, psycopg.connect(other) as theirs:
        mine.execute("CREATE TABLE words (word text)")
        assert theirs.execute("SELECT to_regclass('words')").fetchone() == (None,)


def test_a_password_is_asked_for_over_tcp(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url(password="wrong"))


def test_a_commit_on_the_pair_is_on_the_standby_when_it_returns(pair: SynchronousPair) -> None:
    database = pair.primary.new_database()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE words (word text)")
        connection.execute("INSERT INTO words VALUES ('kept')")
        row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert row is not None
    received = pair.standby.query(f"SELECT pg_last_wal_receive_lsn() >= '{row[0]}'::pg_lsn")
    assert received == "t"


@pytest.mark.skipif(debian_binaries() is None, reason="only the system's PostgreSQL knows TLS")
def test_a_server_with_a_certificate_speaks_tls_alone() -> None:
    with postgres_server(authority=trustme.CA()) as server:
        with psycopg.connect(server.url(), sslmode="require") as connection:
            assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url(), sslmode="disable")
