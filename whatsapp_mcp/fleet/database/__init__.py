"""The database of a fleet, PostgreSQL 14 or newer: its schema, journal, logs, files, runs and leases."""

from whatsapp_mcp.fleet.database.connections import (
    Database,
    NotDurable,
    Session,
    connect,
    durability,
)
from whatsapp_mcp.fleet.database.file_store import PostgresFiles
from whatsapp_mcp.fleet.database.journal import PostgresJournal, admit
from whatsapp_mcp.fleet.database.leases import (
    Renewal,
    add_account,
    begin_run,
    counter_of,
    end_run,
    has_ended,
    lease_of,
    raise_epoch,
    release,
    renew,
)
from whatsapp_mcp.fleet.database.log import PostgresLog
from whatsapp_mcp.fleet.database.migrations import Migration, TooNew, migrate
from whatsapp_mcp.fleet.database.reader import Reader
from whatsapp_mcp.fleet.database.schema import MIGRATIONS, SCHEMA
from whatsapp_mcp.fleet.database.small_files import PostgresSmallFile
from whatsapp_mcp.fleet.database.snapshots import PostgresSnapshots
from whatsapp_mcp.fleet.database.statements import PostgresStatements

__all__ = [
    "MIGRATIONS",
    "SCHEMA",
    "Database",
    "Migration",
    "NotDurable",
    "PostgresFiles",
    "PostgresJournal",
    "PostgresLog",
    "PostgresSmallFile",
    "PostgresSnapshots",
    "PostgresStatements",
    "Reader",
    "Renewal",
    "Session",
    "TooNew",
    "add_account",
    "admit",
    "begin_run",
    "connect",
    "counter_of",
    "durability",
    "end_run",
    "has_ended",
    "lease_of",
    "migrate",
    "raise_epoch",
    "release",
    "renew",
]
