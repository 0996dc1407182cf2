"""The accounts of a fleet: who leads each, whether it may be led, and how its last leaders have fared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from psycopg.rows import class_row

from whatsapp_fleet.database.connections import Session
from whatsapp_fleet.protocol import UNSUPPORTED_PAUSE, Lease, Pause, after_failure

AccountState = Literal["active", "drained", "quarantined", "moved"]
"""Only what is active is led."""


class AccountRow(NamedTuple):
    """An account as a node sees it.

    Attributes:
        account: Its name.
        run: Whom its lease names; None if nobody leads it.
        epoch: Of its last leader.
        run_ended: Whether that run has ended, so that the account has lost its leader.
        state: Whether it may be led.
        is_due: Whether it has rested long enough after failures.
        failures: How many of its leaderships in a row have failed.
        settings: TOML: its own sections, without `accounts.NAME` in front.
        failed_runs: Runs whose leaderships have failed.
        made: Tells the account from another that has had its name.
    """

    account: str
    run: str | None
    epoch: int
    run_ended: bool
    state: AccountState
    is_due: bool
    failures: int
    settings: str
    failed_runs: Sequence[str] = ()
    made: str = ""

    @property
    def lease(self) -> Lease:
        """The account's lease, as this row shows it."""
        return Lease(self.run, self.epoch)


_ACCOUNTS: Final = """
SELECT account, run, epoch, coalesce(ended, false) AS run_ended, state, not_before <= now() AS is_due,
    failures, settings, failed_runs, made
FROM whatsapp_mcp.accounts
JOIN whatsapp_mcp.leases USING (account) LEFT JOIN whatsapp_mcp.runs USING (run)
ORDER BY account
"""
_GIVEN_UP: Final = """
UPDATE whatsapp_mcp.leases SET run = NULL WHERE account = %s AND run = %s AND epoch = %s
    AND EXISTS (SELECT FROM whatsapp_mcp.runs WHERE runs.run = leases.run AND ended)
"""
_FAILED: Final = """
UPDATE whatsapp_mcp.accounts SET failures = failures + 1, reason = %s,
    failed_runs = array_append(array_remove(failed_runs, %s), %s)
WHERE account = %s
RETURNING failures,
    (SELECT count(DISTINCT node) FROM whatsapp_mcp.runs WHERE run = ANY (accounts.failed_runs))
"""
_UNSUPPORTED: Final = """
UPDATE whatsapp_mcp.accounts SET reason = %(reason)s,
    failed_runs = array_append(array_remove(failed_runs, %(run)s), %(run)s),
    not_before = CASE WHEN %(run)s = ANY (failed_runs)
        THEN now() + make_interval(secs => %(pause)s) ELSE not_before END
WHERE account = %(account)s
"""
_PAUSED: Final = """
UPDATE whatsapp_mcp.accounts SET not_before = now() + make_interval(secs => %s) WHERE account = %s
"""
_QUARANTINED: Final = """
UPDATE whatsapp_mcp.accounts SET state = 'quarantined', reason = %s WHERE account = %s AND state = 'active'
"""
_QUARANTINED_ALL: Final = """
UPDATE whatsapp_mcp.accounts SET state = 'quarantined', reason = %s WHERE state IN ('active', 'drained')
"""
_FAILURES: Final = "SELECT failures FROM whatsapp_mcp.accounts WHERE account = %s FOR UPDATE"
_STABLE: Final = """
UPDATE whatsapp_mcp.accounts SET failures = 0, reason = '', not_before = '-infinity',
    failed_runs = ARRAY (
        SELECT run FROM whatsapp_mcp.runs WHERE run = ANY (accounts.failed_runs) AND run <> %s AND NOT ended
    )
WHERE account = %s AND (failures > 0 OR reason <> '')
"""


def led_accounts(session: Session) -> list[AccountRow]:
    """All accounts and their leases."""
    with session.cursor(row_factory=class_row(AccountRow)) as cursor:
        return cursor.execute(_ACCOUNTS).fetchall()


def note_failure(session: Session, account: str, run: str, reason: str, before: int) -> Pause | None:
    """A leadership has failed: count it, and let the account rest or quarantine it.

    Args:
        account: Whose.
        run: Who led it; others are to lead it next.
        reason: Why, for an operator: fixed words, nothing that somebody else wrote.
        before: How many had failed in a row before this one; where it is another number, this one was
            counted by a call whose answer was lost.

    Returns:
        How long it rests, which is not at all where it was counted; None if it is quarantined.
    """
    with session.transaction():
        if session.execute(_FAILURES, [account]).fetchone() != (before,):
            return Pause(0.0)
        return _count_failure(session, account, run, reason)


def _count_failure(session: Session, account: str, run: str, reason: str) -> Pause | None:
    row = session.execute(_FAILED, [reason, run, run, account]).fetchone()
    outcome = Pause(0.0) if row is None else after_failure(*row)
    if isinstance(outcome, Pause):
        session.execute(_PAUSED, [outcome.seconds, account])
        return outcome
    session.execute(_QUARANTINED, [reason, account])
    return None


def note_crash(session: Session, account: str, lease: Lease, reason: str) -> Pause | None:
    """Count a failure as `note_failure` does, for a leadership whose run was ended, and only once.

    The lease is given up in the same transaction. A failover that takes away the end of the run takes this
    away as well, since it was committed later.

    Args:
        account: Whose.
        lease: Of that leadership.
        reason: See `note_failure`.

    Returns:
        How long it rests, which is not at all where another has noted it.
    """
    with session.transaction():
        if lease.run is None or session.execute(_GIVEN_UP, [account, *lease]).rowcount == 0:
            return Pause(0.0)
        return _count_failure(session, account, lease.run, reason)


def note_unsupported(session: Session, account: str, run: str, reason: str) -> None:
    """The version of a run cannot lead an account; one of another version can, so nothing is counted.

    Others are to lead it next. If none does, it rests before the same run tries again.

    Args:
        account: Whose.
        run: Which.
        reason: See `note_failure`.
    """
    values = {"account": account, "run": run, "reason": reason, "pause": UNSUPPORTED_PAUSE}
    session.execute(_UNSUPPORTED, values)


def note_stable(session: Session, account: str, run: str) -> None:
    """An account has been led by a run for a while: its earlier failures no longer count.

    Other runs that have failed to lead it come last as long as they live: it would go back and forth.
    """
    session.execute(_STABLE, [run, account])


def quarantine(session: Session, account: str, reason: str) -> None:
    """Let nobody lead an account until a person releases it. See `note_failure` for `reason`."""
    session.execute(_QUARANTINED, [reason, account])


def quarantine_all(session: Session, reason: str) -> None:
    """Quarantine every account that is led or could be again; see `quarantine`."""
    session.execute(_QUARANTINED_ALL, [reason])
