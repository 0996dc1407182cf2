"""Every kind of message, compared field by field at the other end."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isfunction, signature
from typing import Any

import pytest

from tests.simulator.neonize_client import NeonizeClient
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.protobufs import E2E, Common
from whatsapp_simulator import WhatsApp, direct, envelope, kinds
from whatsapp_simulator.message_secret import MessageSecret, decrypt_vote

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


_KEY = Common.MessageKey(remoteJID="1@lid", fromMe=False, ID="3A01")
_FIRST = E2E.Message(conversation="first")
_IMAGE = E2E.Message(imageMessage=E2E.ImageMessage(caption="once", mimetype="image/jpeg"))
_LISTED = {
    "text": kinds.text("@2 look", mentions=[Jid("2", "lid")], forwarded=5, expires=86400),
    "text with a link": kinds.text("https://example.org/a", link=("https://example.org/a", "Title", "What")),
    "reply": kinds.reply("sure", _KEY, Jid("1", "lid"), _FIRST),
    "reaction": kinds.reaction(_KEY, "👍", 1.5),
    "reaction taken back": kinds.reaction(_KEY, "", 2.5),
    "edit": kinds.edit(_KEY, E2E.Message(conversation="second"), 3.0),
    "revoke": kinds.revoke(_KEY),
    "pin": kinds.pin(_KEY, 4.0),
    "poll": kinds.poll("When?", ["today", "tomorrow"], _SECRET, selectable=1),
    "vote": kinds.vote(_KEY, Jid("1", "lid"), _SECRET, Jid("2", "lid"), ["today"], 5.0),
    "location": kinds.location(52.5, 13.25, "Berlin", "Mitte"),
    "live location": kinds.live_location(52.5, 13.25),
    "contact": kinds.contact("Bob", "+15550009999"),
    "contacts": kinds.contacts("Two", [("Bob", "+15550009999"), ("Ann", "+15550008888")]),
    "view once": kinds.view_once(_IMAGE),
    "disappearing": kinds.disappearing(E2E.Message(conversation="soon gone")),
    "list reply": kinds.list_reply("Lunch", "row-1", "with soup"),
    "button reply": kinds.button_reply("Yes", "button-1"),
    "group invite": kinds.group_invite(Jid("1", "g.us"), "Boat", "CODE", 1_800_000_000, "come"),
    "event": kinds.event("Party", 1_800_000_000, "bring cake", "here"),
    "unknown": kinds.unknown(),
}
_BY_TYPE = {"Common.MessageKey": _KEY, "E2E.Message": _FIRST, "Jid": Jid("1", "lid")} | {
    "str": "some words",
    "int": 7,
    "float": 6.0,
}


def _made(build: Callable[..., E2E.Message]) -> E2E.Message:
    """A message of a kind, with a value by type for each argument of its builder."""
    needed = [one for one in signature(build).parameters.values() if one.default is one.empty]
    return build(*(_BY_TYPE[one.annotation] for one in needed))


_BUILDERS: dict[str, Callable[..., E2E.Message]] = {
    name.replace("_", " "): each
    for name, each in vars(kinds).items()
    if isfunction(each) and each.__module__ == kinds.__name__ and name[0] != "_"
}
_EVERY_KIND = {kind: _made(build) for kind, build in _BUILDERS.items() if kind not in _LISTED} | _LISTED
"""Kinds that are not in the list are included too."""


_EDITS = {"edit": "1", "pin": "2", "revoke": "8", "reaction taken back": "7"}
_NAMED_OTHERWISE = {"location", "live location", "group invite", "event"}  # the library's own simplification


async def test_each_kind_arrives_as_it_was_sent(wa: WhatsApp, client: NeonizeClient) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    await ann.says("hands over the sender key", group)
    await client.message("hands over the sender key")
    for kind, message in _EVERY_KIND.items():
        for to in (None, group):
            event = await _arrived(client, await ann.says(message, to))
            assert event.IsViewOnceV2 == (kind == "view once")
            assert event.IsEphemeral == (kind == "disappearing")
            assert event.Message == envelope.unwrapped(message), kind
            assert event.Info.Edit == _EDITS.get(kind, ""), kind
            assert event.Info.MessageSource.IsGroup == (to is group)


async def test_each_kind_that_the_phone_itself_sends_comes_as_a_copy(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    await wa.me.says(group, "hands over the sender key")
    await client.message("hands over the sender key")
    for kind, message in _EVERY_KIND.items():
        for to in (ann, group):
            event = await _arrived(client, await wa.me.says(to, message))
            assert event.Message == envelope.unwrapped(message), kind
            assert event.Info.Edit == _EDITS.get(kind, ""), kind
            source = event.Info.MessageSource
            assert (source.IsFromMe, source.Chat.User) == (True, to.jid.user)


async def test_each_kind_that_the_client_sends_is_decrypted_as_it_was_sent(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    for kind, message in _EVERY_KIND.items():
        for to in (ann.jid, group.jid):
            sent = await client.call(
                f"client.send_message(jid('{to.user}', '{to.server}'), "
                f"E2E.Message.FromString({message.SerializeToString()!r}))"
            )
            received = await ann.receives()
            got = E2E.Message.FromString(received.message.SerializeToString())
            expected = E2E.Message.FromString(message.SerializeToString())
            if kind != "poll":
                found, meant = got.messageContextInfo, message.messageContextInfo
                assert found.messageAssociation == meant.messageAssociation
                got.ClearField("messageContextInfo")
                expected.ClearField("messageContextInfo")
            else:
                assert got.messageContextInfo.messageSecret == _SECRET
            assert got == expected, kind
            assert (received.id, received.sender) == (sent.ID, wa.me.lid)
            assert received.stanza.get("edit") == _EDITS.get(kind, ""), kind
            if kind not in _NAMED_OTHERWISE:
                encs = [enc for _, each in direct.addressed(received.stanza, to) for enc in each]
                enc = received.stanza.child("enc") or encs[0]
                outside = (received.stanza.get("type"), enc.get("mediatype") or None)
                assert outside == envelope.stanza_type(message), kind


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


async def test_an_edit_that_phones_would_show_wrongly_is_logged(
    wa: WhatsApp, client: NeonizeClient, tolerated: list[str]
) -> None:
    tolerated.append("^edit: ")
    ann = wa.person("Ann")
    chat = f"jid('{ann.lid.user}', 'lid')"
    picture, other = (wa.media.attach("image", body, caption="first") for body in (b"a picture", b"another"))
    built = picture.SerializeToString().hex()
    sent = await client.call(f"client.send_message({chat}, E2E.Message.FromString(bytes.fromhex('{built}')))")
    await ann.receives()
    picture.imageMessage.caption = "second"
    for new, told in (
        (E2E.Message(conversation="second"), "imageMessage becomes text"),
        (other, "another imageMessage"),
        (picture, None),
    ):
        wa.log.clear()
        built = new.SerializeToString().hex()
        content = f"E2E.Message.FromString(bytes.fromhex('{built}'))"
        await client.call(f"client.edit_message({chat}, '{sent.ID}', {content})")
        edit = await ann.receives()
        expected = f"{edit.id} of {sent.ID}: {told}"
        # The own phone gets a copy, and shows it as Ann's does.
        assert {(each.kind, each.detail) for each in wa.log} == ({("edit", expected)} if told else set())


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


async def test_a_status_of_the_client_is_read_by_the_owners_contacts(
    wa: WhatsApp, client: NeonizeClient
) -> None:
    ann, ben = wa.person("Ann"), wa.person("Ben")
    wa.me.app_state.share_key()
    wa.me.app_state.name_contact(ann, "Ann Miller")
    await wa.me.app_state.synced()
    known = f"client.contact.get_contact(jid('{ann.pn.user}'))"
    await client.eventually(known, lambda contact: contact.FullName == "Ann Miller")
    for text in ("at home", "still at home"):
        sent = await client.call(f"client.send_message(jid('status', 'broadcast'), {text!r})")
        received = await ann.receives()
        assert (received.id, received.text, received.sender) == (sent.ID, text, wa.me.lid)
        assert str(received.chat) == "status@broadcast"
    assert ben.inbox == []
