"""The queue of imports: one after the other, followed, cancelled, gone on with and undone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import pytest

from tests.features.imports.importing.import_doubles import Opened, Opens, message, pages
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.features.imports.importing import Importer, Imports
from whatsapp_mcp.features.imports.importing import imports as queue
from whatsapp_mcp.features.imports.importing.work import Job
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest, ImportStep
from whatsapp_mcp.models import ExportMatch, ImportSource, ImportState
from whatsapp_mcp.settings import CurrentSettings, Settings

pytestmark = pytest.mark.anyio


@dataclass
class Held:
    """An importer that does nothing until it is let go; then it fails as it is told."""

    begun: list[ImportRequest] = field(default_factory=list[ImportRequest])
    go: anyio.Event = field(default_factory=anyio.Event)
    fails: Exception | None = None

    async def run(self, request: ImportRequest, job: Job) -> None:
        self.begun.append(request)
        job.tell(lambda now: replace(now, step=ImportStep.MESSAGES, done=5, total=10))
        await self.go.wait()
        if self.fails:
            raise self.fails

    async def match(self, folder: Path) -> tuple[ExportMatch, ...]:
        return (ExportMatch("a.zip"),)


@dataclass
class Stops:
    """Holds an import before its page of this number."""

    at: int
    reached: anyio.Event = field(default_factory=anyio.Event)
    go: anyio.Event = field(default_factory=anyio.Event)

    async def before(self, number: int) -> None:
        if number == self.at:
            self.reached.set()
            await self.go.wait()


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    folder = Settings(home=tmp_path / "home").account_folder()
    folder.create()
    async with open_archive(folder, write=True) as opened:
        yield opened


@asynccontextmanager
async def running(archive: Archive, importer: queue.Runs) -> AsyncIterator[Imports]:
    """Those of a leader that runs."""
    made = Imports(archive, SystemClock(), importer)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.run)
        yield made
        tasks.cancel_scope.cancel()


def importer(archive: Archive, home: Path, opened: Opened) -> Importer:
    settings = CurrentSettings(Settings(home=home))
    return Importer(Settings(home=home).account_folder(), archive, settings, Opens(opened))


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file that is taken for an archive of another program."""
    file = tmp_path / "msgstore.db"
    file.write_bytes(b"SQLite format 3\0")
    return str(file)


async def until(imports: Imports, ticket: int, met: Callable[[ImportProgress], bool]) -> ImportProgress:
    with anyio.fail_after(30):
        while not met((await imports.imports(ticket))[0]):  # noqa: ASYNC110
            await anyio.sleep(0.005)
    return (await imports.imports(ticket))[0]


async def over(imports: Imports, ticket: int) -> ImportProgress:
    return await until(imports, ticket, lambda one: one.is_over)


async def texts(archive: Archive) -> list[str]:
    return [one.text for one in (await archive.messages(oldest_first=True, limit=500)).items]


async def test_imports_run_one_after_the_other_and_each_tells_how_far_it_is(archive: Archive, path: str):
    held = Held()
    async with running(archive, held) as imports:
        first = await imports.begin_import(ImportRequest(path))
        second = await imports.begin_import(ImportRequest(path, dry_run=True))
        one = await until(imports, first, lambda one: one.done == 5)
        (waiting,) = await imports.imports(second)
        assert (one.state, one.total, one.file) == (ImportState.RUNNING, 10, "msgstore.db")
        assert (waiting.state, waiting.dry_run) == (ImportState.WAITING, True)
        assert [each.ticket for each in await imports.imports()] == [second, first]
        held.go.set()
        assert (await over(imports, second)).state is ImportState.DONE
    assert len(held.begun) == 2


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        (Unsupported("It is of another kind.", "Give another."), "It is of another kind. Give another."),
        (ZeroDivisionError(), "It failed for a reason that the log says. Try again in a few seconds."),
    ],
)
async def test_an_import_that_fails_says_why_and_the_next_one_runs(
    archive: Archive, path: str, fails: Exception, told: str
):
    held = Held(fails=fails)
    held.go.set()
    async with running(archive, held) as imports:
        failed = await over(imports, await imports.begin_import(ImportRequest(path)))
        held.fails = None
        done = await over(imports, await imports.begin_import(ImportRequest(path)))
    assert (failed.state, failed.error, done.state) == (ImportState.FAILED, told, ImportState.DONE)


async def test_one_that_waits_and_one_that_runs_are_cancelled(archive: Archive, path: str):
    held = Held()
    async with running(archive, held) as imports:
        first, second = [await imports.begin_import(ImportRequest(path)) for _ in range(2)]
        await until(imports, first, lambda one: one.state is ImportState.RUNNING)
        await imports.cancel_import(second)
        await imports.cancel_import(first)
        ended = [await over(imports, ticket) for ticket in (first, second)]
        with pytest.raises(InvalidArgument, match="no such import"):
            await imports.cancel_import(first)
    assert [one.state for one in ended] == [ImportState.CANCELLED] * 2
    assert len(held.begun) == 1


async def test_too_many_that_wait_are_refused(archive: Archive, path: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queue, "MOST_WAITING", 2)
    imports = Imports(archive, SystemClock(), Held())
    for _ in range(2):
        await imports.begin_import(ImportRequest(path))
    with pytest.raises(Busy, match="2 imports are waiting"):
        await imports.begin_import(ImportRequest(path))


@for_each("given", ["", "chat.zip", "/nowhere/chat.zip", "/dev/zero", "/nowhere"])
async def test_what_is_not_there_is_refused_at_once(archive: Archive, given: str):
    with pytest.raises(InvalidArgument, match="no such file"):
        await Imports(archive, SystemClock(), Held()).begin_import(ImportRequest(given))


async def test_a_file_that_changes_while_its_import_waits_is_not_imported(archive: Archive, path: str):
    held = Held()
    async with running(archive, held) as imports:
        first = await imports.begin_import(ImportRequest(path))
        await until(imports, first, lambda one: one.state is ImportState.RUNNING)
        second = await imports.begin_import(ImportRequest(path))
        await anyio.Path(path).write_bytes(b"something else")
        held.go.set()
        changed = await over(imports, second)
    assert changed.state is ImportState.FAILED
    assert "changed" in (changed.error or "")


async def test_a_key_is_gone_with_its_import_and_stands_in_no_text(archive: Archive, path: str):
    request = ImportRequest(path, key="hunter2", key_file="/a/key")
    assert "hunter2" not in repr(request)
    held = Held()
    async with running(archive, held) as imports:
        ticket = await imports.begin_import(request)
        await until(imports, ticket, lambda one: one.state is ImportState.RUNNING)
        assert "hunter2" not in repr(imports._running)
        held.go.set()
        assert "hunter2" not in repr(await over(imports, ticket))
        assert [job.request for job in imports._ended] == [None]


async def test_a_cancelled_import_goes_on_where_it_was_under_its_number(
    archive: Archive, tmp_path: Path, path: str
):
    said = [message(number) for number in range(8)]
    opened, stops = Opened(pages(said)), Stops(at=2)
    opened.before = stops.before
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        ticket = await imports.begin_import(ImportRequest(path))
        await stops.reached.wait()
        await imports.cancel_import(ticket)
        cancelled = await over(imports, ticket)
        stops.go.set()
        done = await over(imports, await imports.begin_import(ImportRequest(path)))
        (stored,) = await archive.imports()
    assert (cancelled.state, done.state, stored.state) == (
        ImportState.CANCELLED,
        ImportState.DONE,
        ImportState.DONE,
    )
    assert cancelled.numbers == done.numbers == (1,)
    assert opened.asked == [None, 4]
    assert await texts(archive) == [one.text for one in said]
    assert (done.report.new, done.done, done.total) == (8, 8, 8)


async def test_an_import_whose_server_ended_is_told_as_interrupted_and_goes_on(
    archive: Archive, tmp_path: Path, path: str
):
    said = [message(number) for number in range(8)]
    opened, stops = Opened(pages(said)), Stops(at=2)
    opened.before = stops.before
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        await imports.begin_import(ImportRequest(path))
        await stops.reached.wait()

    async with running(archive, importer(archive, tmp_path / "home", Opened(pages(said)))) as imports:
        (left,) = await imports.imports()
        assert (left.state, left.ticket, left.numbers) == (ImportState.INTERRUPTED, 0, (1,))
        done = await over(imports, await imports.begin_import(ImportRequest(path)))
        assert [one.state for one in await imports.imports()] == [ImportState.DONE]
    assert (done.numbers, done.report.new) == ((1,), 8)
    assert await texts(archive) == [one.text for one in said]


async def test_an_import_that_runs_is_not_undone(archive: Archive, tmp_path: Path, path: str):
    opened, stops = Opened(pages([message(number) for number in range(5)])), Stops(at=1)
    opened.before = stops.before
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        await imports.begin_import(ImportRequest(path))
        await stops.reached.wait()
        with pytest.raises(Busy, match="Import 1 is running"):
            await imports.undo_import(1)


async def test_what_an_archive_holds_is_told_by_its_source_and_report(
    archive: Archive, tmp_path: Path, path: str
):
    opened = Opened(pages([message(1), message(2, chat="nobody")]), ImportSource.IPHONE)
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        done = await over(imports, await imports.begin_import(ImportRequest(path)))
        again = await over(imports, await imports.begin_import(ImportRequest(path)))
    assert (done.source, done.report.new, sum(done.report.unreadable.values())) == (ImportSource.IPHONE, 1, 1)
    assert (again.numbers, again.report.new, again.report.known) == ((2,), 0, 1)


async def test_an_import_is_undone_by_its_number(archive: Archive, tmp_path: Path, path: str):
    opened = Opened(pages([message(number) for number in range(5)]))
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        done = await over(imports, await imports.begin_import(ImportRequest(path)))
        undone = await over(imports, await imports.undo_import(done.numbers[0]))
        assert (undone.state, undone.error) == (ImportState.UNDONE, None)
        assert {one.state for one in await imports.imports()} == {ImportState.UNDONE}
        for number in (1, 7):
            with pytest.raises(InvalidArgument, match=f"no import {number}"):
                await imports.undo_import(number)
    assert await texts(archive) == []


async def test_a_dry_run_has_no_number_and_writes_nothing(archive: Archive, tmp_path: Path, path: str):
    opened = Opened(pages([message(number) for number in range(5)]))
    async with running(archive, importer(archive, tmp_path / "home", opened)) as imports:
        told = await over(imports, await imports.begin_import(ImportRequest(path, dry_run=True)))
    assert (told.numbers, told.report.new, told.state) == ((), 5, ImportState.DONE)
    assert await texts(archive) == []
    assert await archive.imports() == ()
