"""An archive whose log and journal are in PostgreSQL: one leader after another, on several machines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, NOW
from tests.archive.recorded import path_of
from tests.archive.replaying import digests
from tests.fleet.led import LedAccount
from whatsapp_mcp.archive import Archive, LogStorage, open_archive, outbox
from whatsapp_mcp.archive.care import FolderSnapshots
from whatsapp_mcp.models import SendRequest, TextContent
from whatsapp_mcp.storage import Fenced

pytestmark = pytest.mark.anyio


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        yield account


class Leader:
    """The archive as the present leader has it, and the journal of its client."""

    def __init__(self, archive: Archive, storage: LogStorage, led: LedAccount) -> None:
        self.archive = archive
        self._storage = storage
        self._led = led

    async def receive(self, *messages: ev.Raw) -> None:
        """Commit events to the journal, as the client does, and archive them."""
        await anyio.to_thread.run_sync(self._commit, messages)
        rows = await anyio.to_thread.run_sync(
            self._storage.journal.read, await self.archive.position(), len(messages)
        )
        await self.archive.ingest(rows)

    def _commit(self, messages: tuple[ev.Raw, ...]) -> None:
        with self._led.journal() as client:
            for one in messages:
                client.append(1, int(one.code), one.payload)


@asynccontextmanager
async def leading(led: LedAccount, tmp_path: Path, machine: str) -> AsyncIterator[Leader]:
    """Lead on a machine."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(led.log())
        journal = stack.enter_context(closing(led.journal()))
        storage = LogStorage(log, journal, FolderSnapshots(tmp_path / "snapshots"))
        folder = path_of(tmp_path, machine)
        archive = await stack.enter_async_context(
            open_archive(folder, write=True, now=lambda: NOW, storage=storage)
        )
        yield Leader(archive, storage, led)


async def test_the_next_leader_has_all_that_was_handed_over_and_the_former_writes_nothing_more(
    led: LedAccount, tmp_path: Path
) -> None:
    with anyio.fail_after(120):
        async with leading(led, tmp_path, "one") as former:
            await former.receive(ev.message("A1", "hi"), ev.message("B1", "ho", chat=BOB))
            entry, _ = await former.archive.write(outbox.add, SendRequest(ANA, TextContent("to go out")))
            led.take_over()
            with pytest.raises(Fenced):
                await former.archive.write(outbox.withdrawn, entry.send_id, "Given up.")
            async with leading(led, tmp_path, "two") as leader:
                assert (await leader.archive.message("A1")).text == "hi"
                assert [one.send_id for one in await leader.archive.outbox_unsettled()] == [entry.send_id]
                await leader.receive(ev.message("A2", "later"))
        led.take_over()
        async with leading(led, tmp_path, "one") as again:
            assert (await again.archive.message("A2")).text == "later"
    assert digests(path_of(tmp_path, "one")) == digests(path_of(tmp_path, "two"))


async def test_what_is_purged_is_in_no_table(led: LedAccount, tmp_path: Path) -> None:
    with anyio.fail_after(120):
        async with leading(led, tmp_path, "one") as leader:
            await leader.receive(ev.message("A1", "aardvark"))
            await leader.archive.write(outbox.add, SendRequest(BOB, TextContent("aardvarks")))
            await leader.archive.purge(chat=ANA)
            await leader.archive.purge(chat=BOB)
            await leader.receive(ev.message("B1", "later", chat=BOB))
        led.take_over()
        async with leading(led, tmp_path, "two") as leader:
            assert (await leader.archive.message("B1")).text == "later"
            assert (await leader.archive.statistics()).messages == 1
    for kept in ("SELECT body FROM whatsapp_mcp.log", "SELECT payload FROM whatsapp_mcp.journal"):
        rows = led.session.execute(kept).fetchall()
        assert rows
        assert not [row for row in rows if b"aardvark" in bytes(row[0])]
