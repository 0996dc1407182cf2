"""What becomes of a hostile backup: it is read in its confined process, and imported by the operations."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.features.imports.backups.hostile.case import Case
from tests.features.imports.foreign.forked import Forks
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.imports.foreign import ForeignArchive, open_foreign
from whatsapp_mcp.features.imports.importing.importer import Importer
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ForeignPage, ImportState, Unreadable
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings

MEGABYTES: Final = 300
"""What the process of an archive may have."""
SECONDS: Final = 30.0
"""What a small file may take, on a machine that does much else."""
_NEVER: Final = ("crashed the decoding process", "invalid data", "did not start")
"""Sentences that say that a process was lost or was not believed."""


@dataclass
class Run:
    """What became of one.

    Attributes:
        case: Which.
        sentence: With what it was refused; empty if it was read.
        progress: What is told of the import.
        faults: What must not have happened.
        seconds: How long it took.
        megabytes: The most memory that its process had.
    """

    case: Case
    sentence: str = ""
    progress: ImportProgress = field(default_factory=lambda: _nothing())
    faults: list[str] = field(default_factory=list[str])
    seconds: float = 0.0
    megabytes: int = 0

    def __str__(self) -> str:
        report = self.progress.report
        told = self.sentence or f"{report.new} new, {report.known} known, {dict(report.unreadable)}"
        return f"{self.case}: {told}; {self.seconds:.2f} s, {self.megabytes} MB {self.faults or ''}"


@dataclass
class _Job:
    """An import as the queue knows it."""

    progress: ImportProgress
    is_cancelled: bool = False

    def tell(self, change: Callable[[ImportProgress], ImportProgress]) -> None:
        self.progress = change(self.progress)


@dataclass
class _Opens:
    """Opens archives, and keeps the pages that come out of them."""

    pages: list[ForeignPage] = field(default_factory=list[ForeignPage])

    @asynccontextmanager
    async def __call__(self, path: Path, scratch: Path, **options: object) -> AsyncIterator[ForeignArchive]:
        async with open_foreign(path, scratch, **options) as opened:  # type: ignore[arg-type]
            read = opened.pages

            async def pages(after: int | None = None, *, rows: int = 2_000) -> AsyncIterator[ForeignPage]:
                is_first = not self.pages  # they are read once more for the files of messages
                async for page in read(after, rows=rows):
                    if is_first:
                        self.pages.append(page)
                    yield page

            opened.pages = pages
            yield opened


@dataclass(frozen=True)
class Imports:
    """Imports hostile backups, each into an archive of its own.

    Attributes:
        home: Where their files are made.
        template: An account whose archive is empty.
        forks: Starts the processes of archives.
        worker: Reads exported chats.
    """

    home: Path
    template: AccountFolder
    forks: Forks
    worker: Worker

    async def run(self, case: Case) -> Run:
        """Make one and import it."""
        shutil.rmtree(self.home / "case", ignore_errors=True)
        given, home = self.home / "case" / "given", self.home / "case" / "home"
        given.mkdir(parents=True)
        shutil.copytree(self.template.path.parent.parent, home)
        path = case.make(given)
        before = _contents(given)
        self.forks.all.clear()
        run, opens = Run(case), _Opens()
        folder = Settings(home=home).account_folder()
        async with open_archive(folder, write=True) as archive:
            began = time.monotonic()
            await self._import(run, path, folder, archive, opens)
            run.seconds = time.monotonic() - began
            run.faults += [f"the archive: {each}" for each in await archive.check()]
            await archive.chats()
            await archive.messages(limit=500)
        run.megabytes = max((process.peak for process in self.forks.all), default=0) // 1_000_000
        self._judge(run, folder, opens.pages)
        if _contents(given) != before:
            run.faults.append("its folder was changed")
        return run

    async def _import(
        self, run: Run, path: Path, folder: AccountFolder, archive: Archive, opens: _Opens
    ) -> None:
        settings = CurrentSettings(Settings(home=folder.path.parent.parent))
        importer = Importer(folder, archive, settings, opens, self._worker)
        request = ImportRequest(str(path), chat=run.case.chat, me="Me" if run.case.chat else None)
        job = _Job(run.progress)
        key = run.case.key
        if key is not None:
            (path.parent.parent / "key").write_bytes(key)
            request = ImportRequest(str(path), key_file=str(path.parent.parent / "key"))
        try:
            await importer.run(request, job)
        except WhatsAppError as error:
            run.sentence = f"{error.code}: {error.message}"
        except Exception as error:  # noqa: BLE001  the server would have failed here
            run.faults.append(f"{type(error).__name__}: {error}")
        run.progress = job.progress

    @asynccontextmanager
    async def _worker(self) -> AsyncIterator[Worker]:
        yield self.worker

    def _judge(self, run: Run, folder: AccountFolder, pages: list[ForeignPage]) -> None:
        """Find what must not be."""
        faults, report = run.faults, run.progress.report
        faults += [f"told: {each}" for each in _NEVER if each in run.sentence]
        if run.seconds > SECONDS:
            faults.append("it took too long")
        if run.megabytes > MEGABYTES:
            faults.append("it took too much memory")
        if (folder.path / "import.part").exists():
            faults.append("what was decrypted is left")
        with closing(sqlite3.connect(folder.archive_db)) as db:
            (stored,) = db.execute("SELECT count(*) FROM messages").fetchone()
            states = [state for (state,) in db.execute("SELECT state FROM imports")]
        if stored != report.new:
            faults.append(f"{stored} messages are stored, {report.new} told")
        if any(state != (ImportState.FAILED if run.sentence else ImportState.DONE) for state in states):
            faults.append(f"its state is {states}")
        faults += _not_counted(run, pages)


def _not_counted(run: Run, pages: list[ForeignPage]) -> list[str]:
    """Messages that are neither stored nor counted as unreadable."""
    if not pages or run.sentence:
        return []
    report = run.progress.report
    by_reader: Counter[Unreadable] = Counter()
    for page in pages:
        by_reader.update(page.unreadable)
    by_archive = Counter(report.unreadable) - by_reader
    refused = sum(count for why, count in by_archive.items() if why is not Unreadable.NO_NUMBER)  # a person's
    given, told = (
        sum(len(page.messages) for page in pages),
        report.new + report.known + report.filled + refused,
    )
    return [] if given == told else [f"of {given} messages {told} are told of"]


def _contents(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _nothing() -> ImportProgress:
    return ImportProgress(1, "archive.db", ImportState.RUNNING, datetime.now(UTC))


@asynccontextmanager
async def open_template(home: Path) -> AsyncIterator[AccountFolder]:
    """An account whose archive is there and empty."""
    folder = Settings(home=home).account_folder()
    folder.create()
    async with open_archive(folder, write=True):
        pass
    yield folder
