"""Faults that only the client library's own clock brings out: 15 to 75 real seconds each, side by side."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import anyio
import pytest

from tests.device.conftest import Leader
from tests.devices import direct
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.models import ConnectionState as S
from whatsapp_mcp.models import SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_a_half_open_link_is_renewed_within_a_minute(wa: WhatsApp, linked: Leader) -> None:
    with anyio.fail_after(60):
        wa.go_silent()
        await linked.until(S.DEGRADED, within=60)
        wa.recover()
        wa.go_silent()
        await linked.device.wait_for(lambda now: now.generation == 2)
        wa.recover()
        await wa.cut()
        await linked.until(S.ONLINE, within=60)


async def test_unanswered_pings_on_a_link_that_works_cost_no_client(wa: WhatsApp, linked: Leader) -> None:
    wa.ignore_pings()
    await linked.until(S.DEGRADED, within=60)
    status = await linked.until(S.ONLINE, within=15)
    assert status.generation == 1


async def test_a_swallowed_reconnect_is_given_to_a_new_client(wa: WhatsApp, linked: Leader) -> None:
    wa.swallow_connect()
    await wa.cut()
    await linked.until(S.RECONNECTING)
    with anyio.fail_after(30):
        await linked.device.wait_for(lambda now: now.generation > 1)
    wa.recover()
    await linked.until(S.ONLINE, within=60)


async def test_a_websocket_that_is_never_answered_is_given_to_a_new_client(
    wa: WhatsApp, linked: Leader
) -> None:
    wa.swallow_websocket()
    await wa.cut()
    await linked.until(S.RECONNECTING)
    with anyio.fail_after(30):
        await linked.device.wait_for(lambda now: now.generation > 1)
    wa.recover()
    await linked.until(S.ONLINE, within=60)


async def test_a_handshake_that_is_never_answered_is_tried_again(wa: WhatsApp, linked: Leader) -> None:
    wa.swallow_noise()
    await direct(linked.device).do(control.reconnect)
    with anyio.fail_after(40):
        await linked.device.wait_for(lambda now: now.failures > 0)
    wa.recover()
    await linked.until(S.ONLINE, within=60)


async def test_a_silent_stream_error_is_noticed(wa: WhatsApp, linked: Leader) -> None:
    await wa.stream_error(503, close=False)
    wa.go_silent()
    with anyio.fail_after(75):
        await linked.device.wait_for(lambda now: now.generation == 2)
        wa.recover()
        await wa.cut()
        await linked.until(S.ONLINE, within=60)


async def test_a_session_that_was_ended_on_an_open_connection_is_renewed_within_a_minute(
    wa: WhatsApp, linked: Leader
) -> None:
    ann = wa.person("Ann")
    await wa.stream_error(503, close=False)
    await ann.says("Do you hear me?")
    with anyio.fail_after(60):
        await linked.device.wait_for(lambda now: now.generation == 2 and now.state is S.ONLINE)
        while not (await linked.archive.search("hear")).items:  # noqa: ASYNC110
            await anyio.sleep(0.05)


async def test_a_code_that_nobody_scans_expires_and_leaves_nothing(wa: WhatsApp, leader: Leader) -> None:
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    with anyio.fail_after(80):
        following = await direct(leader.device).do(control.link_state, after_revision=shown.revision, wait=75)
    assert following.qr is not None
    assert following.qr.text != shown.qr.text
    assert following.state is S.LINKING
    await wa.cut()
    status = await leader.until(S.UNLINKED, within=60)
    assert status.reason
    assert leader.device.client_pid is None


async def test_a_message_whose_secret_the_library_cannot_store_is_sent_once_by_the_next_client(
    wa: WhatsApp, linked: Leader, folder: AccountFolder
) -> None:
    ann = wa.person("Ann")
    await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent("before")))
    with closing(sqlite3.connect(folder.client_db, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = await direct(linked.device).do(
            sends.send, SendRequest(str(ann.pn), TextContent("hello"), wait=0)
        )
        with anyio.fail_after(30):
            # The library gives up on the lock, and the client on itself, before the frame is out.
            await linked.device.wait_for(lambda now: now.generation == 2)
    with anyio.fail_after(30):
        while (await linked.archive.outbox_get(result.send_id)).status is not SendStatus.SENT:  # noqa: ASYNC110
            await anyio.sleep(0.05)
    assert [received.text for received in ann.inbox] == ["before", "hello"]
