"""Messages that somebody keeps in a chat where messages disappear, from the phone to the MCP client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from itertools import permutations
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.archive import events as ev
from tests.archive import world
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from tests.fixtures import call, link, mcp_client, said, until
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.models import Actor, Page
from whatsapp_mcp.protobufs import Common
from whatsapp_mcp.server.render.data import messages_data
from whatsapp_mcp.server.render.text import messages_text
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp, kinds

pytestmark = pytest.mark.anyio
LIMIT = 90
OF_ANA: dict[str, Any] = {"chat": GROUP, "sender": ANA}
OF_BOB: dict[str, Any] = {"chat": GROUP, "sender": BOB}


@asynccontextmanager
async def archived(folder: Path, *events: ev.Raw) -> AsyncIterator[Archive]:
    async with open_archive(AccountFolder("default", folder), write=True) as archive:
        assert (await archive.ingest(journal(events))).undecoded == 0
        yield archive


async def keeper(archive: Archive) -> Actor | None:
    """Who keeps the message A1, and the search agrees on whether anybody does."""
    kept_by = (await archive.message("A1")).kept_by
    found = [one.message_id for one in (await archive.search("is:kept")).items]
    assert found == (["A1"] if kept_by else [])
    assert ("A1" in [one.message_id for one in (await archive.search("-is:kept")).items]) == (not found)
    return kept_by


async def test_a_person_keeps_a_message_and_undoes_it(whatsapp: WhatsApp, home: Path) -> None:
    ann = whatsapp.person("Ann")
    with anyio.fail_after(LIMIT):
        async with mcp_client(whatsapp, home) as client:
            await link(client, whatsapp)
            code = await ann.says("The code is 4711")
            await ann.says("See you")
            key = Common.MessageKey(remoteJID=str(whatsapp.me.jid), fromMe=True, ID=code)
            now = ann.network.now()
            await until(client, lambda answer: len(answer["messages"]) == 2, "list_messages")

            await ann.says(kinds.keep(key, now))
            listed = await until(
                client,
                lambda answer: any("kept_by" in one for one in answer["messages"]),
                "list_messages",
                chat=ann.number,
            )
            assert [one.get("kept_by") for one in listed["messages"]] == ["~Ann", None]
            assert "(kept by ~Ann): The code is 4711" in await said(client, "list_messages", chat=ann.number)
            found = await call(client, "search_messages", query="is:kept")
            assert [one["text"] for one in found["messages"]] == ["The code is 4711"]

            await ann.says(kinds.keep(key, now + 1, undo=True))
            await until(
                client,
                lambda answer: not any("kept_by" in one for one in answer["messages"]),
                "list_messages",
                chat=ann.number,
            )
            assert (await call(client, "search_messages", query="is:kept"))["messages"] == []


@for_each("order", [*permutations(range(4))])
async def test_the_newest_counts_whoever_told_it_and_whatever_came_first(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    events = [
        ev.message("A1", **OF_ANA),
        world.keep("A1", NOON + 10, name="Bob", **OF_BOB),
        world.keep("A1", NOON + 20, kept=False, name="Ana", **OF_ANA),
        world.keep("A1", NOON + 30, chat=GROUP, sender=None),
    ]
    async with archived(tmp_path, *(events[n] for n in order)) as archive:
        kept_by = await keeper(archive)
    assert kept_by is not None
    assert kept_by.from_me


@for_each("order", [*permutations(range(3))])
async def test_at_one_moment_who_keeps_counts_and_of_two_the_name_decides(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    events = [
        ev.message("A1", chat=GROUP, sender=None),
        world.keep("A1", NOON + 10, name="Bob", **OF_BOB),
        world.keep("A1", NOON + 10, name="Ana", **OF_ANA),
    ]
    undone = world.keep("A1", NOON + 10, kept=False, **OF_ANA)
    async with archived(tmp_path, undone, *(events[n] for n in order)) as archive:
        assert await keeper(archive) == Actor("Bob", stranger=True)


async def test_what_is_no_more_kept_is_not_found(tmp_path: Path) -> None:
    events = [ev.message("A1"), world.keep("A1", NOON + 10), world.keep("A1", NOON + 11, kept=False)]
    async with archived(tmp_path, *events) as archive:
        assert await keeper(archive) is None


async def test_what_the_phone_kept_before_it_was_linked_is_kept(tmp_path: Path) -> None:
    past = world.kept(ev.web_message("A1", chat=GROUP, sender=ANA), NOON + 10, BOB)
    async with archived(tmp_path, ev.history(ev.conversation([past], chat=GROUP))) as archive:
        assert await keeper(archive) == Actor("+15550000002", stranger=True)
        await archive.ingest(journal([world.keep("A1", NOON + 11, kept=False, **OF_BOB)], after=1))
        assert await keeper(archive) is None


async def test_who_keeps_it_may_not_be_told(tmp_path: Path) -> None:
    past = world.kept(ev.web_message("A1", chat=GROUP, sender=ANA), NOON + 10, "")
    async with archived(tmp_path, ev.history(ev.conversation([past], chat=GROUP))) as archive:
        assert await keeper(archive) == Actor("")
        data = messages_data(Page((await archive.message("A1"),)), UTC)
    assert data["messages"][0].get("kept_by") == ""
    assert "(kept): hi" in messages_text(data, header="All").lines[-1]


async def test_a_message_that_is_deleted_for_everyone_is_not_kept(tmp_path: Path) -> None:
    events = [ev.message("A1"), world.keep("A1", NOON + 10), ev.revoke("A1"), world.keep("A1", NOON + 99)]
    async with archived(tmp_path, *events) as archive:
        assert await keeper(archive) is None


async def test_a_keep_of_a_kind_that_nobody_knows_is_kept_as_it_came(tmp_path: Path) -> None:
    async with archived(tmp_path, ev.message("A1")) as archive:
        unknown: Any = world.E2E.Message()
        unknown.keepInChatMessage.key.ID = "A1"
        result = await archive.ingest(journal([ev.message("K1", unknown, alt=ANA_LID)], after=1))
        assert result.undecoded == 1
        assert await keeper(archive) is None
