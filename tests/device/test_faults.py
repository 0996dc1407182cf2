"""Every fault of the link that is over within seconds."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.device.conftest import Lead, Leader, settings_of
from tests.devices import direct
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device import counters
from whatsapp_mcp.device.archiving import Archiver
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.local_device import CALL_DEADLINE, LocalDevice
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.device.outbox import deliveries
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import NotConnected, NotLinked, Rejected, WhatsAppError
from whatsapp_mcp.models import ConnectionState, FileContent, SendRequest, SendStatus, TextContent
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node

pytestmark = pytest.mark.anyio
S = ConnectionState


def client_pid(leader: Leader) -> int:
    pid = leader.device.client_pid
    assert pid is not None
    return pid


async def online_after(leader: Leader, generation: int) -> int:
    """Wait until a later client is online; answers its generation."""
    with anyio.fail_after(30):
        link = await leader.device.wait_for(lambda now: now.generation > generation and now.state is S.ONLINE)
    return link.generation


async def texts(leader: Leader, count: int, limit: float = 20.0) -> list[str]:
    """The archived incoming texts, oldest first, once there are `count`."""
    change = 0
    with anyio.fail_after(limit):
        while True:
            page = await leader.archive.messages(oldest_first=True, limit=500)
            found = [message.text for message in page.items if not message.from_me]
            if len(found) >= count:
                return found
            change = await leader.archive.wait_change(change, 1.0)


async def test_a_cut_heals_by_itself(wa: WhatsApp, linked: Leader) -> None:
    begun = time.monotonic()
    await wa.cut()
    await linked.until(S.RECONNECTING, S.ONLINE)
    await wa.me.online()
    status = await linked.until(S.ONLINE)
    assert status.generation == 1, "the library did it"
    assert time.monotonic() - begun < 10


async def test_a_killed_client_is_followed_and_nothing_is_lost_or_doubled(
    wa: WhatsApp, linked: Leader
) -> None:
    ann = wa.person("Ann")
    os.kill(client_pid(linked), signal.SIGKILL)
    await wa.me.offline()
    for number in range(5):
        await ann.says(f"meanwhile {number}")
    assert await online_after(linked, 1) == 2
    assert await texts(linked, 5) == [f"meanwhile {number}" for number in range(5)]


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("disk I/O error"), IsADirectoryError(21, "disk I/O error")]
)
async def test_a_device_that_cannot_begin_says_why(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(_: Archiver) -> None:
        raise error

    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        device = LocalDevice(folder, settings_of(folder), archive, tasks, owner=None)
        with monkeypatch.context() as patch:
            patch.setattr(Archiver, "prepare", fails)
            with pytest.raises(type(error)):
                await device.start()
        status = await direct(device).do(control.status)
        assert "disk I/O error" in (status.reason or "")
        assert "free space" in (status.action or "")
        await device.start()
        assert "disk" not in ((await direct(device).do(control.status)).reason or "")


async def test_a_clock_that_is_set_hides_no_loss(
    wa: WhatsApp, linked: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "_BUSY_SECONDS", 60.0)
    await wa.person("Ann").says("hello")
    await texts(linked, 1)

    def set_ahead(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    monkeypatch.setattr(SystemClock, "now", set_ahead)
    os.kill(client_pid(linked), signal.SIGKILL)
    with anyio.fail_after(30):
        await linked.device.wait_for(lambda now: now.generation == 2)
    assert (await direct(linked.device).do(control.status)).events_lost == counters.LOST_AT_MOST


async def ended(pid: int) -> None:
    """Return when the process has ended."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await anyio.wait_readable(process)
    finally:
        os.close(process)


async def test_a_client_that_is_stopped_is_replaced(wa: WhatsApp, linked: Leader) -> None:
    pid = client_pid(linked)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WhatsAppError, match="TIMEOUT"):
        await linked.device.call("is_connected", deadline=0.3)
    assert (await linked.until(S.DEGRADED)).reason
    with anyio.fail_after(30):
        await linked.device.wait_for(lambda now: now.generation == 2 and now.state is S.ONLINE)
    with anyio.fail_after(3):
        await ended(pid)


async def test_a_replaced_session_is_not_fought(wa: WhatsApp, linked: Leader) -> None:
    await wa.replaced()
    status = await linked.until(S.REPLACED)
    assert status.action is not None
    assert "reconnect" in status.action
    assert linked.device.client_pid is None
    with pytest.raises(NotConnected, match="replaced"):
        await linked.device.call("probe")
    await direct(linked.device).do(control.reconnect)
    await linked.until(S.ONLINE)


async def test_a_replaced_session_is_not_fought_by_the_next_host_either(wa: WhatsApp, lead: Lead) -> None:
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(S.ONLINE)
        await wa.replaced()
        await first.until(S.REPLACED)
    async with lead() as second:
        await second.until(S.REPLACED)
        assert second.device.client_pid is None


async def test_a_removed_device_is_unlinked_with_a_clean_store(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    await wa.device_removed()
    status = await linked.until(S.UNLINKED)
    assert status.reason
    with anyio.fail_after(30):
        await linked.device.settled()
    assert not folder.client_db.exists()
    with pytest.raises(NotLinked):
        await direct(linked.device).do(
            sends.send, SendRequest("15550009999@s.whatsapp.net", TextContent("hello"))
        )
    shown = await direct(linked.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await linked.until(S.ONLINE)


@pytest.mark.parametrize("reason", [401, 403, 406])
async def test_a_login_refused_for_good_unlinks(wa: WhatsApp, linked: Leader, reason: int) -> None:
    wa.failure(reason)
    await wa.cut()
    assert (await linked.until(S.UNLINKED)).reason


async def test_a_ban_is_told_with_its_end_and_waited_out(wa: WhatsApp, linked: Leader) -> None:
    wa.failure(402, code=101, expire=2)
    await wa.cut()
    status = await linked.until(S.BANNED)
    assert status.until is not None
    assert 0 < (status.until - status.since).total_seconds() <= 3
    wa.recover()
    await linked.until(S.ONLINE)


@pytest.mark.parametrize(("code", "expire"), [(199, 3600), (101, 0)])
async def test_a_ban_of_an_unknown_kind_or_length_is_told_and_not_run_against(
    wa: WhatsApp, linked: Leader, code: int, expire: int
) -> None:
    wa.failure(402, code=code, expire=expire)
    await wa.cut()
    status = await linked.until(S.REFUSED)
    assert "banned" in (status.reason or "")
    assert linked.device.client_pid is None
    wa.recover()
    await direct(linked.device).do(control.reconnect)
    await linked.until(S.ONLINE)


async def test_an_outdated_client_says_what_to_upgrade(wa: WhatsApp, linked: Leader) -> None:
    wa.failure(405)
    await wa.cut()
    status = await linked.until(S.OUTDATED)
    assert status.action is not None
    assert "pgrade" in status.action


@pytest.mark.parametrize("reason", [400, 409, 415, 418, 501])
async def test_any_other_refusal_is_told_and_kept_linked(wa: WhatsApp, linked: Leader, reason: int) -> None:
    wa.failure(reason)
    await wa.cut()
    status = await linked.until(S.REFUSED)
    assert status.reason
    assert status.number == wa.me.pn.number
    wa.recover()
    await direct(linked.device).do(control.reconnect)
    await linked.until(S.ONLINE)


@pytest.mark.parametrize("code", [500, 503])
async def test_a_server_error_is_retried(wa: WhatsApp, linked: Leader, code: int) -> None:
    wa.failure(code)
    await wa.cut()
    await linked.until(S.RECONNECTING)
    wa.recover()
    await linked.until(S.ONLINE)


async def test_a_connection_that_is_lost_again_on_the_way_back_heals_as_fast_as_a_dead_client(
    wa: WhatsApp, linked: Leader
) -> None:
    wa.failure(503)
    await wa.cut()
    await linked.device.wait_for(lambda now: now.generation == 2)
    wa.recover()
    begun = time.monotonic()
    await linked.until(S.ONLINE)
    assert time.monotonic() - begun < 1.8, "the library alone pauses for two seconds"


async def test_a_stanza_that_kills_the_pump_costs_a_generation_and_no_message(
    wa: WhatsApp, linked: Leader
) -> None:
    ann = wa.person("Ann")
    wa.send(Node("receipt", {"from": ann.lid, "id": "X", "type": "server-error", "t": 1}))
    with anyio.fail_after(30):
        await linked.device.wait_for(lambda now: now.generation == 2 and now.state is S.ONLINE)
    await ann.says("after the pump")
    assert await texts(linked, 1) == ["after the pump"]


async def test_the_first_connect_is_retried(wa: WhatsApp, lead: Lead) -> None:
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(S.ONLINE)
    await wa.refuse()
    async with lead() as second:
        with anyio.fail_after(30):
            await second.device.wait_for(lambda now: now.failures == 2)
        status = await direct(second.device).do(control.status)
        assert status.reason
        wa.recover()
        await second.until(S.ONLINE)


async def test_linking_while_whatsapp_is_down_fails_and_leaves_nothing(
    wa: WhatsApp, leader: Leader, folder: AccountFolder
) -> None:
    await wa.refuse()
    with pytest.raises(NotConnected):
        await direct(leader.device).do(control.link)
    status = await leader.until(S.UNLINKED)
    assert status.reason
    await leader.device.settled()
    assert leader.device.client_pid is None
    assert not folder.client_db.exists()
    wa.recover()
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await leader.until(S.ONLINE)


async def test_a_pairing_code_links(wa: WhatsApp, leader: Leader) -> None:
    number = wa.me.pn.number
    assert number is not None
    shown = await direct(leader.device).do(control.link, phone=number)
    assert shown.code is not None
    await wa.me.enter_code(shown.code)
    assert (await leader.until(S.ONLINE)).number == number


async def test_unlinking_removes_the_companion_and_its_keys(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    await direct(linked.device).do(control.unlink)
    status = await linked.until(S.UNLINKED)
    assert status.number is None
    assert wa.me.companions == {}
    assert not folder.client_db.exists()


async def test_a_hanging_dial_blocks_neither_status_nor_send(wa: WhatsApp, linked: Leader) -> None:
    wa.swallow_connect()
    await wa.cut()
    await linked.until(S.RECONNECTING)
    ann = wa.person("Ann")
    with anyio.fail_after(3):
        await direct(linked.device).do(control.status)
        result = await direct(linked.device).do(
            sends.send, SendRequest(str(ann.pn), TextContent("later"), wait=0.5)
        )
        assert result.status is SendStatus.QUEUED
        with pytest.raises(NotConnected):
            await direct(linked.device).do(
                sends.send, SendRequest(str(ann.pn), TextContent("now"), queue=False)
            )
    wa.recover()
    await wa.cut()
    await direct(linked.device).do(control.reconnect)
    await linked.until(S.ONLINE)
    with anyio.fail_after(30):
        while (await linked.archive.outbox_get(result.send_id)).status is not SendStatus.SENT:  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def test_a_send_that_is_never_acknowledged_is_unknown_and_settled_by_its_receipt(
    wa: WhatsApp, linked: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "SEND_DEADLINE", 1.0)
    ann = wa.person("Ann")
    wa.no_acks()
    result = await direct(linked.device).do(
        sends.send, SendRequest(str(ann.pn), TextContent("hello"), wait=60)
    )
    assert result.status is SendStatus.UNKNOWN
    wa.recover()
    await linked.until(S.ONLINE)
    got = await ann.receives()
    await ann.received(got.id)
    with anyio.fail_after(30):
        while (await linked.archive.outbox_get(result.send_id)).status is SendStatus.UNKNOWN:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    assert (await linked.archive.outbox_get(result.send_id)).message_id == got.id


async def test_a_message_for_which_whatsapp_gives_no_keys_has_failed(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Ann")
    wa.refuse_queries(406, "encrypt")
    with pytest.raises(Rejected, match="keys"):
        await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent("hello")))
    assert ann.inbox == []
    wa.recover()
    await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent("hello")))
    assert (await ann.receives()).text == "hello"


async def test_a_file_may_take_longer_than_other_calls(
    wa: WhatsApp, linked: Leader, monkeypatch: pytest.MonkeyPatch, folder: AccountFolder
) -> None:
    allowed: dict[str, float] = {}
    call = Client.call

    async def noted(self: Client, method: str, params: Params | None = None, *, deadline: float) -> Any:
        allowed[method] = deadline
        return await call(self, method, params, deadline=deadline)

    monkeypatch.setattr(Client, "call", noted)
    file = folder.media / "book.pdf"
    file.write_bytes(b"%PDF")
    content = FileContent("document", str(file), "application/pdf")
    sent = await direct(linked.device).do(sends.send, SendRequest(str(wa.person("Ann").pn), content))
    assert sent.status is SendStatus.SENT
    assert allowed["upload"] > CALL_DEADLINE


async def test_a_sent_message_is_followed_to_delivered_and_read(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Ann")
    sent = await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent("hello")))
    got = await ann.receives()
    for act, status in ((ann.received, SendStatus.DELIVERED), (ann.reads, SendStatus.READ)):
        await act(got.id)
        with anyio.fail_after(30):
            while (  # noqa: ASYNC110
                report := await linked.archive.send_report(sent.send_id, send_id=True)
            ).result.status is not status:
                await anyio.sleep(0.02)
    (delivery,) = report.deliveries
    assert delivery.delivered_at is not None
    assert delivery.read_at is not None


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Another writer holds the database for longer than anybody waits, as a full disk would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("ROLLBACK")


@pytest.mark.parametrize("database", ["inbox_db", "archive_db"])
async def test_a_disk_that_takes_nothing_is_told_and_costs_no_message(
    wa: WhatsApp, linked: Leader, folder: AccountFolder, database: str
) -> None:
    ann = wa.person("Ann")
    with unwritable(getattr(folder, database)):
        await ann.says("kept for later")
        status = await linked.until(S.DEGRADED)
        assert "disk space" in (status.action or "")
        assert linked.device.client_pid is not None
    await linked.until(S.ONLINE)
    assert await texts(linked, 1) == ["kept for later"]


ABORTING = (
    ("me", {}),
    ("get_lid_from_pn", {"jid": "15550001111@s.whatsapp.net"}),
    ("get_chat_settings", {"chat": "15550001111@s.whatsapp.net"}),
    ("get_all_contacts", {}),
)
"""Calls that abort the process of the client library when its client is missing."""


async def test_the_calls_that_abort_the_library_end_in_errors_in_every_state(
    wa: WhatsApp, leader: Leader
) -> None:
    async def try_all() -> None:
        for method, params in ABORTING:
            try:
                await leader.device.call(method, params, deadline=5)
            except WhatsAppError:
                continue

    await try_all()
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await try_all()
    await wa.me.scan(shown.qr.text)
    await leader.until(S.ONLINE)
    await try_all()
    for fault, state in ((405, S.OUTDATED), (402, S.BANNED), (400, S.REFUSED)):
        wa.failure(fault, code=101, expire=1000)
        await wa.cut()
        await leader.until(state)
        await try_all()
        wa.recover()
        await direct(leader.device).do(control.reconnect)
        await leader.until(S.ONLINE)
    await wa.refuse()
    await leader.until(S.RECONNECTING)
    await try_all()
    wa.recover()
    await direct(leader.device).do(control.reconnect)
    await try_all()
    await leader.until(S.ONLINE)
    await wa.replaced()
    await leader.until(S.REPLACED)
    await try_all()
    await direct(leader.device).do(control.reconnect)
    await leader.until(S.ONLINE)
    await direct(leader.device).do(control.unlink)
    await try_all()
    assert (await direct(leader.device).do(control.status)).state is S.UNLINKED


async def test_a_client_that_is_killed_at_any_moment_of_a_send_neither_doubles_nor_hides_it(
    wa: WhatsApp, linked: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.device.connection.state.FREE_FLAPS", 1000)
    ann = wa.person("Ann")
    texts = [f"{turn}.{number}" for turn in range(8) for number in range(2)]
    results: dict[str, int] = {}
    killed = 0

    async def send(text: str) -> None:
        results[text] = (
            await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent(text), wait=20))
        ).send_id

    for turn in range(8):
        killed = await online_after(linked, killed)
        async with anyio.create_task_group() as tasks:
            for text in texts[2 * turn : 2 * turn + 2]:
                tasks.start_soon(send, text)
            await anyio.sleep(0.004 * turn)
            os.kill(client_pid(linked), signal.SIGKILL)
    await online_after(linked, killed)
    entries = {text: await linked.archive.outbox_get(send_id) for text, send_id in results.items()}
    arrived = [received.text for received in ann.inbox]
    assert len(arrived) == len(set(arrived))
    assert len(entries) == len(texts)
    for text, entry in entries.items():
        if entry.status is SendStatus.UNKNOWN:
            assert entry.message_id is not None
        else:
            assert entry.status in {SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ}
            assert text in arrived
