"""Imports beside live messages, killed at any moment, and on a disk that forgets what was not synced."""

from __future__ import annotations

import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.dump import differences, dump
from tests.archive.events import ANA, NOON, NOW, journal
from tests.archive.power import ForgetfulDisk
from tests.archive.recorded import Recording
from whatsapp_mcp.archive import Archive, WriteOperation, exchange, open_archive
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource, ImportState
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

PAGE = 300


def page_at(position: int, pages: int) -> ForeignPage:
    """A page of a backup of so many: its messages are named by their places."""
    messages = [
        ForeignMessage(f"F{place}", ANA, ANA if place % 3 else None, NOON + place // 2, text=f"word {place}")
        for place in range(position, position + PAGE)
    ]
    following = position + PAGE
    return ForeignPage(tuple(messages), following=following if following < PAGE * pages else None)


async def import_all(archive: Archive, pages: int) -> None:
    """Import the backup, from where it was."""
    begun = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")
    position: int | None = begun.position or 0
    while position is not None:
        page = page_at(position, pages)
        await archive.import_page(begun.number, page)
        position = page.following
    await archive.write(exchange.import_ended, begun.number, ImportState.DONE)


async def test_whoever_waits_to_write_writes_after_the_slice_that_is_being_applied(
    folder: AccountFolder,
) -> None:
    recorder = Recording()
    async with (
        open_archive(folder, write=True, now=lambda: NOW, recorder=recorder) as archive,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(import_all, archive, 1)
        while not recorder.lines:  # it is begun; its page is next
            await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        await archive.ingest(journal([ev.message("LIVE")]))
    names = [WriteOperation.from_json(line).name for line in recorder.lines]
    assert names.count("import_page") == PAGE // 30
    assert names.index("ingest") <= names.index("import_page") + 1
    assert recorder.numbers == [*range(1, len(names) + 1)]


KILLED = """
import os, sys, anyio
from pathlib import Path
from tests.archive.test_import_turns import import_all
from tests.archive.events import NOW
from whatsapp_mcp.archive import open_archive, operations
from whatsapp_mcp.settings import AccountFolder

left = int(sys.argv[2])
apply = operations.OPERATIONS["import_page"]

def import_page(*args, **values):
    global left
    left -= 1
    found = apply(*args, **values)
    if left < 0:
        os._exit(9)
    return found

operations.OPERATIONS["import_page"] = import_page

async def main():
    folder = AccountFolder("default", Path(sys.argv[1]))
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await import_all(archive, 3)

anyio.run(main)
"""


async def test_an_import_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    killed = AccountFolder("default", tmp_path / "killed" / "accounts" / "default")
    codes: list[int] = []
    while not codes or codes[-1] == 9:
        command = [sys.executable, "-c", KILLED, str(killed.path), str(7 + 4 * len(codes))]
        done = await anyio.run_process(command, check=False, cwd=Path(__file__).parents[2])
        codes.append(done.returncode)
    assert codes[-1] == 0
    assert len(codes) > 2
    whole = AccountFolder("default", tmp_path / "whole" / "accounts" / "default")
    async with open_archive(whole, write=True, now=lambda: NOW) as archive:
        await import_all(archive, 3)
        (record,) = await archive.imports()
    assert differences(dump(killed.archive_db), dump(whole.archive_db)) == {}
    async with open_archive(killed, write=True, now=lambda: NOW) as archive:
        assert await archive.imports() == (record,)
        assert (record.report.new, record.report.known) == (3 * PAGE, 0)
        while await archive.write(exchange.import_undone, record.number):
            pass
        assert (await archive.chats()).items == ()


@pytest.mark.parametrize("seed", range(4))
async def test_after_a_power_failure_an_import_goes_on_from_what_is_there(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder = AccountFolder("default", tmp_path / "home" / "accounts" / "default")
    with ForgetfulDisk() as disk:
        async with open_archive(folder, write=True, now=lambda: NOW) as archive:
            begun = await archive.write(exchange.import_begun, ImportSource.ANDROID, "msgstore.db", b"x")
            seen = place = 0
            for turn in range(12):
                if rng.random() < 0.5:
                    await archive.import_page(begun.number, page_at(place, 100))
                    place += PAGE
                else:
                    seen = (await archive.ingest(journal([ev.message(f"K{seen}")], after=seen))).position
                copy = tmp_path / f"after-{turn}"
                disk.crash(folder.path, copy, rng)
                _check(copy / "archive.db", seen, place)


def _check(path: Path, live: int, place: int) -> None:
    """What came over the connection is there, and of the import what its position says."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {row[0] for row in db.execute("SELECT wa_id FROM messages")}
        (position,) = db.execute("SELECT position FROM imports").fetchone()
    assert {one for one in stored if one.startswith("K")} == {f"K{n}" for n in range(live)}
    assert (position or 0) <= place
    imported = {one for one in stored if one.startswith("F")}
    assert {f"F{n}" for n in range(position or 0)} <= imported <= {f"F{n}" for n in range(place)}
