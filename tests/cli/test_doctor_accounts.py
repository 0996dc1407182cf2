"""`whatsapp-mcp doctor`: what it finds of an account, without a trace and without disturbing a leader."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from anyio.abc import ByteStream

from tests.archive import events as ev
from tests.archive.events import journal
from tests.cli.archives import account_with_messages
from whatsapp_mcp import settings
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.cli.doctor import Finding, accounts, databases, examination
from whatsapp_mcp.device.leader import LeaderLock, endpoint, open_device
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder, Settings, account_folder

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
POSIX = pytest.mark.skipif(os.name != "posix", reason="other sockets and locks")


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    return settings.load()


@pytest.fixture
async def folder(loaded: Settings) -> AccountFolder:
    """An account with messages and keys, which nobody leads."""
    made = loaded.account_folder()
    await account_with_messages(made, [NOON] * 3)
    keys_of(made, "15550001111:3@s.whatsapp.net")
    return made


def keys_of(folder: AccountFolder, *devices: str) -> None:
    """Leave the keys of linked devices."""
    with closing(sqlite3.connect(folder.client_db)) as db:
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT)")
        db.executemany("INSERT INTO whatsmeow_device VALUES (?)", [(device,) for device in devices])
        db.commit()


def contents(folder: AccountFolder) -> dict[str, tuple[int, int]]:
    """Each file with its size and the time of its last change."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.path.rglob("*")
        if path.is_file()
    }


def damage(path: Path) -> None:
    """Overwrite all but the first page."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


async def checked(folder: AccountFolder) -> list[Finding]:
    """Every check of an account, as a process of its own would run them."""
    found = (accounts.keys, accounts.leader, accounts.meeting_place, databases.integrity, accounts.leftovers)
    return [await anyio.to_thread.run_sync(check, folder) for check in found]


def examined() -> list[Finding]:
    return list(examination.examine())


async def told_of_leader(folder: AccountFolder) -> Finding:
    return await anyio.to_thread.run_sync(accounts.leader, folder)


async def test_a_sound_account_passes_and_is_left_as_it_was(folder: AccountFolder):
    before = contents(folder)

    found = await checked(folder)

    assert [each for each in found if not each.ok] == []
    assert "archive.db, raw.db, client.db whole" in found[3].detail
    assert contents(folder) == before


async def test_each_database_that_is_damaged_is_told(folder: AccountFolder):
    for path in (folder.archive_db, folder.raw_db):
        kept = path.read_bytes()
        damage(path)

        found = databases.integrity(folder)

        assert (found.ok, found.detail) == (
            False,
            f"{path.name} is damaged: database disk image is malformed",
        )
        assert found.action
        path.write_bytes(kept)


async def test_a_file_that_is_no_database_is_told(folder: AccountFolder):
    folder.client_db.write_bytes(b"no database" * 1000)

    found = databases.integrity(folder)

    assert not found.ok
    assert "whatsapp-mcp link" in (found.action or "")


async def test_a_database_that_takes_too_long_is_told_to_be_checked_in_part(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(databases, "_STEPS_BETWEEN_CHECKS", 1)

    found = databases.integrity(folder, limit=0)

    assert found.ok
    assert "archive.db is large: no fault in the first 0 s" in found.detail


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
async def test_a_log_that_a_killed_server_left_is_not_recovered(folder: AccountFolder, suffix: str):
    log = folder.archive_db.with_name(folder.archive_db.name + suffix)
    log.write_bytes(b"x" * 100)
    before = contents(folder)

    found = databases.integrity(folder)

    assert "archive.db is in use, or has a log" in found.detail
    assert contents(folder) == before


@asynccontextmanager
async def led(folder: AccountFolder) -> AsyncIterator[sqlite3.Connection]:
    """The account with a leader that has just written its archive; the lock holds this process's number."""
    lock = LeaderLock(folder)
    assert lock.acquire()
    try:
        with closing(sqlite3.connect(folder.archive_db, isolation_level=None)) as db:
            db.execute("CREATE TABLE written (at INTEGER)")
            yield db
    finally:
        lock.release()


@POSIX
async def test_a_leader_can_write_while_its_archive_is_read(folder: AccountFolder):
    async with led(folder) as writer:
        with databases.read_only(folder, folder.archive_db) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM messages").fetchone()
            writer.execute("INSERT INTO written VALUES (1)")
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM messages")


@POSIX
async def test_a_database_whose_writer_would_have_to_wait_is_left_alone(folder: AccountFolder):
    async with led(folder):
        found = databases.integrity(folder)

    assert "client.db is in use" in found.detail


@POSIX
async def test_a_leader_that_does_not_answer_is_told_with_its_process(folder: AccountFolder):
    async with led(folder):
        found = await told_of_leader(folder)

    assert not found.ok
    assert found.detail == f"process {os.getpid()} has the account's lock and does not answer"


@POSIX
async def test_a_leader_that_hangs_is_told(folder: AccountFolder, monkeypatch: pytest.MonkeyPatch):
    async def hang(_: ByteStream, __: object, ___: str) -> None:
        await anyio.sleep_forever()

    async with endpoint.listening(folder, hang):
        found = await told_of_leader(folder)

    assert (found.ok, "does not answer" in found.detail) == (False, True)


@POSIX
async def test_a_leader_is_asked_and_goes_on(loaded: Settings):
    folder = loaded.account_folder()
    folder.create()
    with anyio.fail_after(30):
        async with open_device(loaded, "default"):
            while " leads; " not in (found := await told_of_leader(folder)).detail:
                await anyio.lowlevel.checkpoint()
            again = await told_of_leader(folder)

    assert found.detail == again.detail == f"process {os.getpid()} leads; unlinked"
    assert found.ok
    assert "whatsapp-mcp link" in (found.action or "")


@pytest.mark.parametrize(
    ("facts", "ok", "told"),
    [
        ({"settings_error": "line 3 is wrong"}, False, "its config.toml is not in force"),
        ({"failures": {"archive": 2, "router": 0}}, True, "; 2 restarts of the task archive"),
    ],
)
async def test_what_a_leader_says_of_itself_is_told(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch, facts: dict[str, object], ok: bool, told: str
):
    async def status(_: AccountFolder) -> ConnectionStatus:
        return ConnectionStatus(ConnectionState.ONLINE, NOON, "default", leader_pid=7, **facts)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(accounts, "leader_status", status)

    found = await told_of_leader(folder)

    assert (found.ok, told in found.detail) == (ok, True)


@POSIX
async def test_a_socket_that_has_no_place_is_told(folder: AccountFolder, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(account_folder, "runtime_folder", lambda: None)
    deep = AccountFolder("default", folder.path / ("deep" * 30))

    found = accounts.meeting_place(deep)

    assert not found.ok
    assert "WHATSAPP_MCP_HOME" in (found.action or "")


async def test_a_key_that_is_missing_is_told(folder: AccountFolder):
    locked = {"version": 1, "locked": [{"key": "a", "salt": "b"}], "step": None}
    (folder.path / "encryption.json").write_text(json.dumps(locked))

    found = [accounts.keys(folder), databases.integrity(folder)]

    assert [each.ok for each in found] == [False, False]
    assert "do not say where the key is" in found[0].detail


async def test_an_encryption_that_was_interrupted_is_told(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
):
    locked = {"version": 1, "locked": [{"key": "a", "salt": "b"}], "step": "encrypting"}
    (folder.path / "encryption.json").write_text(json.dumps(locked))
    monkeypatch.setattr(type(folder.vault), "unlock", lambda _: None)  # pyright: ignore[reportUnknownLambdaType]

    found = accounts.keys(folder)

    assert (found.ok, found.detail) == (False, "encrypting was interrupted")


async def test_commands_of_findings_name_their_account_once(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch
):
    await account_with_messages(loaded.account_folder("work"), [NOON])
    monkeypatch.setattr(examination, "program_checks", lambda: ())
    monkeypatch.setattr(examination, "home_checks", lambda: ())

    async def status(_: AccountFolder) -> ConnectionStatus:
        return ConnectionStatus(
            ConnectionState.UNLINKED, NOON, "work", leader_pid=7, action="Call link_device."
        )

    monkeypatch.setattr(accounts, "leader_status", status)

    found = {each.name: each for each in await anyio.to_thread.run_sync(examined)}

    assert {each.account for each in found.values()} == {"work"}
    assert found["leader"].action == "Run `whatsapp-mcp link --account work`."


async def test_a_folder_that_cannot_be_an_account_is_told(loaded: Settings, monkeypatch: pytest.MonkeyPatch):
    (loaded.home / "accounts" / "old copy").mkdir(parents=True)
    monkeypatch.setattr(examination, "program_checks", lambda: ())
    monkeypatch.setattr(examination, "home_checks", lambda: ())

    [found] = await anyio.to_thread.run_sync(examined)

    assert (found.name, found.ok, found.account) == ("account", False, "old copy")


async def test_databases_that_were_set_aside_are_told(folder: AccountFolder):
    shutil.copy(folder.raw_db, folder.raw_db.with_name("raw.db.damaged"))

    found = accounts.leftovers(folder)

    assert "raw.db.damaged" in found.detail
    assert "Delete" in (found.action or "")


async def test_keys_of_two_devices_are_told(folder: AccountFolder):
    folder.client_db.unlink()
    keys_of(folder, "15550001111:3@s.whatsapp.net", "15550001111:4@s.whatsapp.net")

    found = accounts.leftovers(folder)

    assert (found.ok, "2 devices" in found.detail) == (False, True)


async def test_the_number_of_this_device_is_told_to_compare_it_with_the_phone(folder: AccountFolder):
    found = accounts.leftovers(folder)

    assert found.detail.startswith(
        "this is device 3 of the account. Compare with the phone: Settings (iPhone) or"
    )


async def test_an_account_that_nobody_ever_linked_is_told(loaded: Settings):
    folder = loaded.account_folder("typo")
    folder.create()

    found = accounts.leftovers(folder)

    assert found.ok
    assert found.action == f"Run `whatsapp-mcp link`. Or delete {folder.path} if you do not need it."


async def test_an_unlinked_account_gets_the_command_that_links_it(folder: AccountFolder):
    folder.client_db.unlink()
    keys_of(folder)

    found = accounts.leftovers(folder)

    assert (found.ok, found.action) == (True, "Run `whatsapp-mcp link`.")


async def test_while_there_is_no_account_the_command_that_links_one_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "new"))
    monkeypatch.setattr(examination, "program_checks", lambda: ())
    monkeypatch.setattr(examination, "home_checks", lambda: ())

    [found] = examined()

    assert (found.ok, found.action) == (True, "Run `whatsapp-mcp link`.")


async def test_a_copy_of_an_account_in_a_database_is_not_taken_for_an_account_without_a_phone(
    folder: AccountFolder,
) -> None:
    folder.client_db.unlink()
    found = {one.name: one for one in await checked(replace(folder, in_database=True))}
    assert (found["linked devices"].ok, found["linked devices"].action) == (True, None)
    assert "database" in found["linked devices"].detail
    assert "nothing on this machine" in found["leader"].detail


# Messages of groups.


async def test_groups_that_have_fallen_silent_are_noted_with_where_help_is(loaded: Settings):
    folder, now = loaded.account_folder(), int(datetime.now(UTC).timestamp())
    folder.create()
    told = [
        ev.message(
            f"{group}-{day}", chat=f"12036300000000000{group}@g.us", sender=ev.BOB, at=now - day * 86_400
        )
        for group in range(3)
        for day in range(2, 9)
    ]
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal(told))
    assert accounts.groups(folder).action is None
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal([*told, ev.message("D", at=now - 60)]))

    found = accounts.groups(folder)

    assert found.ok
    assert "No message of a group has come for a day" in found.detail
    assert "docs/troubleshooting.md" in (found.action or "")


async def test_an_archive_that_cannot_be_read_says_nothing_of_groups(folder: AccountFolder):
    damage(folder.archive_db)
    assert accounts.groups(folder).ok
    folder.archive_db.unlink()
    assert accounts.groups(folder).ok
