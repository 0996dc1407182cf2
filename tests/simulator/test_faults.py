"""Each fault has the measured effect on the real client."""

from __future__ import annotations

import anyio
import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient, linked
from whatsapp_mcp.protobufs import Neonize
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.adv import LinkingError

pytestmark = pytest.mark.anyio


@pytest.fixture
def tolerated() -> list[str]:
    """The library's messages for a connection that ends and a refused login."""
    return [
        "Error reading from websocket|Error sending close to websocket|Closing handler queue loop",
        "Failed to send (receipt|ack)",
        "Error reconnecting after autoreconnect",
        r"\(?\d{3}[)/]? connect failure|Unknown connect failure|Temporary ban connect failure",
    ]


async def test_after_a_cut_the_client_is_back_and_nothing_is_lost(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    await wa.refuse()
    await client.wait("Disconnected")
    sent = await ann.says("while cut")
    wa.recover()
    await client.wait("Connected")
    assert sent == (await client.message()).Info.ID


async def test_after_a_restart_of_the_servers_the_client_is_back_with_its_session(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann = shared_wa.person("Ann")
    await shared_wa.restart()
    await shared_client.wait("Connected")
    sent = await ann.says("after the restart")
    assert sent == (await shared_client.message()).Info.ID


async def test_a_replaced_client_is_notified_and_does_not_reconnect(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    await wa.replaced()
    await client.wait("StreamReplaced")
    await wa.me.offline()
    await client.call("client.stop()")
    await client.connect()
    await client.wait("Connected")


async def test_a_client_that_is_logged_out_in_any_way_can_be_linked_again(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    await wa.device_removed()
    assert not (await client.logged_out()).OnConnect
    assert wa.me.companions == {}
    for reason in (401, 403, 406):
        await linked(wa, client)
        wa.failure(reason)
        await wa.cut()
        assert (await client.logged_out()).OnConnect
        assert wa.me.companions == {}
        wa.recover()
    await linked(wa, client)
    await client.call("client.logout()")
    assert wa.me.companions == {}


async def test_failures_that_do_not_log_out_are_reported_and_the_session_is_kept(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    session = wa.me.companion
    for reason, event in (
        (402, "TemporaryBan"),
        (405, "ClientOutdated"),
        (400, "ConnectFailure"),
        (409, "ConnectFailure"),
        (501, "ConnectFailure"),
    ):
        wa.failure(reason)
        await wa.cut()
        told = await client.wait(event)
        if event == "TemporaryBan":
            assert told.Expire == 3600
        wa.recover()
        await client.connect()
        await client.wait("Connected")
    # If the connection closes before the client reads it, a refusal may look like a lost connection.
    wa.failure(402, at_once=True)
    await wa.cut()
    assert await client.first("TemporaryBan", "Disconnected") is not None
    await wa.me.offline()
    await client.call("client.stop()")
    wa.recover()
    await client.connect()
    await client.wait("Connected")
    assert wa.me.companion is session


async def test_what_the_library_does_not_know_ends_its_event_pump_until_it_reconnects(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("Unrecognized chat presence state")
    wa, client = shared_wa, shared_client

    async def refuse() -> None:
        wa.failure(418)
        await wa.cut()

    async def odd_receipt() -> None:
        wa.unknown_receipt()

    async def odd_chatstate() -> None:
        wa.unknown_chatstate()

    for provoke in (odd_receipt, odd_chatstate, refuse):
        await provoke()
        assert "not set" in (await client.wait("ended"))["error"]
        wa.recover()
        await client.call("client.stop()")
        await client.connect()
        await client.wait("Connected")


async def test_what_is_never_answered_is_waited_for(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    wa.ignore_queries("w:g2")
    with pytest.raises(TimeoutError):
        await client.call("client.get_joined_groups()", timeout=0.5)
    await client.call(f"client.send_message(jid('{ann.pn.user}'), 'others are')")
    wa.no_acks()
    with pytest.raises(TimeoutError):
        await client.call(f"client.send_message(jid('{ann.pn.user}'), 'delivered')", timeout=0.5)
    assert [(await ann.receives()).text for _ in range(2)] == ["others are", "delivered"]


async def test_a_server_in_trouble_is_tried_again(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    wa, client = shared_wa, shared_client
    wa.failure(503)
    await wa.cut()
    await client.wait("Disconnected")
    await client.wait("Disconnected")
    wa.recover()
    await client.wait("Connected")


async def test_the_client_reports_and_survives_a_stream_error(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("stream error")
    wa, client = shared_wa, shared_client
    await wa.stream_error(777)
    assert (await client.wait("StreamError")).Code == "777"
    await client.wait("Connected")
    await wa.stream_error(503)
    await client.wait("Disconnected")
    await client.wait("Connected")


async def test_a_stream_error_may_leave_the_connection_open(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("stream error")
    wa, client = shared_wa, shared_client
    await wa.stream_error(503, close=False)
    assert await client.call("client.is_connected")
    await wa.cut()
    await client.wait("Connected")


async def test_a_refused_message_fails_with_its_code(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.ack_error(479)
    with pytest.raises(CallError, match="479"):
        await client.call(f"client.send_message(jid('{ann.pn.user}'), 'no')")
    assert ann.inbox == []


async def test_a_message_cut_before_its_ack_arrives_once(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("Failed to issue privacy token")  # beside the message, and cut as well
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.cut_before_ack()
    await client.call(f"client.send_message(jid('{ann.pn.user}'), 'first')")
    await client.wait("Connected")
    await client.call(f"client.send_message(jid('{ann.pn.user}'), 'second')")
    await wa.network.until(lambda: len(ann.inbox) == 2, 5)
    assert [each.text for each in ann.inbox] == ["first", "second"]


@pytest.mark.parametrize("fault", ["refuse", "proxy", "websocket", "certificate"])
async def test_a_first_connect_that_fails_ends_with_an_error(
    wa: WhatsApp, unlinked: NeonizeClient, fault: str
) -> None:
    match fault:
        case "refuse":
            await wa.refuse()
        case "proxy":
            wa.proxy_status(502)
        case "websocket":
            wa.websocket_status(403)
        case _:
            wa.bad_certificate()
    await unlinked.connect()
    assert "NeonizeError" in (await unlinked.wait("ended"))["error"]
    wa.recover()
    await unlinked.connect()
    await unlinked.qr()


async def test_a_silent_server_answers_nothing_until_it_speaks(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.go_silent()
    sent = await ann.says("held back")
    with pytest.raises(TimeoutError):
        await client.message(timeout=0.3)
    wa.recover()
    assert sent == (await client.message()).Info.ID


async def test_a_code_is_offered_again_after_a_cut(wa: WhatsApp, unlinked: NeonizeClient) -> None:
    wa.offer_codes(1)
    await unlinked.connect()
    shown = await unlinked.qr()
    await wa.cut()
    with pytest.raises(LinkingError, match="no companion shows"):
        await wa.me.scan(shown)
    await unlinked.connect()
    await wa.me.scan(await unlinked.qr())
    await wa.me.online()


@pytest.mark.slow
async def test_codes_that_nobody_scans_run_out(wa: WhatsApp, unlinked: NeonizeClient) -> None:
    wa.offer_codes(1)
    await unlinked.connect()
    await unlinked.qr()
    with anyio.fail_after(60):
        while "Login event: timeout" not in unlinked.library_log:
            await unlinked.call("asyncio.sleep(0.2)")
    await unlinked.connect()
    await wa.me.scan(await unlinked.qr())
    await wa.me.online()


async def test_a_wrong_adv_secret_is_refused_by_the_client(
    wa: WhatsApp, unlinked: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("HMAC")
    await unlinked.connect()
    wa.wrong_adv()
    with pytest.raises(LinkingError, match="refused"):
        await wa.me.scan(await unlinked.qr())


async def test_what_is_malformed_or_unknown_is_survived(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("Failed to decode node in frame")
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.malformed_stanza()
    wa.unknown_stanza()
    await ann.says("still there")
    await client.message("still there")


async def test_a_duplicated_message_is_the_same_twice(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("old counter")
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.duplicate(1)
    once = await ann.says("once or twice")
    await client.message("once or twice")
    await ann.says("next")
    await client.message("next")
    ids = [event.message.Info.ID for event in client.events if event.name == "Message"]
    assert ids.count(once) == 1


async def test_reordered_messages_all_arrive(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.reorder(3)
    for text in ("a", "b", "c"):
        await ann.says(text)
    arrived = [(await client.message()).Message.conversation for _ in range(3)]
    assert arrived == ["c", "b", "a"]


async def test_a_delayed_message_is_overtaken(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.delay(1, 0.2)
    for text in ("late", "early"):
        await ann.says(text)
    assert [(await client.message()).Message.conversation for _ in range(2)] == ["early", "late"]


async def test_other_stanzas_than_messages_are_lost_and_doubled_too(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    sent = await client.call(f"client.send_message(jid('{ann.pn.user}'), 'hello')")
    wa.lose(1, "receipt")
    wa.duplicate(1, "notification")
    await ann.received(sent.ID)
    await ann.reads(sent.ID)
    ann.changes_picture(b"jpeg")
    kinds = [(await client.wait("Receipt")).Type]
    for _ in range(2):
        await client.wait("Picture")
    await wa.cut()
    kinds.append((await client.wait("Receipt")).Type)
    assert [Neonize.Receipt.ReceiptType.Name(kind) for kind in kinds] == ["READ", "DELIVERED"]


async def test_a_lost_message_comes_with_the_next_login(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.lose(1)
    await ann.says("lost")
    found = await ann.says("found")
    await client.message("found")
    await ann.receipt(found, "inactive")
    await wa.cut()
    await client.wait("Connected")
    await client.message("lost")


async def test_a_slow_network_in_small_pieces_loses_nothing(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.slow(latency=0.02, piece=7)
    await ann.says("in pieces")
    await client.message("in pieces")
    await client.call(f"client.send_message(jid('{ann.pn.user}'), 'slowly')")
    assert (await ann.receives()).text == "slowly"


async def test_after_a_garbled_frame_the_client_goes_on_or_comes_back(
    shared_wa: WhatsApp, shared_client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append(refused := "Failed to decrypt frame")
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    before = client.library_log.count(refused)
    wa.garble()
    # A cut discards what the client has not read yet.
    await client.eventually("None", lambda _: client.library_log.count(refused) > before)
    await ann.says("after the noise")
    await wa.cut()
    await client.wait("Connected")
    await client.message("after the noise")


async def test_a_skewed_clock_shows_in_the_messages(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    wa.skew_clock(-86400)
    await ann.says("yesterday")
    event = await client.message("yesterday")
    assert event.Info.Timestamp // 1000 == ann.sent[event.Info.ID].timestamp
    assert wa.network.timestamp() - event.Info.Timestamp // 1000 < 60
