"""Texts between the real client and those on the simulated WhatsApp."""

from __future__ import annotations

import pytest

from tests.simulator.neonize_client import CallError, NeonizeClient
from whatsapp_mcp.protobufs import Neonize
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@pytest.fixture
def wa(shared_wa: WhatsApp) -> WhatsApp:
    """One WhatsApp for the whole module."""
    return shared_wa


@pytest.fixture
def client(shared_client: NeonizeClient) -> NeonizeClient:
    """One linked client for the whole module."""
    return shared_client


async def test_a_text_arrives_with_its_sender_under_both_addresses(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    sent = await ann.says("hi")
    event = await client.message()
    assert sent == event.Info.ID
    assert event.Info.Pushname == "Ann"
    assert event.Message.conversation == "hi"
    assert event.Info.MessageSource.Sender.User == ann.lid.user
    assert event.Info.MessageSource.SenderAlt.User == ann.pn.user
    assert (await ann.receipt(sent, "inactive")).sender.user == wa.me.lid.user


async def test_a_text_is_sent_decrypted_and_receipted(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    response = await client.call(f"client.send_message(jid('{ann.pn.user}'), 'hello Ann')")
    received = await ann.receives()
    assert (received.id, received.text, received.sender) == (response.ID, "hello Ann", wa.me.lid)
    await ann.received(received.id)
    await ann.reads(received.id)
    for kind in ("DELIVERED", "READ"):
        receipt = await client.wait("Receipt", lambda event: received.id in event.MessageIDs)
        assert (list(receipt.MessageIDs), receipt.ReceiptType.Name(receipt.Type)) == ([received.id], kind)


async def test_a_conversation_ratchets_on_in_both_directions(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    for turn in range(5):
        await ann.says(f"ann {turn}")
        await client.message(f"ann {turn}")
        await client.call(f"client.send_message(jid('{ann.lid.user}', 'lid'), 'me {turn}')")
        assert (await ann.receives()).text == f"me {turn}"


async def test_the_phones_own_messages_come_as_copies(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    sent = await wa.me.says(ann, "from my phone")
    event = await client.message("from my phone")
    assert sent == event.Info.ID
    assert event.Info.MessageSource.IsFromMe
    assert event.Info.MessageSource.Chat.User == ann.lid.user
    assert (await ann.receives()).text == "from my phone"


async def test_marking_read_tells_the_sender(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    sent = await ann.says("read me")
    await client.message("read me")
    chat = f"jid('{ann.lid.user}', 'lid')"
    await client.call(
        f"client.mark_read('{sent}', chat={chat}, sender={chat}, "
        "receipt=__import__('neonize.utils.enum', fromlist=['x']).ReceiptType.READ)"
    )
    await ann.receipt(sent, "read")


async def test_what_the_owner_reads_on_the_phone_is_read_for_all(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    for to in (None, group):
        sent = await ann.says("read on the phone", to)
        await client.message("read on the phone")
        await wa.me.reads(sent)
        event = await client.wait("Receipt", lambda event, sent=sent: sent in event.MessageIDs)
        assert Neonize.Receipt.ReceiptType.Name(event.Type) == "READ"
        assert event.MessageSource.IsFromMe
        assert event.MessageSource.Chat.User == (ann.lid if to is None else group.jid).user
        await ann.receipt(sent, "read")


async def test_a_person_without_whatsapp_cannot_be_written_to(wa: WhatsApp, client: NeonizeClient) -> None:
    with pytest.raises(CallError, match="no LID found"):
        await client.call("client.send_message(jid('15559999999'), 'hello?')")


async def test_a_burst_arrives_whole_and_in_order(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    sent = [await ann.says(f"message {number}") for number in range(300)]
    arrived = [
        (
            await client.wait("Message", lambda event: event.Info.MessageSource.Sender.User == ann.lid.user)
        ).Info.ID
        for _ in sent
    ]
    assert arrived == sent
    assert wa.me.companion is not None
    companion = wa.me.companion
    await wa.network.until(lambda: not companion.pending, 5)
