"""A file of an earlier version becomes a current one, with all that is in it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import NOON, NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database import connections, database_files, schema, tables
from whatsapp_mcp.errors import Busy, Unsupported
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage.schema import statements

pytestmark = pytest.mark.anyio

Migrations = Callable[..., None]


def _as_made() -> str:
    """The current tables, one statement a line."""
    script = tables.ARCHIVE + tables.INDEX.format(content=", content='', contentless_delete=1")
    made = (" ".join(re.sub("--.*", "", one).split()) for one in statements(script))
    head = f"-- The tables of version {tables.VERSION}, as a newly made file has them."
    return "\n".join((head, *made, f"PRAGMA user_version = {tables.VERSION};", ""))


CURRENT = Path(__file__).with_name(f"version_{tables.VERSION}.sql")


def test_the_tables_of_this_version_do_not_change() -> None:
    """Whoever changes them raises `tables.VERSION`, then runs `python -m tests.archive.test_migrations`."""
    assert CURRENT.read_text(encoding="utf-8") == _as_made()


def _add_mood(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE chats ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")


def _fail(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO chats (mood) VALUES (NULL)")


@pytest.fixture
async def filled(folder: AccountFolder) -> AccountFolder:
    """An archive of this version, with a message."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("A1", "hello")]))
    return folder


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Migrations:
    """Makes this program one of a later version, which has these migrations."""
    present = schema.ARCHIVE

    def become(*migrations: Callable[[sqlite3.Connection], None]) -> None:
        version = present.version + len(migrations)
        monkeypatch.setattr(schema, "ARCHIVE", present._replace(version=version, migrations=migrations))

    return become


def found_in(path: Path, query: str = "PRAGMA user_version") -> object:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchone()[0]


async def test_a_migration_is_applied_once_and_everything_stays(
    filled: AccountFolder, later: Migrations
) -> None:
    later(_add_mood)
    for text in ("hello", "again"):
        async with open_archive(filled, write=True, now=lambda: NOW) as archive:
            assert text in [message.text for message in (await archive.messages()).items]
            assert len((await archive.search("hello")).items) == 1
            await archive.ingest(journal([ev.message("A2", "again", at=NOON + 1)], after=1))
            assert await archive.check() == ()
    assert found_in(filled.archive_db) == tables.VERSION + 1
    assert found_in(filled.archive_db, "SELECT mood FROM chats") == "calm"


async def test_a_migration_that_fails_changes_nothing_and_is_begun_again(
    filled: AccountFolder, later: Migrations
) -> None:
    later(_add_mood, _fail)
    with pytest.raises(sqlite3.IntegrityError):
        async with open_archive(filled, write=True, now=lambda: NOW):
            pass
    assert found_in(filled.archive_db) == tables.VERSION
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        found_in(filled.archive_db, "SELECT mood FROM chats")
    later(_add_mood)
    async with open_archive(filled, write=True, now=lambda: NOW) as archive:
        assert (await archive.message("A1")).text == "hello"


async def test_a_file_that_no_migration_begins_with_is_refused_with_what_to_do(
    filled: AccountFolder,
) -> None:
    with closing(sqlite3.connect(filled.archive_db)) as db:
        db.execute(f"PRAGMA user_version = {tables.VERSION - 1}")
    refused = f"tables of version {tables.VERSION - 1}.*from version {tables.VERSION} on"
    with pytest.raises(Unsupported, match=refused) as error:
        async with open_archive(filled, write=True, now=lambda: NOW):
            pass
    assert "Start an earlier version" in error.value.action
    async with open_archive(filled) as reader:
        with pytest.raises(Unsupported, match=refused):
            await reader.chats()
    assert found_in(filled.archive_db) == tables.VERSION - 1


async def test_an_older_file_is_read_once_the_leader_has_migrated_it(
    filled: AccountFolder, later: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(_add_mood)
    async with open_archive(filled) as reader, anyio.create_task_group() as tasks:
        with monkeypatch.context() as patch:
            patch.setattr(connections, "_UPGRADE_SECONDS", 0.0)
            with pytest.raises(Busy, match="older version") as error:
                await reader.chats()
        assert error.value.action == "Restart the applications that use it."
        tasks.start_soon(reader.chats)
        async with open_archive(filled, write=True, now=lambda: NOW):
            pass
    assert found_in(filled.archive_db) == tables.VERSION + 1


async def test_the_former_file_is_kept_until_a_purge(filled: AccountFolder, later: Migrations) -> None:
    later(_add_mood)
    kept = filled.archive_db.with_name(f"archive.db.version-{tables.VERSION}")
    async with open_archive(filled, write=True, now=lambda: NOW) as archive:
        assert found_in(kept) == tables.VERSION
        assert found_in(kept, "SELECT text FROM messages") == "hello"
        assert kept.stat().st_mode & 0o077 == 0
        await archive.purge()
    assert not kept.exists()


async def test_nothing_is_begun_without_room_for_the_copy_and_the_upgrade(
    filled: AccountFolder, later: Migrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(_add_mood)
    monkeypatch.setattr(database_files.shutil, "disk_usage", Mock(return_value=SimpleNamespace(free=1 << 10)))
    with pytest.raises(Busy, match="free space"):
        async with open_archive(filled, write=True, now=lambda: NOW):
            pass
    assert found_in(filled.archive_db) == tables.VERSION
    assert not [path for path in filled.path.iterdir() if ".version-" in path.name]


if __name__ == "__main__":
    with CURRENT.open("x", encoding="utf-8") as written:
        written.write(_as_made())
