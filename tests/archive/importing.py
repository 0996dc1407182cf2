"""Imports as the command line does them, but read in the test's own process, which costs no start of one."""

from __future__ import annotations

import io
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, BinaryIO, cast

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device import importing
from whatsapp_mcp.media import Answer, Limits, Worker
from whatsapp_mcp.media.jobs import JOBS
from whatsapp_mcp.models import ImportResult


class _InProcess:
    """Does the jobs of a `Worker` here."""

    async def run(
        self, job: str, source: BinaryIO, options: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> Answer:
        source.seek(0)
        updates, content = JOBS[job](io.BufferedReader(io.BytesIO(source.read())), options or {})  # type: ignore[arg-type]
        return Answer(updates, content)


WORKER = cast(Worker, _InProcess())


async def import_chat(
    archive: Archive, path: Path, chat: str, me: str | None = None, *, most_bytes: int = 1_000_000
) -> ImportResult:
    return await importing.import_chat(archive, WORKER, path, chat, me=me, zone=UTC, most_bytes=most_bytes)


async def import_bridge(archive: Archive, path: Path, zone: tzinfo = UTC) -> ImportResult:
    return await importing.import_bridge(archive, WORKER, path, zone=zone)
