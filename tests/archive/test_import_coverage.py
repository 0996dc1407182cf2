"""What a chat's coverage and the notes of its lists say of imports."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOON, NOW, journal
from whatsapp_mcp.archive import Archive, exchange, open_archive
from whatsapp_mcp.models import (
    ForeignMessage,
    ForeignPage,
    Gap,
    ImportSource,
    ImportState,
    MessageFilter,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

DAY = 86_400


async def backup(
    archive: Archive,
    messages: Sequence[tuple[str, str, int]],
    *,
    source: ImportSource = ImportSource.ANDROID,
    chat: str | None = None,
    ending: ImportState = ImportState.DONE,
) -> int:
    """Import (id, chat, time) of each message; answers the number of the import."""
    said = (ForeignMessage(wa_id, where, where, at, text=wa_id) for wa_id, where, at in messages)
    begun = await archive.write(exchange.import_begun, source, "msgstore.db", repr(messages).encode(), chat)
    await archive.import_page(begun.number, ForeignPage(tuple(said)))
    await archive.write(exchange.import_ended, begun.number, ending)
    return begun.number


async def live(archive: Archive, *times: int, after: int = 0) -> None:
    """Messages of Ana's that come over the connection."""
    await archive.ingest(journal([ev.message(f"L{at}", at=at) for at in times], after=after))


def stretch(gap: Gap) -> tuple[float, float | None]:
    return gap.since.timestamp(), gap.until and gap.until.timestamp()


async def test_coverage_tells_what_came_from_which_import_and_what_by_connection(
    archive: Archive,
) -> None:
    await live(archive, NOON, NOON + 50)
    number = await backup(archive, [("A1", ANA, NOON - 9 * DAY), ("A2", ANA, NOON - 8 * DAY)])
    await backup(archive, [("B1", BOB, NOON - DAY)])
    known = await archive.coverage(ANA)
    (span,) = known.imports
    assert (span.number, span.source, span.file) == (number, ImportSource.ANDROID, "msgstore.db")
    assert (span.first.timestamp(), span.last.timestamp()) == (NOON - 9 * DAY, NOON - 8 * DAY)
    assert span.messages == 2
    assert [at and at.timestamp() for at in (known.came_first, known.came_last)] == [NOON, NOON + 50]


async def test_without_imports_all_came_over_the_connection(archive: Archive) -> None:
    await live(archive, NOON, NOON + 50)
    known = await archive.coverage(ANA)
    assert known.imports == ()
    assert (known.came_first, known.came_last) == (known.first, known.last)


async def test_a_backup_is_complete_up_to_its_newest_message_of_any_chat(archive: Archive) -> None:
    await live(archive, NOON)
    number = await backup(archive, [("A1", ANA, NOON - 9 * DAY), ("B1", BOB, NOON - 3 * DAY)])
    (gap,) = (await archive.coverage(ANA)).gaps
    assert stretch(gap) == (NOON - 3 * DAY, NOON)
    assert gap.reason == (
        f"between the end of import {number} (Android) and the beginning of what WhatsApp handed over"
    )


async def test_there_is_no_gap_where_the_connection_begins_before_the_backup_ends(archive: Archive) -> None:
    await live(archive, NOON - 4 * DAY, NOON)
    await backup(archive, [("A1", ANA, NOON - 9 * DAY), ("B1", BOB, NOON - 3 * DAY)])
    assert (await archive.coverage(ANA)).gaps == ()


async def test_there_is_no_gap_after_the_backup_while_nothing_came_by_connection(
    archive: Archive,
) -> None:
    await backup(archive, [("A1", ANA, NOON - 9 * DAY)])
    known = await archive.coverage(ANA)
    assert (known.gaps, known.came_first, known.came_last) == ((), None, None)


@pytest.mark.parametrize(
    ("chat", "ending"), [(ANA, ImportState.DONE), (None, ImportState.CANCELLED), (None, ImportState.RUNNING)]
)
async def test_an_exported_chat_or_a_part_of_a_backup_is_complete_up_to_its_last_message_there(
    archive: Archive, chat: str | None, ending: ImportState
) -> None:
    await live(archive, NOON)
    await backup(
        archive, [("A1", ANA, NOON - 9 * DAY), ("B1", BOB, NOON - 3 * DAY)], chat=chat, ending=ending
    )
    (gap,) = (await archive.coverage(ANA)).gaps
    assert stretch(gap) == (NOON - 9 * DAY, NOON)


async def test_an_import_that_begins_where_another_ends_fills_the_gap(archive: Archive) -> None:
    await live(archive, NOON)
    await backup(archive, [("A1", ANA, NOON - 9 * DAY)])
    assert len((await archive.coverage(ANA)).gaps) == 1
    await backup(archive, [("A1", ANA, NOON - 9 * DAY), ("A2", ANA, NOON)], source=ImportSource.WACLI)
    assert (await archive.coverage(ANA)).gaps == ()


async def test_an_undone_import_leaves_no_coverage_and_no_gap(archive: Archive) -> None:
    await live(archive, NOON)
    number = await backup(archive, [("A1", ANA, NOON - 9 * DAY)])
    while await archive.write(exchange.import_undone, number):
        pass
    known = await archive.coverage(ANA)
    assert (known.imports, known.gaps, known.first) == ((), (), known.came_first)


async def test_the_gap_is_told_once_while_a_chat_is_paged_through(archive: Archive) -> None:
    await live(archive, NOON, NOON + 1, NOON + 2)
    number = await backup(archive, [(f"A{day}", ANA, NOON - day * DAY) for day in range(5, 10)])
    told: list[tuple[str, ...]] = []
    cursor: str | None = None
    while True:
        page = await archive.messages(MessageFilter(chat=ANA), limit=2, cursor=cursor)
        told.append(page.notes)
        if (cursor := page.next_cursor) is None:
            break
    missing = (
        "Messages may be missing from 2023-11-09 22:13 to 2023-11-14 22:13 UTC: between the end of "
        f"import {number} (Android) and the beginning of what WhatsApp handed over."
    )
    here = "Imported messages here: {} from import 1 (Android)."
    begins = "The archive of this chat begins here; an import of an older backup may add more."
    assert told == [(), (missing, here.format(1)), (here.format(2),), (here.format(2), begins)]


async def test_the_context_of_a_message_tells_of_the_gap_beside_it(archive: Archive) -> None:
    await live(archive, NOON)
    await backup(archive, [("A1", ANA, NOON - DAY), ("A0", ANA, NOON - 2 * DAY)])
    told = (await archive.context("A1")).notes
    assert [note.split(":")[0] for note in told] == [
        "Messages may be missing from 2023-11-13 22", "Imported messages here",
    ]  # fmt: skip
    assert len((await archive.context("A0", after=0)).notes) == 1


async def test_a_list_of_all_chats_tells_which_imports_its_messages_are_from(archive: Archive) -> None:
    for at in range(5):
        await backup(archive, [(f"A{at}", ANA, NOON + at), (f"B{at}", BOB, NOON + at)])
    (told,) = (await archive.messages(MessageFilter())).notes
    assert told == (
        "Imported messages here: 2 from import 1 (Android), 2 from import 2 (Android), "
        "2 from import 3 (Android), others from 2 more imports."
    )


async def test_a_message_of_several_imports_is_from_the_first_of_them(archive: Archive) -> None:
    first = await backup(archive, [("A1", ANA, NOON)])
    await backup(archive, [("A1", ANA, NOON), ("A2", ANA, NOON + 1)])
    (told, *_) = (await archive.messages(MessageFilter(chat=ANA))).notes
    assert f": 1 from import {first} (Android), 1 from import 2 (Android)." in told


HOURS = st.lists(st.integers(0, 12), max_size=5, unique=True)


@given(came=HOURS, files=st.lists(HOURS.filter(bool), max_size=3))
def test_a_stretch_is_a_gap_if_and_only_if_nothing_covers_it(came: list[int], files: list[list[int]]) -> None:
    anyio.run(_compare, came, files)


async def _compare(came: list[int], files: list[list[int]]) -> None:
    def hour(number: int) -> int:
        return NOON + number * 3600

    with tempfile.TemporaryDirectory() as path:
        folder = AccountFolder("default", Path(path) / "accounts" / "default")
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            await archive.ingest(journal([ev.message(f"M{at}", at=hour(at)) for at in came]))
            for hours in files:
                await backup(archive, [(f"M{at}", ANA, hour(at)) for at in hours])
            found = [stretch(gap) for gap in (await archive.coverage(ANA)).gaps] if came or files else []
    # Of each half hour: is it within an import, or after the first message that came?
    spans = [(min(hours), max(hours)) for hours in files] + ([(min(came), 13)] if came else [])
    begins, ends = min((a for a, _ in spans), default=0), max((b for _, b in spans), default=0)
    for half in range(begins, ends):
        covered = any(first <= half and half + 1 <= last for first, last in spans)
        within = any(since <= hour(half) and (until or 0) >= hour(half + 1) for since, until in found)
        assert within != covered, (half, found)
    assert all(begin >= hour(begins) and end is not None and end <= hour(ends) for begin, end in found)
    assert found == sorted(found)
