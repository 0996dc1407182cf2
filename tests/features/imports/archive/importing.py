"""Imports as the leader does them, but read in the test's own process, which costs no start of one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import TypeAdapter

from whatsapp_mcp.archive import Archive, exchange
from whatsapp_mcp.device.stored_files import StoredFiles
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign import reader, sealed
from whatsapp_mcp.features.imports.foreign.__main__ import Reading
from whatsapp_mcp.features.imports.importing.exports import import_export
from whatsapp_mcp.features.imports.importing.work import Work
from whatsapp_mcp.features.imports.requests import ImportProgress, ImportRequest
from whatsapp_mcp.media import JobResult, Limits, Worker
from whatsapp_mcp.media.jobs import JOBS
from whatsapp_mcp.models import ForeignPage, ImportReport, ImportState
from whatsapp_mcp.settings import CurrentSettings, MediaSettings, Settings


class _InProcess:
    """Does the jobs of a `Worker` here."""

    async def run(
        self, job: str, source: BinaryIO, options: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> JobResult:
        source.seek(0)
        updates, content = JOBS[job](io.BufferedReader(io.BytesIO(source.read())), options or {})  # type: ignore[arg-type]
        return JobResult(updates, content)


WORKER = cast(Worker, _InProcess())
PAGE = TypeAdapter(ForeignPage)


@dataclass(frozen=True)
class ImportResult:
    """What an import brought: new messages, known ones, unreadable ones, and files left out."""

    messages: int
    duplicates: int = 0
    skipped: int = 0
    left_out: int = 0


@dataclass
class Noted:
    """A job of which only the progress is kept."""

    progress: ImportProgress = field(
        default_factory=lambda: ImportProgress(1, "", ImportState.RUNNING, datetime.now(UTC))
    )
    is_cancelled: bool = False

    def tell(self, change: Callable[[ImportProgress], ImportProgress]) -> None:
        self.progress = change(self.progress)


async def import_chat(archive: Archive, path: Path, chat: str, me: str | None = None) -> ImportResult:
    """Files have at most 1 MB; times are of UTC."""
    home = archive.folder.path.parent.parent
    settings = Settings(home=home, timezone="UTC", media=MediaSettings(max_megabytes=1))
    noted = Noted()
    request = ImportRequest(str(path), chat, me)
    work = Work(
        archive.folder, archive, CurrentSettings(settings), request, noted, StoredFiles(archive.folder)
    )
    await import_export(work, WORKER, path, chat)
    report = noted.progress.report
    skipped = sum(report.unreadable.values())
    return ImportResult(report.new, report.known, skipped, report.files_left_out)


async def import_archive(archive: Archive, path: Path, owner: str | None = None) -> ImportResult:
    path = reader._closed(path)
    reading = Reading(sealed.Plain(path))
    options: dict[str, Any] = {"owner": owner, "key": None, "rows": 2_000, "after": None}
    nothing = io.BytesIO()
    source = reading.open(nothing, options)[0]["source"]  # type: ignore[arg-type]
    if source is None:
        raise InvalidArgument("It is of an unknown version.")
    number = (
        await archive.write(exchange.import_begun, source, path.name, reader.fingerprint_of(path))
    ).number
    report = ImportReport()
    while True:
        page = PAGE.validate_json(reading.page(nothing, options)[1])  # type: ignore[arg-type]
        report += await archive.import_page(number, page)
        if page.following is None:
            break
        options["after"] = page.following
    await archive.write(exchange.import_ended, number, ImportState.DONE)
    return ImportResult(report.new, report.known, sum(report.unreadable.values()))
