"""An account whose keys are in a database of tests, taken over by one run after another."""

from __future__ import annotations

import re
import secrets
from itertools import count
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from tests.postgres import PostgresServer
from whatsapp_mcp.fleet.database import (
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
from whatsapp_mcp.fleet.keys import Login, fence, prepare
from whatsapp_mcp.fleet.protocol import Lease

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
        )
        return psycopg.connect(address, autocommit=True)
