"""Warm copies: a node keeps the archives of accounts that others lead, without an epoch of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from threading import Event
from typing import NoReturn

import anyio
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, NOW
from tests.archive.recorded import path_of
from tests.archive.replaying import digests
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.fleet.led import ACCOUNT, LedAccount, patient
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import NotDurable, Reader
from whatsapp_fleet.node import Following, following
from whatsapp_mcp.archive import Archive, LogStorage, open_archive, recording
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Fenced, Snapshot, Unavailable

pytestmark = pytest.mark.anyio

LIMIT = 60


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        yield account


@pytest.fixture
def reader(led: LedAccount) -> Iterator[Reader]:
    with Reader(led.database) as opened:
        yield opened


@asynccontextmanager
async def leading(led: LedAccount, tmp_path: Path, machine: str = "leader") -> AsyncGenerator[Archive]:
    """The archive as the present leader has it."""
    async with led.log() as log, led.snapshots() as snapshots:
        with closing(led.journal()) as journal:
            storage = LogStorage(log, journal, snapshots)
            folder = path_of(tmp_path, machine)
            async with open_archive(folder, write=True, now=lambda: NOW, storage=storage) as archive:
                yield archive


async def receive(led: LedAccount, archive: Archive, *messages: ev.Raw) -> None:
    """Commit events to the journal, as the client does, and archive them."""
    with closing(led.journal()) as client:
        for one in messages:
            client.append(1, int(one.code), one.payload)
        await archive.ingest(client.read(await archive.position(), len(messages)))


@asynccontextmanager
async def copying(reader: Reader, tmp_path: Path) -> AsyncGenerator[Following]:
    """A node that follows the account."""
    with anyio.fail_after(LIMIT):
        async with following(reader, lambda _: path_of(tmp_path, "copy")) as copies:
            copies.begin(ACCOUNT)
            yield copies


@contextmanager
def cut_off(
    led: LedAccount, postgres: PostgresServer, patience: float = LIMIT
) -> Iterator[tuple[Reader, FaultProxy]]:
    """A reader whose way to the database may be cut."""
    with fault_proxy(postgres.port) as proxy:
        url = led.database.url.replace(f":{postgres.port}/", f":{proxy.port}/")
        with Reader(patient(url, patience)) as reader:
            yield reader, proxy


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(LIMIT):
        while not holds():  # noqa: ASYNC110  other processes and threads tell of nothing
            await anyio.sleep(0.01)


def stands_at(tmp_path: Path) -> int:
    """The last operation in the copy; 0 where there is none."""
    path = path_of(tmp_path, "copy").archive_db
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as db:
        try:
            row = db.execute("SELECT value FROM meta WHERE key = 'operation'").fetchone()
        except sqlite3.OperationalError:  # it is being made
            return 0
    return int(row[0]) if row else 0


async def catches_up(led: LedAccount, tmp_path: Path) -> None:
    """Return once the copy has what the log has."""
    async with led.log() as log:
        last = await log.last()
    await until(lambda: stands_at(tmp_path) == last)


async def test_a_copy_follows_its_leader_and_is_the_same_archive(
    led: LedAccount, reader: Reader, tmp_path: Path
) -> None:
    async with copying(reader, tmp_path) as copies, leading(led, tmp_path) as archive:
        for number in range(3):
            await receive(led, archive, ev.message(f"A{number}", f"hi {number}"))
            await catches_up(led, tmp_path)
        await copies.end(ACCOUNT)
    assert digests(path_of(tmp_path, "copy")) == digests(path_of(tmp_path, "leader"))


async def test_a_copy_that_begins_late_takes_the_snapshot_and_the_rest_of_the_log(
    led: LedAccount, reader: Reader, tmp_path: Path
) -> None:
    async with leading(led, tmp_path) as archive:
        await receive(led, archive, ev.message("A1", "in the snapshot"))
        await archive.snapshot()
        await archive.snapshot()
        await receive(led, archive, ev.message("A2", "in the log"))
        [[first]] = led.session.execute("SELECT min(seq) FROM whatsapp_mcp.log").fetchall()
        assert first > 1
        async with copying(reader, tmp_path) as copies:
            await catches_up(led, tmp_path)
            await copies.end(ACCOUNT)
    assert digests(path_of(tmp_path, "copy")) == digests(path_of(tmp_path, "leader"))


async def test_a_copy_that_fell_behind_what_the_log_still_has_is_made_again(
    led: LedAccount, postgres: PostgresServer, tmp_path: Path
) -> None:
    with cut_off(led, postgres) as (reader, proxy):
        async with leading(led, tmp_path) as archive, copying(reader, tmp_path) as copies:
            await receive(led, archive, ev.message("A1", "hi"))
            await catches_up(led, tmp_path)
            proxy.hold()
            await receive(led, archive, ev.message("A2", "missed"))
            await archive.snapshot()
            await receive(led, archive, ev.message("A3", "missed, too"))
            await archive.snapshot()
            await receive(led, archive, ev.message("A4", "later"))
            proxy.release()
            await catches_up(led, tmp_path)
            await copies.end(ACCOUNT)
    assert digests(path_of(tmp_path, "copy")) == digests(path_of(tmp_path, "leader"))


async def test_a_copy_that_a_failover_left_ahead_is_made_again(
    led: LedAccount, reader: Reader, tmp_path: Path
) -> None:
    async with copying(reader, tmp_path) as copies:
        async with leading(led, tmp_path) as archive:
            await archive.write(recording.meta_set, "key", "lost")
            await catches_up(led, tmp_path)
        led.session.execute("DELETE FROM whatsapp_mcp.log")
        led.session.execute("UPDATE whatsapp_mcp.heads SET seq = 0 WHERE stream = 'log'")
        led.take_over()
        async with leading(led, tmp_path, "other") as archive:
            await archive.write(recording.meta_set, "key", "kept")
            await archive.write(recording.meta_set, "key", "kept, too")
            await catches_up(led, tmp_path)
        await copies.end(ACCOUNT)
    assert digests(path_of(tmp_path, "copy")) == digests(path_of(tmp_path, "other"))


async def test_a_copy_goes_on_after_its_database_was_away(
    led: LedAccount, postgres: PostgresServer, tmp_path: Path
) -> None:
    with cut_off(led, postgres, patience=0.3) as (reader, proxy):
        async with copying(reader, tmp_path) as copies, leading(led, tmp_path) as archive:
            await archive.write(recording.meta_set, "key", "before")
            await catches_up(led, tmp_path)
            proxy.hold()
            with pytest.raises(Unavailable):
                await copies.look()
            await archive.write(recording.meta_set, "key", "after")
            proxy.release()
            await catches_up(led, tmp_path)
            await copies.end(ACCOUNT)


async def test_a_leader_takes_a_copy_as_its_archive(led: LedAccount, reader: Reader, tmp_path: Path) -> None:
    async with copying(reader, tmp_path) as copies:
        async with leading(led, tmp_path) as archive:
            await receive(led, archive, ev.message("A1", "hi"))
            await catches_up(led, tmp_path)
            await receive(led, archive, ev.message("A2", "the last moment"))
        await copies.end(ACCOUNT)
        assert not copies.accounts
        led.take_over()
        async with leading(led, tmp_path, "copy") as archive:
            assert (await archive.message("A2")).text == "the last moment"
            await receive(led, archive, ev.message("A3", "next"))


async def test_a_copy_says_as_of_when_it_is(led: LedAccount, reader: Reader, tmp_path: Path) -> None:
    async with copying(reader, tmp_path) as copies, leading(led, tmp_path) as archive:
        await archive.write(recording.meta_set, "key", "value")
        await until(lambda: copies.as_of(ACCOUNT) is not None)
        first = copies.as_of(ACCOUNT)
        assert first is not None
        await until(lambda: (copies.as_of(ACCOUNT) or 0) > first)
        assert copies.as_of("another") is None


async def test_a_copy_of_the_whole_log_lacks_what_has_come_since_a_leader_was_last_seen(
    led: LedAccount, reader: Reader, tmp_path: Path
) -> None:
    async with leading(led, tmp_path) as archive:
        await archive.write(recording.meta_set, "key", "value")
        async with copying(reader, tmp_path) as copies:
            await until(lambda: copies.written_at(ACCOUNT) == NOW)
            assert copies.whole_at(ACCOUNT) is None
            led.session.execute("UPDATE whatsapp_mcp.runs SET counter = counter + 1")
            await until(lambda: copies.whole_at(ACCOUNT) is not None)
            whole, looked = copies.whole_at(ACCOUNT), copies.as_of(ACCOUNT) or 0.0
            await archive.write(recording.meta_set, "key", "another value")
            await until(lambda: (copies.as_of(ACCOUNT) or 0.0) > looked)
            assert copies.whole_at(ACCOUNT) == whole
            led.take_over()
            await until(lambda: (copies.whole_at(ACCOUNT) or 0.0) > looked)


async def test_what_was_purged_is_in_no_copy(led: LedAccount, reader: Reader, tmp_path: Path) -> None:
    async with copying(reader, tmp_path) as copies, leading(led, tmp_path) as archive:
        await receive(led, archive, ev.message("A1", "aardvark"))
        await catches_up(led, tmp_path)
        await archive.purge(chat=ANA)
        await receive(led, archive, ev.message("A2", "later"))
        await catches_up(led, tmp_path)
        await copies.end(ACCOUNT)
    files = [path for path in path_of(tmp_path, "copy").path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"aardvark" in path.read_bytes()]


async def test_who_follows_writes_nothing(reader: Reader, tmp_path: Path) -> None:
    log, journal, snapshots = reader.log(ACCOUNT), reader.journal(ACCOUNT), reader.snapshots(ACCOUNT)
    with pytest.raises(Fenced):
        await log.append([b"body"])
    with pytest.raises(Fenced):
        await log.prune(1)
    with pytest.raises(Fenced):
        journal.prune(1)
    with pytest.raises(Fenced):
        await snapshots.point_to(Snapshot(1, "", 0))


async def test_a_database_that_may_not_be_used_for_a_while_ends_no_copy(
    led: LedAccount, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Event()

    def refused(accounts: object) -> NoReturn:
        looks.set()
        raise NotDurable(("`synchronous_standby_names` is empty",))

    async with copying(reader, tmp_path) as copies, leading(led, tmp_path) as archive:
        await catches_up(led, tmp_path)
        with monkeypatch.context() as while_refused:
            while_refused.setattr(reader, "log_heads", refused)
            await until(looks.is_set)
            await receive(led, archive, ev.message("A1", "hi"))
        await catches_up(led, tmp_path)
        assert copies.accounts == {ACCOUNT}


async def test_a_defect_that_one_copy_meets_ends_nothing_else(
    led: LedAccount, reader: Reader, tmp_path: Path
) -> None:
    defects = [LookupError("a defect")]

    def folder_of(account: str) -> AccountFolder:
        if defects:
            raise defects.pop()
        return path_of(tmp_path, "copy")

    with anyio.fail_after(LIMIT):
        async with following(reader, folder_of) as copies, leading(led, tmp_path) as archive:
            copies.begin(ACCOUNT)
            await receive(led, archive, ev.message("A1", "hi"))
            await catches_up(led, tmp_path)
    assert not defects
