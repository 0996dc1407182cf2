"""An account whose keys are in a database of tests, taken over by one run after another."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import (
    MIGRATIONS,
    Database,
    PostgresJournal,
    Session,
    add_account,
    begin_run,
    connect,
    end_run,
    lease_of,
    migrate,
)
from whatsapp_fleet.keys import Login, fence, prepare
from whatsapp_fleet.protocol import Lease

ACCOUNT = "work"
PASSWORD = "of-the-leaders"
PATIENCE = 60.0
_RUNS = count(1)


def leaders_url(server: PostgresServer, database: str) -> str:
    """The address of a database for a new role with the rights of a leader, which are few."""
    name = re.sub(r".*/", "", database)
    role = f"leader_{secrets.token_hex(4)}"
    server.query(f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    server.query(f'GRANT CREATE ON DATABASE "{name}" TO {role}')
    return server.url(name, role, PASSWORD)


def plant(client: psycopg.Connection[tuple[object, ...]], login: Login) -> None:
    """Make the functions of a taken-over client, which note as whom they run; see `ran_as`.

    They note it in sequences: those keep what a transaction does that is rolled back.

    Args:
        client: A connection with the login.
        login: The account's.
    """
    body = (
        f"LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval(CASE current_user WHEN '{login.role}'"
        f" THEN '{login.schema}.as_itself' ELSE '{login.schema}.as_another' END); RETURN NULL; END $$"
    )
    for statement in (
        "CREATE SEQUENCE as_itself",
        "CREATE SEQUENCE as_another",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA {schema} TO PUBLIC",
        f"CREATE FUNCTION spy() RETURNS text {body}",
        f"CREATE FUNCTION spy_on_rows() RETURNS trigger {body}",
    ):
        client.execute(statement.format(schema=login.schema).encode())


def ran_as(client: psycopg.Connection[tuple[object, ...]]) -> tuple[object, ...]:
    """Whether functions of `plant` have run as the account's role, and as another one."""
    [found] = client.execute(
        "SELECT as_itself.is_called, as_another.is_called FROM as_itself, as_another"
    ).fetchall()
    return found


class TakenAccount:
    """One account, prepared, that nobody leads at first.

    Attributes:
        database: Where, for a leader.
        session: The connection of a leader.
    """

    def __init__(self, url: str, account: str = ACCOUNT) -> None:
        self.account = account
        self.database = Database(url, patience=PATIENCE, allow_asynchronous=True)
        self.session = self.connect()
        migrate(self.session, MIGRATIONS)
        add_account(self.session, account)
        prepare(self.session, account)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.session.close()

    def connect(self) -> Session:
        """A connection of another leader."""
        return connect(self.database)

    def challenge(self) -> tuple[Lease, str]:
        """The lease as a challenger sees it, and its run; the former run has ended."""
        seen = lease_of(self.session, self.account)
        assert seen is not None
        if seen.run is not None:
            end_run(self.session, seen.run)
        run = f"run {next(_RUNS)} {secrets.token_hex(4)}"
        begin_run(self.session, run, "node", MIGRATIONS[-1].version)
        return seen, run

    def take_over(self) -> Login:
        """A new run takes the account."""
        login = fence(self.session, self.database, self.account, *self.challenge())
        assert login is not None
        return login

    def epoch(self) -> int:
        """The present one."""
        lease = lease_of(self.session, self.account)
        assert lease is not None
        return lease.epoch

    def journal(self) -> PostgresJournal:
        """The journal as the present leader has it."""
        return PostgresJournal(self.database, self.account, self.epoch())

    def log_in(self, login: Login, port: int | None = None) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as a client process opens it."""
        address = make_conninfo(
            self.session.info.dsn,
            user=login.role,
            password=login.password,
            port=port or self.session.info.port,
            options="",
        )
        return psycopg.connect(address, autocommit=True)
