"""The accounts of a fleet as its operators see and change them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import class_row

from whatsapp_fleet.database import AccountState, Session, add_account
from whatsapp_fleet.keys import prepare
from whatsapp_fleet.tenancy.forgetting import require_new_name
from whatsapp_fleet.tenancy.sessions import durably
from whatsapp_mcp.errors import InvalidArgument

_ACCOUNTS: Final[LiteralString] = """
SELECT account AS name, state, settings, failures, reason, epoch,
    CASE WHEN isfinite(not_before) THEN not_before END AS not_before,
    CASE WHEN NOT ended THEN run END AS run,
    CASE WHEN NOT ended THEN node END AS node,
    (SELECT seq FROM whatsapp_mcp.heads AS head WHERE head.account = leases.account AND stream = 'journal')
        AS journaled,
    (SELECT seq FROM whatsapp_mcp.heads AS head WHERE head.account = leases.account AND stream = 'log')
        AS logged
FROM whatsapp_mcp.accounts JOIN whatsapp_mcp.leases USING (account) LEFT JOIN whatsapp_mcp.runs USING (run)
"""
_RUNS: Final[LiteralString] = """
SELECT run, node, address, capacity, draining, since,
    (SELECT count(*) FROM whatsapp_mcp.leases WHERE leases.run = runs.run) AS leads
FROM whatsapp_mcp.runs WHERE NOT ended ORDER BY node, run
"""


@dataclass(frozen=True, slots=True)
class AccountOverview:
    """An account, and who leads it.

    Attributes:
        name: Of the account.
        state: Whether nodes may lead it: only an `active` one.
        settings: The text of its own settings.
        failures: How often in a row a node could not keep it open.
        not_before: No node tries it again before; None where nothing puts it off.
        reason: Why it is in this state, for operators.
        epoch: Of its leadership.
        run: The run that leads it; None while none does.
        node: The node of that run.
        journaled: Number of the last event that came from WhatsApp.
        logged: Number of the last operation.
    """

    name: str
    state: AccountState
    settings: str
    failures: int
    not_before: datetime | None
    reason: str
    epoch: int
    run: str | None
    node: str | None
    journaled: int
    logged: int


@dataclass(frozen=True, slots=True)
class NodeOverview:
    """A node that runs.

    Attributes:
        run: The name of this start of its process.
        node: Its name.
        address: Where other processes reach it.
        capacity: How many accounts it is for.
        draining: Whether it gives its accounts up and takes none.
        since: When it started.
        leads: How many accounts it leads.
    """

    run: str
    node: str
    address: str
    capacity: int
    draining: bool
    since: datetime
    leads: int


def account_overviews(session: Session) -> list[AccountOverview]:
    """Every account, by name."""
    with session.cursor(row_factory=class_row(AccountOverview)) as cursor:
        return cursor.execute(f"{_ACCOUNTS} ORDER BY account").fetchall()


def account_overview(session: Session, account: str) -> AccountOverview:
    """One account.

    Raises:
        InvalidArgument: There is none of this name.
    """
    with session.cursor(row_factory=class_row(AccountOverview)) as cursor:
        row = cursor.execute(f"{_ACCOUNTS} WHERE account = %s", [account]).fetchone()
    if row is None:
        raise no_account(account)
    return row


def node_overviews(session: Session) -> list[NodeOverview]:
    """The nodes that run, by name."""
    with session.cursor(row_factory=class_row(NodeOverview)) as cursor:
        return cursor.execute(_RUNS).fetchall()


def create_account(session: Session, account: str, settings: str = "") -> None:
    """Make an account that a node may lead at once; its phone is linked afterwards.

    Args:
        session: Of a role that may make roles.
        account: A name that `settings.check_new_name` allows.
        settings: The text of its own settings, which was checked.

    Raises:
        InvalidArgument: There is one already, or there was one that was forgotten.
    """
    made = False

    def work() -> None:
        nonlocal made
        require_new_name(session, account)
        there = session.execute("SELECT FROM whatsapp_mcp.leases WHERE account = %s", [account]).fetchone()
        # What this call has made is not taken for another's when its commit is repeated.
        if there is not None and not made:
            raise InvalidArgument(f"There is an account {account} already.", "Choose another name.")
        add_account(session, account)
        prepare(session, account)
        _update(session, account, "settings = %s", settings)
        made = True

    durably(session, work)


def set_account_state(session: Session, account: str, state: AccountState, reason: str = "") -> None:
    """Say whether nodes may lead an account. One that becomes `active` is not put off any longer.

    Raises:
        InvalidArgument: There is no such account, or it has moved elsewhere.
    """

    def work() -> None:
        if account_overview(session, account).state == "moved":
            raise InvalidArgument(
                f"{account} has moved out of this database.", "Use it where it is, or move it back."
            )
        _update(session, account, "state = %s, reason = %s", state, reason)
        if state == "active":
            _update(session, account, "failures = 0, failed_runs = '{}', not_before = '-infinity'")

    durably(session, work)


def set_account_settings(session: Session, account: str, settings: str) -> None:
    """Replace the text of an account's own settings, which was checked.

    Raises:
        InvalidArgument: There is no such account.
    """
    durably(session, lambda: _update(session, account, "settings = %s", settings))


def drain_node(session: Session, node: str) -> int:
    """Let the runs of a node give their accounts up and take none; how many runs it has.

    A node that is started again takes accounts.
    """
    return durably(
        session,
        lambda: (
            session.execute(
                "UPDATE whatsapp_mcp.runs SET draining = true WHERE node = %s AND NOT ended", [node]
            ).rowcount
        ),
    )


def no_account(account: str) -> InvalidArgument:
    """There is no account of this name."""
    return InvalidArgument(f"There is no account {account}.", "List the accounts.")


def _update(session: Session, account: str, changes: LiteralString, *values: Any) -> None:
    done = session.execute(
        f"UPDATE whatsapp_mcp.accounts SET {changes} WHERE account = %s",  # noqa: S608  constants alone
        [*values, account],
    )
    if done.rowcount == 0:
        raise no_account(account)
