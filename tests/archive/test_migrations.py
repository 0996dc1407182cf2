"""A file of an earlier version becomes a current one, with all that is in it."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from pydantic import TypeAdapter

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database import backup, migrations, schema, tables
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ImportSource, MessageFilter, SendRequest, TextContent
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


def _made_here(script: str) -> str:
    """The statements as this SQLite makes the tables: before 3.43 it knows one option of the index less."""
    if sqlite3.sqlite_version_info >= (3, 43):
        return script
    return script.replace(", content='', contentless_delete=1", "")


def _shape(path: Path) -> Any:
    """Each table's columns and keys, whatever their order, and every view and index as it was made."""
    with closing(sqlite3.connect(path)) as db:
        tables = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        made = db.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('view', 'index') AND sql IS NOT NULL"
        )
        return {
            table: (
                sorted(row[1:] for row in db.execute("SELECT * FROM pragma_table_info(?)", (table,))),
                sorted(row[2:4] for row in db.execute("SELECT * FROM pragma_index_list(?)", (table,))),
                db.execute("SELECT wr, strict FROM pragma_table_list WHERE name = ?", (table,)).fetchone(),
            )
            for table in tables
            if not table.startswith(("fts_", "sqlite_"))
        } | {(kind, name): " ".join(sql.split()) for kind, name, sql in made}


async def test_a_file_of_the_first_version_keeps_everything_and_goes_on(
    folder: AccountFolder, tmp_path: Path
) -> None:
    folder.create()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.executescript(_made_here(VERSION_1 + FILLED))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
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
        assert (person.given_name, person.push_name, person.known) == ("Ana Silva", "anna", False)
        assert await archive.check() == ()
    await _has_the_shape_of_a_new_one(folder, tmp_path)


def _as_made() -> str:
    """The current tables, one statement a line."""
    script = tables.ARCHIVE + tables.INDEX.format(content=", content='', contentless_delete=1")
    made = (" ".join(re.sub("--.*", "", one).split()) for one in migrations.statements(script))
    head = f"-- The tables of version {tables.VERSION}, as a newly made file has them."
    return "\n".join((head, *made, f"PRAGMA user_version = {tables.VERSION};", ""))


CURRENT = Path(__file__).with_name(f"version_{tables.VERSION}.sql")
FORMER = sorted(CURRENT.parent.glob("version_*.sql"))


def test_the_tables_of_this_version_do_not_change() -> None:
    """Whoever changes them raises `tables.VERSION`, then runs `python -m tests.archive.test_migrations`."""
    assert CURRENT.read_text(encoding="utf-8") == _as_made()


@pytest.mark.parametrize(
    "made", [one.read_text(encoding="utf-8") for one in FORMER], ids=[one.stem for one in FORMER]
)
async def test_an_empty_file_of_any_version_becomes_a_current_one(
    folder: AccountFolder, tmp_path: Path, made: str
) -> None:
    folder.create()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.executescript(_made_here(made))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("A1", "hello")]))
        assert len((await archive.search("hello")).items) == 1
    await _has_the_shape_of_a_new_one(folder, tmp_path)


async def _has_the_shape_of_a_new_one(folder: AccountFolder, tmp_path: Path) -> None:
    fresh = AccountFolder("fresh", tmp_path / "accounts" / "fresh")
    async with open_archive(fresh, write=True, now=lambda: NOW):
        pass
    for path in (folder.archive_db, fresh.archive_db):
        with closing(sqlite3.connect(path)) as db:
            assert schema.version(db) == schema.SCHEMA_VERSION
    assert _shape(folder.archive_db) == _shape(fresh.archive_db)


VERSION_4 = Path(__file__).with_name("version_4.sql").read_text(encoding="utf-8")
READ, MINE, THEIRS = NOON + 100, (NOON << 20) + 1, (NOON + 1) << 20
FILLED_4 = f"""
INSERT INTO contacts VALUES (1, '{ANA}', '{ANA_LID}', 'Ana Silva', NULL, NULL, 'ana silva');
INSERT INTO contacts VALUES (2, '{BOB}', NULL, NULL, NULL, 'Bob ٧', 'bob ٧');
INSERT INTO addresses VALUES (1, '{ANA}', 1, 0), (2, '{ANA_LID}', 1, 0), (3, '{BOB}', 2, 0);
INSERT INTO holders VALUES ('{ANA}', '{ANA_LID}', {NOON});
INSERT INTO names VALUES ('{ANA}', 0, 'Ana Silva', 1), ('{BOB}', 2, 'Bob ٧', 1);
INSERT INTO chats (id, jid, kind, contact_id, last_id, read_id, unread, complete, archived)
    VALUES (1, '{ANA}', 0, 1, {THEIRS}, {MINE}, 1, 1, 1), (3, '{BOB}', 0, 2, 0, 0, 0, 0, 0);
INSERT INTO chats (id, jid, kind, name, name_norm, last_id, read_id)
    VALUES (2, '{GROUP}', 1, 'Club', 'club', {MINE + 1}, {MINE + 1});
INSERT INTO chat_words VALUES (1, 'archived', 1, {NOON}), (1, 'marked_unread', 0, {READ}),
    (3, 'marked_unread', 1, {READ}), (2, 'name', 'Club', {NOON}), (2, 'members', 1, {NOON});
UPDATE chats SET marked_unread = 1 WHERE id = 3;
INSERT INTO members VALUES (2, 1, 1, {NOON}, 1), (2, 2, 0, {NOON}, NULL);
INSERT INTO messages (id, ref, chat_id, sender_id, wa_id, kind, text)
    VALUES ({MINE}, 1, 1, 0, 'M1', 0, 'mine'), ({MINE + 1}, 2, 2, 0, 'M2', 0, 'ours'),
    ({THEIRS}, 3, 1, 1, 'A1', 0, 'at ١٢:٣٠');
INSERT INTO fts (rowid, body, scope) VALUES ({THEIRS}, 'at ١٢:٣٠', 'c1 s1');
INSERT INTO refs VALUES (1, {MINE}), (2, {MINE + 1}), (3, {THEIRS});
INSERT INTO reactions VALUES (1, 'M1', 1, '👍', {NOON}000, 1);
INSERT INTO edits VALUES (1, 'A1', 1, 0, 'first'), (1, 'A1', 1, {NOON}000, 'at ١٢:٣٠');
UPDATE messages SET edited_at = {NOON} WHERE ref = 3;
INSERT INTO revokes VALUES (2, 'GONE', 2, {NOON});
INSERT INTO calls VALUES (1, 'CALL', 'offer', {NOON}, '');
INSERT INTO read_marks VALUES (1, 1, 2, {MINE}, {READ}), (1, 0, 2, 0, 0), (2, 2, 1, {MINE + 1}, {READ}),
    (2, -1, 1, {MINE + 1}, {READ});
INSERT INTO early_receipts VALUES (1, 'LATE', 1, 2, {READ}), (2, 'LATE', 2, 2, {READ}),
    (1, 'LATER', 0, 2, {READ});
"""


async def test_a_file_of_the_fourth_version_keeps_what_was_read_and_done(
    folder: AccountFolder, tmp_path: Path
) -> None:
    folder.create()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.executescript(_made_here(VERSION_4 + FILLED_4))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        assert [(chat.jid, chat.unread, chat.archived) for chat in (await archive.chats()).items] == [
            (ANA, 1, True),
            (GROUP, 0, False),
            (BOB, 1, False),
        ]
        assert (await archive.coverage(ANA)).complete
        mine = await archive.message("M1")
        assert (mine.status, [one.emoji for one in mine.reactions]) == ("read", ["👍"])
        assert (await archive.message("M2")).status == "delivered"
        assert (await archive.message("A1")).earlier == ("first",)
        assert len(await archive.members(GROUP)) == 2
        assert [hit.message_id for hit in (await archive.search("12")).items] == ["A1"]
        assert [person.name for person in (await archive.contacts("bob 7")).items] == ["Bob ٧"]
        assert len((await archive.messages(MessageFilter(chat=ANA, unreceipted=True))).items) == 1
        await archive.ingest(
            journal(
                [
                    ev.message("LATE", "mine", sender=None, at=NOON + 20),
                    ev.message("LATE", "ours", chat=GROUP, sender=None, at=NOON + 20),
                    ev.message("LATER", "theirs", at=NOON + 30),
                    ev.message("GONE", "theirs", chat=GROUP, sender=BOB, at=NOON + 40),
                ]
            )
        )
        assert (await archive.message("LATE", chat=ANA)).status == "read"
        late = next(
            m for m in (await archive.messages(MessageFilter(chat=GROUP))).items if m.message_id == "LATE"
        )
        read = [one.contact for one in (await archive.send_report(late.ref)).deliveries if one.read_at]
        assert read == ["Bob ٧"]
        assert (await archive.chats()).items[1].unread == 0
        assert (await archive.message("GONE")).revoked_at is not None
        assert await archive.check() == ()
    await _has_the_shape_of_a_new_one(folder, tmp_path)


@pytest.mark.parametrize("version", [1, 9])
async def test_the_sends_of_an_older_file_stay_and_their_numbers_are_never_used_again(
    folder: AccountFolder, version: int
) -> None:
    folder.create()
    made = CURRENT.with_name(f"version_{version}.sql").read_text(encoding="utf-8")
    sends = """INSERT INTO outbox (id, idempotency_key, chat, chat_id, request, status, created_at)
        VALUES (3, 'k', ?, 1, ?, 'queued', 1), (7, NULL, ?, 1, ?, 'failed', 1)"""
    request = SendRequest("", TextContent("hi"))
    unset = {"at", "unless_reply", "replaces"}
    body = TypeAdapter(SendRequest).dump_json(request, exclude=unset).decode()
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        db.executescript(_made_here(made))
        db.execute(sends, (ANA, body, ANA, body))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        (queued,) = await archive.outbox_unsettled()
        assert (queued.send_id, queued.request.content) == (3, TextContent("hi"))
        again = SendRequest(ANA, TextContent("hi"), idempotency_key="k")
        assert await archive.outbox_add(again, principal="stdio:one") == (queued, False)
        await archive.purge()
        entry, _ = await archive.outbox_add(SendRequest(ANA, TextContent("another")))
        assert entry.send_id == 8


@pytest.mark.parametrize("version", [1, 9])
async def test_the_refs_of_an_older_file_are_never_used_again(folder: AccountFolder, version: int) -> None:
    folder.create()
    made = CURRENT.with_name(f"version_{version}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        db.executescript(_made_here(made))
        db.execute("INSERT INTO chats (id, jid, kind) VALUES (1, ?, 1)", (GROUP,))
        db.execute(
            "INSERT INTO messages (id, ref, chat_id, sender_id, wa_id, kind) VALUES (?, 7, 1, 0, 'A', 0)",
            (NOON << 20,),
        )
        db.execute("INSERT INTO refs VALUES (7, ?)", (NOON << 20,))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        assert (await archive.message("A")).ref == 7
        await archive.purge()
        await archive.ingest(journal([ev.message("B")]))
        assert (await archive.message("B")).ref == 8


async def test_what_was_imported_before_imports_had_numbers_can_be_undone(folder: AccountFolder) -> None:
    folder.create()
    made = CURRENT.with_name("version_10.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(folder.archive_db)) as db, db:
        db.executescript(_made_here(made))
        db.execute("INSERT INTO contacts (id, pn) VALUES (1, ?)", (ANA,))
        db.execute("INSERT INTO addresses (id, jid, contact_id) VALUES (1, ?, 1)", (ANA,))
        db.execute("INSERT INTO chats (id, jid, kind, contact_id) VALUES (1, ?, 0, 1)", (ANA,))
        for ref, (wa_id, flags) in enumerate((("IMP-1", 512), ("A1", 512), ("A2", 0), ("IMP-2", 512)), 1):
            message = (NOON + ref) << 20
            db.execute(
                """INSERT INTO messages (id, ref, chat_id, sender_id, wa_id, kind, flags)
                VALUES (?, ?, 1, 1, ?, 0, ?)""",
                (message, ref, wa_id, flags),
            )
            db.execute("INSERT INTO refs VALUES (?, ?)", (ref, message))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        bridge, exports = await archive.imports()
        assert (bridge.source, bridge.report.new) == (ImportSource.LHARRIES, 1)
        assert (exports.source, exports.report.new) == (ImportSource.CHAT_EXPORT, 2)
        while await archive.import_undone(exports.number):
            pass
        assert [m.message_id for m in (await archive.messages(oldest_first=True)).items] == ["A1", "A2"]
        assert await archive.check() == ()


def _fourth_version(folder: AccountFolder) -> None:
    folder.create()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.executescript(_made_here(VERSION_4 + FILLED_4))


async def test_the_former_file_is_kept_until_a_purge(folder: AccountFolder) -> None:
    _fourth_version(folder)
    kept = folder.archive_db.with_name("archive.db.version-4")
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        with closing(sqlite3.connect(kept)) as db:
            assert schema.version(db) == 4
            assert db.execute("SELECT emoji FROM reactions").fetchall() == [("👍",)]
        assert kept.stat().st_mode & 0o077 == 0
        await archive.purge()
    assert not kept.exists()


async def test_nothing_is_begun_without_room_for_the_copy_and_the_upgrade(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fourth_version(folder)
    free = SimpleNamespace(free=1 << 10)
    monkeypatch.setattr(backup.shutil, "disk_usage", Mock(return_value=free))
    with pytest.raises(Busy, match="free space"):
        async with open_archive(folder, write=True, now=lambda: NOW):
            pass
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert schema.version(db) == 4
    assert not [path for path in folder.path.iterdir() if ".version-" in path.name]


KILLED = """
import logging, os, sqlite3, sys
from pathlib import Path
from whatsapp_mcp.archive.database import backup, schema

class Killer(logging.Handler):
    left = int(sys.argv[2])
    def emit(self, record):
        self.left -= 1
        if self.left < 0:
            os._exit(9)

logging.basicConfig(level=logging.INFO, handlers=[Killer()])
path = Path(sys.argv[1])
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode = WAL")
backup.back_up_before_upgrade(db, path)
schema.migrate(db)
"""


def _upgrade_and_kill(path: Path, word: int) -> int:
    """The exit code of a process that upgrades a file and dies when it has said so many words."""
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(word)], timeout=60, check=False
    ).returncode


@pytest.mark.parametrize("word", range(0, 14, 3))
async def test_an_upgrade_that_is_killed_leaves_the_former_file_and_is_begun_again(
    folder: AccountFolder, word: int
) -> None:
    """It is killed when it tells how far it is: within the copy, or after some of the tables."""
    _fourth_version(folder)
    code = _upgrade_and_kill(folder.archive_db, word)
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert (code, schema.version(db)) in ((9, 4), (0, schema.SCHEMA_VERSION))
        assert code == 9 or word > 9
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        mine = await archive.message("M1")
        assert (mine.status, [one.emoji for one in mine.reactions]) == ("read", ["👍"])
        assert await archive.check() == ()
    assert not [path for path in folder.path.iterdir() if path.name.endswith(".part")]


if __name__ == "__main__":
    with CURRENT.open("x", encoding="utf-8") as written:
        written.write(_as_made())
