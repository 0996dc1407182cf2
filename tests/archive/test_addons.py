"""The registry of add-ons agrees with the database, with what decodes them, and with the tests' worlds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from tests.archive import events as ev
from tests.archive.dump import DUMPED
from tests.archive.events import ANA, NOON, journal
from tests.archive.worlds import PLACES, in_memory
from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.archive.read.search_query import IS
from whatsapp_mcp.archive.state import ADDONS, IMPORT_TABLES, REACTIONS, AddOn, Target, addons
from whatsapp_mcp.decoding.events import decode_event
from whatsapp_mcp.decoding.updates import LinkedUpdate, MessageUpdate, UndecodedUpdate, Update
from whatsapp_mcp.models import SendRequest, TextContent
from whatsapp_mcp.settings import AccountFolder

COMMON = ["wa_id", "chat_address", "sender_address", "at"]
"""The columns with which every table of add-ons begins."""
NOT_IN_WORLDS = {LinkedUpdate, UndecodedUpdate}
"""What has its place in the order of arrival: a new linking, and what cannot be read."""
NOT_DUMPED = {
    "meta": "how far the journal is archived",
    "addresses": "their ids are in the order of arrival; contacts and chats show whose they are",
    "number_history": "resolved in everything that it is for",
    "names": "contacts show them",
    "confirmed": "contacts show them",
    "chat_settings": "chats show them",
    "chat_aliases": "the archive's own numbers",
    "contact_aliases": "the archive's own numbers",
    "refs": "the archive's own numbers",
    "outbox": "no event comes from it",
    "events": "what happened, in the order of arrival",
    "undecoded": "counted",
    "readings": "no event comes from it",
    "file_problems": "no event comes from it",
    "kept_files": "no event comes from it",
    "set_aside": "no event comes from it",
    "used_keys": "no event comes from it",
    "read_marks": "what they say of each message is dumped",
    "imports": "no event comes from it",
    **dict.fromkeys(IMPORT_TABLES, "no event comes from it"),
    "intake": "how much came of each address counts for a flood alone",
    "waiting_addons": "in the order in which they came, and what has met its message since may stand there",
}
"""Tables that the comparison of two orders leaves out, and why."""


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """An empty archive in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        schema.migrate(db)
        yield db


def tables_of(db: sqlite3.Connection) -> set[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'fts*'")
    return {name for (name,) in rows} - {"sqlite_sequence"}


def columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})")]


def test_every_table_of_add_ons_is_declared_and_every_declaration_has_its_table(
    db: sqlite3.Connection,
) -> None:
    found = {table: columns(db, table) for table in tables_of(db)}
    hanging = {table: names for table, names in found.items() if names[:4] == COMMON}
    assert {kind.table: [*COMMON, *kind.columns] for kind in ADDONS} == hanging
    of_files = {"imported_addons", "imported_copies"}
    others = {"messages", "events", "waiting_addons", *of_files}
    assert {table for table, names in found.items() if "wa_id" in names} == {*hanging, *others}
    assert {kind.update for kind in ADDONS} <= {*get_args(Update)}
    assert all({*kind.key} <= {*kind.columns} for kind in ADDONS)


def test_worlds_hold_every_kind_of_update_and_every_table() -> None:
    updates: set[type[Any]] = set()
    filled: set[str] = set()
    for events in PLACES.values():
        told = [decode_event(event.code, event.payload, event.received_at * 1000) for event in events]
        updates |= {type(update) for updates in told for update in updates}
        stray = [
            event
            for event, updates in zip(events, told, strict=True)
            if not any(isinstance(update, MessageUpdate) for update in updates)
        ]
        for some in (events, stray):  # Where its message is missing, an add-on waits.
            filled |= {table for table, rows in in_memory([some], introduced=True).items() if rows}
    assert {*get_args(Update)} - updates == NOT_IN_WORLDS
    assert {kind.table for kind in ADDONS} | DUMPED - {"gaps"} <= filled


def test_every_table_is_compared_or_it_is_said_why_not(db: sqlite3.Connection) -> None:
    assert tables_of(db) == DUMPED | {kind.table for kind in ADDONS} | NOT_DUMPED.keys()


@pytest.mark.parametrize("kind", [kind for kind in ADDONS if kind.word], ids=lambda kind: kind.table)
def test_what_a_word_finds_is_found_without_a_walk_through_messages_or_chats(
    db: sqlite3.Connection, kind: AddOn
) -> None:
    plan = db.execute(f"EXPLAIN QUERY PLAN SELECT m.id FROM messages AS m WHERE {IS[str(kind.word)]}")
    steps = [row[3] for row in plan]
    assert "SCAN t" in steps
    assert {step for step in steps if step.startswith("SCAN ") and "(subquery" not in step} == {"SCAN t"}
    assert not [step for step in steps if "AUTOMATIC" in step or "messages_chat" in step]


def rows_of(db: sqlite3.Connection, kind: AddOn) -> int:
    return int(db.execute(f"SELECT count(*) FROM {kind.table}").fetchone()[0])


def add_one_of_each(db: sqlite3.Connection, wa_id: str) -> None:
    """An add-on of every kind under a message's id, in the chat with Ana."""
    chat = db.execute("SELECT id FROM addresses WHERE jid = ?", (ANA,)).fetchone()[0]
    for kind in ADDONS:
        more = ["1" if name == "kind" else b"x" for name in kind.columns]
        assert addons.insert_addon(db, kind, (wa_id, chat, chat, (NOON + 5) * kind.unit, *more))


@pytest.mark.anyio
@pytest.mark.parametrize("wa_id", ["A1", "never came"])
async def test_every_add_on_is_purged_with_its_message_or_without(
    archive: Archive, folder: AccountFolder, wa_id: str
) -> None:
    await archive.ingest(journal([ev.message("A1", "hello")]))
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        add_one_of_each(db, wa_id)
    await archive.purge(chat=ANA, before=datetime.fromtimestamp(NOON + 3_600, UTC))
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert {kind.table: rows_of(db, kind) for kind in ADDONS} == {kind.table: 0 for kind in ADDONS}


@pytest.mark.anyio
async def test_what_is_deleted_for_everyone_takes_along_what_is_declared_to_go(
    archive: Archive, folder: AccountFolder
) -> None:
    await archive.ingest(journal([ev.message("A1", "hello")]))
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        add_one_of_each(db, "A1")
    await archive.ingest(journal([ev.revoke("A1")], after=1))
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert {kind.table for kind in ADDONS if rows_of(db, kind)} == {
            kind.table for kind in ADDONS if not kind.erased
        }


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ADDONS, ids=lambda kind: kind.table)
async def test_an_add_on_that_names_a_send_settles_it(
    archive: Archive, folder: AccountFolder, kind: AddOn
) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent("hello")))
    await archive.write(outbox.sending, entry.send_id)
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        chat = db.execute("SELECT id FROM addresses WHERE jid = ?", (ANA,)).fetchone()[0]
        more = [2 if name == "kind" else b"x" for name in kind.columns]
        addons.insert_addon(db, kind, ("S1", chat, chat, NOON * kind.unit, *more))
    entry = await archive.write(outbox.unknown, entry.send_id, "no answer", message_id="S1")
    assert (entry.status == "unknown") == (kind.names_send is None)


def test_a_kind_that_is_added_is_written_read_and_purged_by_its_declaration(db: sqlite3.Connection) -> None:
    pins = replace(REACTIONS, table="pins", columns=("pinned",), worth="pinned")
    db.execute(
        """CREATE TABLE pins (wa_id TEXT, chat_address INTEGER, sender_address INTEGER, at INTEGER,
        pinned INTEGER, PRIMARY KEY (wa_id, chat_address, sender_address, at, pinned)) WITHOUT ROWID"""
    )
    db.execute("INSERT INTO addresses (id, jid, contact_id) VALUES (7, ?, 3)", (ANA,))
    db.execute("INSERT INTO chats (id, jid, kind, contact_id) VALUES (4, ?, 0, 3)", (ANA,))
    assert addons.insert_addon(db, pins, ("A1", 7, 7, NOON * 1000, 1))
    assert not addons.insert_addon(db, pins, ("A1", 7, 7, NOON * 1000, 1))
    assert addons.insert_addon(db, pins, ("A1", 7, 0, NOON * 1000 + 1, 0))
    target = Target(4, "A1", 3)
    assert addons.current_addons(db, pins, [target]) == {
        target: [addons.StoredAddOn(3, NOON * 1000, (1,)), addons.StoredAddOn(0, NOON * 1000 + 1, (0,))]
    }
