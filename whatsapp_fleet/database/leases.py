"""Leases: who leads which account. The rules are those of `fleet.protocol`.

Each function is one transaction. Where it answers, what it wrote is durable: a commit during which the server
warned, or that was found done already, is followed by one that waits for the standby.
"""

from __future__ import annotations

from typing import Final

from whatsapp_fleet.database.connections import Session
from whatsapp_fleet.database.runs import has_ended
from whatsapp_fleet.protocol import EpochRaise, Lease, may_raise

STREAMS: Final = ("journal", "log", "ledger")
"""Streams that an account appends to, in the order in which their heads are locked."""


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
