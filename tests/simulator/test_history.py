"""History sync from the phone to the real client."""

from __future__ import annotations

import random
import zlib
from typing import Any

import pytest

from tests.simulator.bare_companion import BareClient
from tests.simulator.neonize_client import NeonizeClient
from whatsapp_mcp.protobufs import E2E, HistorySync
from whatsapp_simulator import WhatsApp, media_crypto
from whatsapp_simulator.history import History

pytestmark = pytest.mark.anyio

NOW = 1_750_000_000


async def received(client: NeonizeClient, count: int = 1, timeout: float = 10) -> list[Any]:
    return [(await client.wait("HistorySync", timeout=timeout)).Data for _ in range(count)]


def texts(chunks: list[Any]) -> list[str]:
    return [
        each.message.message.conversation
        for chunk in chunks
        for chat in chunk.conversations
        for each in chat.messages
    ]


@pytest.mark.parametrize("inline", [False, True])
async def test_what_was_said_before_linking_arrives_field_by_field(
    shared_wa: WhatsApp, shared_client: NeonizeClient, inline: bool
) -> None:
    ann, ben = shared_wa.person("Ann"), shared_wa.person("Ben")
    history = History(shared_wa.network, shared_wa.me)
    question = history.add(ann, "Dinner?", at=NOW)
    answer = history.add(ann, "Yes!", shared_wa.me, at=NOW + 60, starred=True)
    history.add(ben, shared_wa.media.attach("image", b"a picture", caption="look"), at=NOW + 30)
    history.conversation(ann).unreadCount = 2
    history.conversation(ann).pinned = NOW
    (notification,) = await history.send("initial", inline=inline)
    (chunk,) = await received(shared_client)
    assert HistorySync.HistorySync.HistorySyncType.Name(chunk.syncType) == "INITIAL_BOOTSTRAP"
    assert (chunk.chunkOrder, chunk.progress) == (1, 100)
    chats = {chat.ID: chat for chat in chunk.conversations}
    assert set(chats) == {str(ann.lid), str(ben.lid)}
    with_ann = chats[str(ann.lid)]
    assert (with_ann.unreadCount, with_ann.pinned, with_ann.pnJID) == (2, NOW, str(ann.pn))
    newest, oldest = (each.message for each in with_ann.messages)
    assert (newest.key.ID, newest.key.fromMe, newest.message.conversation) == (answer, True, "Yes!")
    assert (oldest.key.ID, oldest.key.fromMe, oldest.messageTimestamp) == (question, False, NOW)
    assert (newest.starred, oldest.pushName) == (True, "Ann")
    (picture,) = chats[str(ben.lid)].messages
    assert shared_wa.media.open(picture.message.message) == b"a picture"
    assert {each.lidJID for each in chunk.phoneNumberToLidMappings} >= {str(ann.lid), str(ben.lid)}
    await shared_wa.me.receipt(notification, "hist_sync")


async def test_the_client_deletes_a_blob_that_it_has_read(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    history = History(shared_wa.network, shared_wa.me)
    history.add(shared_wa.person("Ann"), "Hello", at=NOW)
    kept = set(shared_wa.media.blobs)
    await history.send("initial")
    (blob,) = shared_wa.media.blobs.keys() - kept
    await received(shared_client)
    await shared_wa.network.until(lambda: blob not in shared_wa.media.blobs, 10)
    assert [method for method, _ in shared_wa.media.requests] == ["GET", "DELETE"]


async def test_push_names_of_everybody_arrive(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    ann = shared_wa.person("Ann")
    await History(shared_wa.network, shared_wa.me).send("push_names")
    (chunk,) = await received(shared_client)
    assert (str(ann.pn), "Ann") in [(each.ID, each.pushname) for each in chunk.pushnames]
    source = f"client.contact.get_contact(jid('{ann.pn.user}'))"
    await shared_client.eventually(source, lambda contact: contact.PushName == "Ann")


async def test_what_both_sides_said_on_the_simulator_is_history(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    wa, client = shared_wa, shared_client
    ann = wa.person("Ann")
    group = wa.group("Trip", [ann])
    await ann.says("one", at=NOW)
    await wa.me.says(ann, "two", at=NOW + 1)
    await ann.says("three", group, at=NOW + 2)
    await client.message("three")
    await wa.me.history.send("recent")
    (chunk,) = await received(client)
    chats = {chat.ID: chat for chat in chunk.conversations}
    assert chats[str(group.jid)].name == "Trip"
    (in_group,) = chats[str(group.jid)].messages
    assert in_group.message.key.participant == str(ann.lid)
    assert [each.message.message.conversation for each in chats[str(ann.jid)].messages] == ["two", "one"]


async def test_a_full_history_comes_in_chunks_newest_first(
    shared_wa: WhatsApp, shared_client: NeonizeClient
) -> None:
    ann, ben = shared_wa.person("Ann"), shared_wa.person("Ben")
    history = History(shared_wa.network, shared_wa.me)
    history.fill([ann, ben], 95, until=NOW)
    await history.send("full", size=20)
    chunks = await received(shared_client, 5)
    chunks.sort(key=lambda chunk: chunk.chunkOrder)
    assert [chunk.chunkOrder for chunk in chunks] == [1, 2, 3, 4, 5]
    assert [chunk.progress for chunk in chunks] == [20, 40, 60, 80, 100]
    assert {text.split()[1] for text in texts(chunks[:1])} == {str(number) for number in range(76, 96)}
    assert sorted(texts(chunks)) == sorted(f"Line {number} of 95" for number in range(1, 96))


async def test_chunks_can_be_sent_in_any_order(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    history = History(shared_wa.network, shared_wa.me)
    history.fill([shared_wa.person("Ann")], 40, until=NOW)
    chunks = history.chunks("recent", size=10)
    random.Random(1).shuffle(chunks)
    companion = await shared_wa.me.online()
    ids = [history.deliver(companion, chunk) for chunk in chunks]
    arrived = await received(shared_client, 4)
    assert sorted(chunk.chunkOrder for chunk in arrived) == [1, 2, 3, 4]
    assert len(set(texts(arrived))) == 40
    for notification in ids:
        await shared_wa.me.receipt(notification, "hist_sync")


async def test_a_hundred_thousand_messages_arrive(shared_wa: WhatsApp, shared_client: NeonizeClient) -> None:
    people = [shared_wa.person(f"Person {number}") for number in range(20)]
    history = History(shared_wa.network, shared_wa.me)
    history.fill(people, 100_000, until=NOW)
    ids = await history.send("full", size=25_000)
    for notification in ids:
        await shared_wa.me.receipt(notification, "hist_sync", timeout=30)
    arrived = await received(shared_client, 4)
    assert len(set(texts(arrived))) == 100_000


def test_a_companion_that_asks_for_more_of_a_chat_gets_what_was_said_before() -> None:
    wa = WhatsApp(seed=1)
    ann, ben = wa.person("Ann"), wa.person("Ben")
    said = [wa.me.history.add(ann, f"line {number}", at=NOW + number) for number in range(10)]
    wa.me.history.add(ben, "in another chat", at=NOW)
    client = BareClient(wa)
    wa.me.app_state.share_key()
    client.reads(client.last("message"))

    def asked(oldest: str, count: int) -> tuple[list[str], str]:
        wanted = E2E.PeerDataOperationRequestMessage.HistorySyncOnDemandRequest(
            chatJID=str(ann.lid), oldestMsgID=oldest, onDemandMsgCount=count
        )
        operation = E2E.PeerDataOperationRequestMessage(
            peerDataOperationRequestType=E2E.HISTORY_SYNC_ON_DEMAND, historySyncOnDemandRequest=wanted
        )
        request = E2E.ProtocolMessage(
            type=E2E.ProtocolMessage.PEER_DATA_OPERATION_REQUEST_MESSAGE,
            peerDataOperationRequestMessage=operation,
        )
        client.asks_phone(request, f"after {oldest}")
        told = client.reads(client.last("message")).protocolMessage.historySyncNotification
        assert told.peerDataRequestSessionID == f"after {oldest}"
        name = told.directPath.partition("?")[0].rpartition("/")[2]
        packed = media_crypto.decrypt(
            "WhatsApp History Keys",
            wa.media.blobs[name].data,
            told.mediaKey,
            file_sha256=told.fileSHA256,
            file_enc_sha256=told.fileEncSHA256,
        )
        chunk = HistorySync.HistorySync.FromString(zlib.decompress(packed))
        assert chunk.syncType == chunk.ON_DEMAND
        (chat,) = chunk.conversations
        return [each.message.key.ID for each in chat.messages], chat.EndOfHistoryTransferType.Name(
            chat.endOfHistoryTransferType
        )

    newest_first, more = asked(said[8], 5)
    assert newest_first == said[7:2:-1]
    assert more == "COMPLETE_ON_DEMAND_SYNC_BUT_MORE_MSG_REMAIN_ON_PRIMARY"
    newest_first, more = asked(said[3], 5)
    assert newest_first == said[2::-1]
    assert more == "COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY"
    assert not wa.log


def test_a_message_in_a_group_needs_a_sender() -> None:
    wa = WhatsApp()
    ann = wa.person("Ann")
    group = wa.group("Trip", [ann])
    with pytest.raises(ValueError, match="who sent it"):
        wa.me.history.add(group, "hi", at=NOW)
    wa.me.history.add(group, E2E.Message(conversation="hi"), ann, at=NOW)
    (chunk,) = wa.me.history.chunks("recent")
    assert texts([chunk]) == ["hi"]


def test_an_empty_history_is_one_empty_chunk() -> None:
    (chunk,) = WhatsApp().me.history.chunks("full")
    assert list(chunk.conversations) == []
