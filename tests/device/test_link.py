"""Linking, and the first messages both ways."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import pytest

from tests.device.conftest import Lead, Leader
from tests.device.files_rig import until
from tests.devices import direct
from tests.tables import for_each
from whatsapp_mcp.archive import recording
from whatsapp_mcp.client.protocol import LOGIN_EVENT
from whatsapp_mcp.device.connection.client_reports import events_of
from whatsapp_mcp.device.connection.events import ClientEvent, LinkingFailed, Outdated
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.adv import LinkingError

pytestmark = pytest.mark.anyio


async def test_a_qr_code_links_the_device_and_it_is_online(wa: WhatsApp, linked: Leader) -> None:
    status = await direct(linked.device).do(control.status)
    assert status.state is ConnectionState.ONLINE
    assert status.number == wa.me.pn.number
    assert status.device_id is not None
    assert status.generation == 1


@pytest.mark.parametrize("busy", [False, True])
async def test_the_archive_knows_the_owner_before_the_account_is_online_unless_it_is_busy(
    wa: WhatsApp, leader: Leader, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    write, called, ready = leader.archive.write, anyio.Event(), anyio.Event()

    async def held(operation: Callable[..., Any], *values: Any, **named: Any) -> Any:
        if operation is recording.set_own:
            called.set()
            await ready.wait()
        return await write(operation, *values, **named)

    monkeypatch.setattr(leader.archive, "write", held)
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    with anyio.fail_after(30):
        await called.wait()
    assert (await direct(leader.device).do(control.status)).state is ConnectionState.CONNECTING
    if busy:
        await leader.until(ConnectionState.ONLINE)
    ready.set()
    await leader.until(ConnectionState.ONLINE)
    if not busy:
        assert (await leader.archive.own())[0] == str(wa.me.pn)


async def test_texts_go_both_ways(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Ann")
    result = await direct(linked.device).do(sends.send, SendRequest(str(ann.pn), TextContent("hello Ann")))
    assert (result.status, result.reason) == (SendStatus.SENT, None)
    assert result.message_id
    assert result.ref
    change = await linked.archive.last_change()
    await ann.says("hello yourself")
    with anyio.fail_after(30):
        while not (found := (await linked.archive.search("yourself")).items):
            change = await linked.archive.wait_change(change, 5)
    assert found[0].text == "hello yourself"


async def test_a_host_that_follows_connects_with_the_stored_keys(wa: WhatsApp, lead: Lead) -> None:
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(ConnectionState.ONLINE)
    async with lead() as second:
        status = await second.until(ConnectionState.ONLINE)
        assert (status.number, status.generation) == (wa.me.pn.number, 2)


async def test_the_status_tells_when_the_phone_itself_was_last_heard(wa: WhatsApp, linked: Leader) -> None:
    ann = wa.person("Ann")
    await ann.says("not the phone")
    await wa.me.says(ann, "written on the phone")
    with anyio.fail_after(30):
        while (status := await direct(linked.device).do(control.status)).phone_seen_at is None:  # noqa: ASYNC110
            await anyio.sleep(0.02)
    assert status.last_event_at is not None
    assert (await linked.archive.search("written on the phone")).items


async def test_what_is_counted_is_known_to_the_next_host(wa: WhatsApp, lead: Lead) -> None:
    ann = wa.person("Ann")
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(ConnectionState.ONLINE)
        await direct(first.device).do(sends.send, SendRequest(str(ann.pn), TextContent("hello")))
        await wa.me.says(ann, "written on the phone")
        with anyio.fail_after(30):
            while (before := await direct(first.device).do(control.status)).phone_seen_at is None:  # noqa: ASYNC110
                await anyio.sleep(0.02)
    async with lead() as second:
        after = await second.until(ConnectionState.ONLINE)
        assert after.phone_seen_at == before.phone_seen_at
        assert after.last_sent_at is not None


async def failed_attempt(wa: WhatsApp, leader: Leader) -> str | None:
    """The reason that is told after a phone has taken the code in vain."""
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    with pytest.raises(LinkingError):
        await wa.me.scan(shown.qr.text)
    return (await leader.until(ConnectionState.UNLINKED)).reason


async def test_an_answer_of_the_phone_that_cannot_be_verified_is_told(wa: WhatsApp, leader: Leader) -> None:
    wa.wrong_adv()
    reason = await failed_attempt(wa, leader)
    assert reason is not None
    assert "could not be verified" in reason


async def test_a_server_that_asks_for_a_passkey_ends_linking_with_what_to_try(
    wa: WhatsApp, leader: Leader
) -> None:
    wa.ask_for_passkey()
    reason = await failed_attempt(wa, leader)
    assert reason is not None
    assert "passkey" in reason
    assert "another day" in reason
    wa.recover()
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await leader.until(ConnectionState.ONLINE)


@pytest.mark.slow
async def test_a_phone_that_has_four_linked_devices_is_named_as_a_reason_when_the_codes_run_out(
    wa: WhatsApp, leader: Leader
) -> None:
    wa.fill_linked_devices()
    wa.offer_codes(1)
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    with pytest.raises(LinkingError, match="four linked devices"):
        await wa.me.scan(shown.qr.text)
    ended = await leader.until(ConnectionState.UNLINKED, within=90.0)
    assert ended.reason is not None
    assert "four linked devices" in ended.reason


async def test_a_client_that_is_too_old_gets_no_code_and_is_told_what_to_do(
    wa: WhatsApp, leader: Leader
) -> None:
    wa.failure(405)
    with pytest.raises(NotConnected) as caught:
        await direct(leader.device).do(control.link)
    assert "no longer accepts" in caught.value.message
    assert "Upgrade" in caught.value.action
    assert (await direct(leader.device).do(control.status)).state is ConnectionState.OUTDATED


async def unlink_and_forget_nothing(leader: Leader, wa: WhatsApp) -> None:
    """The account is unlinked; its messages stay."""
    ann = wa.person("Ann")
    await ann.says("for the first owner")
    change = 0
    with anyio.fail_after(30):
        while not (await leader.archive.search("owner")).items:
            change = await leader.archive.wait_change(change, 1.0)
    await direct(leader.device).do(control.unlink)
    await leader.until(ConnectionState.UNLINKED)


@pytest.mark.parametrize("by_code", [False, True])
async def test_the_phone_of_another_person_is_refused_before_a_message_of_theirs_comes(
    wa: WhatsApp, linked: Leader, by_code: bool
) -> None:
    await unlink_and_forget_nothing(linked, wa)
    own = await linked.archive.own()
    other = wa.account("+4915100000002", "Jonas")
    shown = await direct(linked.device).do(control.link, other.pn.number if by_code else None)
    assert shown.qr is not None
    if by_code:
        assert shown.code is not None
        await other.enter_code(shown.code)
    else:
        await other.scan(shown.qr.text)
    status = await linked.until(ConnectionState.UNLINKED)
    assert status.reason is not None
    assert "+4915100000002" in status.reason
    assert f"those of {wa.me.pn.number}" in status.reason
    await until(lambda: not linked.archive.folder.client_db.exists())
    assert status.number is None
    assert await linked.archive.own() == own
    again = await direct(linked.device).do(control.link)
    assert again.qr is not None
    await wa.me.scan(again.qr.text)
    await linked.until(ConnectionState.ONLINE)


async def test_a_phone_that_logs_in_before_it_is_refused_does_not_become_the_owner(
    wa: WhatsApp, leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = ("15550009999@s.whatsapp.net", "990001@lid", "Ada")
    await leader.archive.write(recording.set_own, *ada)
    own = leader.archive.own

    async def late() -> tuple[str | None, str | None, str | None]:
        await anyio.sleep(2.5)
        return await own()

    monkeypatch.setattr(leader.archive, "own", late)
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wa.me.scan, shown.qr.text)
        await leader.until(ConnectionState.UNLINKED)
        with anyio.move_on_after(2.0):  # in which it would be recorded
            while len(addresses_of_owner(leader)) == 2:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        tasks.cancel_scope.cancel()
    assert "those of +15550009999" in ((await direct(leader.device).do(control.status)).reason or "")
    assert addresses_of_owner(leader) == {*ada[:2]}


def addresses_of_owner(leader: Leader) -> set[str]:
    with closing(sqlite3.connect(leader.archive.folder.archive_db)) as db:
        return {jid for (jid,) in db.execute("SELECT jid FROM addresses WHERE contact_id = 0")}


async def test_a_person_whose_number_has_changed_may_link_their_phone(wa: WhatsApp, leader: Leader) -> None:
    former = "15559990000@s.whatsapp.net"
    await leader.archive.write(recording.set_own, former, str(wa.me.lid), "Me")
    shown = await direct(leader.device).do(control.link)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    await leader.until(ConnectionState.ONLINE)


@for_each(
    "name, told",
    [
        ("success", None),
        ("err-client-outdated", Outdated(1)),
        ("timeout", "four linked devices"),
        ("err-scanned-without-multidevice", "too old"),
        ("err-unexpected-state", "out of turn"),
        ("passkey-confirmation", "passkey"),
        ("err-of-tomorrow", "unknown to this version"),
    ],
)
def test_every_end_of_linking_that_the_library_prints_has_its_words(
    name: str, told: str | ClientEvent | None
) -> None:
    event = events_of(LOGIN_EVENT, {"name": name}, 1)
    if isinstance(told, str):
        assert isinstance(event, LinkingFailed)
        assert told in event.reason
    else:
        assert event == told
