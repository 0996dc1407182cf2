"""What is sent, as WhatsApp's protobuf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.archive import events as ev
from tests.archive.events import journal
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.connection import FileKeys
from whatsapp_mcp.device.outbox.addresses import Addresses
from whatsapp_mcp.device.outbox.composing import Composed, compose
from whatsapp_mcp.models import (
    ContactCardContent,
    Content,
    LocationContent,
    PollContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

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


@pytest.mark.parametrize("chat", [ANN, GROUP, STATUS])
@pytest.mark.parametrize(
    "content",
    [
        TextContent("hello"),
        LocationContent(1.0, 2.0, "here", ""),
        ContactCardContent("Bob", "+15550003333"),
        PollContent("which?", ("this", "that")),
    ],
    ids=["text", "place", "card", "poll"],
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
        entry, _ = await archive.outbox_add(SendRequest(ANN, TextContent("hello")))
        await archive.outbox_sending(entry.send_id)
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
