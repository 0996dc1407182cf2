"""Runs and leases: who leads which account. The rules are those of `fleet.protocol`.

Each function is one transaction. Where it answers, what it wrote is durable: a commit during which the server
warned, or that was found done already, is followed by one that waits for the standby.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from whatsapp_mcp.fleet.database.connections import Session
from whatsapp_mcp.fleet.protocol import Lease, Raise, may_raise

STREAMS: Final = ("journal", "log", "ledger")
"""What an account appends to, in the order in which heads are locked."""


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


def begin_run(session: Session, run: str, node: str, program: int) -> None:
    """Note a start of a node's process; repeat it when its answer was lost.

    Args:
        run: A name that no other start uses.
        node: The machine, for people.
        program: The version of the schema that the program knows.
    """
    while True:
        session.warned = False
        # Written where it is there already, too: this commit waits for the standby.
        session.execute(
            "INSERT INTO whatsapp_mcp.runs (run, node, program) VALUES (%s, %s, %s)"
            " ON CONFLICT (run) DO UPDATE SET node = excluded.node",
            [run, node, program],
        )
        if not session.warned:
            return


class Renewal(Enum):
    """What became of a renewal; `OwnLease` has a method for each."""

    CONFIRMED = auto()
    UNANSWERED = auto()
    """It may be gone after a failover. The next one is another attempt."""
    LOST = auto()
    """The run was ended."""


def renew(session: Session, run: str, attempt: int) -> Renewal:
    """Write the number of an attempt as the run's counter.

    Args:
        attempt: A number that this run has not used before, whatever became of earlier ones: one that a
            failover took away may have been seen.

    Raises:
        psycopg.OperationalError: Unanswered.
    """
    session.warned = False
    renewed = session.execute(
        "UPDATE whatsapp_mcp.runs SET counter = %s WHERE run = %s AND NOT ended", [attempt, run]
    )
    if renewed.rowcount == 0:
        return Renewal.LOST
    return Renewal.UNANSWERED if session.warned else Renewal.CONFIRMED


def counter_of(session: Session, run: str) -> int | None:
    """The run's counter, for `Challenge.observed`; None if the run has ended or is unknown."""
    row = session.execute(
        "SELECT counter FROM whatsapp_mcp.runs WHERE run = %s AND NOT ended", [run]
    ).fetchone()
    return None if row is None else row[0]


def has_ended(session: Session, run: str) -> bool:
    """Whether the run was ended, for good."""
    row = session.execute("SELECT ended FROM whatsapp_mcp.runs WHERE run = %s", [run]).fetchone()
    return row is not None and row[0]


def end_run(session: Session, run: str, counter: int | None = None) -> bool:
    """End a run, for all of its accounts; whether this did it.

    Args:
        counter: What it has to be still; None where a run ends itself.
    """
    ended = session.execute(
        "UPDATE whatsapp_mcp.runs SET ended = true"
        " WHERE run = %s AND NOT ended AND (%s::bigint IS NULL OR counter = %s::bigint)",
        [run, counter, counter],
    )
    return ended.rowcount == 1


def lease_of(session: Session, account: str) -> Lease | None:
    """Who leads an account; None if there is no such account."""
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
        if may_raise(lease, seen, run, ended=ended) is Raise.REFUSE:
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
