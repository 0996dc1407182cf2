"""Add-ons whose message is not here: how many of a sender wait and how long, and that the rest is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, Raw, journal
from tests.archive.recorded import Recording, path_of, recorded_archive
from tests.archive.replaying import contents, replay
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.archive.write import addon_writer
from whatsapp_mcp.models import MessageFilter
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

MOST = 5
DAY = 86_400


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few small add-ons be all that may wait."""
    monkeypatch.setattr(addon_writer, "MOST", MOST * 700)


def sealed(number: int, size: int = 40) -> Raw:
    body = E2E.Message()
    one = body.encReactionMessage
    one.targetMessageKey.ID, one.encPayload, one.encIV = f"T{number}", b"x" * size, b"i" * 12
    return ev.message(f"S{number}", body, at=NOON + number)


def reactions(count: int, name: str = "T", **where: str) -> list[Raw]:
    return [ev.reaction(f"{name}{n}", "👍", at=NOON + n, **where) for n in range(count)]


async def come(archive: Archive, events: Iterable[Raw]) -> None:
    await archive.ingest(journal(events, after=await archive.position()))


def waiting(folder: AccountFolder, table: str) -> list[str]:
    """The messages that something waits for, by when it came."""
    with closing(sqlite3.connect(folder.archive_db)) as db:
        return [row[0] for row in db.execute(f"SELECT wa_id FROM {table} ORDER BY at")]


FLOODS = {
    "sealed": [sealed(n) for n in range(2 * MOST)],
    "reactions": reactions(2 * MOST),
    "edits": [ev.edit(f"T{n}", "new text", at=NOON + n) for n in range(2 * MOST)],
    "revokes": [ev.revoke(f"T{n}", at=NOON + n) for n in range(2 * MOST)],
    "early_receipts": [ev.receipt(f"T{n}", at=NOON + n) for n in range(2 * MOST)],
}


@pytest.mark.parametrize("table", FLOODS)
async def test_of_too_many_the_oldest_go_and_are_counted(
    archive: Archive, folder: AccountFolder, table: str
) -> None:
    await come(archive, FLOODS[table])
    left = waiting(folder, table)
    assert left == [f"T{n}" for n in range(2 * MOST - len(left), 2 * MOST)]
    assert MOST <= len(left) < 2 * MOST
    assert (await archive.statistics()).addons_dropped == 2 * MOST - len(left)
    assert await archive.addons_dropped() == 2 * MOST - len(left)
    assert await archive.check() == ()


async def test_receipts_that_name_many_messages_at_once_are_bounded_too(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, [ev.receipt(*(f"T{n}" for n in range(1_000)))])
    assert len(waiting(folder, "early_receipts")) <= 2 * MOST
    assert await archive.addons_dropped() >= 1_000 - 2 * MOST


async def test_one_that_is_larger_than_all_that_may_wait_is_not_kept_and_counted(
    archive: Archive, folder: AccountFolder
) -> None:
    await come(archive, [sealed(1, MOST * 700)])
    assert waiting(folder, "sealed") == []
    assert await archive.addons_dropped() == 1


async def test_revokes_in_the_name_of_made_up_people_count_together(
    archive: Archive, folder: AccountFolder
) -> None:
    people = [f"1555000{n:04}@s.whatsapp.net" for n in range(4 * MOST)]
    await come(archive, [ev.revoke(f"T{n}", of=who, chat=GROUP, sender=ANA) for n, who in enumerate(people)])
    assert len(waiting(folder, "revokes")) < 2 * MOST


async def test_those_of_others_and_of_the_owner_stay(archive: Archive, folder: AccountFolder) -> None:
    bob, mine = reactions(2, "B", chat=BOB), reactions(3 * MOST, "M", sender="")
    own = [ev.reaction(f"O{n}", "👍", at=NOON + n, chat=ANA, sender=None) for n in range(3 * MOST)]
    await come(archive, [*bob, *mine, *own])
    left = waiting(folder, "reactions")
    assert {"B0", "B1", *(f"O{n}" for n in range(3 * MOST))} <= {*left}


async def test_those_of_messages_that_are_here_are_neither_counted_nor_lost(archive: Archive) -> None:
    members = [f"1556000{n:04}@s.whatsapp.net" for n in range(4 * MOST)]
    said = [ev.message(f"T{n}", f"text {n}", chat=GROUP, sender=BOB, at=NOON + n) for n in range(4 * MOST)]
    told = [ev.reaction(f"T{n}", "👍", chat=GROUP, sender=ANA) for n in range(4 * MOST)]
    many = [ev.reaction("T0", "👍", chat=GROUP, sender=who) for who in members]
    await come(archive, [*said, *told, *many])
    page = await archive.messages(MessageFilter(chat=GROUP), limit=100)
    assert [len(one.reactions) for one in page.items] == [1] * (4 * MOST - 1) + [4 * MOST + 1]
    assert await archive.addons_dropped() == 0


async def test_one_that_met_its_message_stays_when_others_take_its_turn(archive: Archive) -> None:
    await come(archive, [*reactions(2), ev.message("T0", "here"), ev.message("T1", "here", at=NOON + 1)])
    await come(archive, reactions(3 * MOST, "U"))
    page = await archive.messages(MessageFilter(chat=ANA))
    assert [[each.emoji for each in one.reactions] for one in page.items] == [["👍"], ["👍"]]


async def test_what_has_waited_for_more_than_a_year_goes(archive: Archive, folder: AccountFolder) -> None:
    long_ago = replace(ev.reaction("T0", "👍"), received_at=NOON - 400 * DAY)
    await come(archive, [long_ago, ev.reaction("T1", "👍")])
    assert waiting(folder, "reactions") == ["T0", "T1"]
    await come(archive, [ev.message(f"M{n}", at=NOON + n) for n in range(600)])
    assert waiting(folder, "reactions") == ["T1"]
    assert await archive.addons_dropped() == 1


async def test_a_purge_leaves_nothing_of_what_waited(archive: Archive, folder: AccountFolder) -> None:
    await come(archive, [*reactions(2), sealed(7), ev.message("A1", "hi")])
    await archive.purge()
    with closing(sqlite3.connect(folder.archive_db)) as db:
        assert db.execute("SELECT count(*) FROM waiting_addons").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM intake").fetchone() == (0,)


async def test_the_log_of_a_flood_gives_the_same_archive(tmp_path: Path) -> None:
    there, here, recorder = path_of(tmp_path, "there"), path_of(tmp_path, "here"), Recording()
    async with recorded_archive(there, recorder) as archive:
        for events in FLOODS.values():
            for one in events:
                await come(archive, [one])
            await come(archive, [ev.message("T9", "here after all", at=NOON + 9)])
    await replay(here, recorder.lines)
    assert contents(here) == contents(there)
