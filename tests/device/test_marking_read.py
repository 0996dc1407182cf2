"""Marking a chat as read tells every author, however many messages wait."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, journal
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.operations import WhatsApp, chats
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
MANY = 205


class Marking:
    """A client that only notes what it is asked, and marks messages read."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.receipts: list[tuple[str, list[str]]] = []

    async def mark_read(self, chat: str) -> int:
        return await chats.mark_read(WhatsApp(self.archive, self.call), chat)

    async def call(self, method: str, params: Params) -> None:
        assert method == "mark_read"
        self.receipts.append((params["sender"], params["ids"]))


@pytest.fixture
async def marking(tmp_path: Path) -> AsyncIterator[Marking]:
    async with open_archive(AccountFolder("default", tmp_path), write=True) as archive:
        yield Marking(archive)


async def test_every_unread_message_gets_its_receipt(marking: Marking) -> None:
    archive = marking.archive
    await archive.ingest(
        journal(
            [ev.message(f"A{n}", chat=GROUP, sender=ANA, at=NOON + n) for n in range(MANY)]
            + [ev.message("B", chat=GROUP, sender=BOB, at=NOON + MANY)]
        )
    )
    assert await marking.mark_read(GROUP) == MANY + 1
    receipts = {sender: [*ids] for sender, ids in reversed(marking.receipts)}
    assert sum(len(ids) for _, ids in marking.receipts) == MANY + 1
    assert receipts.keys() == {ANA, BOB}
    assert all(len(ids) <= 200 for _, ids in marking.receipts)
    chat = await archive.chat(GROUP)
    assert chat is not None
    assert chat.unread == 0


async def test_a_chat_without_unread_messages_asks_nothing_of_whatsapp(marking: Marking) -> None:
    assert await marking.mark_read(GROUP) == 0
    assert marking.receipts == []
