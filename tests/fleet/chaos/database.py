"""The database of a run with faults: a primary, a synchronous standby, and another one after a failover."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import psycopg

from tests.fleet.postgres import PostgresServer, postgres_server, standby_of
from whatsapp_fleet.database import MIGRATIONS, Database, Session, connect, migrate

T = TypeVar("T")

SETTINGS: Final = {
    # Each account has its client's connections and its leader's, and two nodes may have them for a moment.
    "max_connections": "1200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_keep_size": "512MB",
    "autovacuum": "on",
    # A standby confirms what it has on its disk, so a failover loses nothing that was confirmed.
    "synchronous_commit": "on",
    # Who is cut off does not hold locks for longer than this.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
_NAME: Final = "fleet"
_LEADER: Final = "leader"
_PASSWORD: Final = "of-the-leaders"


@dataclass
class Cluster:
    """The servers.

    Attributes:
        primary: The one that takes writes now.
        standby: The one that has all that is confirmed.
        stack: Ends what is started later on.
        thread: Starts servers: one ends with the thread that has started it.
        failovers: How many there were.
    """

    primary: PostgresServer
    standby: PostgresServer
    stack: ExitStack
    thread: ThreadPoolExecutor
    failovers: int = 0

    @property
    def ports(self) -> list[int]:
        """Those of both."""
        return [self.primary.port, self.standby.port]

    def url(self, ports: list[int], *, role: str = _LEADER, password: str = _PASSWORD) -> str:
        """The address of the database for a node that reaches the servers at these ports."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgres://{role}:{password}@{hosts}/{_NAME}?target_session_attrs=read-write"

    def database(self) -> Database:
        """The database for the run itself, as superuser, without any delay."""
        return Database(self.primary.url(_NAME), patience=60.0)

    def ask(self, work: Callable[[Session], T]) -> T:
        """What `work` answers over a connection of the run itself, once the database answers."""
        database = self.database()
        deadline = database.monotonic() + database.patience
        while True:
            try:
                with connect(self.database()) as session:
                    return work(session)
            except (psycopg.OperationalError, psycopg.InterfaceError):
                if database.monotonic() > deadline:
                    raise
                database.sleep(0.1)

    def restart(self) -> None:
        """Restart the primary; its connections end."""
        self.thread.submit(self.primary.restart, signal.SIGINT).result()

    def fail_over(self) -> None:
        """Lose the primary for good; the standby takes over, and gets a standby of its own."""
        self.thread.submit(self._fail_over).result()

    def _fail_over(self) -> None:
        self.failovers += 1
        self.primary.stop(signal.SIGQUIT)
        primary, name = self.standby, f"standby{self.failovers}"
        # Before it takes any write: what it confirms is on two machines from the beginning.
        primary.query(f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
        primary.query("SELECT pg_reload_conf()")
        primary.promote()
        self.primary = primary
        self.standby = self.stack.enter_context(standby_of(primary, name))


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A pair with an empty database of the fleet, whose schema is whole."""
    with ThreadPoolExecutor(1) as thread, ExitStack() as stack:
        primary = stack.enter_context(postgres_server(SETTINGS))
        standby = stack.enter_context(standby_of(primary, "standby0"))
        primary.query("ALTER SYSTEM SET synchronous_standby_names = 'standby0'")
        primary.query("SELECT pg_reload_conf()")
        primary.query(f"CREATE ROLE {_LEADER} LOGIN CREATEROLE PASSWORD '{_PASSWORD}'")
        primary.query(f"CREATE DATABASE {_NAME}")
        primary.query(f"GRANT CREATE ON DATABASE {_NAME} TO {_LEADER}")
        servers = Cluster(primary, standby, stack, thread)
        with connect(Database(servers.url(servers.ports))) as session:
            migrate(session, MIGRATIONS)
        yield servers
