"""Importing an archive of another program: its messages page by page, then their files."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio.to_thread

from whatsapp_mcp.archive import exchange
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign import ForeignArchive
from whatsapp_mcp.features.imports.importing.media_files import MediaFiles, OpenFile, files_below
from whatsapp_mcp.features.imports.importing.places import ImportLocation
from whatsapp_mcp.features.imports.importing.work import Work
from whatsapp_mcp.features.imports.requests import ImportRequest, ImportStep
from whatsapp_mcp.models import ImportRecord, ImportReport

OpenForeign = Callable[..., AbstractAsyncContextManager[ForeignArchive]]
"""Opens an archive of another program, as `open_foreign` does."""

_SCRATCH: Final = "import.part"
"""Name of the file in the account's folder into which a backup is decrypted."""
_ALL: Final = 1 << 62
"""Position of an import whose messages are all taken over: its files may be missing still."""
_KEY_BYTES: Final = 65_536
"""The largest file of a key that is read; WhatsApp's have some 150 bytes."""
_DIGITS: Final = re.compile(r"[0-9A-Fa-f]{64}")


async def import_archive(work: Work, place: ImportLocation, opens: OpenForeign) -> None:
    """Import an archive of another program.

    Raises:
        WhatsAppError: It cannot be opened or read, or its files find no room.
    """
    request = work.request
    key = await anyio.to_thread.run_sync(key_of, request)
    beside = (Path(request.names),) if request.names else place.companions
    owner, *_ = await work.archive.own()
    scratch = work.folder.path / _SCRATCH
    async with (
        opens(place.path, scratch, key=key, companions=beside, owner=owner) as opened,
        work.numbered(opened.source, place.path.name, opened.fingerprint) as record,
    ):
        await _take_pages(work, opened, record)
        media = Path(request.media) if request.media else place.media
        if request.dry_run:
            return
        if media is not None:
            await _take_files(work, opened, files_below(media, work.settings.now().home), record)
        elif opened.has_files:
            await _take_files(work, opened, opened.open_file, record)


async def _take_pages(work: Work, opened: ForeignArchive, record: ImportRecord) -> None:
    report = record.report
    before = report.new + report.known + report.filled + sum(report.unreadable.values())
    work.at(ImportStep.MESSAGES, done=before, total=opened.total)
    if record.position == _ALL:
        return
    async for page in opened.pages(record.position):
        last = page if page.following is not None else replace(page, following=_ALL)
        brought = await work.archive.import_page(record.number, last, dry=work.request.dry_run)
        work.brought(brought, page.read)


async def _take_files(work: Work, opened: ForeignArchive, open_file: OpenFile, record: ImportRecord) -> None:
    """Go through all messages once more: so an import that was killed among the files goes on, too."""
    files = MediaFiles(work, record.number, open_file)
    work.at(ImportStep.FILES, total=opened.total)
    left_out = -record.report.files_left_out  # those of a former run are found again
    async for page in opened.pages():
        brought = await files.take(page.messages)
        left_out += brought.files_left_out
        if brought.files:
            await work.archive.write(exchange.import_files, record.number, brought.files, 0)
        work.brought(ImportReport(files=brought.files), page.read)
    await work.archive.write(exchange.import_files, record.number, 0, max(0, left_out))
    work.brought(ImportReport(files_left_out=max(0, left_out)))


def key_of(request: ImportRequest) -> bytes | None:
    """The key that a request gives: 32 bytes for 64 digits, the bytes of a file, or those of a password.

    Raises:
        InvalidArgument: It gives two, or a file that is none of a key.
    """
    if request.key is None and request.key_file is None:
        return None
    if request.key is not None and request.key_file is not None:
        raise InvalidArgument("A key and a key file are given.", "Give one of them.")
    if request.key_file is not None:
        path = Path(request.key_file)
        if not path.is_file() or not 0 < path.stat().st_size <= _KEY_BYTES:
            raise InvalidArgument("The key file is not one.", "Give the path of the file that holds the key.")
        return path.read_bytes()
    text = "".join((request.key or "").split())
    return bytes.fromhex(text) if _DIGITS.fullmatch(text) else (request.key or "").encode()
