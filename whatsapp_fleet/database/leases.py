"""Runs, which are starts of a node's process, and the leases by which they lead accounts.

The rules are those of `fleet.protocol`. Each function is one transaction. Where one of leases answers, what
it wrote is durable: a commit during which the server warned, or that was found done already, is followed by
one that waits for the standby.
"""

from __future__ import annotations

import hashlib
import logging
from enum import Enum, auto
from typing import Final, NamedTuple, Self

import psycopg
from psycopg.rows import class_row

from whatsapp_fleet.database.connections import Database, Session, connect
from whatsapp_fleet.protocol import EpochRaise, Lease, OwnLease, may_raise
from whatsapp_mcp.storage import StorageError

_LOCKS: Final = 0x77_6D_72_6E
"""First number of the advisory locks that connections of renewals hold."""

_RENEW: Final = """
UPDATE whatsapp_mcp.runs SET counter = %(attempt)s
WHERE run = %(run)s AND NOT ended AND counter >= %(confirmed)s AND counter < %(attempt)s
"""
_COUNTER: Final = "SELECT counter FROM whatsapp_mcp.runs WHERE run = %s"
_RUNS: Final = """
SELECT run, node, program, address, machine, capacity, draining, counter
FROM whatsapp_mcp.runs WHERE NOT ended ORDER BY run
"""
_HELD: Final = """
SELECT objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND classid::bigint = %s AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
STREAMS: Final = ("journal", "log", "ledger")
"""Streams that an account appends to, in the order in which their heads are locked."""

logger = logging.getLogger(__name__)


class RunRow(NamedTuple):
    """A run that has not ended, as others see it.

    Attributes:
        run: Its name.
        node: Its machine, for people and for the assignment of accounts.
        program: The version of the schema that its program knows.
        address: Where it listens: host and port.
        machine: On which machine and in which network an address of loopback leads to it.
        capacity: How many accounts it leads at most.
        draining: Whether it gives its accounts up.
        counter: For `Challenge.observed`.
        lock_held: Whether the connection of its renewals is there.
    """

    run: str
    node: str
    program: int
    address: str = ""
    machine: str = ""
    capacity: int = 0
    draining: bool = False
    counter: int = 0
    lock_held: bool = False


def begin_run(
    session: Session,
    run: str,
    node: str,
    program: int,
    *,
    address: str = "",
    machine: str = "",
    capacity: int = 0,
) -> None:
    """Note a start of a node's process; repeat it when its answer was lost. See `RunRow`.

    Args:
        run: A name that no other start uses.
        node: The machine.
        program: The version of the schema that the program knows.
        address: Where it listens already.
        machine: Where an address of loopback leads to it.
        capacity: How many accounts it leads at most.
    """
    while True:
        session.warned = False
        # Written where it is there already, too: this commit waits for the standby.
        session.execute(
            "INSERT INTO whatsapp_mcp.runs (run, node, program, address, machine, capacity)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (run) DO UPDATE SET node = excluded.node",
            [run, node, program, address, machine, capacity],
        )
        if not session.warned:
            return


class Renewal(Enum):
    """The outcome of a renewal; `OwnLease` has a method for each."""

    CONFIRMED = auto()
    UNANSWERED = auto()
    """The renewal may be gone after a failover. The next one is another attempt."""
    LOST = auto()
    """The run was ended."""
    REWOUND = auto()
    """The database lacks an attempt that it had confirmed, or the run."""


def renew(session: Session, run: str, asked: OwnLease) -> Renewal:
    """Write the number of an attempt as the run's counter.

    Args:
        asked: The lease with this attempt, whose number the run has not used before, whatever became of
            earlier ones: one that a failover took away may have been seen.

    Raises:
        psycopg.OperationalError: Unanswered.
    """
    session.warned = False
    about = {"run": run, "attempt": asked.attempt, "confirmed": asked.confirmed}
    if session.execute(_RENEW, about).rowcount:
        return Renewal.UNANSWERED if session.warned else Renewal.CONFIRMED
    row = session.execute(_COUNTER, [run]).fetchone()
    is_rewound = asked.is_rewound(None if row is None else row[0])
    return Renewal.REWOUND if is_rewound else Renewal.LOST


class Renewer:
    """The connection over which a run renews its lease, and nothing else. For one thread at a time.

    Args:
        database: Where.
        run: Whose.
        limit: Seconds that an attempt may take.
    """

    def __init__(self, database: Database, run: str, limit: float) -> None:
        self._database = database
        self._run = run
        self._limit = limit
        self._session: Session | None = None
        self._holds = False
        self._fault: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, and so give back the lock that it holds."""
        if self._session is not None:
            self._session.close()
            self._session, self._holds = None, False

    def renew(self, asked: OwnLease) -> Renewal:
        """One attempt; see `renew`. Whatever keeps it from an answer is UNANSWERED."""
        try:
            session = self._connected()
            session.deadline = self._database.monotonic() + self._limit
            outcome = renew(session, self._run, asked)
        except (psycopg.Error, StorageError) as error:
            self.close()
            words = str(error) if isinstance(error, StorageError) else type(error).__name__
            if words != self._fault:
                logger.warning("node: the lease could not be renewed (%s)", words)
            self._fault = words
            return Renewal.UNANSWERED
        self._fault = None
        return outcome

    def _connected(self) -> Session:
        if self._session is None:
            self._session = connect(self._database, self._limit)
        if not self._holds:
            # A former connection may have it still: the server has not noticed yet that it is gone.
            held = self._session.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCKS, _lock_of(self._run)])
            self._holds = held.fetchone() == (True,)
        return self._session


def _lock_of(run: str) -> int:
    """Second number of a run's lock. If two runs had the same, one would be waited for longer than needed."""
    return int.from_bytes(hashlib.sha256(run.encode()).digest()[:4], "big", signed=True)


def live_runs(session: Session) -> list[RunRow]:
    """The runs that have not ended. Their locks are looked up after their counters were read."""
    with session.cursor(row_factory=class_row(RunRow)) as cursor:
        rows = cursor.execute(_RUNS).fetchall()
    held = {number for (number,) in session.execute(_HELD, [_LOCKS])}
    return [row._replace(lock_held=_lock_of(row.run) % (1 << 32) in held) for row in rows]


def counter_of(session: Session, run: str) -> int | None:
    """The run's counter, for `Challenge.observed`; None if the run has ended or is unknown."""
    row = session.execute(
        "SELECT counter FROM whatsapp_mcp.runs WHERE run = %s AND NOT ended", [run]
    ).fetchone()
    return None if row is None else row[0]


def has_ended(session: Session, run: str) -> bool:
    """Return whether the run was ended for good."""
    row = session.execute("SELECT ended FROM whatsapp_mcp.runs WHERE run = %s", [run]).fetchone()
    return row is not None and row[0]


def end_run(session: Session, run: str, counter: int | None = None) -> bool:
    """End a run, for all of its accounts; whether this did it.

    Args:
        counter: What it has to be still; None where a run ends itself, or all of its processes have ended.
    """
    ended = session.execute(
        "UPDATE whatsapp_mcp.runs SET ended = true"
        " WHERE run = %s AND NOT ended AND (%s::bigint IS NULL OR counter = %s::bigint)",
        [run, counter, counter],
    )
    return ended.rowcount == 1


def drain_run(session: Session, run: str) -> None:
    """Let a run give up its accounts and take none."""
    session.execute("UPDATE whatsapp_mcp.runs SET draining = true WHERE run = %s", [run])


def add_account(session: Session, account: str) -> None:
    """Make an account that nobody leads; nothing changes where it is there already."""
    with session.transaction():
        session.execute(
            "INSERT INTO whatsapp_mcp.leases (account) VALUES (%s) ON CONFLICT DO NOTHING", [account]
        )
        for stream in STREAMS:
            session.execute(
                "INSERT INTO whatsapp_mcp.heads (account, stream) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                [account, stream],
            )
        session.execute(
            "INSERT INTO whatsapp_mcp.accounts (account) VALUES (%s) ON CONFLICT DO NOTHING", [account]
        )


def lease_of(session: Session, account: str) -> Lease | None:
    """Return the lease of an account; None if there is no such account."""
    row = session.execute(
        "SELECT run, epoch FROM whatsapp_mcp.leases WHERE account = %s", [account]
    ).fetchone()
    return None if row is None else Lease(*row)


def raise_epoch(session: Session, account: str, seen: Lease, run: str) -> Lease | None:
    """Give the account to `run` with the next epoch, in its lease and in both heads; None if it is refused.

    Repeat it when its answer was lost: it then finds itself done.

    Args:
        seen: The lease on which the run decided to take the account.
    """
    while True:
        session.warned = False
        lease = _raised(session, account, seen, run)
        if lease is None or not session.warned:
            return lease


def _raised(session: Session, account: str, seen: Lease, run: str) -> Lease | None:
    with session.transaction():
        row = session.execute(
            "SELECT run, epoch FROM whatsapp_mcp.leases WHERE account = %s FOR UPDATE", [account]
        ).fetchone()
        if row is None:
            return None
        lease = Lease(*row)
        ended = lease.run is not None and has_ended(session, lease.run)
        if may_raise(lease, seen, run, ended=ended) is EpochRaise.REFUSE:
            return None
        # Written where it is done already, too: this commit waits for the standby, that one may not have.
        raised = Lease(run, seen.epoch + 1)
        session.execute(
            "UPDATE whatsapp_mcp.leases SET run = %s, epoch = %s WHERE account = %s", [*raised, account]
        )
        for stream in STREAMS:
            session.execute(
                "UPDATE whatsapp_mcp.heads SET writer = CASE epoch WHEN %s THEN writer ELSE 0 END, epoch = %s"
                " WHERE account = %s AND stream = %s",
                [raised.epoch, raised.epoch, account, stream],
            )
        return raised


def release(session: Session, account: str, lease: Lease) -> bool:
    """Give the account up, so that another run need not wait; whether this run had it still."""
    released = session.execute(
        "UPDATE whatsapp_mcp.leases SET run = NULL WHERE account = %s AND run = %s AND epoch = %s",
        [account, *lease],
    )
    return released.rowcount == 1
