"""How much of what a stranger writes is taken in: the message stays, each of its fields has a bound."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import fields
from typing import Any

import pytest
from google.protobuf.message import Message as Proto

from tests.archive import events as ev
from tests.archive.events import ANA, GROUP, NOON, journal
from tests.archive.world import reply, text
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.decoding import limits
from whatsapp_mcp.decoding.content import HANDLERS
from whatsapp_mcp.decoding.updates import (
    Content,
    MembersUpdate,
    MessageUpdate,
    ReceiptKind,
    ReceiptUpdate,
)
from whatsapp_mcp.errors import MediaUnavailable
from whatsapp_mcp.models import Message, MessageKind, Page
from whatsapp_mcp.models.messages import NAMES_ROOM
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

LONG = "x" * 100_000
MANY = 3_000
FRAME = 16_000_000
"""Bytes that one message of WhatsApp has at most."""


def stuff(value: Any, text: str, count: int, depth: int = 3) -> None:
    """Fill every text of a protobuf, and every list with so many."""
    for field in value.DESCRIPTOR.fields:
        inner = getattr(value, field.name)
        if field.name == "contextInfo" or (field.message_type is not None and depth == 0):
            continue
        if field.message_type is not None:
            parts = [inner] if isinstance(inner, Proto) else [inner.add() for _ in range(count)]
            for part in parts:
                stuff(part, text, count if len(parts) == 1 else 1, depth - 1)
        elif field.type == field.TYPE_STRING:
            if isinstance(inner, str):
                setattr(value, field.name, text)
            else:
                inner.extend([text] * count)


def poll(*options: str) -> Any:
    body: Any = E2E.Message()
    body.pollCreationMessage.name = "Which?"
    for option in options:
        body.pollCreationMessage.options.add(optionName=option)
    return body


def stuffed(kind: str, words: str, count: int) -> Any:
    """A message of a kind with all its fields full."""
    body: Any = E2E.Message()
    if kind == "conversation":
        body.conversation = words
    else:
        getattr(body, kind).SetInParent()
        stuff(getattr(body, kind), words, count)
    return body


def longest(folder: AccountFolder) -> dict[str, int]:
    """The longest text in each column of the archive."""
    found: dict[str, int] = {}
    with closing(sqlite3.connect(folder.archive_db)) as db:
        tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'fts%'"
        for (table,) in db.execute(tables).fetchall():
            for row in db.execute(f"PRAGMA table_info({table})").fetchall():
                column = (
                    f"SELECT max(length({row[1]})) FROM {table} WHERE typeof({row[1]}) IN ('text', 'blob')"
                )
                found[f"{table}.{row[1]}"] = db.execute(column).fetchone()[0] or 0
    return found


async def test_what_the_apps_let_a_person_write_is_kept_whole(archive: Archive) -> None:
    options = [f"{n:03}{'o' * 97}" for n in range(12)]
    await archive.ingest(
        journal(
            [
                ev.message("A1", "w" * 65_536, name="n" * 100),
                ev.message("P1", poll(*options), at=NOON + 1),
            ]
        )
    )
    asked, said = (await archive.messages()).items
    assert said.text == "w" * 65_536
    assert said.sender_name == "n" * 100
    assert [option.name for option in asked.poll] == options
    assert asked.details is not None
    assert "left_out" not in asked.details


@for_each("kind", HANDLERS, folder="folders")
async def test_no_field_of_any_kind_of_message_is_larger_than_its_limit(
    folder: AccountFolder, kind: str
) -> None:
    events: list[ev.Raw] = []
    for number, (words, count) in enumerate(((LONG, 1), ("y", MANY))):
        body = stuffed(kind, words, count)
        if body.ByteSize() > FRAME:
            body = stuffed(kind, words[: len(words) * FRAME // body.ByteSize()], count)
        events.append(ev.message(f"K{number}", body, at=NOON + number))
    async with open_archive(folder, write=True) as archive:
        result = await archive.ingest(journal(events))
    assert (result.messages, result.undecoded) == (2, 0)
    sizes = longest(folder)
    assert sizes.pop("messages.text") <= limits.MAX_TEXT
    assert sizes.pop("messages.details") <= 2 * limits.DETAILS
    assert max(sizes.values()) <= limits.URL


async def test_names_ids_and_addresses_have_a_bound_and_still_meet(
    archive: Archive, folder: AccountFolder
) -> None:
    person, other = f"{'1' * 5_000}@lid", f"{'1' * 5_001}@lid"
    where: dict[str, Any] = {"chat": GROUP, "sender": person}
    await archive.ingest(
        journal(
            [
                ev.message(f"{LONG}1", "first", name=LONG, **where),
                ev.message(f"{LONG}2", "second", chat=GROUP, sender=other, at=NOON + 1),
                ev.message("R1", reply("reply", f"{LONG}1", "first", person), at=NOON + 2, **where),
                ev.reaction(f"{LONG}1", "👍", chat=GROUP, sender=other),
                ev.edit(f"{LONG}2", "edited", chat=GROUP, sender=other),
                ev.reaction("R1", LONG, **where),
                ev.receipt(f"{LONG}1", chat=GROUP, sender=None, kind="READ_SELF"),
                ev.history(ev.conversation([ev.web_message("H1", chat=GROUP)], chat=GROUP, name=LONG)),
                ev.message(LONG, "chat", chat=f"{LONG}@g.us", sender=ANA),
            ]
        )
    )
    assert max(longest(folder).values()) <= 2 * limits.MAX_NAME
    page = await archive.messages(oldest_first=True)
    first, second, third = (m for m in page.items if m.message_id != "H1" and m.chat == GROUP)
    assert (first.text, first.sender_name[-1]) == ("first", "…")
    assert [one.emoji for one in first.reactions] == ["👍"]
    assert second.text == "edited"
    assert first.sender != second.sender
    assert third.quote is not None
    assert third.quote.ref == first.ref
    assert [one.emoji for one in third.reactions] == ["x" * (limits.EMOJI - 1) + "…"]
    assert await archive.check() == ()


async def test_of_a_poll_of_thousands_some_options_stay_and_the_rest_is_counted(
    archive: Archive, folder: AccountFolder
) -> None:
    event = ev.message("P1", poll(*(f"option {n}" for n in range(5_000))))
    await archive.ingest(journal([event]))
    (asked,) = (await archive.messages()).items
    assert asked.kind is MessageKind.POLL
    assert len(asked.poll) == limits.OPTIONS
    assert asked.details is not None
    assert asked.details["left_out"] == {"options": 5_000 - limits.OPTIONS}
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert db.execute("SELECT payload FROM raw").fetchone() == (event.payload,)


async def test_a_long_name_that_is_mentioned_often_does_not_multiply(archive: Archive) -> None:
    body = text("@80001 " * 4_000)
    body.extendedTextMessage.contextInfo.mentionedJID.extend(["80001@lid"] * 4_000)
    await archive.ingest(
        journal(
            [
                ev.message("N1", chat="80001@lid", name="n" * 50_000),
                ev.message("M1", body, chat=GROUP, sender=ANA, at=NOON + 1),
                ev.edit("M1", "@80001 " * 4_001, chat=GROUP, sender=ANA),
            ]
        )
    )
    said = await archive.message("M1", chat=GROUP)
    assert said.spoken.startswith(f"@{'n' * 200}")
    assert len(said.spoken) <= 4_001 * 7 + NAMES_ROOM
    assert len(said.earlier[0]) <= 4_000 * 7
    assert (
        len(
            json.dumps(
                [chat.last_message and chat.last_message.text for chat in (await archive.chats()).items]
            )
        )
        < 999
    )


@pytest.mark.parametrize(
    ("mention", "shown"), [("@800012", "@800012"), ("@80001s", "@Anas"), ("@80001", "@Ana")]
)
async def test_a_mention_is_the_whole_of_its_number(archive: Archive, mention: str, shown: str) -> None:
    body = text(f"ask {mention}")
    body.extendedTextMessage.contextInfo.mentionedJID.append("80001@lid")
    await archive.ingest(journal([ev.message("N1", chat="80001@lid", name="Ana"), ev.message("M1", body)]))
    assert (await archive.message("M1")).spoken == f"ask {shown}"


async def test_who_changes_a_reaction_without_end_keeps_the_newest_and_costs_nobody_else_theirs(
    archive: Archive, folder: AccountFolder
) -> None:
    most = limits.MAX_ADDONS + 20
    where: dict[str, Any] = {"chat": GROUP, "sender": "80001@lid"}
    await archive.ingest(
        journal(
            [
                ev.message("A1", chat=GROUP, sender=ANA),
                ev.reaction("A1", "🎉", chat=GROUP, sender="80002@lid", at=NOON + 1),
                *(ev.reaction("A1", chr(0x1F600 + n), at=NOON + 10 + n, **where) for n in range(most)),
            ]
        )
    )
    (message,) = (await archive.messages()).items
    assert [one.emoji for one in message.reactions] == ["🎉", chr(0x1F600 + most - 1)]
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT count(*) FROM reactions").fetchone() == (limits.MAX_ADDONS,)


async def test_of_a_message_that_is_edited_without_end_the_first_and_the_newest_texts_stay(
    archive: Archive,
) -> None:
    edits = [ev.edit("A1", f"text {n}", at=NOON + 10 + n) for n in range(50)]
    await archive.ingest(journal([ev.message("A1", "text"), *edits]))
    message = await archive.message("A1")
    assert message.text == "text 49"
    assert message.earlier == ("text", *(f"text {n}" for n in range(49 - limits.MAX_EDITS + 1, 49)))


async def test_a_contact_card_without_colons_is_read_in_one_go(archive: Archive) -> None:
    body: Any = E2E.Message()
    body.contactMessage.displayName, body.contactMessage.vcard = "Ana", "TEL\n" * 250_000
    await archive.ingest(journal([ev.message("C1", body)]))
    assert (await archive.message("C1")).text == "Ana"


@for_each(
    "url, path, kept",
    [
        ("https://mmg.whatsapp.net/v/1.enc?x=y", "/v/1.enc?x=y", True),
        ("http://mmg.whatsapp.net/v", "v/1.enc", False),
        ("https://10.0.0.1/v", "@evil.example/v", False),
        ("https://mmg.whatsapp.net@evil.example/v", ".evil.example/v", False),
        ("https://mmg.whatsapp.net.evil.example/v", ":9/v", False),
        ("https://evil.example/?mmg.whatsapp.net/", "/v/1.enc\r\nHost: evil", False),
    ],
    archive="archives",
)
async def test_a_file_is_fetched_from_whatsapps_hosts_alone(
    archive: Archive, url: str, path: str, kept: bool
) -> None:
    body: Any = E2E.Message()
    image = body.imageMessage
    image.mimetype, image.mediaKey, image.URL, image.directPath = "image/png", b"k" * 32, url, path
    await archive.ingest(journal([ev.message("A1", body)]))
    if kept:
        source = await archive.media_source("A1")
        assert (source.url, source.direct_path) == (url, path)
    else:
        with pytest.raises(MediaUnavailable):
            await archive.media_source("A1")


async def test_a_page_of_long_messages_ends_before_its_limit_and_the_cursor_goes_on(archive: Archive) -> None:
    long = "word " * 13_000
    await archive.ingest(journal(ev.message(f"A{n}", f"{long}{n}", at=NOON + n) for n in range(70)))

    async def every(ask: Callable[[str | None], Awaitable[Page[Message]]]) -> list[str]:
        found: list[str] = []
        after: str | None = None
        while True:
            page = await ask(after)
            assert sum(len(message.text) for message in page.items) <= limits.MAX_PAGE
            found += [message.message_id for message in page.items]
            after = page.next_cursor
            if after is None:
                return found

    ids = [f"A{n}" for n in range(70)][::-1]
    assert await every(lambda at: archive.messages(limit=500, cursor=at)) == ids
    assert await every(lambda at: archive.search("word", limit=500, cursor=at)) == ids
    assert await every(lambda at: archive.search("ord", mode="substring", limit=500, cursor=at)) == ids
    relevant = await archive.search("word", order="relevance", limit=500)
    assert len(relevant.items) < 70
    assert "the messages are long" in relevant.notes[0]


async def test_a_list_shows_the_newest_of_long_earlier_texts(archive: Archive) -> None:
    edits = [ev.edit("A1", f"{n}{'x' * 5_000}", at=NOON + n) for n in range(1, 5)]
    await archive.ingest(journal([ev.message("A1", "first"), *edits]))
    earlier = (await archive.message("A1")).earlier
    assert [text[0] for text in earlier] == ["2", "3"]
    assert sum(map(len, earlier)) <= limits.MAX_EARLIER
    assert len(await archive.edits("A1")) == 4


@pytest.mark.parametrize("mode", ["words", "substring"])
async def test_a_hit_at_the_end_of_a_long_text_is_found(archive: Archive, mode: Any) -> None:
    await archive.ingest(
        journal([ev.message("A1", "É" * 30_000 + " " + "à la " * 3_000 + "Nädel"), ev.message("A2")])
    )
    (found,) = (await archive.search("nadel", mode=mode)).items
    assert found.message_id == "A1"
    assert found.snippet is None or "**Nädel**" in found.snippet


UNBOUNDED = {  # and why
    "raw": "its event",
    "payload": "what is sealed, or an event as it came",
    "step": "one of three",
    "sync_type": "the name of an enum's value",
    "error": "of our own",
}


def test_every_text_of_an_update_has_a_bound() -> None:
    texts = {
        (kind, one.name)
        for kind in limits.FIELDS
        for one in fields(kind)
        if re.search(r"\b(str|bytes)\b", str(one.type)) and not str(one.type).startswith("tuple")
    }
    bounded = {(kind, name) for kind, found in limits.FIELDS.items() for name, *_ in found}
    assert {name for _, name in texts - bounded} == UNBOUNDED.keys()


def test_lists_of_members_receipts_and_cards_have_a_bound() -> None:
    members = MembersUpdate(GROUP, tuple((f"{n}@lid", 0) for n in range(limits.MEMBERS + 5)))
    receipt = ReceiptUpdate(
        GROUP, ANA, tuple(f"A{n}" for n in range(limits.RECEIPTS + 5)), ReceiptKind.READ, NOON
    )
    cards = [{"name": "Ana", "numbers": ["1"] * 99} for _ in range(limits.CARDS + 5)]
    message = MessageUpdate(
        GROUP, ANA, "C1", NOON, Content(MessageKind.CONTACT, details={"contacts": cards}), True
    )
    for update in (members, receipt, message):
        limits.bound_update(update)
    assert len(members.members) == limits.MEMBERS
    assert len(receipt.wa_ids) == limits.RECEIPTS
    details = message.content.details
    assert (len(details["contacts"]), len(details["contacts"][0]["numbers"])) == (
        limits.CARDS,
        limits.NUMBERS,
    )
    assert details["left_out"] == {"contacts": 5, "numbers": 67 * limits.CARDS}
