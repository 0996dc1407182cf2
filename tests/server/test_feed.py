"""The change feed in a server process: nothing falls between, whoever is slow."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from datetime import timedelta
from typing import Any, cast

import anyio
import pytest

from tests.server.conftest import BOB, incoming
from tests.server.fakes import NOON, FakeDevice, FakeDevices
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import Activity
from whatsapp_mcp.server import feed as feed_module
from whatsapp_mcp.server.feed import Batch, ChangeFeed, Changing

pytestmark = pytest.mark.anyio
LIMIT = 30


class Reporting(FakeDevice):
    """A leader that reports changes."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self.archive = archive

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        return Activity(await self.archive.wait_change(after, wait))


class Breaking:
    """An archive whose reads fail now and then."""

    def __init__(self, archive: Archive, fails: Sequence[bool]) -> None:
        self._archive = archive
        self._fails = list(fails)

    def __getattr__(self, name: str) -> Any:
        if self._fails and self._fails.pop(0):
            raise sqlite3.OperationalError("disk I/O error")
        return getattr(self._archive, name)


@asynccontextmanager
async def running(
    archive: Archive, device: FakeDevice | None = None, read: object = None
) -> AsyncIterator[ChangeFeed]:
    """A feed of the archive, with a leader that reports changes unless another device is given."""
    feed = ChangeFeed()
    devices = FakeDevices(device or Reporting(archive))
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed.run, devices, cast("Changing", read or archive))
            yield feed
            tasks.cancel_scope.cancel()


async def says(archive: Archive, first: int, count: int = 1) -> None:
    """So many messages of Bob, each a commit of its own."""
    for seq in range(first, first + count):
        await archive.ingest([incoming(seq, BOB, BOB, f"number {seq}", NOON + timedelta(days=1))])


async def ids(feed: ChangeFeed, after: int | None, count: int) -> list[str]:
    """The ids of the next so many changes after a number."""
    found: list[str] = []
    async with aclosing(feed.follow(after)) as batches:
        async for batch in batches:
            found += [change.message_id or "" for change in batch.changes]
            if len(found) >= count:
                break
    return found


def numbered(first: int, count: int) -> list[str]:
    """The ids of messages."""
    return [f"M{seq}" for seq in range(first, first + count)]


@pytest.mark.parametrize("leads", [True, False])
async def test_everything_after_a_number_comes_in_order_while_more_is_written(
    archive: Archive, leads: bool
) -> None:
    start = await archive.last_change()
    await says(archive, 10, 5)
    async with running(archive, None if leads else FakeDevice()) as feed, anyio.create_task_group() as tasks:
        tasks.start_soon(says, archive, 15, 40)
        assert await ids(feed, start, 45) == numbered(10, 45)


async def test_without_a_number_it_begins_with_what_happens_from_now_on(archive: Archive) -> None:
    heard: list[Batch] = []
    async with running(archive) as feed, aclosing(feed.follow()) as batches:

        async def hear() -> None:
            heard.append(await anext(batches))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(hear)
            await anyio.wait_all_tasks_blocked()
            await says(archive, 10)
    assert [change.message_id for change in heard[0].changes] == ["M10"]


async def test_whoever_does_not_read_costs_the_others_nothing_and_misses_nothing(archive: Archive) -> None:
    start = await archive.last_change()
    async with running(archive) as feed, aclosing(feed.follow(start)) as slow:
        await says(archive, 10)
        first = await anext(slow)
        await says(archive, 11, 700)
        assert await ids(feed, start, 701) == numbered(10, 701)
        rest = [await anext(slow), await anext(slow)]
    assert [change.message_id for batch in (first, *rest) for change in batch.changes] == numbered(10, 701)


async def test_it_can_be_followed_before_the_archive_is_open(archive: Archive) -> None:
    feed, found = ChangeFeed(), list[str]()
    start = await archive.last_change()
    await says(archive, 10)

    async def follow() -> None:
        found.extend(await ids(feed, start, 1))
        tasks.cancel_scope.cancel()

    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(feed.run, FakeDevices(Reporting(archive)), archive)
    assert found == ["M10"]


async def test_changes_that_are_no_longer_kept_are_said_to_be_missed_once(archive: Archive) -> None:
    await says(archive, 10, 3)
    with closing(sqlite3.connect(archive.folder.archive_db)) as db:
        db.execute("DELETE FROM events WHERE wa_id IS NOT 'M12'")
        db.commit()
    async with running(archive) as feed, aclosing(feed.follow(0)) as batches:
        first = await anext(batches)
        await says(archive, 13)
        second = await anext(batches)
    assert (first.missed, second.missed) == (True, False)
    told = [change.message_id for batch in (first, second) for change in batch.changes]
    assert told == ["M12", "M13"]


async def test_a_number_of_another_archive_is_said_to_be_missed(archive: Archive) -> None:
    beyond = await archive.last_change() + 1000
    async with running(archive) as feed, aclosing(feed.follow(beyond)) as batches:
        batch = await anext(batches)
    assert batch.missed
    assert batch.seq <= await archive.last_change()


async def test_an_archive_that_cannot_be_read_is_read_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_AGAIN", 0)
    start = await archive.last_change()
    await says(archive, 10, 3)
    async with running(archive, read=Breaking(archive, [True, True, False, True, True])) as feed:
        assert await ids(feed, start, 3) == numbered(10, 3)
