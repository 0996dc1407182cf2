"""What one sender may take of the disk: beyond so many bytes a day, what they write is kept cut short."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, Raw, journal
from tests.archive.recorded import Recording, path_of, recorded_archive
from tests.archive.replaying import contents, replay
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.archive.write import floods
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import Message, MessageFilter
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

MOST = 5
DAY = 86_400
WORDS = "lorem ipsum dolor sit amet "
LENGTH = 27_000
LONG = WORDS * (LENGTH // len(WORDS))


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few long messages be a flood."""
    monkeypatch.setattr(floods, "MOST", MOST * (LENGTH + 1_000))


def flood(count: int, name: str = "F", **where: object) -> list[Raw]:
    """Long messages of one sender on one day."""
    return [ev.message(f"{name}{n}", LONG, at=NOON + n, **where) for n in range(count)]  # type: ignore[arg-type]


async def come(archive: Archive, events: Sequence[Raw]) -> None:
    await archive.ingest(journal(events, after=await archive.position()))


async def texts(archive: Archive, chat: str = ANA) -> dict[str, str]:
    page = await archive.messages(MessageFilter(chat=chat), limit=100)
    return {one.message_id: one.text for one in page.items}


def raw_forms(folder: AccountFolder) -> int:
    with closing(sqlite3.connect(folder.raw_db)) as db:
        return db.execute("SELECT count(*) FROM raw").fetchone()[0]


def is_cut(text: str) -> bool:
    """It is the beginning, behind what says how long it was and that the rest is not kept."""
    said, _, words = text.partition("] ")
    return f"first 100 of {LENGTH:,}" in said and "not kept" in said and words == f"{LONG[:100]}…"


async def test_the_long_messages_beyond_a_days_bound_are_kept_cut_short_say_so_and_are_counted(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, flood(MOST + 3))
    found = await texts(archive)
    assert [wa_id for wa_id, text in found.items() if text == LONG] == [f"F{n}" for n in range(MOST)][::-1]
    assert sorted(wa_id for wa_id, text in found.items() if is_cut(text)) == ["F5", "F6", "F7"]
    assert raw_forms(folder) == MOST
    assert (await archive.statistics()).cut_short == 3
    assert await archive.cut_short() == 3
    assert await archive.check() == ()


async def test_short_messages_count_as_long_ones_do_and_say_what_was_cut(
    archive: Archive, folder: AccountFolder
) -> None:
    short, count = "words " * 50, 1_000
    await come(archive, [ev.message(f"S{n}", short, at=NOON + n) for n in range(count)])
    cut = (await archive.statistics()).cut_short
    assert count // 2 < cut < count
    assert raw_forms(folder) == count - cut
    newest = next(iter((await texts(archive)).values()))
    assert newest.startswith("[the first 100 of 300 characters: the rest was not kept")
    assert newest.endswith(f"{short[:100]}…")


async def test_what_is_short_enough_stays_whole_without_its_raw_form(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, [*flood(MOST), ev.message("over", LONG, at=NOON + 50)])
    await come(archive, [ev.message("hi", "hi there", at=NOON + 60)])
    assert (await texts(archive))["hi"] == "hi there"
    assert raw_forms(folder) == MOST
    assert (await archive.statistics()).cut_short == 2


async def test_other_senders_and_days_and_the_owner_are_not_cut_but_other_chats_are(archive: Archive) -> None:
    await come(archive, flood(MOST + 1, chat=GROUP, sender=ANA))
    await come(
        archive,
        [
            ev.message("bob", LONG, chat=GROUP, sender=BOB, at=NOON + 100),
            ev.message("ana", LONG, at=NOON + 100),
            ev.message("tomorrow", LONG, chat=GROUP, sender=ANA, at=NOON + DAY),
            *flood(MOST + 1, "mine", chat=GROUP, sender=None),
        ],
    )
    assert (await archive.statistics()).cut_short == 2
    found = {**await texts(archive), **await texts(archive, GROUP)}
    assert {wa_id for wa_id, text in found.items() if is_cut(text)} == {f"F{MOST}", "ana"}


async def test_years_of_history_are_kept_whole_as_each_day_of_them_counts_alone(archive: Archive) -> None:
    days = range(400)
    past = [ev.web_message(f"H{day}", LONG[:20_000], at=NOON - day * DAY) for day in days]
    await come(archive, [ev.history(ev.conversation(past))])
    found = await archive.statistics()
    assert (found.messages, found.cut_short) == (len(days), 0)


async def test_the_days_that_are_over_are_forgotten(archive: Archive, folder: AccountFolder) -> None:
    await come(archive, [ev.message(f"D{n}", at=NOON + n * 600) for n in range(1_000)])
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT count(*) FROM intake").fetchone() == (0,)


async def test_a_long_edit_beyond_the_bound_is_cut_short_and_says_so(archive: Archive) -> None:
    edits = [ev.edit("A1", f"{n} {LONG}", at=NOON + 60 + n * DAY) for n in range(MOST)]
    await come(archive, [ev.message("A1", "short"), ev.message("A2", "short"), *edits])
    later = NOON + 90 * DAY  # whatever time its sender gives it
    await come(archive, [ev.edit("A2", LONG, at=later), ev.edit("A1", "short again", at=later + 1)])
    found = await texts(archive)
    assert found["A1"] == "short again"
    assert is_cut(found["A2"])
    assert (await archive.statistics()).cut_short == 1


async def test_what_a_file_of_contacts_or_a_poll_says_is_cut_with_the_rest(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = E2E.Message()
    body.pollCreationMessage.name = "Which?"
    for option in range(64):
        body.pollCreationMessage.options.add(optionName=f"{option} ".ljust(255, "x"))
    monkeypatch.setattr(floods, "MOST", MOST * 18_000)
    await come(archive, [ev.message(f"P{n}", body, at=NOON + n) for n in range(MOST + 1)])
    newest, *rest = (await archive.messages()).items
    assert newest.details is not None
    assert newest.details["left_out"] == {"details": 1}
    assert (newest.text, newest.poll) == ("Which?", ())
    assert all(len(one.poll) == 64 for one in rest)
    assert (await archive.statistics()).cut_short == 1


async def test_a_raw_form_beyond_its_bound_is_not_kept_and_the_message_is_counted(
    archive: Archive, folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = E2E.Message()
    body.imageMessage.caption = "look"
    body.imageMessage.JPEGThumbnail = b"x" * floods.MAX_RAW
    monkeypatch.setattr(floods, "MOST", 1 << 20)
    await come(archive, [ev.message("A1", body), ev.message("A2", "hi")])
    assert raw_forms(folder) == 1
    assert (await texts(archive))["A1"] == "look"
    assert (await archive.statistics()).cut_short == 1


async def test_the_log_of_a_flood_gives_the_same_archive(tmp_path: Path) -> None:
    there, here, recorder = path_of(tmp_path, "there"), path_of(tmp_path, "here"), Recording()
    async with recorded_archive(there, recorder) as archive:
        for one in [*flood(MOST + 3), ev.edit("F6", LONG, at=NOON + 60), *flood(MOST + 1, "G", chat=BOB)]:
            await come(archive, [one])
    await replay(here, recorder.lines)
    assert contents(here) == contents(there)


async def test_what_came_is_the_same_whether_it_came_alone_or_together(tmp_path: Path) -> None:
    found: list[list[Message]] = []
    for size in (1, 100):
        async with recorded_archive(path_of(tmp_path, str(size)), Recording()) as archive:
            events = flood(MOST + 3)
            for first in range(0, len(events), size):
                await come(archive, events[first : first + size])
            found.append([*(await archive.messages(limit=100)).items])
    assert found[0] == found[1]


async def test_a_flood_takes_no_more_of_the_disk_than_the_bound(tmp_path: Path) -> None:
    folder = path_of(tmp_path, "flooded")
    async with recorded_archive(folder, Recording()) as archive:
        await come(archive, flood(20 * MOST))
    size = sum(one.stat().st_size for one in folder.path.iterdir() if one.is_file())
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT sum(length(text)) FROM messages").fetchone()[0] < LENGTH * MOST * 2
    assert size < 20 * MOST * LENGTH


async def test_of_large_events_that_cannot_be_decoded_no_more_is_kept_than_the_bound(
    archive: Archive, folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floods, "MOST_UNDECODED", 100_000)
    events = [Raw(EventCode.MESSAGE, b"\xff" * 40_000) for _ in range(4)]
    small = Raw(EventCode.MESSAGE, b"\xff" * 400)
    await come(archive, [*events, small])
    with closing(sqlite3.connect(folder.archive_db)) as db:
        kept = db.execute(
            "SELECT length(payload), error LIKE '%not kept: 40000 bytes' FROM undecoded"
        ).fetchall()
    assert kept == [(40_000, 0), (40_000, 0), (0, 1), (0, 1), (400, 0)]
    assert (await archive.statistics()).undecoded == 5
    assert await archive.redecode() == 0
    assert (await archive.statistics()).undecoded == 5
