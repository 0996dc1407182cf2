"""Imports as the leader does them, but read in the test's own process, which costs no start of one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, BinaryIO, cast

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.importing.exports import import_export
from whatsapp_mcp.device.importing.work import Work
from whatsapp_mcp.errors import Busy, InvalidArgument
from whatsapp_mcp.media import Answer, Limits, Worker, bridge_pages
from whatsapp_mcp.media.jobs import JOBS
from whatsapp_mcp.models import ImportProgress, ImportRequest, ImportResult, ImportState
from whatsapp_mcp.settings import CurrentSettings, MediaSettings, Settings


class _InProcess:
    """Does the jobs of a `Worker` here."""

    async def run(
        self, job: str, source: BinaryIO, options: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> Answer:
        source.seek(0)
        updates, content = JOBS[job](io.BufferedReader(io.BytesIO(source.read())), options or {})  # type: ignore[arg-type]
        return Answer(updates, content)


WORKER = cast(Worker, _InProcess())


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
    work = Work(archive.folder, archive, CurrentSettings(settings), request, noted)
    await import_export(work, WORKER, path, chat)
    report = noted.progress.report
    skipped = sum(report.unreadable.values())
    return ImportResult(report.new, report.known, skipped, report.files_left_out)


async def import_bridge(archive: Archive, path: Path, zone: tzinfo = UTC) -> ImportResult:
    _require_closed(path)
    total = ImportResult(0)
    chats: frozenset[str] = frozenset()
    with path.open("rb") as file:
        async for page in bridge_pages(WORKER, file):
            chats |= {jid for jid, _ in page.chats}
            done = await archive.import_bridge(page, chats=chats, zone=zone)
            total = ImportResult(
                total.messages + done.messages,
                total.duplicates + done.duplicates,
                total.skipped + done.skipped,
            )
    return total


def _require_closed(path: Path) -> None:
    logs = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal"))
    if any(log.is_file() and log.stat().st_size for log in logs):
        raise Busy(f"{path.name} is in use, or its program was killed.", "End the bridge, then try again.")
    if not path.is_file():
        raise InvalidArgument(f"{path} is not a file.")
