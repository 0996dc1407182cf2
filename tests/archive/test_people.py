"""Finding chats and people by whatever is typed, and listing them page by page."""

from __future__ import annotations

import itertools

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, NOW, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.archive.read.people import distance, rank_name
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound
from whatsapp_mcp.models import (
    ChatKind,
    ContactUpdate,
    GroupUpdate,
    MessageFilter,
    MessageKind,
    meant,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio


async def fill(archive: Archive) -> None:
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Ana's Birthday")])
    await archive.write(
        recording.record_contacts,
        [
            ContactUpdate(ANA, saved_name="Ana Müller"),
            ContactUpdate("15550000003@s.whatsapp.net", saved_name="Anabel"),
        ],
    )
    await archive.ingest(
        journal(
            [
                ev.message("A1", "one", alt=ANA_LID),
                ev.message("B1", "two", chat=BOB, name="Bob", at=NOON + 1),
                ev.message("B2", "three", chat=BOB, sender=None, at=NOON + 2),
                ev.message("G1", "four", chat=GROUP, sender=BOB, at=NOON + 3),
            ]
        )
    )


@pytest.fixture
async def filled(archive: Archive) -> Archive:
    """An archive with some people and their chats."""
    await fill(archive)
    return archive


@for_each(
    "text, expected",
    [
        (ANA, [(ANA, "jid")]),
        (ANA_LID, [(ANA, "jid")]),
        ("15550000001:7@s.whatsapp.net", [(ANA, "jid")]),
        ("+1 555 000 0001", [(ANA, "number")]),
        ("001 555 0000001", [(ANA, "number")]),
        ("15550000001", [(ANA, "number")]),
        ("+15559998888", [("15559998888@s.whatsapp.net", "number")]),
        ("ana muller", [(ANA, "name")]),
        ("ANA", [(ANA, "words"), (GROUP, "prefix"), ("15550000003@s.whatsapp.net", "prefix")]),
        ("birthday", [(GROUP, "words")]),
        ("birth", [(GROUP, "contains")]),
        ("muller ana", [(ANA, "words")]),
        ("mueller ana", [(ANA, "similar")]),
        ("muler", [(ANA, "similar")]),
        ("bob", [(BOB, "own_name")]),
        ("bo", [(BOB, "prefix")]),
        ("ob", []),
        ("5550000001", [(ANA, "contains")]),
        ("nobody at all", []),
        ("", []),
        ("%", []),
    ],
)
async def test_a_text_is_resolved_to_the_chats_it_may_mean(
    filled: Archive, text: str, expected: list[tuple[str, str]]
) -> None:
    assert [(one.chat.jid, one.matched) for one in await filled.resolve_chat(text)] == expected


@for_each(
    "name, shown",
    [
        ("ana muller", ANA),
        ("Ana's birthday", GROUP),
        ("bob", None),
        ("ana", None),
        ("annie", None),
        ("+15550000001", None),
        ("%", None),
        ("", None),
        ("anabel", None),
    ],
)
async def test_the_only_chat_that_the_owner_knows_under_a_name_is_found_by_the_whole_of_it(
    filled: Archive, name: str, shown: str | None
) -> None:
    await filled.write(recording.record_contacts, [ContactUpdate(ANA, push_name="Annie")])
    found = await filled.chat_shown_as(name)
    assert (found and found.jid) == shown


async def test_a_name_that_two_chats_are_shown_under_means_none_of_them(archive: Archive) -> None:
    await fill(archive)
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Bob")])
    assert await archive.chat_shown_as("Bob") is not None
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Bob")])
    assert await archive.chat_shown_as("Bob") is None


async def test_chats_are_listed_by_the_beginnings_of_words_in_their_names_before_what_is_inside(
    archive: Archive,
) -> None:
    names = ["Hannah Lee", "Ann Bo", "Joanna", "Annika"]
    people = {f"1555000001{n}@s.whatsapp.net": name for n, name in enumerate(names)}
    await archive.write(
        recording.record_contacts, [ContactUpdate(jid, saved_name=name) for jid, name in people.items()]
    )
    await archive.ingest(
        journal([ev.message(f"M{n}", "hi", chat=jid, at=NOON + n) for n, jid in enumerate(people)])
    )

    async def named(query: str, limit: int = 20) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = await archive.chats(query=query, limit=limit, cursor=cursor)
            found += [chat.name for chat in page.items]
            if (cursor := page.next_cursor) is None:
                return found

    assert await named("ann") == ["Annika", "Ann Bo"]
    assert await named("ann bo") == ["Ann Bo"]
    assert await named("lee han") == ["Hannah Lee"]
    assert await named("anna", limit=1) == ["Joanna", "Hannah Lee"]
    assert await named("50000012") == ["Joanna"]


async def test_a_name_that_somebody_gave_themselves_is_no_better_than_a_word_of_a_saved_one(
    archive: Archive,
) -> None:
    stranger = "15550000077@s.whatsapp.net"
    await fill(archive)
    await archive.write(
        recording.record_contacts,
        [ContactUpdate(stranger, push_name="Ana"), ContactUpdate(BOB, saved_name="Ana Bo")],
    )
    found = await archive.resolve_chat("~Ana")
    assert [(one.chat.jid, one.matched) for one in meant(found)] == [
        (stranger, "own_name"),
        (BOB, "words"),
        (ANA, "words"),
    ]
    await archive.write(recording.record_contacts, [ContactUpdate(stranger, saved_name="Ana")])
    assert [one.chat.jid for one in meant(await archive.resolve_chat("ana"))] == [stranger]


@for_each("text", ["me", "Me", "myself"], archive="archives")
async def test_me_is_the_owner_of_the_account(archive: Archive, text: str) -> None:
    await fill(archive)
    await archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Me")])
    await archive.write(recording.set_own, ev.ME, None, "Max")
    (candidate,) = await archive.resolve_chat(text)
    assert (candidate.chat.jid, candidate.matched) == (ev.ME, "jid")


async def test_a_number_never_seen_gives_an_empty_chat_with_the_number_as_its_name(archive: Archive) -> None:
    (candidate,) = await archive.resolve_chat("+49 1511 2345678")
    assert (candidate.chat.jid, candidate.chat.name) == ("4915112345678@s.whatsapp.net", "+4915112345678")
    assert candidate.chat.last_message_at is None


@for_each(
    "jid, kind",
    [
        ("120363000000000099@g.us", ChatKind.GROUP),
        ("120363000000000099@newsletter", ChatKind.CHANNEL),
        ("status@broadcast", ChatKind.STATUS),
        ("80009@lid", ChatKind.DIRECT),
    ],
)
async def test_a_jid_never_seen_is_of_the_kind_that_it_says(
    archive: Archive, jid: str, kind: ChatKind
) -> None:
    (candidate,) = await archive.resolve_chat(jid)
    assert (candidate.chat.jid, candidate.chat.kind) == (jid, kind)


@for_each(
    "query, expected",
    [
        ("ana", ["Ana Müller", "Anabel"]),
        ("MÜLLER", ["Ana Müller"]),
        ("mullr", ["Ana Müller"]),
        ("anabell", ["Anabel"]),
        ("0002", ["Bob"]),
        ("+1 555 000 0001", ["Ana Müller"]),
        (None, ["Ana Müller", "Anabel", "Bob"]),
        ("xyz", []),
    ],
)
async def test_contacts_are_found_by_name_number_and_with_a_typo(
    filled: Archive, query: str | None, expected: list[str]
) -> None:
    assert [one.name for one in (await filled.contacts(query)).items] == expected


async def test_lists_of_contacts_and_chats_come_in_pages(archive: Archive) -> None:
    people = [f"1555111{n:04}@s.whatsapp.net" for n in range(23)]
    await archive.write(
        recording.record_contacts, [ContactUpdate(jid, saved_name=f"P{n:02}") for n, jid in enumerate(people)]
    )
    await archive.ingest(
        journal([ev.message(f"A{n}", chat=jid, at=NOON + n) for n, jid in enumerate(people)])
    )
    names = [f"P{n:02}" for n in range(23)]
    for query in (None, "p"):
        seen: list[str] = []
        cursor = None
        for _ in itertools.repeat(None):
            page = await archive.contacts(query, limit=7, cursor=cursor)
            seen += [one.name for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert sorted(seen) == names
    listed: list[str] = []
    cursor = None
    for _ in itertools.repeat(None):
        chats = await archive.chats(limit=7, cursor=cursor)
        listed += [one.name for one in chats.items]
        cursor = chats.next_cursor
        if cursor is None:
            break
    assert listed == names[::-1]


async def test_chats_are_narrowed_by_kind_name_unread_and_unanswered(archive: Archive) -> None:
    await fill(archive)
    await archive.write(recording.record_chat_settings, BOB, archived=True, pinned=False, muted_until=None)

    async def names(**more: object) -> list[str]:
        return [chat.name for chat in (await archive.chats(**more)).items]  # type: ignore[arg-type]

    assert await names() == ["Ana's Birthday", "Bob", "Ana Müller"]
    assert await names(kind=ChatKind.GROUP) == ["Ana's Birthday"]
    assert await names(query="ana") == ["Ana's Birthday", "Ana Müller"]
    assert await names(query="+1555") == ["Bob", "Ana Müller"]
    assert await names(unread=True) == ["Ana's Birthday", "Ana Müller"]
    assert await names(unanswered="me") == ["Ana's Birthday", "Ana Müller"]
    assert await names(unanswered="them") == ["Bob"]
    assert await names(archived=False) == ["Ana's Birthday", "Ana Müller"]
    assert await names(archived=True) == ["Bob"]


async def test_messages_are_narrowed_by_everything_at_once(archive: Archive) -> None:
    await fill(archive)

    async def ids(where: MessageFilter) -> list[str]:
        return [message.message_id for message in (await archive.messages(where)).items]

    assert await ids(MessageFilter(chat=BOB)) == ["B2", "B1"]
    assert await ids(MessageFilter(chat=BOB, from_me=True)) == ["B2"]
    assert await ids(MessageFilter(sender=BOB)) == ["G1", "B1"]
    assert await ids(MessageFilter(sender=BOB, chat=GROUP)) == ["G1"]
    assert await ids(MessageFilter(kinds=(MessageKind.IMAGE, MessageKind.VIDEO))) == []
    assert await ids(MessageFilter(kinds=(MessageKind.TEXT,), unread=True)) == ["G1", "A1"]
    assert await ids(MessageFilter(media=True)) == []
    assert await ids(MessageFilter(chat="15559999999@s.whatsapp.net")) == []


async def test_pages_of_messages_are_stable_under_new_ones_in_both_directions(archive: Archive) -> None:
    await archive.ingest(journal([ev.message(f"A{n}", f"{n}", at=NOON + n) for n in range(30)]))
    for oldest_first in (False, True):
        seen: list[str] = []
        cursor = None
        for turn in itertools.count():
            page = await archive.messages(
                MessageFilter(chat=ANA), limit=9, cursor=cursor, oldest_first=oldest_first
            )
            seen += [message.message_id for message in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
            old = ev.message(f"OLD{turn}{oldest_first}", at=NOON - 100 - turn)
            new = ev.message(f"NEW{turn}{oldest_first}", at=NOON + 1000 + turn)
            late = old if oldest_first else new
            await archive.ingest(journal([late], after=await archive.position()))
        kept = [wa_id for wa_id in seen if wa_id.startswith("A")]
        assert kept == [f"A{n}" for n in (range(30) if oldest_first else range(29, -1, -1))]
        assert len(seen) == len(set(seen))


async def test_a_message_is_found_by_ref_in_every_form_and_by_id(archive: Archive) -> None:
    await fill(archive)
    for key in (2, "2", "#2", "B1"):
        assert (await archive.message(key)).text == "two"
    assert (await archive.message("B1", chat=BOB)).text == "two"
    for key in (99, "#99", "nothing", "", "#", "²"):
        with pytest.raises(MessageNotFound):
            await archive.message(key)
    with pytest.raises(MessageNotFound):
        await archive.message("B1", chat=ANA)


async def test_the_context_of_a_message_is_what_surrounds_it_in_its_chat(archive: Archive) -> None:
    await archive.ingest(
        journal(
            [ev.message(f"A{n}", f"{n}", at=NOON + n) for n in range(9)]
            + [ev.message("B", chat=BOB, at=NOON + 4)]
        )
    )
    page = await archive.context("A4", before=2, after=1)
    assert [message.message_id for message in page.items] == ["A2", "A3", "A4", "A5"]


@for_each("limit", [0, -1, 501, 10**9])
async def test_a_limit_out_of_range_is_refused(archive: Archive, limit: int) -> None:
    for call in (archive.chats, archive.messages, archive.contacts):
        with pytest.raises(InvalidArgument):
            await call(limit=limit)


def test_names_are_ranked_exact_words_beginning_inside() -> None:
    names = "ana muller\nmaria"
    texts = ("ana muller", "maria", "muller", "ana m", "mull", "ulle", "xyz")
    assert [rank_name(text, names, saved=True) for text in texts] == [0, 1, 2, 3, 4, 5, None]
    assert [rank_name(text, names, saved=False) for text in texts] == [1, 1, 2, 3, 4, 5, None]


async def test_a_reader_finds_names_that_were_given_after_its_last_search(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW) as writer, open_archive(folder) as reader:
        await writer.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Tim")])
        for _ in range(5):  # each connection has kept the names
            assert [one.chat.jid for one in await reader.resolve_chat("tim")] == [ANA]
        await writer.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Tom")])
        for _ in range(5):
            assert [one.chat.jid for one in await reader.resolve_chat("tom")] == [BOB]


async def test_a_name_cannot_be_written_so_that_it_counts_as_somebody_elses(archive: Archive) -> None:
    forged = "x\x1e012\x1fann lee\x1e"
    await archive.write(
        recording.record_contacts,
        [ContactUpdate(ANA, saved_name="Tim"), ContactUpdate(BOB, push_name=forged)],
    )

    assert [one.chat.jid for one in await archive.resolve_chat("ann lee")] == [BOB]
    assert [one.chat.jid for one in await archive.resolve_chat("tim")] == [ANA]


@for_each("typed, found", [("Ann", ["Ann Lee"]), ("tim", ["Tim"]), ("anne", ["Hannes"])], archive="archives")
async def test_the_inside_of_a_name_is_found_only_where_nothing_better_is(
    archive: Archive, typed: str, found: list[str]
) -> None:
    names = ("Ann Lee", "Hannes", "Tim", "Fatima")
    await archive.write(
        recording.record_contacts,
        [ContactUpdate(f"1555000{n}000@s.whatsapp.net", saved_name=name) for n, name in enumerate(names)],
    )
    page = await archive.contacts(typed)
    assert [contact.name for contact in page.items][: len(found)] == found
    assert len(page.items) == len(found) or typed == "anne"


@for_each(
    "one, other, expected", [("ana", "ana", 0), ("jhon", "john", 1), ("ab", "", 2), ("kitten", "sitting", 3)]
)
def test_the_distance_counts_slips(one: str, other: str, expected: int) -> None:
    assert distance(one, other) == distance(other, one) == expected
