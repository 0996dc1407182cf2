"""A damaged archive: what can be read of it goes into a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest

from tests.archive import events as ev
from tests.archive.events import NOW, journal
from whatsapp_mcp.archive import care, open_archive
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

PAGE = 4096
COUNT = 400


async def fill(folder: AccountFolder) -> None:
    """Messages on many pages, in one file without a log."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(
            journal([ev.message(f"A{number}", f"word{number} " * 40) for number in range(COUNT)])
        )
        await archive.optimize()


def pages_of(path: Path, table: str) -> list[int]:
    """The pages of a table, from the root down, numbered from 1."""
    with closing(sqlite3.connect(path)) as db:
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    content = path.read_bytes()
    found, left = list[int](), [int(root)]
    while left:
        page = left.pop(0)
        found.append(page)
        start = (page - 1) * PAGE
        if content[start] == 5:  # an interior page of a table: two bytes for each cell, a child in each cell
            cells = int.from_bytes(content[start + 3 : start + 5])
            pointers = [start + 12 + 2 * number for number in range(cells)]
            places = [start + int.from_bytes(content[at : at + 2]) for at in pointers]
            left += [int.from_bytes(content[at : at + 4]) for at in places]
            left.append(int.from_bytes(content[start + 8 : start + 12]))
    return found


def overwrite(path: Path, *pages: int) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(b"\xa5" * PAGE)


async def recovered(folder: AccountFolder) -> care.Recovery:
    found = await anyio.to_thread.run_sync(care.recover, folder)
    assert found is not None
    return found


async def test_only_the_rows_of_damaged_pages_are_lost_and_the_rest_is_found_by_its_words(
    folder: AccountFolder,
):
    await fill(folder)
    leaves = pages_of(folder.archive_db, "messages")[1:]
    overwrite(folder.archive_db, leaves[2], leaves[9])
    assert care.check_file(folder)

    result = await recovered(folder)

    assert not result.is_whole
    assert COUNT - 40 <= result.messages < COUNT
    assert care.check_file(folder) == ()
    assert folder.archive_db.with_name("archive.db.damaged").exists()
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        assert await archive.message(f"A{COUNT - 1}")
        found = await archive.search(f"word{COUNT - 1}")
        assert found.items
        await archive.ingest(journal([ev.message("B", "after")], after=COUNT))
        later = await archive.message("B")
    assert later.ref > COUNT


@pytest.mark.parametrize("table", ["chats", "contacts", "messages", "meta"])
async def test_whatever_table_is_damaged_a_recovered_archive_is_intact(folder: AccountFolder, table: str):
    await fill(folder)
    overwrite(folder.archive_db, pages_of(folder.archive_db, table)[0])

    result = await recovered(folder)

    assert not result.is_whole
    assert care.check_file(folder) == ()


def text_in_its_place(path: Path) -> None:
    path.write_text("this is no database " * 1000)


def half_of_it(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // PAGE * PAGE)


def first_page(path: Path) -> None:
    overwrite(path, 1)


@pytest.mark.parametrize("damage", [text_in_its_place, half_of_it, first_page])
async def test_of_a_file_in_any_state_an_archive_is_made_that_can_be_written(
    folder: AccountFolder, damage: Callable[[Path], None]
):
    await fill(folder)
    damage(folder.archive_db)

    await recovered(folder)

    assert care.check_file(folder) == ()
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("B", "after")], after=COUNT))
        assert (await archive.message("B")).text == "after"


async def test_a_recovery_that_was_killed_between_its_renames_is_completed(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
):
    await fill(folder)
    overwrite(folder.archive_db, pages_of(folder.archive_db, "messages")[3])
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if path.name.endswith(".copy"):
            raise KeyboardInterrupt
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        await recovered(folder)
    monkeypatch.undo()
    assert not folder.archive_db.exists()

    result = await recovered(folder)

    assert result.messages > COUNT // 2
    assert care.check_file(folder) == ()


async def test_what_is_not_damaged_stays_as_it_is(folder: AccountFolder):
    await fill(folder)
    before = folder.archive_db.read_bytes()

    assert await anyio.to_thread.run_sync(care.recover, folder) is None

    assert folder.archive_db.read_bytes() == before


async def test_of_a_damaged_raw_file_the_readable_rows_are_kept(folder: AccountFolder):
    await fill(folder)
    overwrite(folder.raw_db, pages_of(folder.raw_db, "raw")[4])

    result = await recovered(folder)

    assert (result.is_whole, result.messages) == (False, COUNT)
    with closing(sqlite3.connect(folder.raw_db)) as db:
        assert COUNT - 40 <= db.execute("SELECT count(*) FROM raw").fetchone()[0] < COUNT
