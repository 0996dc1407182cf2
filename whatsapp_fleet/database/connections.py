"""Connections to the database: every wait has a limit, and no statement is ever cancelled.

A statement that is cancelled, or ended by a timeout of the server, while its commit waits for a standby is
committed all the same, and on this server alone. So the server is told of no limit. A client that has waited
long enough closes its connection and asks over another one what has become of its statement. What waits for
a lock then is given up by the server, and nothing of it is done.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

import anyio
import anyio.to_thread
import psycopg
from psycopg import errors

from whatsapp_fleet.objects import ObjectStore
from whatsapp_fleet.protocol import Durability
from whatsapp_mcp.storage import LeadershipOver, Refused, StorageError, Unavailable

T = TypeVar("T")

OLDEST_SERVER: Final = 14
_FIRST_RETRY: Final = 0.05
_LONGEST_RETRY: Final = 1.0
_SHORTEST_WAIT: Final = 0.001
_PARAMETERS: Final[Mapping[str, Any]] = {
    "application_name": "whatsapp-mcp",
    # A peer that is gone is noticed after eight seconds, whether data is under way or not.
    "keepalives_idle": 2,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 8_000,
    # Nothing is found but by the name of its schema: an account's role may make objects of any name.
    "options": "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=60000"
    " -c search_path=pg_catalog"
    # While the standby is away, whoever repeats a statement has left one at the server that waits for a lock.
    # It ends with its connection; a commit that waits for the standby does not, and is not cut short.
    " -c client_connection_check_interval=5000",
}
_TEMPORARY: Final = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)
"""The connection failed, the server is stopping or starting, or it has become a standby."""
_MEANINGS: Final[Mapping[str, str]] = {
    "25006": "it is a standby, and takes no writes",
    "42501": "its role lacks a right",
    "53100": "its disk is full",
    "53300": "all its connections are taken",
    "57P01": "it is being stopped",
    "57P03": "it is starting or stopping",
}
_SIGNS: Final[Mapping[str, str]] = {
    "password authentication failed": "the password is wrong, or there is no such role",
    "no password supplied": "the URL has no password",
    "no pg_hba.conf entry": "pg_hba.conf does not let this role in from here",
    "resolve host": "the name of its host is not known",
    "translate host name": "the name of its host is not known",
    "Connection refused": "nobody listens at its address",
    "timeout": "nothing answers at its address",
    "timed out": "nothing answers at its address",
    "certificate": "a certificate is not accepted",
    "does not support SSL": "it speaks no TLS",
    "session is read-only": "no server that the URL names is the primary",
    "connection slots": "all its connections are taken",
    "too many clients": "all its connections are taken",
    "starting up": "it is starting",
    "shutting down": "it is being stopped",
    "does not exist": "there is no such database",
}
"""Phrases of the library about a failed connection, which has no SQLSTATE, with this program's words for
them."""

# It warns of a connection that fails in a pipeline, and raises that as well.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class NotAnswered(psycopg.OperationalError):
    """A statement was not answered by the session's deadline; it may be done yet."""


class NotDurable(StorageError):
    """The database may lose what it confirms, so no account is led on it.

    Attributes:
        weaknesses: Sentences for an operator.
    """

    def __init__(self, weaknesses: tuple[str, ...]) -> None:
        super().__init__("The database may lose what it confirms. " + " ".join(weaknesses))
        self.weaknesses = weaknesses


@dataclass(frozen=True, slots=True)
class Database:
    """The database, and how long calls wait for it.

    Attributes:
        url: `postgres://…`; holds a password, so it is in no repr.
        patience: Seconds after which a call that the database does not answer is given up.
        allow_asynchronous: Whether a database may be used that can lose what it confirms.
        monotonic: The time, in seconds.
        sleep: Waits between two tries.
        stopped: Whether nothing more is asked of it: each call raises `Unavailable` then.
        objects: Where new bodies of files and snapshots go; None: into the database as well.
    """

    url: str = field(repr=False)
    patience: float = 15.0
    allow_asynchronous: bool = False
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    stopped: Callable[[], bool] = lambda: False
    objects: ObjectStore | None = field(default=None, repr=False)


class Session(psycopg.Connection[Any]):
    """One connection, in autocommit; a statement is a transaction unless `transaction()` says otherwise.

    Attributes:
        deadline: Moment of `monotonic` at which waiting ends with an `OperationalError`.
        stopped: As of the `Database`; waiting ends then, too.
        warned: Whether the server has warned since this was last set to False. It does when a commit stopped
            waiting for its standby.
    """

    deadline: float
    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    stopped: Callable[[], bool] = staticmethod(lambda: False)
    warned: bool = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as the library does, at most until the deadline or `stopped`; both close the connection."""
        left = max(self.deadline - self.monotonic(), _SHORTEST_WAIT)
        try:
            return super().wait(
                self._until_stopped(gen), interval, left if timeout is None else min(timeout, left)
            )
        except psycopg.OperationalError:
            late = self.monotonic() >= self.deadline
            if late or self.stopped():
                self.close()
            if late:
                raise NotAnswered from None
            raise

    def _until_stopped(self, gen: Any) -> Any:
        """Yield what the library waits for; it goes on with 0 after each interval without an answer."""
        try:
            waits_for = next(gen)
            while True:
                ready = yield waits_for
                if not ready and self.stopped():
                    raise psycopg.OperationalError("nothing more is asked of the database")
                waits_for = gen.send(ready)
        except StopIteration as done:
            return done.value

    def noticed(self, notice: psycopg.errors.Diagnostic) -> None:
        """Take note of a warning."""
        self.warned = self.warned or notice.severity_nonlocalized == "WARNING"


def connect(database: Database, limit: float | None = None) -> Session:
    """Open a connection, for statements that answer within `limit` seconds (the patience).

    Raises:
        psycopg.OperationalError: It cannot be opened.
        NotDurable: The database may lose what it confirms.
        StorageError: The server is too old.
    """
    until = database.monotonic() + (database.patience if limit is None else limit)
    # Whole seconds, of which the library takes two at least.
    wait = max(2, int(until - database.monotonic()))
    session = Session.connect(database.url, autocommit=True, connect_timeout=wait, **_PARAMETERS)
    session.monotonic, session.deadline = database.monotonic, until
    session.stopped = database.stopped
    session.prepare_threshold = 1
    session.add_notice_handler(session.noticed)
    try:
        _check(session, database)
    except BaseException:
        session.close()
        raise
    return session


def _check(session: Session, database: Database) -> None:
    if session.info.server_version < OLDEST_SERVER * 10_000:
        raise StorageError(f"PostgreSQL {OLDEST_SERVER} or newer is needed.")
    if database.allow_asynchronous:
        return
    # Each time, since a failover leads to a server with settings of its own. Whether a standby is there at
    # this moment does not matter: as long as none is, commits wait.
    if weaknesses := durability(session)._replace(synchronous=1).weaknesses():
        raise NotDurable(weaknesses)


def durability(session: Session) -> Durability:
    """Read the durability settings of the server.

    Only a role with `pg_read_all_stats` sees the standbys; for others there are none.
    """
    row = session.execute(
        "SELECT current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),"
        " current_setting('fsync'), current_setting('full_page_writes'),"
        " (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))"
    ).fetchone()
    assert row is not None
    return Durability(*row)


class Link:
    """A connection that is opened when it is needed, and again when it fails; usable from any thread.

    Args:
        database: Where.
        connected: Called with each new connection before it is used.
        lasting: Whether an outage ends only the calls that were made before it was noticed, and a later one
            connects again.
    """

    def __init__(
        self,
        database: Database,
        connected: Callable[[Session], None] = lambda session: None,
        *,
        lasting: bool = False,
    ) -> None:
        self._database = database
        self._connected = connected
        self._lasting = lasting
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._end: StorageError | None = None
        self._outage: Unavailable | None = None

    @property
    def database(self) -> Database:
        """The database of the connection."""
        return self._database

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls raise `Unavailable` from then on."""
        with self._lock:
            self._end = self._end or Unavailable("The connection to the database was closed.")
            self._drop()

    def rest(self) -> None:
        """Close the connection until the next call."""
        with self._lock:
            self._drop()

    def run(self, work: Callable[[Session], T]) -> T:
        """Return the answer of `work`; repeat it over a new connection when one fails under it.

        Raises:
            Unavailable: Not answered within the patience. So is every later call, unless the link is lasting.
            Refused: The database refuses a statement. So is every later call, unless the link is lasting.
            Fenced, Rewound: As `work` says; every later call ends with it, too.
        """
        outage = self._outage
        with self._lock:
            if self._end is not None:
                raise self._end
            if self._outage is not None and self._outage is not outage:
                raise self._outage  # whoever waited for this one need not wait as long again
            try:
                return self._repeated(work)
            except LeadershipOver as error:
                self._drop()
                if not self._lasting or not isinstance(error, Refused | Unavailable):
                    self._end = error
                elif isinstance(error, Unavailable):
                    self._outage = error
                raise

    def _repeated(self, work: Callable[[Session], T]) -> T:
        database, delay = self._database, _FIRST_RETRY
        deadline = database.monotonic() + database.patience
        while True:
            if database.stopped():
                raise Unavailable("Nothing more is asked of the database.")
            try:
                session = self._open(deadline)
                return work(session)
            except _TEMPORARY as error:
                self._drop()
                if database.monotonic() + delay >= deadline:
                    raise Unavailable(
                        f"The database did not answer within {database.patience:.0f} s ({kind_of(error)})."
                    ) from None
            except psycopg.Error as error:
                raise Refused(f"The database refused a statement ({kind_of(error)}).") from None
            database.sleep(delay)
            delay = min(2 * delay, _LONGEST_RETRY)

    def _open(self, deadline: float) -> Session:
        if self._session is None:
            session = connect(self._database, deadline - self._database.monotonic())
            try:
                self._connected(session)
            except BaseException:
                session.close()
                raise
            self._session = session
        self._session.deadline = deadline
        return self._session

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


class DatabaseCalls:
    """A connection that is opened when it is needed, also after an outage.

    Args:
        database: Where; each call may take as long as its patience.
    """

    def __init__(self, database: Database) -> None:
        self._thread = anyio.CapacityLimiter(1)
        self._link = Link(database, lasting=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._link.close, limiter=self._thread)

    async def run(self, work: Callable[[Session], T]) -> T:
        """Return the answer of `work`, which may run more than once. A cancelled caller waits for it as well.

        Raises:
            Unavailable: It was not answered within the patience.
            Refused: The database refuses a statement.
            StorageError: The database may not be used, or what `work` raises.
        """
        return await anyio.to_thread.run_sync(self._link.run, work, limiter=self._thread)


def link_of(where: Database | Link) -> Link:
    """A connection that others use as well, or a new one of its own.

    What is asked for now and then shares one: each takes memory of the server.
    """
    return where if isinstance(where, Link) else Link(where)


def kind_of(error: psycopg.Error) -> str:
    """Describe an error in this program's words: the library's sentence may quote values."""
    if isinstance(error, NotAnswered):
        return "no answer, as when commits wait for a synchronous standby that is lost"
    if error.sqlstate:
        meaning = _MEANINGS.get(error.sqlstate)
        return f"SQLSTATE {error.sqlstate}" + (f": {meaning}" if meaning else "")
    if not isinstance(error, psycopg.OperationalError):
        return type(error).__name__
    words = str(error)
    meanings = dict.fromkeys(meaning for sign, meaning in _SIGNS.items() if sign in words)
    return "; ".join(meanings) or type(error).__name__
