"""How an account's connection is told by who does not lead it."""

from __future__ import annotations

import os
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from whatsapp_mcp.device.connection.device_storage import record_in
from whatsapp_mcp.device.leader import endpoint, pausing
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.device.leader.observer import observed_status
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.processes.admission import Guest
from whatsapp_mcp.settings import AccountFolder, Settings

pytestmark = pytest.mark.anyio

NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AccountFolder:
    """An account that nobody has led yet; whoever takes its lock fails the test."""
    made = Settings(home=tmp_path / "home").account_folder()
    made.create()

    def taken(_: LeaderLock) -> bool:
        raise AssertionError("the leader's lock was taken")

    monkeypatch.setattr(LeaderLock, "acquire", taken)
    return made


def link(folder: AccountFolder) -> None:
    """Leave the keys of a linked device."""
    with closing(sqlite3.connect(folder.client_db)) as db:
        db.execute("CREATE TABLE whatsmeow_device (jid TEXT, lid TEXT, push_name TEXT, registration_id)")
        db.execute("INSERT INTO whatsmeow_device VALUES ('15550001111:3@s.whatsapp.net', NULL, 'Ada', 5)")
        db.commit()


async def leave(folder: AccountFolder, state: ConnectionState, reason: str | None, **facts: datetime) -> None:
    """Leave what a leader keeps about the connection."""
    record = record_in(folder.path)
    await record.save(replace(record.load(NOW), state=state, reason=reason, **facts))


async def observed(folder: AccountFolder) -> ConnectionStatus:
    with anyio.fail_after(2):
        return await observed_status(folder)


async def test_without_a_server_a_linked_account_is_offline_and_named(folder: AccountFolder):
    link(folder)
    await leave(folder, ConnectionState.ONLINE, None)

    status = await observed(folder)

    assert status.state is ConnectionState.OFFLINE
    assert status.reason == "No server is running; linked as Ada (+15550001111)."
    assert (status.number, status.name) == ("+15550001111", "Ada")
    assert "`whatsapp-mcp status --wait`" in (status.action or "")


async def test_without_a_server_an_account_without_a_phone_is_unlinked(folder: AccountFolder):
    await leave(folder, ConnectionState.UNLINKED, "This companion was removed on the phone.")

    status = await observed(folder)

    assert status.state is ConnectionState.UNLINKED
    assert status.reason == (
        "No server is running; no phone is linked. This companion was removed on the phone."
    )


async def test_a_state_that_waits_for_a_person_is_told_without_a_server_too(folder: AccountFolder):
    link(folder)
    await leave(folder, ConnectionState.REPLACED, "Another client took over this session.")

    status = await observed(folder)

    assert status.state is ConnectionState.REPLACED
    assert "linked as Ada (+15550001111). Another client took over" in (status.reason or "")
    assert "reconnect" in (status.action or "")


async def test_the_end_of_a_ban_is_told_without_a_server_too(folder: AccountFolder):
    link(folder)
    until = NOW + timedelta(hours=5)
    await leave(folder, ConnectionState.BANNED, "Banned.", until=until)

    assert (await observed(folder)).until == until


async def test_keys_without_a_record_of_the_connection_are_those_of_a_linked_phone(folder: AccountFolder):
    link(folder)

    status = await observed(folder)

    assert (status.state, status.number) == (ConnectionState.OFFLINE, "+15550001111")


async def test_keys_that_cannot_be_read_are_told(folder: AccountFolder):
    folder.client_db.mkdir()

    status = await observed(folder)

    assert status.state is ConnectionState.OFFLINE
    assert "keys cannot be read" in (status.reason or "")


async def test_the_leader_is_asked(tmp_path: Path):
    loaded = Settings(home=tmp_path / "home")
    folder = loaded.account_folder()
    async with open_device(loaded):
        with anyio.fail_after(30):
            while (await observed(folder)).leader_pid != os.getpid():  # noqa: ASYNC110
                await anyio.sleep(0.02)

        assert (await observed(folder)).state is ConnectionState.UNLINKED


async def test_a_leader_that_does_not_answer_is_told_in_time(folder: AccountFolder):
    async def say_nothing(_stream: ByteStream, _guest: Guest, _secret: str) -> None:
        await anyio.sleep_forever()

    async with endpoint.listening(folder, say_nothing):
        status = await observed(folder)

    assert status.state is ConnectionState.OFFLINE
    assert "does not answer" in (status.reason or "")


async def test_a_leader_that_is_starting_is_not_taken_for_none(folder: AccountFolder):
    link(folder)
    folder.leader_lock.write_text(str(os.getpid()))

    status = await observed(folder)

    assert f"Process {os.getpid()}" in (status.reason or "")


async def test_the_process_number_of_a_leader_that_was_killed_means_nothing(folder: AccountFolder):
    link(folder)
    async with await anyio.open_process([sys.executable, "-c", ""]) as ended:
        await ended.wait()
    folder.leader_lock.write_text(str(ended.pid))

    assert "linked as Ada" in ((await observed(folder)).reason or "")


async def test_of_an_account_in_a_database_nothing_is_concluded_from_the_copy_on_this_machine(
    folder: AccountFolder,
) -> None:
    copy = replace(folder, in_database=True)
    status = await observed_status(copy)
    assert status.state is ConnectionState.OFFLINE
    assert status.reason == "The account is kept in a database, and nothing on this machine leads it."
    with pytest.raises(Busy, match="kept in a database"):
        await pausing.pause(copy)
    assert not (folder.path / "link.json").exists()
