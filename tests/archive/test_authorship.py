"""Whose words a send may repeat is known from its acceptance on, for the message that people see."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, journal
from tests.device.guarded import AGENT
from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.archive.read import outbox_entries
from whatsapp_mcp.models import (
    AlbumContent,
    Authorship,
    Caller,
    Content,
    EditContent,
    FileContent,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
ALLOWED = f'{STANDARD}[[policy.chats]]\nname = "Ana"\nsend = "allow"\n'
ASKING = f'{STANDARD}[[policy.chats]]\nname = "Ana"\nsend = "ask"\n'
OTHER = replace(AGENT, principal="stdio:other")
WRITTEN = Authorship(Caller("stdio:agent"), ("stranger",))
AT = ev.NOW
PICTURE = FileContent("image", "/nowhere/a.png", "image/png", caption="as told")


async def accepted(
    archive: Archive, content: Content, *, chat: str = ANA, known: Authorship | None = WRITTEN
) -> int:
    """The number of a send that was handed over and has no id yet."""
    entry, _ = await archive.write(outbox.add, SendRequest(chat, content), scheduling=known)
    await archive.write(outbox.sending, entry.send_id, handed_to="1")
    return entry.send_id


async def sources(archive: Archive, *ids: str) -> dict[str, frozenset[str]]:
    return dict(await archive.repeated_sources(ids))


async def test_a_message_is_named_as_soon_as_it_is_there(archive: Archive) -> None:
    send_id = await accepted(archive, TextContent("as told"))
    await archive.outbox_sent(send_id, "3EB01", AT)
    assert await sources(archive, "3EB01", "3EB02") == {"3EB01": {"stranger"}}


async def test_an_edit_counts_for_the_message_that_it_changes(archive: Archive) -> None:
    own = ev.message("OWN", "dinner at eight", chat=ANA, sender=None)
    await archive.ingest(journal([own]))
    send_id = await accepted(archive, EditContent("OWN", "as told"))
    assert await sources(archive, "OWN") == {"OWN": {"stranger"}}
    await archive.outbox_sent(send_id, "3EB01", AT)
    assert await sources(archive, "OWN") == {"OWN": {"stranger"}}


@pytest.mark.parametrize("ends", ["held", "failed"])
async def test_an_edit_that_never_went_out_leaves_the_owners_words_the_owners(
    archive: Archive, ends: str
) -> None:
    request = SendRequest(ANA, EditContent("OWN", "as told"))
    entry, _ = await archive.write(outbox.add, request, scheduling=WRITTEN, held=True)
    if ends == "failed":
        await archive.write(outbox.withdrawn, entry.send_id, "The user said no.")
    assert await sources(archive, "OWN") == {}


async def test_so_do_the_files_of_an_album(archive: Archive) -> None:
    album = await accepted(archive, AlbumContent((PICTURE, PICTURE)))
    await archive.outbox_sent(album, "3EB01", AT)
    files = await archive.outbox_album(album)
    for number, file in enumerate(files):
        await archive.write(outbox.sending, file.send_id)
        await archive.outbox_sent(file.send_id, f"3EB1{number}", AT)
    assert await sources(archive, "3EB10", "3EB11") == {each: {"stranger"} for each in ("3EB10", "3EB11")}


async def test_of_two_hundred_sends_none_is_forgotten(archive: Archive) -> None:
    numbers = [await accepted(archive, TextContent(f"as told {number}")) for number in range(200)]
    ids = [f"3EB0{number}" for number in range(200)]
    for send_id, wa_id in zip(numbers, ids, strict=True):
        await archive.outbox_sent(send_id, wa_id, AT)
    assert await sources(archive, *ids) == {each: {"stranger"} for each in ids}


async def test_what_may_be_a_send_whose_id_nobody_has_told_counts_as_it(archive: Archive) -> None:
    send_id = await accepted(archive, TextContent("as told"))
    at = int((await archive.outbox_get(send_id)).created_at.timestamp())
    written = [
        ev.message("MAYBE", "as told", chat=ANA, sender=None, at=at + 5),
        ev.message("LATER", "dinner?", chat=ANA, sender=None, at=at + 3600),
        ev.message("ELSEWHERE", "lunch?", chat=BOB, sender=None, at=at + 5),
    ]
    await archive.ingest(journal(written))
    assert await sources(archive, "MAYBE", "LATER", "ELSEWHERE") == {"MAYBE": {"stranger"}}
    await archive.outbox_sent(send_id, "3EB01", AT)
    assert await sources(archive, "MAYBE", "3EB01") == {"3EB01": {"stranger"}}


async def test_the_lookups_go_by_indexes(archive: Archive, folder: AccountFolder) -> None:
    with closing(sqlite3.connect(folder.archive_db)) as db:
        found = db.execute(f"EXPLAIN QUERY PLAN {outbox_entries.AUTHORSHIPS}", ("[]",))
        plans = [str(row[3]) for row in found]
    of_sends = [plan.removeprefix("SEARCH ").removeprefix("SCAN ") for plan in plans if " o USING" in plan]
    assert [plan.partition("INDEX ")[2].partition(" ")[0] for plan in of_sends] == [
        "outbox_message",
        "outbox_edited",
        "outbox_unsettled",
    ]


async def test_a_send_that_is_tried_once_more_keeps_whose_words_it_may_repeat(archive: Archive) -> None:
    request = SendRequest(ANA, TextContent("as told"), idempotency_key="k")
    entry, _ = await archive.write(outbox.add, request, principal="stdio:agent", scheduling=WRITTEN)
    await archive.write(outbox.withdrawn, entry.send_id, "Expired.")
    later = replace(WRITTEN, sources=())
    await archive.write(outbox.add, request, principal="stdio:agent", scheduling=later)
    await archive.write(outbox.sending, entry.send_id)
    await archive.outbox_sent(entry.send_id, "3EB01", AT)
    assert await sources(archive, "3EB01") == {"3EB01": {"stranger"}}
