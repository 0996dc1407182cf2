"""Servers of one account: one leads, the others follow."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from anyio import CancelScope
from anyio.abc import ByteStream

from tests.device.server_process import another_version, server_process
from whatsapp_mcp import __version__
from whatsapp_mcp.archive import ReadingArchive, open_archive, recording
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader import endpoint, runtime
from whatsapp_mcp.device.leader.lock import LeaderLock
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.leader.serving import PROTOCOL
from whatsapp_mcp.device.operations import Device, control, sends
from whatsapp_mcp.device.operations.registry import OPERATIONS
from whatsapp_mcp.device.outbox.takeover import send_through_takeover
from whatsapp_mcp.errors import Busy, Denied, NotConnected, Unsupported
from whatsapp_mcp.models import (
    PERSON,
    ConnectionState,
    ConnectionStatus,
    SendRequest,
    SendResult,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.processes.admission import Guest
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import AccountFolder, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

TAKEOVER = 20.0
"""Seconds on a busy machine; the soak prints what it takes otherwise."""
Opened = tuple[Accessor[Device], ReadingArchive]
Open = Callable[[], AbstractAsyncContextManager[Opened]]


@pytest.fixture
def server(tmp_path: Path) -> Open:
    return lambda: opened(home_of(tmp_path))


@asynccontextmanager
async def opened(home: Path) -> AsyncIterator[Opened]:
    async with open_device(Settings(home=home)) as (devices, archive, _):
        yield devices, archive


async def status_of(devices: Accessor[Device]) -> ConnectionStatus:
    async with devices.use() as device:
        return await device.do(control.status)


async def until(devices: Accessor[Device], state: ConnectionState) -> ConnectionStatus:
    with anyio.fail_after(30):
        while (status := await status_of(devices)).state is not state:  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return status


async def reached(folder: AccountFolder) -> tuple[ByteStream, str]:
    """The leader's address, which is put up a moment after the leader's own device can be used."""
    with anyio.fail_after(30):
        while True:
            try:
                return await endpoint.connect(folder)
            except OSError:
                await anyio.sleep(0.02)


async def link(wa: WhatsApp, devices: Accessor[Device]) -> None:
    await until(devices, ConnectionState.UNLINKED)
    async with devices.use() as device:
        shown = await device.do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await until(devices, ConnectionState.ONLINE)


@asynccontextmanager
async def linked(wa: WhatsApp, server: Open) -> AsyncIterator[Opened]:
    async with server() as opened:
        await link(wa, opened[0])
        yield opened


async def test_a_server_that_hosts_links_and_sends(wa: WhatsApp, server: Open) -> None:
    ann = wa.person("Ann")
    async with linked(wa, server) as (devices, archive):
        async with devices.use() as device:
            result = await device.do(sends.send, SendRequest(str(ann.pn), TextContent("hello")))
        assert result.status is SendStatus.SENT
        assert (await archive.message(result.ref or 0)).text == "hello"


async def test_ten_servers_share_one_link(wa: WhatsApp, server: Open) -> None:
    async with linked(wa, server):
        pass
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(server()) for _ in range(10)]
        statuses = [await until(devices, ConnectionState.ONLINE) for devices, _ in servers]
        assert {status.generation for status in statuses} == {2}
        ann = wa.person("Ann")
        for number, (devices, _) in enumerate(servers):
            async with devices.use() as device:
                result = await device.do(sends.send, SendRequest(str(ann.pn), TextContent(f"hello {number}")))
            assert result.status is SendStatus.SENT
        assert len(wa.me.companions) == 1


async def test_when_the_host_ends_another_takes_over(wa: WhatsApp, server: Open) -> None:
    ready, leave = anyio.Event(), anyio.Event()

    async def first() -> None:
        async with linked(wa, server):
            ready.set()
            await leave.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await ready.wait()
        async with server() as (devices, _):
            assert (await until(devices, ConnectionState.ONLINE)).generation == 1
            leave.set()
            with anyio.fail_after(TAKEOVER):
                while (await until(devices, ConnectionState.ONLINE)).generation != 2:  # noqa: ASYNC110
                    await anyio.sleep(0.02)


def home_of(tmp_path: Path) -> Path:
    """A home whose policy asks nothing."""
    folder = tmp_path / "home"
    folder.mkdir(exist_ok=True)
    config = folder / "config.toml"
    if not config.exists():
        config.write_text('[policy]\nmode = "open"\n', encoding="utf-8")
    return folder


async def leader_pid(devices: Accessor[Device], pid: int) -> ConnectionStatus:
    """The status, once the server `pid` leads and is online."""
    with anyio.fail_after(30):
        while (status := await until(devices, ConnectionState.ONLINE)).leader_pid != pid:  # noqa: ASYNC110
            await anyio.sleep(0.02)
    return status


async def test_when_the_host_is_killed_another_takes_over(wa: WhatsApp, server: Open, tmp_path: Path) -> None:
    async with linked(wa, server):
        pass
    ann = wa.person("Ann")
    async with server_process(home_of(tmp_path)) as leader, server() as (devices, archive):
        await leader_pid(devices, leader.pid)
        leader.kill()
        await ann.says("meanwhile")
        await leader_pid(devices, os.getpid())
        with anyio.fail_after(30):
            while not (await archive.search("meanwhile")).items:  # noqa: ASYNC110
                await anyio.sleep(0.05)
        assert len(wa.me.companions) == 1


async def test_the_client_process_ends_with_a_killed_host(wa: WhatsApp, server: Open, tmp_path: Path) -> None:
    async with linked(wa, server):
        pass
    async with server_process(home_of(tmp_path)) as leader:
        await wa.me.online()
        leader.kill()
        with anyio.fail_after(3):
            await wa.me.offline()


async def test_a_stopped_host_is_told_as_such_and_can_go_on(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    async with linked(wa, server):
        pass
    async with server_process(home_of(tmp_path)) as leader, server() as (devices, _):
        await leader_pid(devices, leader.pid)
        os.kill(leader.pid, signal.SIGSTOP)
        try:
            with anyio.fail_after(8):
                status = await status_of(devices)
            assert status.state is ConnectionState.OFFLINE
            assert status.leader_pid == leader.pid
            assert str(leader.pid) in (status.action or "")
            with anyio.fail_after(8), pytest.raises(Busy, match=str(leader.pid)):
                async with devices.use() as device:
                    await device.do(control.reconnect)
            async with server() as (newcomer, _):
                with anyio.fail_after(8):
                    while (status := await status_of(newcomer)).leader_pid != leader.pid:  # noqa: ASYNC110
                        await anyio.sleep(0.05)
                assert "does not answer" in (status.reason or "")
        finally:
            os.kill(leader.pid, signal.SIGCONT)
        await leader_pid(devices, leader.pid)


async def test_the_end_of_a_server_leaves_no_process_and_no_socket(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    settings = Settings(home=home_of(tmp_path))
    async with linked(wa, server):
        assert settings.account_folder().socket.exists()
        begun = anyio.current_time()
    assert anyio.current_time() - begun < 2
    there = settings.account_folder().meeting_place
    assert not there.path.exists()
    assert not there.secret_path.exists()
    with anyio.fail_after(1):
        await wa.me.offline()


async def test_a_host_that_ends_while_it_begins_leaves_no_address(tmp_path: Path) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()

    async def serve(stream: ByteStream, guest: Guest, secret: str) -> None:
        raise AssertionError("nobody connects")

    async def leader() -> None:
        async with endpoint.listening(folder, serve):
            await anyio.sleep_forever()

    for _ in range(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(leader)
            with anyio.fail_after(30):
                while not folder.socket.exists():
                    await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        assert not folder.socket.exists()


async def test_damaged_keys_are_told_and_a_phone_can_be_linked_at_once(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    keys = Settings(home=home_of(tmp_path)).account_folder().client_db
    async with linked(wa, server):
        pass
    for path in keys.parent.glob(f"{keys.name}*"):
        path.unlink()
    keys.write_bytes(b"no database" * 1000)
    async with server() as (devices, _):
        assert "damaged" in ((await until(devices, ConnectionState.UNLINKED)).reason or "")
        await link(wa, devices)


async def test_keys_that_are_spoilt_while_a_server_hosts_are_told_and_a_phone_can_be_linked(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    keys = Settings(home=home_of(tmp_path)).account_folder().client_db
    async with linked(wa, server) as (devices, _):
        async with devices.use() as device:
            client = (await device.acting_for(PERSON).do(control.figures)).client_pid
        assert client is not None
        os.kill(client, signal.SIGSTOP)
        keys.write_bytes(b"no database" * 1000)
        os.kill(client, signal.SIGKILL)
        assert "damaged" in ((await until(devices, ConnectionState.UNLINKED)).reason or "")
        await link(wa, devices)


@pytest.mark.parametrize("left", [b"", b"no database" * 1000])
async def test_a_journal_that_is_spoilt_while_a_server_hosts_is_begun_anew(
    wa: WhatsApp, server: Open, tmp_path: Path, left: bytes
) -> None:
    journal = Settings(home=home_of(tmp_path)).account_folder().inbox_db
    ann = wa.person("Ann")

    async def archived(text: str) -> None:
        with anyio.fail_after(30):
            while not (await archive.search(text)).items:  # noqa: ASYNC110
                await anyio.sleep(0.05)

    async with linked(wa, server):
        pass
    async with server() as (devices, archive):
        await until(devices, ConnectionState.ONLINE)
        await ann.says("before")
        await archived("before")
        journal.write_bytes(left)
        await ann.says("in the way of the damage")
        with anyio.fail_after(30):
            while (await status_of(devices)).generation < 3:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        await until(devices, ConnectionState.ONLINE)
        await ann.says("afterwards")
        await archived("afterwards")
    assert journal.with_name("inbox.db.damaged").exists()
    with closing(sqlite3.connect(journal.parent.parent / "archive.db")) as db:
        reasons = [reason for (reason,) in db.execute("SELECT reason FROM gaps")]
    assert any("damaged" in reason for reason in reasons)


@pytest.mark.parametrize("left", ["a socket", "a file"])
async def test_what_the_dead_left_at_the_address_is_no_obstacle(
    server: Open, tmp_path: Path, left: str
) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()
    folder.create()
    folder.leader_lock.write_text("1")
    if left == "a file":
        folder.socket.touch()
    else:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(folder.socket))
    async with server() as (devices, _), server() as (others, _):
        assert (await until(devices, ConnectionState.UNLINKED)).leader_pid == os.getpid()
        await until(others, ConnectionState.UNLINKED)
        assert folder.socket.is_socket()


@pytest.mark.parametrize("what", ["path", "secret_path"])
async def test_newcomers_find_the_host_although_its_address_was_taken_away(
    wa: WhatsApp, server: Open, tmp_path: Path, what: str
) -> None:
    there = Settings(home=home_of(tmp_path)).account_folder().meeting_place
    async with linked(wa, server), server() as (early, _):
        await leader_pid(early, os.getpid())
        getattr(there, what).unlink()
        async with server() as (late, _):
            assert (await leader_pid(late, os.getpid())).generation == 1
            assert (await status_of(early)).generation == 1


async def test_a_host_whose_lock_was_taken_away_leaves_the_account_to_another(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()
    async with linked(wa, server):
        pass
    async with server_process(home_of(tmp_path)) as former, server() as (devices, _):
        await leader_pid(devices, former.pid)
        folder.leader_lock.unlink()
        with anyio.fail_after(30):
            while (status := await until(devices, ConnectionState.ONLINE)).generation == 2:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert LeaderLock(folder).holder() == status.leader_pid
        assert len(wa.me.companions) == 1


@pytest.mark.parametrize("taken", ["account folder", "archive.db"])
async def test_what_is_taken_away_from_under_a_host_is_begun_anew(
    wa: WhatsApp, server: Open, tmp_path: Path, taken: str
) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()
    ann = wa.person("Ann")
    async with linked(wa, server) as (devices, archive), server() as (others, theirs):
        await ann.says("before")
        with anyio.fail_after(30):
            while not (await theirs.chats()).items:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        if taken == "archive.db":
            folder.archive_db.unlink()
        else:
            shutil.rmtree(folder.path)
        with anyio.fail_after(TAKEOVER):
            while (await theirs.chats()).items or not folder.archive_db.exists():  # noqa: ASYNC110
                await anyio.sleep(0.02)
        if taken == "account folder":
            await link(wa, others)
        await until(devices, ConnectionState.ONLINE)
        await ann.says("after")
        with anyio.fail_after(30):
            for each in (archive, theirs):
                while not (await each.search("after")).items:  # noqa: ASYNC110
                    await anyio.sleep(0.02)


async def test_a_host_that_cannot_be_reached_is_named(
    wa: WhatsApp, server: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()
    folder.create()
    lock = LeaderLock(folder)
    assert lock.acquire()
    monkeypatch.setattr(runtime, "_START_LIMIT", 0.3)
    async with server() as (devices, _):
        with anyio.fail_after(30):
            while "cannot be reached" not in ((status := await status_of(devices)).reason or ""):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert status.leader_pid == os.getpid()
        assert str(os.getpid()) in (status.action or "")
    lock.release()


async def test_two_homes_never_mix(wa: WhatsApp, server: Open, tmp_path: Path) -> None:
    async with linked(wa, server), open_device(Settings(home=tmp_path / "another")) as (devices, _, _):
        assert (await until(devices, ConnectionState.UNLINKED)).number is None


@pytest.mark.parametrize(
    ("theirs", "who"),
    [(PROTOCOL + 1, f"this server (version {__version__})"), (PROTOCOL - 1, "the leader (version 99.1)")],
)
async def test_a_server_of_another_protocol_is_told_who_must_upgrade(
    server: Open, tmp_path: Path, theirs: int, who: str
) -> None:
    other = another_version(tmp_path / "other", "99.1", theirs)
    async with server_process(home_of(tmp_path), other) as hosting, server() as (devices, _):
        with anyio.fail_after(30):
            while "Upgrade" not in ((status := await status_of(devices)).action or ""):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert who in (status.action or "")
        assert "99.1" in (status.reason or "")
        assert status.leader_pid == hosting.pid


async def test_servers_of_two_versions_with_one_protocol_work_together(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    async with linked(wa, server):
        pass
    ann = wa.person("Ann")
    other = another_version(tmp_path / "other", "99.1", PROTOCOL)
    async with server_process(home_of(tmp_path), other) as hosting, server() as (devices, _):
        await leader_pid(devices, hosting.pid)
        result = await send_through_takeover(devices, SendRequest(str(ann.pn), TextContent("hello")))
        assert result.status is SendStatus.SENT
        hosting.kill()
        await leader_pid(devices, os.getpid())


async def test_what_an_older_host_does_not_know_is_told_with_its_remedy(server: Open, tmp_path: Path) -> None:
    folder = Settings(home=home_of(tmp_path)).account_folder()
    async with server() as (hosting, _):
        await until(hosting, ConnectionState.UNLINKED)
        stream, secret = await reached(folder)
        async with stream, Peer(stream, stream) as peer:
            for shown in ("", secret[:-1]):
                with pytest.raises(Denied):
                    await peer.call("status", deadline=5)
                await peer.call("hello", {"secret": shown}, deadline=5)
            with pytest.raises(Denied):
                await peer.call("status", deadline=5)
            await peer.call("hello", {"secret": secret}, deadline=5)
            with pytest.raises(Unsupported, match="'read_minds'") as told:
                await peer.call("read_minds", deadline=5)
            assert "Upgrade" in told.value.action


async def test_a_send_whose_host_is_killed_is_neither_lost_nor_doubled(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    async with linked(wa, server):
        pass
    ann = wa.person("Ann")
    chat = str(ann.pn)
    async with server_process(home_of(tmp_path)) as leader, server() as (devices, _):
        await leader_pid(devices, leader.pid)
        results: list[SendResult] = []

        async def chatter() -> None:
            for number in range(30):
                request = SendRequest(chat, TextContent(f"word {number}"), wait=10)
                results.append(await send_through_takeover(devices, request))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chatter)
            while len(results) < 5:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            leader.kill()
        assert {result.status for result in results} <= {SendStatus.SENT, SendStatus.UNKNOWN}
        unknown = [result for result in results if result.status is SendStatus.UNKNOWN]
        assert len(unknown) <= 1, "only what was on its way when the leader died"
        with anyio.fail_after(30):
            got = [(await ann.receives()).id for _ in range(30 - len(unknown))]
        assert len(got) == len(set(got))


async def until_sent(archive: ReadingArchive, send_id: int) -> SendStatus:
    with anyio.fail_after(30):
        while (  # noqa: ASYNC110
            status := (await archive.send_report(send_id, send_id=True)).result.status
        ) is SendStatus.QUEUED:
            await anyio.sleep(0.02)
    return status


@asynccontextmanager
async def asked_by_another_server(
    archive: ReadingArchive, tmp_path: Path, request: SendRequest
) -> AsyncIterator[tuple[Peer, CancelScope]]:
    """Another server asks the leader for a send, which has been accepted; the connection and that call."""
    stream, secret = await reached(Settings(home=home_of(tmp_path)).account_folder())
    call = CancelScope()

    async def ask(peer: Peer) -> None:
        with call, suppress(NotConnected):
            body = OPERATIONS["send"].dump({"request": request})
            await peer.call("send", {"arguments": body}, deadline=60)

    async with anyio.create_task_group() as tasks, Peer(stream, stream) as peer:
        await peer.call("hello", {"protocol": PROTOCOL, "secret": secret}, deadline=5)
        before = await archive.last_change()
        tasks.start_soon(ask, peer)
        with anyio.fail_after(30):
            await archive.wait_change(before, 10)
        yield peer, call


async def test_a_send_that_waits_outlives_the_server_that_asked_for_it(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    request = SendRequest(str(ann.pn), TextContent("hello"), idempotency_key="k", wait=30)
    async with linked(wa, server) as (devices, archive):
        await wa.refuse()
        await wa.cut()
        await until(devices, ConnectionState.RECONNECTING)
        async with asked_by_another_server(archive, tmp_path, request):
            pass
        wa.recover()
        assert (await ann.receives()).text == "hello"
        assert (await send_through_takeover(devices, request)).status in {
            SendStatus.SENT,
            SendStatus.DELIVERED,
        }
        assert [message.text for message in ann.inbox] == ["hello"]


async def test_a_send_that_is_taken_back_while_it_waits_is_not_sent_until_asked_for_again(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    request = SendRequest(str(ann.pn), TextContent("hello"), idempotency_key="k", wait=30)
    async with linked(wa, server) as (devices, archive):
        await wa.refuse()
        await wa.cut()
        await until(devices, ConnectionState.RECONNECTING)
        async with asked_by_another_server(archive, tmp_path, request) as (_, call):
            call.cancel()
            assert await until_sent(archive, 1) is SendStatus.FAILED
        wa.recover()
        await until(devices, ConnectionState.ONLINE)
        assert ann.inbox == []
        assert (await send_through_takeover(devices, request)).status is SendStatus.SENT


async def test_keys_of_another_phone_that_a_leader_left_before_refusing_it_are_not_used(
    wa: WhatsApp, server: Open, tmp_path: Path
) -> None:
    async with linked(wa, server):
        pass
    folder = Settings(home=home_of(tmp_path)).account_folder()
    shutil.copy(folder.archive_db, tmp_path)
    async with open_archive(folder, write=True) as archive:
        await archive.write(recording.set_own, "15550009999@s.whatsapp.net", "90001@lid", "Ada")
    await wa.person("Ann").says("for the other phone")
    async with server() as (devices, archive):
        said = f"That phone is {wa.me.pn.number}, and the messages here are those of"
        with anyio.fail_after(30):
            while said not in ((await until(devices, ConnectionState.UNLINKED)).reason or ""):  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert not (await archive.messages()).items
    shutil.copy(tmp_path / "archive.db", folder.archive_db)
    async with server() as (devices, archive):  # they were kept, for it was the archive that was wrong
        await until(devices, ConnectionState.ONLINE)
