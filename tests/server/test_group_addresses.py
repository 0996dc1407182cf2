"""What names a message of a group names its author by the address that the group itself uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import anyio
import pytest

from tests.fixtures import call
from tests.server.linked import LIMIT, Linked
from whatsapp_mcp.protobufs import E2E
from whatsapp_simulator.groups import Group

pytestmark = pytest.mark.anyio
Addressing = Literal["lid", "pn"]


@pytest.fixture(autouse=True)
async def limit() -> AsyncIterator[None]:
    """No test waits for ever."""
    with anyio.fail_after(LIMIT):
        yield


async def group_with_messages(linked: Linked, addressing: Addressing) -> tuple[Group, str, str]:
    """A group, and in it one message as apps send them now, with a secret, and one as before."""
    group = linked.wa.group(f"By {addressing}", [linked.ann, linked.ben], by_pn=addressing == "pn")
    new = E2E.Message(conversation="new")
    new.messageContextInfo.messageSecret = bytes(range(32))
    modern = await linked.ann.says(new, group)
    plain = await linked.ben.says("plain", group)
    await linked.archived(lambda chat: chat.last_message.text == "plain", str(group.jid))
    return group, modern, plain


async def arrived(linked: Linked, kind: str) -> E2E.Message:
    """The next message of this kind at Ben."""
    while True:
        message = (await linked.ben.receives()).message
        if message.HasField(kind):  # type: ignore[arg-type]  # the kinds are fields
            return message


@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_reactions_pins_and_deletions_name_the_author_as_the_group_does(
    linked: Linked, addressing: Addressing
) -> None:
    group, modern, plain = await group_with_messages(linked, addressing)
    for message, author in ((modern, linked.ann), (plain, linked.ben)):
        await call(linked.client, "react", message=message, emoji="👍")
        reacted = (await arrived(linked, "reactionMessage")).reactionMessage
        assert reacted.key.participant == str(group.address(author))
    await call(linked.client, "pin_message", message=modern)
    pinned = (await arrived(linked, "pinInChatMessage")).pinInChatMessage
    assert pinned.key.participant == str(group.address(linked.ann))
    await call(linked.client, "delete_message", message=modern)
    revoked = (await arrived(linked, "protocolMessage")).protocolMessage
    assert revoked.key.participant == str(group.address(linked.ann))


@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_reply_names_the_author_as_the_group_does(linked: Linked, addressing: Addressing) -> None:
    group, modern, plain = await group_with_messages(linked, addressing)
    sent = await call(linked.client, "send_message", chat=str(group.jid), text="mine")
    authors = ((modern, linked.ann), (plain, linked.ben), (sent["message_id"], linked.wa.me))
    for message, author in authors:
        await call(linked.client, "send_message", chat=str(group.jid), text=f"to {message}", reply_to=message)
        while True:
            answer = (await arrived(linked, "extendedTextMessage")).extendedTextMessage
            if answer.text == f"to {message}":
                break
        assert answer.contextInfo.participant == str(group.address(author))


@pytest.mark.parametrize("addressing", ["lid", "pn"])
async def test_a_private_answer_quotes_the_group_and_its_author(
    linked: Linked, addressing: Addressing
) -> None:
    group, _, plain = await group_with_messages(linked, addressing)
    sent = await call(linked.client, "send_message", chat="Ben", text="between us", reply_to=plain)
    got = await arrived(linked, "extendedTextMessage")
    context = got.extendedTextMessage.contextInfo
    assert got.extendedTextMessage.text == "between us"
    assert (context.stanzaID, context.remoteJID) == (plain, str(group.jid))
    assert context.participant == str(group.address(linked.ben))
    assert context.quotedMessage.conversation == "plain"
    stored = await linked.archive.message(sent["ref"])
    assert stored.quote is not None
    assert stored.quote.text == "plain"
