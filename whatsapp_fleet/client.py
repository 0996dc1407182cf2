"""`python -m whatsapp_fleet.client`: one client, whose journal may be in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whatsapp_fleet.database import Database, PostgresJournal
from whatsapp_mcp.client.__main__ import file_journal, main
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.storage import JournalWriter

_TRIAL_LIMIT: Final = 5.0
"""Seconds in which the journal's database has to take an event; the lease of a leader is longer."""


def journal_of(storage: ClientStorage) -> JournalWriter:
    """The journal, as the leader has said.

    A database is tried first: what the library receives it acknowledges, a hundred events ahead, so a client
    that cannot store anything must not log in.

    Raises:
        sqlite3.Error: The file cannot be opened.
        StorageError: The database takes no events.
    """
    address = storage.journal
    if address is None:
        return file_journal(storage)
    database = Database(address.location, allow_asynchronous=address.allow_asynchronous)
    with PostgresJournal(replace(database, patience=_TRIAL_LIMIT), address.account, address.epoch) as trial:
        trial.try_append()
    return PostgresJournal(database, address.account, address.epoch)


if __name__ == "__main__":
    main(journal_of)
