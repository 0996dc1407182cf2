"""What was read in the files of messages: stored once, found by its words, and gone with the message."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive import world
from tests.archive.events import ANA, ANA_LID, BOB, BOB_LID, GROUP, NOON, NOW, Raw, journal
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive, recording
from whatsapp_mcp.archive.read import snippets
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.models import (
    EXCERPT,
    SHOWN_WITH,
    ContactUpdate,
    FileReading,
    FilesStatus,
    FileStep,
    MessageFilter,
    MessageKind,
    Passage,
    ReadingExcerpt,
    ReadingKind,
)
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

LONG_AGO = datetime.fromtimestamp(0, UTC)
MINUTE = 60_000
NOW_MS = int(NOW.timestamp() * 1000)


def document(name: str = "x.pdf", size: int = 1_000, **fields: Any) -> Any:
    body: Any = E2E.Message()
    body.documentMessage.fileName, body.documentMessage.mimetype = name, "application/pdf"
    body.documentMessage.fileLength, body.documentMessage.directPath = size, "/v/x"
    body.documentMessage.mediaKey = b"k" * 32
    for field, value in fields.items():
        setattr(body.documentMessage, field, value)
    return body


def voice(size: int = 1_000) -> Any:
    body: Any = E2E.Message()
    body.audioMessage.PTT, body.audioMessage.seconds, body.audioMessage.fileLength = True, 42, size
    body.audioMessage.directPath, body.audioMessage.mediaKey = "/v/x", b"k" * 32
    return body


def pages(*texts: str, **fields: Any) -> FileReading:
    return FileReading(ReadingKind.DOCUMENT, tuple(map(Passage, texts)), "pypdf", **fields)


TRANSCRIPT = FileReading(
    ReadingKind.TRANSCRIPT, (Passage("See you", start=0.0), Passage("at six", start=1.5)), "whisper", "en"
)


async def read_document(archive: Archive, *texts: str) -> None:
    """A document from Ana, which was read."""
    await archive.ingest(journal([ev.message("A1", document(), at=NOON)]))
    await archive.write(recording.record_reading, "A1", pages(*texts))


async def found(archive: Archive, query: str, **how: Any) -> list[str]:
    return [hit.message_id for hit in (await archive.search(query, **how)).items]


# Reading it again.


@for_each(
    "read",
    [
        TRANSCRIPT,
        pages("one", "", "three"),
        FileReading(ReadingKind.TRANSCRIPT, (Passage("at once", start=0.0),), "whisper"),
        pages("", passages_in_file=9, cut=True),
        FileReading(ReadingKind.DOCUMENT, (Passage("a,b", "Sheet 1"), Passage("c")), "csv"),
    ],
    archive="archives",
)
async def test_what_was_read_is_kept_whole(archive: Archive, read: FileReading) -> None:
    await archive.ingest(journal([ev.message("A1", voice())]))
    assert await archive.reading("A1") is None
    await archive.write(recording.record_reading, "A1", read)
    assert await archive.reading("A1") == read


async def test_a_form_feed_in_a_page_does_not_make_two_of_it(archive: Archive) -> None:
    await read_document(archive, "one\ftwo", "three")
    assert await archive.reading("A1") == pages("one two", "three")


async def test_a_list_shows_the_beginning_and_how_much_there_is(archive: Archive) -> None:
    await read_document(archive, "one", "x" * 1_000)
    (message,) = (await archive.messages()).items
    excerpt = ("one " + "x" * 1_000)[: EXCERPT + SHOWN_WITH]
    assert message.reading == ReadingExcerpt(ReadingKind.DOCUMENT, excerpt, 2, None, cut=True)
    await archive.write(recording.record_reading, "A1", TRANSCRIPT)
    again = await archive.message("A1")
    assert again.reading == ReadingExcerpt(ReadingKind.TRANSCRIPT, "See you at six", 2, "en")


async def test_what_was_read_of_a_message_that_is_not_there_is_refused(archive: Archive) -> None:
    with pytest.raises(MessageNotFound):
        await archive.write(recording.record_reading, "A1", TRANSCRIPT)
    with pytest.raises(MessageNotFound):
        await archive.reading("A1")


# Searching.


async def test_words_that_were_read_find_the_message_and_say_on_which_page(archive: Archive) -> None:
    await read_document(archive, "nothing here", "the deposit is due")
    (hit,) = (await archive.search("deposit due")).items
    assert (hit.snippet, hit.snippet_of, hit.snippet_passage) == (
        "nothing here the **deposit** is **due**",
        "reading",
        2,
    )
    assert await found(archive, "due") == ["A1"]
    await archive.write(recording.record_reading, "A1", pages("another text"))
    assert await found(archive, "due") == []
    await archive.rebuild()
    assert await found(archive, "another") == ["A1"]
    assert await archive.check() == ()


async def test_the_text_of_a_message_is_shown_before_what_was_read_in_its_file(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", document(caption="the deposit"))]))
    await archive.write(recording.record_reading, "A1", pages("the deposit is due"))
    (hit,) = (await archive.search("deposit")).items
    assert (hit.snippet, hit.snippet_of, hit.snippet_passage) == ("the **deposit**", "text", None)


@pytest.mark.parametrize(("wanted", "page"), [("epos", 2), ("ção", 3)])
async def test_a_part_of_a_word_that_was_read_finds_the_message(
    archive: Archive, wanted: str, page: int
) -> None:
    await read_document(archive, "first", "the deposit", "informação")
    await archive.ingest(journal([ev.message("A2", "without a file", at=NOON + 1)], after=1))
    (hit,) = (await archive.search(wanted, mode="substring")).items
    assert (hit.message_id, hit.snippet_of, hit.snippet_passage) == ("A1", "reading", page)
    assert await found(archive, "without epos", mode="substring") == []


@pytest.mark.parametrize("mode", ["words", "substring"])
async def test_a_hit_far_on_in_what_was_read_is_found(archive: Archive, mode: Any) -> None:
    filler = "café " * 20_000
    await read_document(archive, filler, "depósito")
    (hit,) = (await archive.search("deposito", mode=mode)).items
    assert (hit.snippet, hit.snippet_of, hit.snippet_passage) == ("", "reading", None)


async def test_transcripts_are_found_by_what_they_are(archive: Archive) -> None:
    events = [ev.message(f"A{n}", voice(), at=NOON + n) for n in range(3)]
    await archive.ingest(journal([*events, ev.message("A3", document(), at=NOON + 3)]))
    for wa_id in ("A0", "A1"):
        await archive.write(recording.record_reading, wa_id, TRANSCRIPT)
    await archive.write(recording.record_reading, "A3", pages("at six"))
    assert await found(archive, "has:transcript") == ["A1", "A0"]
    assert await found(archive, "has:transcripts six") == ["A1", "A0"]
    assert await found(archive, "six -has:transcript") == ["A3"]
    assert await found(archive, "has:voice -has:transcript") == ["A2"]


async def test_the_words_are_found_in_the_chat_also_after_two_chats_became_one(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", document(), chat=ANA_LID), ev.message("B1", chat=ANA)]))
    await archive.write(recording.record_reading, "A1", pages("deposit"))
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    assert [hit.message_id for hit in (await archive.search("deposit", MessageFilter(chat=ANA))).items] == [
        "A1"
    ]


# It goes where its message goes.


@for_each("order", [(0, 1), (1, 0)])
@for_each("read", [0, 1])
@for_each("live", [True, False], archive="archives")
async def test_of_two_copies_that_become_one_what_was_read_of_either_stays(
    archive: Archive, order: tuple[int, int], read: int, live: bool
) -> None:
    copies = [
        ev.message("A1", document(), chat=chat, at=at) for chat, at in ((ANA, NOON), (ANA_LID, NOON - 5))
    ]
    await archive.ingest(journal([copies[n] for n in order]))
    chat = (ANA, ANA_LID)[read]
    (one,) = (await archive.messages(MessageFilter(chat=chat))).items
    await archive.write(recording.record_reading, one.ref, pages("deposit"))
    if live:
        await archive.ingest(
            journal([*[copies[n] for n in order], ev.message("B1", chat=ANA, alt=ANA_LID, at=NOON + 9)])
        )
    else:
        await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    (message,) = (await archive.messages(MessageFilter(kinds=(MessageKind.DOCUMENT,)))).items
    assert int(message.timestamp.timestamp()) == NOON - 5
    assert await archive.reading(one.ref) == pages("deposit")
    assert await found(archive, "deposit") == ["A1"]
    assert await archive.check() == ()


async def test_what_was_read_goes_with_a_message_that_is_deleted_for_everyone(
    archive: Archive, folder: AccountFolder
) -> None:
    await read_document(archive, "purplemonkey")
    await archive.write(recording.record_media_path, "A1", "x.pdf", 3)
    await archive.write(recording.record_file_problem, "A1", FileStep.READ, "BUSY", "Not now.", False)
    await archive.ingest(journal([ev.revoke("A1")], after=1))
    assert await found(archive, "purplemonkey") == []
    await archive.write(recording.record_reading, "A1", pages("purplemonkey"))
    await archive.write(recording.record_file_problem, "A1", FileStep.READ, "BUSY", "Not now.", False)
    await archive.write(recording.record_media_path, "A1", "x.pdf", 3)
    assert await found(archive, "purplemonkey") == []
    assert await archive.reading("A1") is None
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert [
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("media", "readings", "file_problems", "kept_files")
        ] == [0, 0, 0, 0]


async def test_what_was_read_stays_when_the_caption_is_edited_and_when_events_are_decoded_again(
    archive: Archive,
) -> None:
    await archive.ingest(journal([ev.message("A1", document(caption="before")), ev.Raw(17, b"\xff\xff")]))  # type: ignore[arg-type]
    await archive.write(recording.record_reading, "A1", pages("deposit"))
    await archive.ingest(journal([ev.edit("A1", "afterwards")], after=2))
    await archive.redecode()
    assert await found(archive, "deposit afterwards") == ["A1"]
    assert await found(archive, "before") == []


async def test_a_check_names_what_is_about_no_file(archive: Archive, folder: AccountFolder) -> None:
    await read_document(archive, "one")
    with closing(sqlite3.connect(folder.archive_db)) as db:
        db.execute("UPDATE readings SET message_id = 1")
        db.execute("INSERT INTO kept_files VALUES (1, 2)")
        db.commit()
    assert await archive.check() == ("1 readings without a file", "1 kept files without a file")


PLACES: list[tuple[str, dict[str, Any]]] = [
    (ANA, {}),
    (ANA_LID, {}),
    (BOB, {}),
    (BOB_LID, {}),
    (GROUP, {"sender": ANA}),
    (GROUP, {"sender": ANA_LID}),
]


@st.composite
def _happens(draw: st.DrawFn) -> Raw:
    """A document, its deletion, its edit, or a mapping, in chats that turn out to be one."""
    number, (chat, where) = draw(st.integers(0, 2)), draw(st.sampled_from(PLACES))
    wa_id, at = f"A{number}", NOON + draw(st.integers(0, 2))
    match draw(st.sampled_from(["file", "file", "file", "undecryptable", "revoke", "edit", "mapping"])):
        case "file":
            return ev.message(wa_id, document(f"file{number}.pdf"), chat=chat, at=at, **where)
        case "undecryptable":
            return ev.undecryptable(wa_id, chat=chat, at=at, **where)
        case "revoke":
            return ev.revoke(wa_id, chat=chat, at=NOON + 50, **where)
        case "edit":
            return ev.edit(wa_id, f"edit{number}", chat=chat, own_id=f"E{number}", **where)
        case _:
            pair = draw(st.sampled_from([(ANA, ANA_LID), (BOB, BOB_LID), (ANA, BOB_LID)]))
            return ev.message(f"M{draw(st.integers(0, 9))}", chat=pair[0], alt=pair[1], at=NOON + 60)


@given(st.lists(st.lists(_happens(), min_size=1, max_size=4), min_size=1, max_size=8))
async def test_whatever_happens_what_was_read_stays_with_its_file_and_the_index_knows(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Raw]]
) -> None:
    folder = AccountFolder("default", tmp_path_factory.mktemp("account") / "default")
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        for batch in batches:
            await archive.ingest(journal(batch, after=await archive.position()))
            for message in (await archive.messages(MessageFilter(media=True), limit=500)).items:
                if message.reading is None:
                    await archive.write(
                        recording.record_reading, message.ref, pages(f"read{message.message_id}")
                    )
        assert await archive.check() == ()
        every = (await archive.messages(limit=500)).items
        assert {m.message_id: m.reading.text for m in every if m.reading is not None} == {
            m.message_id: f"read{m.message_id}" for m in every if m.media is not None
        }
        for wa_id in ("A0", "A1", "A2"):
            hits = (await archive.search(f"read{wa_id}", limit=500)).items
            assert {hit.ref for hit in hits} == {m.ref for m in every if m.media and m.message_id == wa_id}


# What waits.


KEEP = {MessageKind.DOCUMENT: 10_000, MessageKind.VOICE: 5_000}
KINDS = (MessageKind.DOCUMENT, MessageKind.VOICE)


async def _known(archive: Archive, *events: Raw) -> None:
    """Ana is in the address book, Bob is not."""
    await archive.ingest(journal([*events], after=await archive.position()))
    await archive.write(recording.record_contacts, [ContactUpdate(ANA, saved_name="Ana")])


async def to_fetch(archive: Archive, **how: Any) -> list[str]:
    asked: dict[str, Any] = {
        "keep": KEEP,
        "since": LONG_AGO,
        "chats": None,
        "now_ms": NOW_MS,
        "limit": 50,
        **how,
    }
    return await _ids(archive, [task.ref for task in await archive.files_to_fetch(**asked)])


async def to_read(archive: Archive, **how: Any) -> list[str]:
    asked: dict[str, Any] = {"kinds": KINDS, "since": LONG_AGO, "now_ms": NOW_MS, "limit": 50, **how}
    return await _ids(archive, [task.ref for task in await archive.files_to_read(**asked)])


async def _ids(archive: Archive, refs: list[int]) -> list[str]:
    return [(await archive.message(ref)).message_id for ref in refs]


async def counts(archive: Archive) -> FilesStatus:
    return await archive.file_counts(KEEP, KINDS, LONG_AGO, None)


async def test_files_of_people_who_are_known_and_of_the_owner_wait_newest_first(archive: Archive) -> None:
    once: Any = E2E.Message()
    once.viewOnceMessage.message.CopyFrom(document())
    forwarded = document()
    forwarded.documentMessage.contextInfo.isForwarded = True
    await _known(
        archive,
        ev.message("known", document(), at=NOON),
        ev.message("mine", document(), chat=BOB, sender=None, at=NOON + 1),
        ev.message("in a group", voice(), chat=GROUP, sender=ANA, at=NOON + 2),
        ev.message("forwarded", forwarded, at=NOON + 3),
        ev.message("of a stranger", document(), chat=BOB, at=NOON + 4),
        ev.message("of a stranger in a group", document(), chat=GROUP, sender=BOB, at=NOON + 5),
        ev.message("view once", once, at=NOON + 6),
        ev.message("too large", document(size=10_001), at=NOON + 7),
        ev.message("without a key", document(mediaKey=b""), at=NOON + 8),
        ev.message("another kind", world.image("x"), at=NOON + 9),
        ev.message("text", at=NOON + 10),
    )
    waiting = ["forwarded", "in a group", "mine", "known"]
    assert await to_fetch(archive) == waiting
    assert await to_fetch(archive, limit=2) == waiting[:2]
    assert await to_fetch(archive, since=datetime.fromtimestamp(NOON + 2, UTC)) == waiting[:2]
    assert await to_fetch(archive, chats=[ANA_LID, ANA]) == ["forwarded", "known"]
    assert await to_fetch(archive, chats=[]) == []
    assert await to_fetch(archive, keep={}) == []
    assert await to_fetch(archive, keep={MessageKind.VOICE: 1_000}) == ["in a group"]
    assert (await counts(archive)).to_fetch == 4
    (task,) = await archive.files_to_fetch(KEEP, LONG_AGO, [GROUP], NOW_MS, 1)
    assert (task.chat, task.kind, task.size, task.path, task.at) == (
        GROUP,
        MessageKind.VOICE,
        1_000,
        None,
        NOON + 2,
    )


async def test_what_a_contact_posts_to_everybody_is_not_fetched(archive: Archive) -> None:
    post = ev.message("S", voice(), chat="status@broadcast", sender=ANA, at=NOON)
    await _known(archive, post, ev.message("A", voice(), at=NOON))
    assert (await to_fetch(archive), (await counts(archive)).to_fetch) == (["A"], 1)


async def test_what_was_fetched_waits_to_be_read_and_what_was_read_no_more(archive: Archive) -> None:
    await _known(archive, *[ev.message(f"A{n}", voice(), at=NOON + n) for n in range(3)])
    await archive.write(recording.record_media_path, "A1", "a1.ogg", 900)
    await archive.write(recording.record_media_path, "A2", "a2.ogg")
    assert (await to_fetch(archive), await to_read(archive)) == (["A0"], ["A2", "A1"])
    assert await to_read(archive, kinds=(MessageKind.DOCUMENT,)) == []
    await archive.write(recording.record_reading, "A2", TRANSCRIPT)
    assert await to_read(archive) == ["A1"]
    assert await counts(archive) == FilesStatus(to_fetch=1, to_read=1, kept_bytes=900)


async def test_a_file_that_was_dropped_to_make_room_is_not_fetched_again_by_itself(archive: Archive) -> None:
    await _known(archive, *[ev.message(f"A{n}", voice(), at=NOON + n) for n in range(4)])
    for number in (2, 0, 1):
        await archive.write(recording.record_media_path, f"A{number}", f"{number}.ogg", 100 + number)
    await archive.write(recording.record_media_path, "A3", "3.ogg")
    assert (await counts(archive)).kept_bytes == 303
    oldest = await archive.kept_to_drop(103)
    assert [task.path for task in oldest] == ["0.ogg", "1.ogg"]
    assert [task.path for task in await archive.kept_to_drop(1_000)] == ["0.ogg", "1.ogg", "2.ogg"]
    assert await archive.kept_to_drop(0) == []
    for task in oldest:
        await archive.write(recording.record_media_path, task.ref, None)
    assert (await counts(archive)).kept_bytes == 102
    assert (await to_fetch(archive), await to_read(archive)) == ([], ["A3", "A2"])
    await archive.write(recording.record_media_path, "A0", "again.ogg")
    assert await archive.kept_to_drop(1_000) == await archive.kept_to_drop(1)
    assert (await counts(archive)).kept_bytes == 102


async def test_what_failed_is_tried_again_after_longer_and_longer_and_six_times_at_most(
    folder: AccountFolder,
) -> None:
    at = NOW
    async with open_archive(folder, write=True, now=lambda: at) as archive:
        await _known(archive, ev.message("A1", voice()))
        for attempt, minutes in enumerate((1, 4, 16, 64, 256), 1):
            await archive.write(
                recording.record_file_problem, "A1", FileStep.FETCH, "BUSY", "Not now.", False
            )
            problem = (await archive.message("A1")).problem
            assert problem is not None
            assert (problem.attempts, problem.at) == (attempt, int(at.timestamp() * 1000))
            due = problem.at + minutes * MINUTE
            assert await to_fetch(archive, now_ms=due - 1) == []
            assert await to_fetch(archive, now_ms=due) == ["A1"]
            assert await counts(archive) == FilesStatus(to_fetch=1)
            at += timedelta(minutes=minutes)
        await archive.write(recording.record_file_problem, "A1", FileStep.FETCH, "BUSY", "Not now.", False)
        assert await to_fetch(archive, now_ms=NOW_MS * 2) == []
        assert await counts(archive) == FilesStatus(failed=1)
        await archive.write(recording.record_media_path, "A1", "a.ogg")
        assert (await archive.message("A1")).problem is None
        assert await to_read(archive) == ["A1"]


async def test_what_failed_for_good_is_not_tried_again_and_another_step_begins_at_one(
    archive: Archive,
) -> None:
    await _known(archive, ev.message("A1", voice()))
    await archive.write(
        recording.record_file_problem, "A1", FileStep.FETCH, "MEDIA_UNAVAILABLE", "It has expired.", True
    )
    assert await to_fetch(archive, now_ms=NOW_MS * 2) == []
    await archive.write(recording.record_media_path, "A1", "a.ogg")
    await archive.write(
        recording.record_file_problem, "A1", FileStep.READ, "UNSUPPORTED", "It cannot be read.", True
    )
    problem = (await archive.message("A1")).problem
    assert problem is not None
    assert (problem.step, problem.attempts, problem.final) == (FileStep.READ, 1, True)
    assert await to_read(archive, now_ms=NOW_MS * 2) == []
    assert (await counts(archive)).failed == 1
    await archive.write(recording.record_reading, "A1", TRANSCRIPT)
    assert (await archive.message("A1")).problem is None


# The small picture that came along.


@pytest.mark.parametrize("past", [True, False])
async def test_the_small_picture_is_found_in_the_raw_form(archive: Archive, past: bool) -> None:
    with_one, without = document(JPEGThumbnail=b"\xff\xd8small"), document()
    if past:
        told = [ev.web_message(f"A{n}", body, at=NOON + n) for n, body in enumerate((with_one, without))]
        events = [ev.history(ev.conversation(told, chat=ANA))]
    else:
        events = [ev.message(f"A{n}", body, at=NOON + n) for n, body in enumerate((with_one, without))]
    await archive.ingest(journal(events))
    assert await archive.thumbnail("A0") == b"\xff\xd8small"
    assert await archive.thumbnail("A1") is None
    with pytest.raises(MessageNotFound):
        await archive.thumbnail("A2")


async def test_a_picture_that_is_not_small_is_none(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("A1", document(JPEGThumbnail=b"x" * 100_000))]))
    assert await archive.thumbnail("A1") is None


def test_a_snippet_says_where_in_the_text_its_hit_begins() -> None:
    cut = snippets.of_substring("one two three", "two")
    assert cut == ("one **two** three", 4)
