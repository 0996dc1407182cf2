"""The reading process, on hostile files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from tests.media.hostile_files import HostileFile, Kind
from tests.media.hostile_files.runs import Job, Opened, peak
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.reading.readers import ReaderOptions, limits, open_reader

_SAID_SECONDS: Final = 10.0
"""How long a recording lasts by its message."""


@asynccontextmanager
async def open_opened_reader(options: ReaderOptions) -> AsyncIterator[Opened]:
    """The process that reads, for as long as the body runs."""
    async with open_reader(options) as reader:

        async def document(file: HostileFile, content: bytes) -> object:
            return await reader.document(content, file.mime_type, "")

        async def picture(file: HostileFile, content: bytes) -> object:
            return await reader.picture(content)

        async def recording(file: HostileFile, content: bytes) -> object:
            return await reader.recording(content, duration=_SAID_SECONDS)

        jobs: dict[Kind, list[Job]] = {Kind.DOCUMENT: [document]}
        jobs |= {Kind.PICTURE: [picture]} if options.words else {}
        jobs |= {Kind.RECORDING: [recording]} if options.speech else {}
        with suppress(WhatsAppError):
            await reader.document(b"words")
        has_model = options.words or options.speech is not None
        allowed = limits.MODEL_MEMORY_BYTES if has_model else limits.MEMORY_BYTES
        yield Opened(reader, jobs, peak(reader.pid) + allowed // 2**20)
