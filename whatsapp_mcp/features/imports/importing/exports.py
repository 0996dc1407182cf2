"""Importing chats that WhatsApp exported: one file, or a folder of them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import anyio.to_thread

from whatsapp_mcp.archive import exchange
from whatsapp_mcp.errors import InvalidArgument, MediaUnavailable, TooLong, Unsupported, WhatsAppError
from whatsapp_mcp.features.imports.exports.reader import read_chat_export, read_exported_file
from whatsapp_mcp.features.imports.importing.matching import match_exports
from whatsapp_mcp.features.imports.importing.work import Work
from whatsapp_mcp.features.imports.requests import ImportStep
from whatsapp_mcp.files.media_folder import require_room
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ImportRecord, ImportReport, ImportSource

_MEGABYTE: Final = 1_000_000
_CHUNK: Final = 1 << 20

logger = logging.getLogger(__name__)


async def import_exports(work: Work, worker: Worker, folder: Path) -> None:
    """Import each exported chat in a folder of which it is known which chat it is; tell of the others.

    Raises:
        WhatsAppError: Some of them cannot be imported; the others are.
    """
    matches = await match_exports(work.archive, worker, folder)
    given = dict(work.request.chats)
    asks = tuple(one for one in matches if one.chat is None and one.file not in given)
    work.job.tell(lambda now: replace(now, asks=asks))
    failed: list[WhatsAppError] = []
    for one in matches:
        chat = given.get(one.file, one.chat)
        if chat:
            try:
                await import_export(work, worker, folder / one.file, chat)
            except WhatsAppError as error:
                failed.append(error)
    if failed:
        summary = f"{len(failed)} of {len(matches)} exported chats could not be imported. The first: "
        raise type(failed[0])(f"{summary}{failed[0].message}", failed[0].action)


async def import_export(work: Work, worker: Worker, path: Path, chat: str) -> None:
    """Import one exported chat, with its files.

    Args:
        work: The import.
        worker: Reads it.
        path: The `.txt` or `.zip`.
        chat: Jid of the chat it is.

    Raises:
        InvalidArgument: It is no such export, or it is unclear which of two people is the owner.
        TooLong, Unsupported, Busy: It is over a bound, or cannot be read.
    """
    request = work.request
    with await anyio.to_thread.run_sync(_opened, path) as file:
        fingerprint = await anyio.to_thread.run_sync(_digest, file)
        messages = await read_chat_export(worker, file)
        work.job.tell(lambda now: replace(now, step=ImportStep.MESSAGES, total=now.total + len(messages)))
        async with work.numbered(ImportSource.CHAT_EXPORT, path.name, fingerprint, chat) as record:
            done = await work.archive.import_chat_export(
                record.number,
                messages,
                chat,
                title=path.stem,
                me=request.me,
                zone=work.settings.now().zone,
                dry=request.dry_run,
            )
            work.brought(done.report, len(messages))
            if not request.dry_run:
                await _import_files(work, worker, file, done.files, record)


async def _import_files(
    work: Work, worker: Worker, file: BinaryIO, names: Mapping[str, str], record: ImportRecord
) -> None:
    """Store the files of messages.

    Raises:
        Busy: There is no room for them.
    """
    limits, media = work.settings.now().media, work.folder.media
    most, held = limits.max_megabytes * _MEGABYTE, None
    left_out = -record.report.files_left_out  # those of a former run are found again
    for message_id, name in names.items():
        try:
            content = await read_exported_file(worker, file, name, most)
        except (InvalidArgument, MediaUnavailable, TooLong, Unsupported) as error:
            logger.warning("import: file skipped: %s", error.message)
            left_out += 1
            continue
        held = await anyio.to_thread.run_sync(require_room, media, len(content), limits, held)
        await work.archive.store_imported_file(record.number, message_id, name, content, work.stored.keep)
        await work.archive.write(exchange.import_files, record.number, 1, 0)
        work.brought(ImportReport(files=1))
    await work.archive.write(exchange.import_files, record.number, 0, max(0, left_out))
    work.brought(ImportReport(files_left_out=max(0, left_out)))


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise InvalidArgument("The file is gone.", "Give the path of a file.")
    return path.open("rb")


def _digest(file: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()
