"""Accounts in a database of tests, led by runs that come one after another."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Self

from whatsapp_fleet.database import (
    MIGRATIONS,
    Database,
    PostgresFiles,
    PostgresJournal,
    PostgresLog,
    PostgresSmallFile,
    PostgresSnapshots,
    PostgresStatements,
    Session,
    add_account,
    begin_run,
    connect,
    end_run,
    lease_of,
    migrate,
    raise_epoch,
)
from whatsapp_fleet.objects import ObjectStore

ACCOUNT = "work"
_RUNS = count(1)


def patient(url: str, patience: float = 30.0) -> Database:
    """A database of tests, whose server has no standby."""
    return Database(url, patience=patience, allow_asynchronous=True)


def take_over(session: Session, account: str = ACCOUNT) -> int:
    """A new run leads the account, and the former has ended; answers the epoch."""
    seen = lease_of(session, account)
    assert seen is not None
    if seen.run is not None:
        end_run(session, seen.run)
    run = f"run {next(_RUNS)}"
    begin_run(session, run, "node", MIGRATIONS[-1].version)
    raised = raise_epoch(session, account, seen, run)
    assert raised is not None
    return raised.epoch


class LedAccount:
    """A database with one account that is led.

    Args:
        url: Of the database.
        objects: Where bodies go, if not into the database.

    Attributes:
        database: Where, for its superuser.
        session: A connection of the test.
        epoch: Of the present leader.
    """

    def __init__(self, url: str, objects: ObjectStore | None = None) -> None:
        self.database = replace(patient(url), objects=objects)
        self.session = connect(self.database)
        migrate(self.session, MIGRATIONS)
        add_account(self.session, ACCOUNT)
        self.epoch = take_over(self.session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.session.close()

    def take_over(self) -> None:
        """A newer leader has the account from now on."""
        self.session.deadline = self.database.monotonic() + self.database.patience
        self.epoch = take_over(self.session)

    def journal(self, url: str | None = None, patience: float = 30.0) -> PostgresJournal:
        """The journal as the present leader has it, perhaps at another address."""
        return PostgresJournal(patient(url or self.database.url, patience), ACCOUNT, self.epoch)

    def log(self, url: str | None = None, patience: float = 30.0) -> PostgresLog:
        """The log as the present leader has it, perhaps at another address."""
        return PostgresLog(patient(url or self.database.url, patience), ACCOUNT, self.epoch)

    def snapshots(self) -> PostgresSnapshots:
        """The snapshots as the present leader has them."""
        return PostgresSnapshots(self.database, ACCOUNT, self.epoch)

    def statements(self, url: str | None = None, patience: float = 30.0) -> PostgresStatements:
        """The ledger's log as the present leader has it, perhaps at another address."""
        return PostgresStatements(patient(url or self.database.url, patience), ACCOUNT, self.epoch)

    def small_file(self, name: str = "link.json") -> PostgresSmallFile:
        """A small file as the present leader has it."""
        return PostgresSmallFile(self.database, ACCOUNT, name, self.epoch)

    def files(self) -> PostgresFiles:
        """The files as the present leader has them."""
        return PostgresFiles(self.database, ACCOUNT, self.epoch)
