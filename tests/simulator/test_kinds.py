"""Every kind of message, checked field by field at the other end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.neonize_client import NeonizeClient
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.simulator import WhatsApp, kinds
from whatsapp_mcp.simulator.message_secret import MessageSecret, decrypt_vote

pytestmark = pytest.mark.anyio


@pytest.fixture
def wa(shared_wa: WhatsApp) -> WhatsApp:
    """One WhatsApp for the whole module."""
    return shared_wa


@pytest.fixture
def client(shared_client: NeonizeClient) -> NeonizeClient:
    """One linked client for the whole module."""
    return shared_client


_SECRET = bytes(range(32))


async def _arrived(client: NeonizeClient, message_id: str) -> Any:
    return await client.wait("Message", lambda event: message_id == event.Info.ID)


async def test_each_kind_arrives_as_it_was_sent(wa: WhatsApp, client: NeonizeClient) -> None:
    ann, bob = wa.person("Ann"), wa.person("Bob")
    first = await ann.says("first")
    await _arrived(client, first)
    key, author = ann.said(first).key, ann.said(first).author.jid
    said = ann.said(first).message
    image = E2E.Message(imageMessage=E2E.ImageMessage(caption="once", mimetype="image/jpeg"))
    for message in (
        kinds.text("@bob look", mentions=[bob.lid]),
        kinds.text("often", forwarded=5),
        kinds.text("gone soon", expires=86400),
        kinds.text("https://example.org/a", link=("https://example.org/a", "Title", "What it is")),
        kinds.reply("sure", key, author, said),
        kinds.reaction(key, "👍", 1.5),
        kinds.reaction(key, "", 2.5),
        kinds.edit(key, E2E.Message(conversation="second"), 3.0),
        kinds.pin(key, 4.0),
        kinds.poll("When?", ["today", "tomorrow"], _SECRET, selectable=1),
        kinds.location(52.5, 13.25, "Berlin", "Mitte"),
        kinds.live_location(52.5, 13.25),
        kinds.contact("Bob", bob.number),
        kinds.contacts("Two", [("Bob", bob.number), ("Ann", ann.number)]),
        kinds.view_once(image),
        kinds.list_reply("Lunch", "row-1", "with soup"),
        kinds.button_reply("Yes", "button-1"),
        kinds.group_invite(ann.lid, "Boat", "CODE", 1_800_000_000, "come"),
        kinds.event("Party", 1_800_000_000, "bring cake", "here"),
        kinds.revoke(key),
    ):
        event = await _arrived(client, await ann.says(message))
        wrapped = message.viewOnceMessageV2.message if message.HasField("viewOnceMessageV2") else message
        assert event.IsViewOnceV2 == message.HasField("viewOnceMessageV2")
        assert event.Message == wrapped
        assert event.Info.Edit == {"editedMessage": "1", "revoke": "7"}.get(_edit(message), "")


def _edit(message: E2E.Message) -> str:
    if not message.HasField("protocolMessage"):
        return ""
    return "editedMessage" if message.protocolMessage.HasField("editedMessage") else "revoke"


async def test_a_kind_that_nobody_knows_does_no_harm(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    await _arrived(client, await ann.says(kinds.unknown()))
    await ann.says("still there")
    await client.message("still there")


async def test_people_refer_to_messages_of_either_side(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    response = await client.call(f"client.send_message(jid('{ann.lid.user}', 'lid'), 'mine')")
    await ann.receives()
    event = await _arrived(client, await ann.reacts(response.ID, "🎉"))
    assert event.Message.reactionMessage.key.ID == response.ID
    assert not event.Message.reactionMessage.key.fromMe
    event = await _arrived(client, await ann.replies(response.ID, "yours"))
    context = event.Message.extendedTextMessage.contextInfo
    assert (context.stanzaID, context.participant) == (response.ID, str(wa.me.lid))
    assert context.quotedMessage.extendedTextMessage.text == "mine"
    own = await ann.says("hers")
    event = await _arrived(client, await ann.edits(own, "hers, better"))
    assert event.IsEdit or event.Message.protocolMessage.editedMessage.conversation == "hers, better"
    event = await _arrived(client, await ann.revokes(own))
    assert own == event.Message.protocolMessage.key.ID


async def test_a_vote_arrives_and_can_be_decrypted(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    for to in (None, group):
        poll = await ann.says(kinds.poll("When?", ["today", "tomorrow"], _SECRET), to)
        await _arrived(client, poll)
        update = (await _arrived(client, await ann.votes(poll, "tomorrow"))).Message.pollUpdateMessage
        assert poll == update.pollCreationMessageKey.ID
        secret = MessageSecret(poll, str(ann.lid), _SECRET)
        assert decrypt_vote(secret, str(ann.lid), update.vote, ["today", "tomorrow"]) == ["tomorrow"]


async def test_what_the_client_sends_is_read_field_by_field(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    chat = f"jid('{ann.lid.user}', 'lid')"
    me = f"jid('{wa.me.pn.user}')"  # by LID it would be revoked as an admin does
    first = await client.call(f"client.send_message({chat}, 'first')")
    await ann.receives()
    hers = await ann.says("hers")
    event = await client.message("hers")
    quoted = event.SerializeToString().hex()

    await client.call(
        f"client.reply_message('to that', Neonize.Message.FromString(bytes.fromhex('{quoted}')))"
    )
    reply = (await ann.receives()).message.extendedTextMessage
    assert (reply.text, reply.contextInfo.stanzaID) == ("to that", hers)

    await client.call(f"client.edit_message({chat}, '{first.ID}', E2E.Message(conversation='changed'))")
    edited = (await ann.receives()).message
    edited = edited.editedMessage.message if edited.HasField("editedMessage") else edited
    assert edited.protocolMessage.key.ID == first.ID
    assert edited.protocolMessage.editedMessage.conversation == "changed"

    await client.call(f"client.revoke_message({chat}, {me}, '{first.ID}')")
    revoked = await ann.receives()
    assert revoked.message.protocolMessage.key.ID == first.ID
    assert revoked.stanza.get("edit") == "7"

    await _send_built(client, chat, f"client.build_reaction({chat}, {chat}, '{hers}', '👍')")
    reaction = (await ann.receives()).message.reactionMessage
    assert (reaction.text, reaction.key.ID, reaction.key.fromMe) == ("👍", hers, False)

    place = kinds.location(1.5, 2.5, "Here").SerializeToString().hex()
    await client.call(f"client.send_message({chat}, E2E.Message.FromString(bytes.fromhex('{place}')))")
    received = await ann.receives()
    assert received.message.locationMessage.name == "Here"

    await client.call(f"client.send_contact({chat}, 'Bob', '15550002222')")
    assert (await ann.receives()).message.contactMessage.displayName == "Bob"


async def test_a_poll_of_the_client_is_voted_in_by_both(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    chat = f"jid('{ann.lid.user}', 'lid')"
    single = "__import__('neonize.utils.enum', fromlist=['x']).VoteType.SINGLE"
    await _send_built(client, chat, f"client.build_poll_vote_creation('When?', ['now', 'later'], {single})")
    poll = await ann.receives()
    creation = poll.message.pollCreationMessage or poll.message.pollCreationMessageV3
    assert [each.optionName for each in creation.options] == ["now", "later"]
    event = await _arrived(client, await ann.votes(poll.id, "later"))
    own = MessageSecret(poll.id, str(wa.me.lid), poll.message.messageContextInfo.messageSecret)
    vote = event.Message.pollUpdateMessage.vote
    assert decrypt_vote(own, str(ann.lid), vote, ["now", "later"]) == ["later"]

    hers = await ann.says(kinds.poll("Where?", ["here", "there"], _SECRET))
    info = (await _arrived(client, hers)).Info.SerializeToString().hex()
    await _send_built(
        client,
        chat,
        f"client.build_poll_vote(Neonize.MessageInfo.FromString(bytes.fromhex('{info}')), ['there'])",
    )
    update = (await ann.receives()).message.pollUpdateMessage
    secret = MessageSecret(hers, str(ann.lid), _SECRET)
    assert decrypt_vote(secret, str(wa.me.lid), update.vote, ["here", "there"]) == ["there"]


async def _send_built(client: NeonizeClient, chat: str, build: str) -> None:
    message = (await client.call(build)).SerializeToString().hex()
    await client.call(f"client.send_message({chat}, E2E.Message.FromString(bytes.fromhex('{message}')))")


async def test_a_status_post_comes_from_the_status_feed(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    post = await ann.posts("at the lake")
    event = await _arrived(client, post)
    source = event.Info.MessageSource
    assert (source.Chat.User, source.Chat.Server, source.Sender.User) == ("status", "broadcast", ann.lid.user)
    await _arrived(client, await ann.posts("still at the lake"))
    await client.call("client.send_message(jid('status', 'broadcast'), 'at home')")
