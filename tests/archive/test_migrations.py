"""A file of an earlier version becomes a current one, with all that is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from whatsapp_mcp.archive import MessageFilter, open_archive, schema
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

VERSION_1 = Path(__file__).with_name("version_1.sql").read_text(encoding="utf-8")
FILLED = f"""
INSERT INTO contacts VALUES (1, '{ANA}', '{ANA_LID}', 'Ana Silva', NULL, 'ana', {NOON}, 'ana silva');
INSERT INTO contacts VALUES (2, '{BOB}', NULL, NULL, NULL, 'Bob', {NOON}, 'bob');
INSERT INTO addresses VALUES ('{ANA}', 1), ('{ANA_LID}', 1), ('{BOB}', 2);
INSERT INTO chats (id, jid, kind, contact_id, last_id) VALUES (1, '{ANA}', 0, 1, {NOON << 20});
INSERT INTO chats (id, jid, kind, name, name_at, name_norm) VALUES (2, '{GROUP}', 1, 'Club', {NOON}, 'club');
INSERT INTO members VALUES (2, 1, 1), (2, 2, 0);
INSERT INTO messages VALUES ({NOON << 20}, 1, 1, 1, 'A1', 0, 0, 'hello', NULL, NULL, NULL, NULL);
INSERT INTO refs VALUES (1, {NOON << 20});
INSERT INTO fts (rowid, body, scope) VALUES ({NOON << 20}, 'hello', 'c1 s1');
"""


def _shape(path: Path) -> Any:
    """Each table's columns, keys and indexes, whatever their order."""
    with closing(sqlite3.connect(path)) as db:
        tables = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {
            table: (
                sorted(row[1:] for row in db.execute("SELECT * FROM pragma_table_info(?)", (table,))),
                sorted(row[1:4] for row in db.execute("SELECT * FROM pragma_index_list(?)", (table,))),
            )
            for table in tables
            if not table.startswith(("fts_", "sqlite_"))
        }


async def test_a_file_of_the_first_version_keeps_everything_and_goes_on(
    folder: AccountFolder, tmp_path: Path
) -> None:
    folder.create()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.executescript(VERSION_1 + FILLED)
    async with open_archive(folder, write=True) as archive:
        assert [chat.name for chat in (await archive.chats()).items] == ["Ana Silva", "Club"]
        assert {m.contact.name: m.admin for m in await archive.members(GROUP)} == {
            "Ana Silva": True,
            "Bob": False,
        }
        assert [hit.ref for hit in (await archive.search("hello", MessageFilter(sender=ANA_LID))).items] == [
            1
        ]
        await archive.ingest(journal([ev.message("A2", "again", chat=ANA_LID, name="anna", at=NOON + 1)]))
        assert [m.text for m in (await archive.messages(MessageFilter(chat=ANA))).items] == ["again", "hello"]
        person = await archive.contact(ANA)
        assert person is not None
        assert (person.saved_name, person.push_name) == ("Ana Silva", "anna")
        assert await archive.check() == ()
    fresh = AccountFolder("fresh", tmp_path / "accounts" / "fresh")
    async with open_archive(fresh, write=True):
        pass
    for path in (folder.archive_db, fresh.archive_db):
        with closing(sqlite3.connect(path)) as db:
            assert schema.version(db) == schema.SCHEMA_VERSION
    assert _shape(folder.archive_db) == _shape(fresh.archive_db)
