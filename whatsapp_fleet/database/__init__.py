"""The database of a fleet, PostgreSQL 14 or newer: its schema, journal, logs, files, runs and leases."""

from whatsapp_fleet.database.accounts import (
    AccountRow,
    AccountState,
    led_accounts,
    note_crash,
    note_failure,
    note_stable,
    note_unsupported,
    quarantine,
    quarantine_all,
)
from whatsapp_fleet.database.bodies import delete_bodies, delete_forgotten, forget_bodies
from whatsapp_fleet.database.connections import (
    Database,
    DatabaseCalls,
    Link,
    NotAnswered,
    NotDurable,
    Session,
    connect,
    durability,
    kind_of,
)
from whatsapp_fleet.database.file_store import PostgresFiles
from whatsapp_fleet.database.journal import PostgresJournal, admit
from whatsapp_fleet.database.leases import add_account, lease_of, raise_epoch, release
from whatsapp_fleet.database.log import PostgresLog
from whatsapp_fleet.database.migrations import Migration, NotPrepared, Right, TooNew, migrate, require_schema
from whatsapp_fleet.database.reader import LogHead, Reader
from whatsapp_fleet.database.runs import (
    Renewal,
    Renewer,
    RunRow,
    begin_run,
    counter_of,
    drain_run,
    end_run,
    has_ended,
    live_runs,
    renew,
)
from whatsapp_fleet.database.schema import MIGRATIONS, REPLICA_RIGHTS, SCHEMA
from whatsapp_fleet.database.small_files import PostgresSmallFile, shared_secret
from whatsapp_fleet.database.snapshots import PostgresSnapshots
from whatsapp_fleet.database.statements import PostgresStatements

__all__ = [
    "MIGRATIONS",
    "REPLICA_RIGHTS",
    "SCHEMA",
    "AccountRow",
    "AccountState",
    "Database",
    "DatabaseCalls",
    "Link",
    "LogHead",
    "Migration",
    "NotAnswered",
    "NotDurable",
    "NotPrepared",
    "PostgresFiles",
    "PostgresJournal",
    "PostgresLog",
    "PostgresSmallFile",
    "PostgresSnapshots",
    "PostgresStatements",
    "Reader",
    "Renewal",
    "Renewer",
    "Right",
    "RunRow",
    "Session",
    "TooNew",
    "add_account",
    "admit",
    "begin_run",
    "connect",
    "counter_of",
    "delete_bodies",
    "delete_forgotten",
    "drain_run",
    "durability",
    "end_run",
    "forget_bodies",
    "has_ended",
    "kind_of",
    "lease_of",
    "led_accounts",
    "live_runs",
    "migrate",
    "note_crash",
    "note_failure",
    "note_stable",
    "note_unsupported",
    "quarantine",
    "quarantine_all",
    "raise_epoch",
    "release",
    "renew",
    "require_schema",
    "shared_secret",
]
