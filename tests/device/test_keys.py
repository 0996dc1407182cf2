"""What the host reads of the client library's database."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from whatsapp_mcp.device.connection import keys
from whatsapp_mcp.device.connection.keys import KeptOpen, stored_device


def killed_in_a_transaction(path: Path, mode: str) -> None:
    """A database as a client leaves it that is killed while it writes."""
    live = path.with_name("live.db")
    with closing(sqlite3.connect(live)) as db:
        db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("PRAGMA cache_size = 1")
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT, registration_id)")
        db.execute("CREATE TABLE prekeys (id INTEGER, key BLOB)")
        db.execute(
            "INSERT INTO whatsmeow_device VALUES ('15550001111:3@s.whatsapp.net', '77:3@lid', 'Me', 5)"
        )
        db.executemany("INSERT INTO prekeys VALUES (?, ?)", [(n, b"k" * 500) for n in range(200)])
        db.commit()
        db.execute("UPDATE prekeys SET key = zeroblob(500)")
        for suffix in ("", "-journal", "-wal", "-shm"):
            part = live.with_name(live.name + suffix)
            if part.exists():
                shutil.copy(part, path.with_name(path.name + suffix))


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_the_device_of_a_client_that_was_killed_while_writing_is_found(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "client.db"
    killed_in_a_transaction(path, mode)
    device = stored_device(path)
    assert device is not None
    assert (device.number, device.jid.device, device.lid, device.name) == ("+15550001111", 3, "77@lid", "Me")


def test_a_locked_file_does_not_look_like_nobody_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "client.db"
    killed_in_a_transaction(path, "delete")
    stored_device(path)
    monkeypatch.setattr(keys, "_LOCK_LIMIT", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError):
            stored_device(path)


def test_a_file_that_is_no_database_holds_no_device(tmp_path: Path) -> None:
    (tmp_path / "client.db").write_bytes(b"garbage" * 1000)
    assert stored_device(tmp_path / "client.db") is None


def test_looking_makes_no_file(tmp_path: Path) -> None:
    assert stored_device(tmp_path / "client.db") is None
    assert not list(tmp_path.iterdir())


def holding(path: Path, value: int) -> None:
    """Put a database with one number in the place of whatever has that name."""
    new = path.with_name("new.db")
    with closing(sqlite3.connect(new)) as db, db:
        db.execute("CREATE TABLE whatsmeow_lid_map AS SELECT ? AS value", (value,))
    new.replace(path)


async def number(database: KeptOpen) -> int:
    rows: list[tuple[int]] = await database.read(
        lambda db: db.execute("SELECT value FROM whatsmeow_lid_map").fetchall()
    )
    return rows[0][0]


@pytest.mark.anyio
async def test_what_is_kept_open_sees_each_commit_of_another_connection(tmp_path: Path) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    with closing(KeptOpen(path)) as database, closing(sqlite3.connect(path, isolation_level=None)) as other:
        assert await number(database) == 1
        other.execute("UPDATE whatsmeow_lid_map SET value = 2")
        assert await number(database) == 2


@pytest.mark.anyio
async def test_what_is_kept_open_is_opened_again_when_another_file_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    with closing(KeptOpen(path)) as database:
        assert await number(database) == 1
        holding(path, 2)
        assert await number(database) == 2
        keys.forget(path)
        with pytest.raises(sqlite3.OperationalError):
            await number(database)
        holding(path, 3)
        assert await number(database) == 3


@pytest.mark.anyio
async def test_what_is_kept_open_holds_no_lock_between_readings(tmp_path: Path) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    with closing(KeptOpen(path)) as database, closing(sqlite3.connect(path, timeout=0)) as other:
        await number(database)
        other.execute("BEGIN EXCLUSIVE")


@pytest.mark.anyio
async def test_what_is_kept_open_is_opened_again_after_it_could_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    monkeypatch.setattr(keys, "_LOCK_LIMIT", 0.01)
    with closing(KeptOpen(path)) as database:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError):
                await number(database)
        assert await number(database) == 1


@pytest.mark.anyio
async def test_what_is_locked_for_a_moment_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    with closing(KeptOpen(path)) as database, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE whatsmeow_lid_map SET value = 2")
        found: list[int] = []

        async def read() -> None:
            found.append(await number(database))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            other.execute("COMMIT")
        assert found == [2]


@pytest.mark.anyio
async def test_no_reading_holds_the_event_loop(tmp_path: Path) -> None:
    path = tmp_path / "client.db"
    holding(path, 1)
    with closing(KeptOpen(path)) as database:
        assert await database.read(lambda db: threading.get_ident()) != threading.get_ident()
