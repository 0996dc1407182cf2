"""A mover's hold of an account in the database: nobody leads it meanwhile, and one commit says where it is.

An account that is elsewhere has the state `moved`. While it is brought here it stays `moved`, while it is
fetched it is `drained`, and no node takes either. The mover is a run of its own that never renews: whoever
comes after it may end it at once, since all that it writes is fenced by the epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Final, LiteralString

import anyio.to_thread
import psycopg

from whatsapp_fleet.database import (
    MIGRATIONS,
    AccountState,
    Database,
    NotDurable,
    Session,
    TooNew,
    add_account,
    begin_run,
    connect,
    counter_of,
    delete_bodies,
    end_run,
    lease_of,
    migrate,
)
from whatsapp_fleet.keys import Login, NotFencing, empty_schema, fence, prepare
from whatsapp_fleet.object_places import StoreFailed
from whatsapp_fleet.protocol import Challenge, Lease, LeaseTimes
from whatsapp_fleet.tenancy import require_new_name
from whatsapp_mcp.errors import Busy, InvalidArgument, cause
from whatsapp_mcp.storage import Fenced, KeysUnreadable, StorageError

_MOVER: Final = "move"
"""Node name of the runs of movers."""
_DRAIN_LIMIT: Final = 90.0
"""Seconds in which a node gives an account up, or its run can be ended."""
_LOOK_AGAIN: Final = 0.2
_AGAIN: Final = "Correct that, then run this again."
_STATE: Final = "SELECT state, settings FROM whatsapp_mcp.accounts WHERE account = %s"
_FORMER: Final = """
SELECT state, settings, epoch FROM whatsapp_mcp.accounts JOIN whatsapp_mcp.leases USING (account)
WHERE account = %s
"""
_CHANGE_STATE: Final = "UPDATE whatsapp_mcp.accounts SET state = %s WHERE account = %s AND state = %s"
_SET_STATE: Final = "UPDATE whatsapp_mcp.accounts SET state = %s WHERE account = %s"
_END_MOVER: Final = "UPDATE whatsapp_mcp.runs SET ended = true WHERE run = %s AND node = %s"
_LEASE: Final = "SELECT epoch FROM whatsapp_mcp.leases WHERE account = %s FOR UPDATE"
_HOLDER: Final = "SELECT run, epoch FROM whatsapp_mcp.leases WHERE account = %s FOR UPDATE"
_RELEASE: Final = "UPDATE whatsapp_mcp.leases SET run = NULL WHERE account = %s"
_WITHDRAW: Final = """
UPDATE whatsapp_mcp.principals SET accounts = array_remove(accounts, %(account)s)
WHERE %(account)s = ANY (accounts)
"""
_RELEASE_OURS: Final = "UPDATE whatsapp_mcp.leases SET run = NULL WHERE account = %s AND run = %s"
_ARRIVED: Final = """
UPDATE whatsapp_mcp.accounts
SET state = 'active', settings = %s, failures = 0, failed_runs = '{}', not_before = '-infinity', reason = '',
    made = gen_random_uuid()::text
WHERE account = %s
"""
_NOTE: Final = """
INSERT INTO whatsapp_mcp.account_files (account, name, epoch, n, content) VALUES (%s, %s, %s, 0, '')
ON CONFLICT DO NOTHING
"""
_NOTED: Final = "SELECT epoch FROM whatsapp_mcp.account_files WHERE account = %s AND name = %s"
_EMPTY: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM whatsapp_mcp.snapshot_pointers WHERE account = %s",
    "DELETE FROM whatsapp_mcp.snapshots WHERE account = %s",
    "DELETE FROM whatsapp_mcp.snapshot_parts WHERE account = %s",
    "DELETE FROM whatsapp_mcp.log WHERE account = %s",
    "DELETE FROM whatsapp_mcp.journal WHERE account = %s",
    "DELETE FROM whatsapp_mcp.ledger WHERE account = %s",
    "DELETE FROM whatsapp_mcp.ledger_snapshots WHERE account = %s",
    "DELETE FROM whatsapp_mcp.files WHERE account = %s",
    "DELETE FROM whatsapp_mcp.file_parts WHERE account = %s",
    "DELETE FROM whatsapp_mcp.account_files WHERE account = %s AND name NOT LIKE 'move/%%'",
    "UPDATE whatsapp_mcp.heads SET seq = 0 WHERE account = %s",
)


@dataclass(frozen=True, slots=True)
class Former:
    """An account as it was before a mover asked for it.

    Attributes:
        account: Which.
        state: Its state: `active` or `drained`.
        settings: Of the account, as TOML.
        epoch: Of its last leader.
        run: The mover's.
    """

    account: str
    state: AccountState
    settings: str
    epoch: int
    run: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An account that a mover holds.

    Attributes:
        database: Where.
        session: The mover's connection.
        account: Which.
        run: The mover's.
        epoch: Of that run.
        login: Of the keys.
        settings: Of the account, as TOML.
    """

    database: Database
    session: Session
    account: str
    run: str
    epoch: int
    login: Login
    settings: str = ""

    def check(self) -> None:
        """Lock the lease in the transaction that is open, and see that nobody has taken the account since.

        Raises:
            Fenced: Somebody has.
        """
        lease = self.session.execute(_LEASE, [self.account]).fetchone()
        if lease is None or lease[0] != self.epoch:
            raise Fenced("Another process has taken the account meanwhile.")

    def empty(self) -> None:
        """Delete all that the database has of the account, but for which moves are done."""
        with self.session.transaction():
            self.check()
            _empty(self.session, self.account)
        delete_bodies(self.session, self.database, self.account, self.epoch)


@asynccontextmanager
async def connected(database: Database) -> AsyncIterator[Session]:
    """A connection to a database that has its tables.

    Raises:
        Busy: It does not answer, or cannot be used. What was being done may have been done.
    """
    try:
        session = await anyio.to_thread.run_sync(connect, database)
        with closing(session):
            await anyio.to_thread.run_sync(migrate, session, MIGRATIONS)
            yield session
    except psycopg.Error as error:
        kind = f"SQLSTATE {error.sqlstate}" if error.sqlstate else type(error).__name__
        raise Busy(f"The database does not answer as it should ({kind}).", _AGAIN) from error
    except StorageError as error:
        raise Busy(_words_of(error), _AGAIN) from error
    except StoreFailed as error:
        raise Busy(cause(error), _AGAIN) from error


def _words_of(error: StorageError) -> str:
    match error:
        case NotDurable():
            return f"The database may lose what it confirms. {' '.join(error.weaknesses)}"
        case Fenced():
            return "Another process has taken the account meanwhile."
        case NotFencing():
            return "The database does not keep clients of a former leader out: see pg_hba.conf."
        case TooNew():
            return "The tables of the database are of a newer version than this one."
        case KeysUnreadable():
            return "The keys cannot be read."
        case _:
            return "The database does not answer, or cannot be used."


def has_happened(session: Session, account: str, move: str) -> bool:
    """Return whether a move is done, as far as the database is concerned."""
    row = session.execute(_NOTED, [account, _noted_as(move)]).fetchone()
    if row is not None:
        _await_standby(session, account)
    return row is not None


def forget_departed(session: Session, database: Database, account: str, move: str) -> None:
    """Delete what the database has of an account that a move took out, unless it was held again since."""
    with session.transaction():
        lease = session.execute(_LEASE, [account]).fetchone()
        if lease is None or lease != session.execute(_NOTED, [account, _noted_as(move)]).fetchone():
            return
        _empty(session, account)
    delete_bodies(session, database, account, lease[0])


def _empty(session: Session, account: str) -> None:
    for statement in _EMPTY:
        session.execute(statement, [account])
    empty_schema(session, account)


def claim_for_arrival(session: Session, database: Database, account: str) -> Claim:
    """Hold an account that is to come into the database.

    Raises:
        InvalidArgument: The database has an account of this name, or has forgotten one.
        Busy, StorageError: It cannot be held.
    """
    with session.transaction():
        require_new_name(session, account)
        row = session.execute(_STATE, [account]).fetchone()
        if row is None:
            add_account(session, account)
            session.execute(_SET_STATE, ["moved", account])
        elif row[0] != "moved":
            raise InvalidArgument(
                f"The database has an account {account} already.",
                "Give this one another name first (`whatsapp-mcp-fleet accounts rename`).",
            )
    return _claimed(session, database, account, _new_run())


def former_of(session: Session, account: str) -> Former:
    """An account that is to leave the database, as it is.

    Raises:
        InvalidArgument: The database has no such account, or it is quarantined.
    """
    row = session.execute(_FORMER, [account]).fetchone()
    if row is None or row[0] == "moved":
        raise InvalidArgument(f"The database has no account {account}.", "See which ones it has.")
    if row[0] == "quarantined":
        raise InvalidArgument(
            f"{account} is quarantined: nobody leads it until a person has seen why.",
            "See `whatsapp-mcp-fleet fleet accounts`, then run "
            f"`whatsapp-mcp-fleet fleet release {account}`.",
        )
    state, settings, epoch = row
    return Former(account, state, settings, epoch, _new_run())


def claim_for_departure(session: Session, database: Database, former: Former) -> Claim:
    """Hold an account that is to leave the database, once its node has given it up.

    Raises:
        Busy, StorageError: It cannot be held; see `give_back`.
    """
    if session.execute(_CHANGE_STATE, ["drained", former.account, former.state]).rowcount == 0:
        raise Busy(f"The state of {former.account} has changed meanwhile.", "Run this again.")
    return _claimed(session, database, former.account, former.run, former.settings)


def _new_run() -> str:
    return f"{_MOVER} {secrets.token_hex(8)}"


def _claimed(session: Session, database: Database, account: str, run: str, settings: str = "") -> Claim:
    prepare(session, account)
    seen = _free_lease(session, database, account)
    begin_run(session, run, _MOVER, MIGRATIONS[-1].version)
    login = fence(session, database, account, seen, run)
    if login is None:
        raise Busy(f"Another process has taken {account} meanwhile.", "Run this again.")
    return Claim(database, session, account, run, seen.epoch + 1, login, settings)


def _free_lease(session: Session, database: Database, account: str) -> Lease:
    """The lease, once nobody holds it."""
    until = database.monotonic() + _DRAIN_LIMIT
    watched: tuple[str, Challenge] | None = None
    while True:
        session.deadline = database.monotonic() + database.patience
        lease = lease_of(session, account)
        assert lease is not None
        if lease.run is None:
            return lease
        session.execute(_END_MOVER, [lease.run, _MOVER])
        counter = counter_of(session, lease.run)
        if counter is None:
            return lease
        now = database.monotonic()
        former = watched[1] if watched is not None and watched[0] == lease.run else None
        challenge = Challenge.observed(former, counter, now, LeaseTimes())
        watched = lease.run, challenge
        if challenge.may_end(LeaseTimes(), now) and end_run(session, lease.run, counter):
            return lease
        if now >= until:
            raise Busy(f"The node that leads {account} does not give it up.", "Run this again.")
        database.sleep(_LOOK_AGAIN)


def arrive(claim: Claim, move: str, settings: str) -> None:
    """Let the account be led here from now on: the moment at which it is in the database.

    Raises:
        Fenced: Another process has taken the account; nothing was changed.
    """
    _conclude(claim, move, _ARRIVED, [settings, claim.account])


def depart(claim: Claim, move: str) -> None:
    """Let nobody lead the account here any more: the moment at which it is elsewhere.

    Whoever could use it no longer can: another account of this name may come.

    Raises:
        Fenced: Another process has taken the account; nothing was changed.
    """
    _conclude(claim, move, _SET_STATE, ["moved", claim.account], leaves=True)


def give_back(database: Database, former: Former) -> AccountState:
    """Let an account that was not fetched be led as before, unless another process has taken it since.

    On a connection of its own: that of the move may be what has failed.

    Returns:
        The state that it has then.

    Raises:
        psycopg.Error, StorageError: The database does not answer; it may be done.
    """
    account, run = former.account, former.run
    with closing(connect(database)) as session, session.transaction():
        lease = session.execute(_HOLDER, [account]).fetchone()
        if lease is not None and (lease[0] == run or lease[1] == former.epoch):
            session.execute(_CHANGE_STATE, [former.state, account, "drained"])
            session.execute(_RELEASE_OURS, [account, run])
            session.execute(_END_MOVER, [run, _MOVER])
        row = session.execute(_STATE, [account]).fetchone()
        return "moved" if row is None else row[0]


def _conclude(
    claim: Claim, move: str, statement: LiteralString, values: list[str], *, leaves: bool = False
) -> None:
    session = claim.session
    session.warned = True
    while session.warned:  # the same once more: this commit waits for the standby
        session.warned = False
        with session.transaction():
            claim.check()
            session.execute(statement, values)
            if leaves:
                session.execute(_WITHDRAW, {"account": claim.account})
            session.execute(_NOTE, [claim.account, _noted_as(move), claim.epoch])
            session.execute(_RELEASE, [claim.account])
            session.execute(_END_MOVER, [claim.run, _MOVER])


def _await_standby(session: Session, account: str) -> None:
    """Return once what was read of the account is durable."""
    session.warned = True
    while session.warned:
        session.warned = False
        session.execute("UPDATE whatsapp_mcp.accounts SET reason = reason WHERE account = %s", [account])


def _noted_as(move: str) -> str:
    return f"move/{move}"
