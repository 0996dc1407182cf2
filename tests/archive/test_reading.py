"""Where a read runs: at once when it is short, else in a worker thread; always of one moment."""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import NOW, journal
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database.connections import AT_ONCE, Readers, connect_reader, connect_writer
from whatsapp_mcp.errors import DeadlineExceeded
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

LONG = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT count(*) FROM n"


@pytest.fixture
async def readers(folder: AccountFolder) -> AsyncIterator[Readers]:
    """Connections to an archive with one message, one of them open."""
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("A1", "one")]))
    readers = Readers(folder)
    await readers.run(count)
    yield readers
    readers.close()


def count(db: sqlite3.Connection) -> int:
    """How many messages there are."""
    return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])


def counting_to(number: int, threads: list[int]) -> Callable[[sqlite3.Connection], int]:
    """A read that takes the longer the higher it counts, and notes in which thread it runs."""

    def read(db: sqlite3.Connection) -> int:
        threads.append(threading.get_ident())
        return int(db.execute(LONG.format(number)).fetchone()[0])

    return read


async def test_a_short_read_is_answered_without_another_thread(readers: Readers) -> None:
    threads: list[int] = []
    assert await readers.at_once(counting_to(10, threads)) == 10
    assert threads == [threading.get_ident()]


async def test_a_long_read_begins_again_in_a_worker_thread(readers: Readers) -> None:
    threads: list[int] = []
    assert await readers.at_once(counting_to(1_000_000, threads)) == 1_000_000
    here, there = threads
    assert here == threading.get_ident() != there


async def test_a_connection_is_opened_in_a_worker_thread_only(folder: AccountFolder) -> None:
    threads: list[int] = []
    assert await Readers(folder).at_once(counting_to(10, threads)) == 10
    assert threads[0] != threading.get_ident()


async def test_a_read_that_never_ends_is_interrupted(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.archive.database.connections.READ_DEADLINE", 0.01)
    with pytest.raises(DeadlineExceeded):
        await readers.at_once(counting_to(10**12, []))
    assert await readers.at_once(count) == 1


async def test_a_read_sees_one_moment_though_somebody_writes_meanwhile(
    readers: Readers, folder: AccountFolder
) -> None:
    def counts(db: sqlite3.Connection) -> tuple[int, int]:
        before = count(db)
        with connect_writer(folder.archive_db) as writer:
            writer.execute("DELETE FROM messages")
        return before, count(db)

    assert await readers.at_once(counts) == (1, 1)
    assert await readers.at_once(count) == 0


def opened(folder: AccountFolder) -> int:
    """How many handles this process has on the archive's files."""
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    archive = str(folder.archive_db)
    return sum(os.path.realpath(link).startswith(archive) for link in links)


async def _all_at_once(readers: Readers) -> None:
    """As many reads as there may be in worker threads, each waiting for the others."""
    together = threading.Barrier(2)

    def meet(db: sqlite3.Connection) -> int:
        together.wait(timeout=10)
        return count(db)

    async with anyio.create_task_group() as tasks:
        for _ in range(together.parties):
            tasks.start_soon(readers.run, meet)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_reads_that_meet_open_nothing_that_the_first_one_did_not(
    readers: Readers, folder: AccountFolder
) -> None:
    before = opened(folder)
    await _all_at_once(readers)
    assert opened(folder) == before


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_read_that_ends_after_closing_leaves_nothing_open(folder: AccountFolder) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW):
        pass
    readers = Readers(folder)

    def closing_meanwhile(db: sqlite3.Connection) -> int:
        readers.close()
        return count(db)

    assert await readers.run(closing_meanwhile) == 0
    assert opened(folder) == 0


async def test_a_read_that_opens_them_while_they_are_closed_gets_one(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_archive(folder, write=True, now=lambda: NOW):
        pass
    readers = Readers(folder)
    closing = threading.Thread(target=readers.close)

    def open_meanwhile(*arguments: Any) -> tuple[sqlite3.Connection, bool]:
        opened = connect_reader(*arguments)
        if arguments[2] == AT_ONCE:  # the last one
            closing.start()
            closing.join(0.2)  # as far as it comes
        return opened

    monkeypatch.setattr("whatsapp_mcp.archive.database.connections.connect_reader", open_meanwhile)
    assert await readers.run(count) == 0
    closing.join()
    readers.close()


async def test_a_read_that_ran_out_of_time_takes_no_connection_with_it(
    readers: Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.archive.database.connections.AT_ONCE", 0.0)
    for _ in range(4_000):  # by then each connection has met it in the statement that ends its transaction
        assert await readers.at_once(count) == 1


async def test_how_long_a_read_waits_for_a_lock_does_not_depend_on_those_before(readers: Readers) -> None:
    def patience(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA busy_timeout").fetchone()[0])

    for _ in range(2):
        assert await readers.at_once(patience) == 3
        assert await readers.run(patience) == 2000


async def test_a_file_that_is_replaced_is_read_anew(readers: Readers, folder: AccountFolder) -> None:
    assert await readers.at_once(count) == 1
    folder.archive_db.unlink()
    assert await readers.at_once(count) == 0
    async with open_archive(folder, write=True, now=lambda: NOW) as archive:
        await archive.ingest(journal([ev.message("B1", "one"), ev.message("B2", "two")]))
    assert await readers.at_once(count) == 2
    assert await readers.run(count) == 2
