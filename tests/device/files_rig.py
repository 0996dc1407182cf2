"""Loops over files against an archive, a WhatsApp and a reader that a test fills."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio

from tests.archive.fake_writes import FakeWrites
from tests.device.fake_clock import FakeClock
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.device.files.fetcher import Fetcher
from whatsapp_mcp.device.files.files import Keeper
from whatsapp_mcp.device.files.pace import Pace
from whatsapp_mcp.device.files.readers import NO_READERS, Readers
from whatsapp_mcp.device.files.reading import ReadingLoop
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import Unsupported, WhatsAppError
from whatsapp_mcp.models import (
    FileProblem,
    FileReading,
    FileStep,
    FileTask,
    MessageKind,
    Passage,
    ReadingKind,
)
from whatsapp_mcp.settings import CurrentSettings, MediaSettings, Settings

CHAT = "15550001111@s.whatsapp.net"
HOUR = 3600
MEGABYTE = 1_000_000
ALL = frozenset(ReadingKind)


@dataclass
class World(FakeWrites):
    """What is archived of files, what WhatsApp answers, and what came of it.

    Attributes:
        waiting: Files, newest first; those without a path are to be fetched.
        kept: Files that were kept: their size by ref.
        fetched: Refs that were asked of WhatsApp, in order; `fetched_at` says when.
        read: Refs that were given to the reader, in order.
        answers: What WhatsApp raises for a ref.
        reader_raises: What the reader raises for a ref.
        blocked: Refs at which the reader stays until the test sets the event.
        nothing_reads: Whether there is no reader.
        is_paused: Whether the reader stands still.
    """

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    media: MediaSettings = field(default_factory=MediaSettings)
    online: bool = True
    waiting: list[FileTask] = field(default_factory=list[FileTask])
    kept: dict[int, FileTask] = field(default_factory=dict[int, FileTask])
    problems: dict[int, FileProblem] = field(default_factory=dict[int, FileProblem])
    readings: dict[int, FileReading] = field(default_factory=dict[int, FileReading])
    fetched: list[int] = field(default_factory=list[int])
    fetched_at: list[float] = field(default_factory=list[float])
    dropped: list[int] = field(default_factory=list[int])
    read: list[int] = field(default_factory=list[int])
    answers: dict[int, WhatsAppError] = field(default_factory=dict[int, WhatsAppError])
    reader_raises: dict[int, Exception] = field(default_factory=dict[int, Exception])
    blocked: dict[int, anyio.Event] = field(default_factory=dict[int, anyio.Event])
    kinds: frozenset[ReadingKind] = ALL
    remote: frozenset[ReadingKind] = frozenset()
    nothing_reads: bool = False
    opened: int = 0
    is_paused: bool = False
    looks: int = 0
    meta: dict[str, str] = field(default_factory=dict[str, str])

    def add(
        self, ref: int, age: float = HOUR, *, here: bool = False, size: int = MEGABYTE, words: str = ""
    ) -> None:
        """Archive the document of a message that was sent `age` seconds ago."""
        path = self.folder / f"{ref}.txt"
        if here:
            path.write_text(words or f"words of {ref}")
        at = int(self.clock.now().timestamp() - age)
        task = FileTask(
            ref,
            CHAT,
            MessageKind.DOCUMENT,
            "text/plain",
            f"{ref}.txt",
            size,
            str(path) if here else None,
            at,
        )
        self.waiting = sorted([*self.waiting, task], key=lambda one: -one.at)

    def _task(self, ref: int) -> FileTask:
        return next(task for task in [*self.waiting, *self.kept.values()] if task.ref == ref)

    # The archive.

    async def files_to_fetch(
        self,
        keep: Mapping[MessageKind, int],
        since: datetime,
        chats: Collection[str] | None,
        now_ms: int,
        limit: int,
    ) -> list[FileTask]:
        self.looks += 1
        return [
            task for task in self.waiting if task.path is None and not self._rests(task.ref, FileStep.FETCH)
        ][:limit]

    async def files_to_read(
        self, kinds: Collection[MessageKind], since: datetime, now_ms: int, limit: int
    ) -> list[FileTask]:
        self.looks += 1
        return [
            task
            for task in self.waiting
            if task.path and task.ref not in self.readings and not self._rests(task.ref, FileStep.READ)
        ][:limit]

    def _rests(self, ref: int, step: FileStep) -> bool:
        """Whether it is not tried at the moment: after a problem for a minute, or for good."""
        problem = self.problems.get(ref)
        if problem is None or problem.step is not step:
            return False
        return problem.final or self.clock.now().timestamp() * 1000 < problem.at + 60_000

    async def kept_bytes(self) -> int:
        return sum(task.size or 0 for task in self.kept.values())

    async def kept_to_drop(self, bytes_over: int) -> list[FileTask]:
        found: list[FileTask] = []
        for task in sorted(self.kept.values(), key=lambda one: one.at):
            if bytes_over > 0:
                found.append(task)
                bytes_over -= task.size or 0
        return found

    async def record_file_problem(
        self, ref: int, step: FileStep, code: str, sentence: str, *, final: bool
    ) -> None:
        earlier = self.problems.get(ref)
        attempts = earlier.attempts + 1 if earlier else 1
        at = int(self.clock.now().timestamp() * 1000)
        self.problems[ref] = FileProblem(step, code, sentence, attempts, at, final)

    async def record_media_path(self, ref: int, path: str | None, kept: int | None = None) -> None:
        self.waiting = [replace(task, path=path) if task.ref == ref else task for task in self.waiting]

    async def record_reading(self, ref: int, reading: FileReading) -> None:
        assert ref not in self.readings
        self.readings[ref] = reading

    async def reading(self, ref: int) -> FileReading | None:
        return self.readings.get(ref)

    async def message(self, ref: int) -> Any:
        return SimpleNamespace(kind=self._task(ref).kind, media=None, problem=self.problems.get(ref))

    async def meta_get(self, key: str) -> str | None:
        return self.meta.get(key)

    async def meta_set(self, key: str, value: str) -> None:
        self.meta[key] = value

    async def media_source(self, ref: int) -> Any:
        return self._task(ref)

    # WhatsApp.

    async def fetch(self, ref: int, *, keep_up_to: int | None = None) -> Path:
        task = self._task(ref)
        if task.path:
            return Path(task.path)
        self.fetched.append(ref)
        self.fetched_at.append(self.clock.monotonic())
        if ref in self.answers:
            raise self.answers[ref]
        path = self.folder / f"{ref}.txt"
        path.write_text(f"words of {ref}")
        await self.write(recording.record_media_path, ref, str(path))
        if keep_up_to is not None:
            self.kept[ref] = self._task(ref)
        return path

    async def here(self, ref: int) -> Path | None:
        path = self._task(ref).path
        return Path(path) if path and await anyio.Path(path).is_file() else None

    async def drop(self, ref: int, path: str) -> None:
        self.dropped.append(ref)
        del self.kept[ref]
        self.waiting = [task for task in self.waiting if task.ref != ref]

    # The reader.

    @property
    def memory(self) -> int | None:
        return 1234

    @contextmanager
    def paused(self) -> Iterator[None]:
        assert not self.is_paused
        self.is_paused = True
        yield
        self.is_paused = False

    async def document(self, source: Any, mime_type: str | None, file_name: str | None) -> FileReading:
        ref = int(Path(source.name).stem)
        self.read.append(ref)
        if ref in self.blocked:
            await self.blocked[ref].wait()
        if ref in self.reader_raises:
            raise self.reader_raises[ref]
        return FileReading(ReadingKind.DOCUMENT, (Passage(source.read().decode()),), "fake")

    async def picture(self, source: Any) -> FileReading:
        raise NotImplementedError

    async def recording(self, source: Any, *, duration: float | None) -> FileReading:
        raise NotImplementedError

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[World]:
        self.opened += 1
        yield self

    def readers(self) -> Readers:
        """What can read now."""
        if self.nothing_reads:
            return NO_READERS
        return Readers(
            self.kinds, self._open, lambda kind: Unsupported("Nothing here reads it."), remote=self.remote
        )

    def settings(self) -> CurrentSettings:
        """The settings with the section `[media]` as the test has it."""

        def now() -> Settings:
            return Settings(home=self.folder, media=self.media)

        return cast("CurrentSettings", SimpleNamespace(now=now))


@asynccontextmanager
async def keeping(world: World, chance: Callable[[], float] = lambda: 0.5) -> AsyncIterator[Keeper]:
    """A keeper that runs."""
    keeper = Keeper(
        cast("Archive", world),
        cast("Fetcher", world),
        world.settings(),
        world.clock,
        Pace(world.clock, chance),
        online=lambda: world.online,
        fetched=lambda: None,
    )
    async with background_tasks() as tasks:
        tasks.start_soon(keeper.run)
        await world.clock.advance(0)
        yield keeper


@asynccontextmanager
async def reading(world: World) -> AsyncIterator[ReadingLoop]:
    """A reading loop that runs."""
    loop = ReadingLoop(
        cast("Archive", world), cast("Fetcher", world), world.settings(), world.clock, world.readers
    )
    async with background_tasks() as tasks:
        tasks.start_soon(loop.run)
        yield loop


async def until(met: Callable[[], bool]) -> None:
    """Wait until it is so: what opens files goes through threads, which a test's clock does not know."""
    with anyio.fail_after(30):
        while not met():  # noqa: ASYNC110
            await anyio.sleep(0.001)
