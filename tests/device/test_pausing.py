"""A paused connection: closed, whoever leads, until it is resumed or ends by itself."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.server_process import server_process
from tests.device.test_reconnect import rig
from tests.device.test_servers import TAKEOVER, Open, linked, opened, status_of, until
from tests.devices import direct
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.device_storage import FILE_NAME, record_in
from whatsapp_mcp.device.connection.state import Connection
from whatsapp_mcp.device.leader import pausing
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.device.leader.observer import observed_status
from whatsapp_mcp.device.operations import chats, control, sends
from whatsapp_mcp.errors import Busy, InvalidArgument, NotConnected, NotLinked
from whatsapp_mcp.models import (
    ConnectionState,
    ReactionContent,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

PAUSED, ONLINE = ConnectionState.PAUSED, ConnectionState.ONLINE


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose policy asks nothing."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")
    return folder


@pytest.fixture
def server(home: Path) -> Open:
    return lambda: opened(home)


@pytest.fixture
def account(home: Path) -> AccountFolder:
    return Settings(home=home).account_folder()


@pytest.fixture
async def was_linked(wa: WhatsApp, server: Open) -> None:
    """A phone is linked, and no server runs."""
    async with linked(wa, server):
        pass
    await wa.me.offline()


def ahead(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_pause_closes_the_connection_and_resume_opens_it(
    wa: WhatsApp, server: Open, account: AccountFolder
) -> None:
    async with linked(wa, server) as (devices, _):
        until_then = ahead(7200)
        status = await pausing.pause(account, until_then)
        assert (status.state, status.until, status.connected) == (PAUSED, until_then, False)
        assert "`whatsapp-mcp resume`" in (status.action or "")
        await wa.me.offline()

        assert (await pausing.resume(account)).state is ConnectionState.CONNECTING
        assert (await until(devices, ONLINE)).until is None
        await wa.me.online()


async def test_what_is_sent_in_a_pause_is_queued_at_once_and_goes_out_once_after_it(
    wa: WhatsApp, server: Open, account: AccountFolder
) -> None:
    ann = wa.person("Ann")
    async with linked(wa, server) as (devices, archive):
        await pausing.pause(account)
        async with devices.use() as device:
            with anyio.fail_after(10):  # less than a send waits for its outcome
                result = await device.do(sends.send, SendRequest(str(ann.pn), TextContent("later")))
        assert result.status is SendStatus.QUEUED
        assert "paused" in (result.reason or "")
        await wa.me.offline()
        assert ann.inbox == []

        await pausing.resume(account)
        assert (await ann.receives()).text == "later"
        await until(devices, ONLINE)
        async with devices.use() as device:
            again = await device.do(sends.send, SendRequest(str(ann.pn), TextContent("and now")))
        assert again.status is SendStatus.SENT
        assert [each.text for each in ann.inbox] == ["later", "and now"]
        assert (await archive.message(again.ref or 0)).text == "and now"


async def test_other_changes_are_refused_with_how_to_end_the_pause(
    wa: WhatsApp, server: Open, account: AccountFolder
) -> None:
    ann = wa.person("Ann")
    async with linked(wa, server) as (devices, _):
        await pausing.pause(account)
        reaction = SendRequest(str(ann.pn), ReactionContent("3EB0", "+"), queue=False)
        async with devices.use() as device:
            for change in (
                device.do(sends.send, reaction),
                device.do(chats.typing, str(ann.pn), "composing"),
                device.do(control.reconnect),
                device.do(control.unlink),
            ):
                with pytest.raises(NotConnected, match="paused") as refused:
                    await change
                assert "`whatsapp-mcp resume`" in refused.value.action
            with pytest.raises(InvalidArgument, match="linked already"):
                await device.do(control.link)
        assert (await status_of(devices)).state is PAUSED


@pytest.mark.usefixtures("was_linked")
async def test_without_a_server_the_next_one_starts_paused(
    wa: WhatsApp, server: Open, account: AccountFolder
) -> None:
    until_then = ahead(7200)
    status = await pausing.pause(account, until_then)
    assert (status.state, status.until) == (PAUSED, until_then)
    assert "`whatsapp-mcp resume`" in (status.action or "")
    for _ in range(2):
        async with server() as (devices, _):
            status = await until(devices, PAUSED)
            assert (status.leader_pid, status.until, status.generation) == (os.getpid(), until_then, 1)
            async with devices.use() as device:
                with pytest.raises(NotConnected):
                    await device.do(control.reconnect)

    assert (await pausing.resume(account)).state is ConnectionState.OFFLINE
    async with server() as (devices, _):
        assert (await until(devices, ONLINE)).generation == 2


@pytest.mark.usefixtures("was_linked")
async def test_when_the_leader_is_killed_in_a_pause_the_next_one_is_paused_and_has_the_queue(
    wa: WhatsApp, home: Path, server: Open, account: AccountFolder
) -> None:
    ann = wa.person("Ann")
    async with server_process(home) as leader, server() as (devices, _):
        await until(devices, ONLINE)
        await pausing.pause(account)
        async with devices.use() as device:
            result = await device.do(sends.send, SendRequest(str(ann.pn), TextContent("later")))
        assert result.status is SendStatus.QUEUED
        leader.kill()
        with anyio.fail_after(TAKEOVER):
            while (status := await until(devices, PAUSED)).leader_pid != os.getpid():  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert status.generation == 2, "no client was started"

        await pausing.resume(account)
        await until(devices, ONLINE)
        assert (await ann.receives()).text == "later"
        async with devices.use() as device:
            await device.do(sends.send, SendRequest(str(ann.pn), TextContent("end")))
        assert [each.text for each in ann.inbox] == ["later", "end"]


async def test_a_pause_ends_by_itself(wa: WhatsApp, server: Open, account: AccountFolder) -> None:
    async with linked(wa, server) as (devices, _):
        await pausing.pause(account, ahead(0.5))
        await until(devices, ONLINE)


@pytest.mark.usefixtures("was_linked")
async def test_a_pause_that_is_over_is_told_as_such_without_a_server(account: AccountFolder) -> None:
    await pausing.pause(account, ahead(0.2))
    with anyio.fail_after(30):
        while (status := await observed_status(account)).state is PAUSED:  # noqa: ASYNC110
            await anyio.sleep(0.02)
    assert (status.state, status.until) == (ConnectionState.OFFLINE, None)


async def test_a_pause_ends_on_the_clock_of_its_loop() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        await it.tell(state.PauseAsked(it.clock.now() + timedelta(hours=2)))
        assert it.fakes.alive == []
        await it.clock.advance(2 * 3600 - 1)
        assert (it.loop.connection.state, it.fakes.alive) == (PAUSED, [])
        await it.clock.advance(1)
        assert (it.loop.connection.state, it.fakes.alive) == (ConnectionState.CONNECTING, [2])


async def test_a_pause_that_slept_through_its_end_ends_at_the_next_look_at_the_clock() -> None:
    async with rig() as it:
        await it.tell(state.Opened(linked=True), state.Online(1))
        await it.tell(state.PauseAsked(it.clock.now() + timedelta(hours=2)))
        await it.clock.jump(3 * 3600)
        assert it.fakes.alive == [2]


@pytest.mark.parametrize("led", [True, False])
async def test_an_account_without_a_phone_cannot_be_paused(
    led: bool, server: Open, account: AccountFolder
) -> None:
    account.create()
    if not led:
        with pytest.raises(NotLinked):
            await pausing.pause(account)
        assert not (account.path / FILE_NAME).exists()
        return
    async with server() as (devices, _):
        await until(devices, ConnectionState.UNLINKED)
        for ask in (pausing.pause, pausing.resume):
            with pytest.raises(NotLinked):
                await ask(account)


async def test_an_end_that_has_passed_is_refused(linked: Leader) -> None:
    with pytest.raises(InvalidArgument, match="has passed"):
        await direct(linked.device).do(control.pause, ahead(-1))
    assert (await direct(linked.device).do(control.status)).state is ONLINE


async def test_a_replaced_session_is_not_paused_and_keeps_its_own_way_out(
    wa: WhatsApp, linked: Leader
) -> None:
    await wa.replaced()
    await linked.until(ConnectionState.REPLACED)
    reaction = SendRequest(str(wa.person("Ann").pn), ReactionContent("3EB0", "+"), queue=False)
    device = direct(linked.device)
    typing = device.do(chats.typing, "15550002222@s.whatsapp.net", "composing")
    for change in (device.do(control.pause), device.do(sends.send, reaction), typing):
        with pytest.raises(NotConnected, match="replaced") as refused:
            await change
        assert "`whatsapp-mcp reconnect`" in refused.value.action


@pytest.mark.usefixtures("was_linked")
async def test_a_replaced_session_without_a_server_is_not_paused(account: AccountFolder) -> None:
    record = record_in(account.path)
    kept = record.load(datetime.now(UTC))
    await record.save(Connection(ConnectionState.REPLACED, kept.since, kept.generation, reason="Taken."))

    with pytest.raises(NotConnected, match="replaced: Taken"):
        await pausing.pause(account)

    assert (await observed_status(account)).state is ConnectionState.REPLACED
    assert await pausing.resume(account)


@pytest.mark.usefixtures("was_linked")
async def test_a_pause_that_cannot_be_kept_is_not_called_one(
    account: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(Busy, match="cannot be written"):
        await pausing.pause(account)


async def test_a_process_that_holds_the_account_and_does_not_listen_is_named(account: AccountFolder) -> None:
    account.create()
    lock = LeaderLock(account)
    assert lock.acquire()
    try:
        with pytest.raises(Busy, match=str(os.getpid())):
            await pausing.pause(account, limit=0.3)
    finally:
        lock.release()
