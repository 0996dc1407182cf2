"""What is sent, as WhatsApp's protobuf."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, outbox
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.composing import Composed, compose
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    ContactCardContent,
    Content,
    EditContent,
    LocationContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import kinds

pytestmark = pytest.mark.anyio

ANN = "15550002222@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
CHANNEL = "120363000000000002@newsletter"
STATUS = "status@broadcast"


async def no_calls(method: str, params: dict[str, Any]) -> Any:
    raise AssertionError(method)


async def no_preview(text: str) -> None:
    raise AssertionError(text)


async def composed(archive: Archive, content: Content, chat: str = ANN) -> Composed:
    nowhere = Addresses(FileKeys(Path("client.db")))
    return await compose(SendRequest(chat, content), archive, nowhere, no_calls, no_preview)


@for_each("chat", [ANN, GROUP, STATUS])
@for_each(
    "content",
    [
        TextContent("hello"),
        LocationContent(1.0, 2.0, "here", ""),
        ContactCardContent("Bob", "+15550003333"),
        PollContent("which?", ("this", "that")),
    ],
    folder="folders",
)
async def test_every_message_carries_a_secret_of_its_own(
    folder: AccountFolder, content: Content, chat: str
) -> None:
    async with open_archive(folder, write=True) as archive:
        first, second = [await composed(archive, content, chat) for _ in range(2)]
    sent = E2E.Message.FromString(first.message)
    assert sent.messageContextInfo.messageSecret == first.secret
    assert first.secret is not None
    assert len(first.secret) == 32
    assert first.secret != second.secret


async def test_what_is_posted_in_a_channel_carries_no_secret(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True) as archive:
        post = await composed(archive, TextContent("hello"), CHANNEL)
    assert post == Composed(E2E.Message(conversation="hello").SerializeToString(), None)


async def test_a_change_of_a_message_carries_no_secret(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True) as archive:
        entry, _ = await archive.write(outbox.add, SendRequest(ANN, TextContent("hello")))
        await archive.write(outbox.sending, entry.send_id)
        await archive.outbox_sent(entry.send_id, "3EB0AA", entry.created_at)
        for content in (ReactionContent("3EB0AA", "+"), RevokeContent("3EB0AA")):
            change = await composed(archive, content)
            assert change.secret is None
            assert not E2E.Message.FromString(change.message).HasField("messageContextInfo")


@pytest.mark.parametrize(
    "content",
    [TextContent("hello"), LocationContent(1.0, 2.0, "here", ""), PollContent("which?", ("this", "that"))],
    ids=["text", "place", "poll"],
)
async def test_a_message_disappears_as_the_others_of_its_chat(
    folder: AccountFolder, content: Content
) -> None:
    timer: Any = E2E.Message()
    timer.protocolMessage.type, timer.protocolMessage.ephemeralExpiration = 3, 86_400
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal([ev.message("T1", timer, chat=ANN)]))
        lasting, passing = [await composed(archive, content, chat) for chat in (GROUP, ANN)]
    ((_, body),) = _parts(passing)
    assert body.contextInfo.expiration == 86_400
    assert all(
        not hasattr(part, "contextInfo") or not part.contextInfo.expiration for _, part in _parts(lasting)
    )
    if isinstance(content, TextContent):
        assert body.text == "hello"


def _parts(sent: Composed) -> list[tuple[Any, Any]]:
    found = E2E.Message.FromString(sent.message).ListFields()
    return [(field, value) for field, value in found if field.name != "messageContextInfo"]


@pytest.mark.parametrize(
    "sent",
    [
        E2E.Message(imageMessage=E2E.ImageMessage(caption="look", mimetype="image/png", mediaKey=b"k" * 32)),
        kinds.text("@15550002222 look", mentions=[Jid.parse(ANN)]),
    ],
    ids=["caption", "mention"],
)
async def test_what_an_edit_would_lose_because_it_is_not_stored_is_not_edited(
    folder: AccountFolder, sent: E2E.Message
) -> None:
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(
            journal([ev.message("A1", sent, chat=ANN, sender=None), ev.message("A2", chat=ANN, sender=None)])
        )
        await composed(archive, EditContent("A1", "new"))
        with closing(sqlite3.connect(folder.raw_db)) as raw, raw:
            raw.execute("DELETE FROM raw")
        with pytest.raises(Unsupported, match="is not stored"):
            await composed(archive, EditContent("A1", "new"))
        plain = await composed(archive, EditContent("A2", "new"))
    edit = E2E.Message.FromString(plain.message).editedMessage.message.protocolMessage
    assert edit.editedMessage == E2E.Message(conversation="new")


async def test_an_edited_text_keeps_the_preview_of_a_link_that_it_still_has(folder: AccountFolder) -> None:
    linked = kinds.text("see https://example.org", link=("https://example.org", "Example", "of a page"))
    async with open_archive(folder, write=True) as archive:
        await archive.ingest(journal([ev.message("A1", linked, chat=ANN, sender=None)]))
        kept, lost = [
            E2E.Message.FromString((await composed(archive, EditContent("A1", text))).message)
            for text in ("read https://example.org", "never mind")
        ]
    linked.extendedTextMessage.text = "read https://example.org"
    assert kept.editedMessage.message.protocolMessage.editedMessage == linked
    assert not lost.editedMessage.message.protocolMessage.editedMessage.extendedTextMessage.matchedText
