"""Imports what another program has archived; the decoding process reads it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import Busy, InvalidArgument, MediaUnavailable, TooLong, Unsupported
from whatsapp_mcp.media import Worker, bridge_pages, read_chat_export, read_exported_file
from whatsapp_mcp.models import ImportResult

logger = logging.getLogger(__name__)


class Told(Protocol):
    """Hears how far an import is."""

    def __call__(self, result: ImportResult, stored: int, of: int) -> None:
        """What was taken over so far; of so many files, so many are stored."""
        ...


def _tell_nobody(result: ImportResult, stored: int, of: int) -> None:
    pass


async def import_chat(
    archive: Archive,
    worker: Worker,
    path: Path,
    chat: str,
    *,
    me: str | None,
    zone: tzinfo,
    most_bytes: int,
    told: Told = _tell_nobody,
) -> ImportResult:
    """Take over a chat that WhatsApp exported, with its files.

    Args:
        archive: Where to.
        worker: Reads it.
        path: The `.txt` or `.zip`.
        chat: Jid of the chat it is.
        me: The owner's name in it.
        zone: The zone of its times.
        most_bytes: Of one file; a message whose file is larger stays without it.
        told: Called with what is done so far, and how many of how many files are stored.

    Raises:
        InvalidArgument: It is no such export, or it is unclear which of two people is the owner.
        TooLong, Unsupported, Busy: It is over a bound, or cannot be read.
    """
    with await anyio.to_thread.run_sync(_opened, path) as file:
        messages = await read_chat_export(worker, file)
        done = await archive.import_chat_export(messages, chat, title=path.stem, me=me, zone=zone)
        told(done.result, 0, len(done.files))
        count = partial(told, done.result, of=len(done.files))
        left_out = await _import_files(archive, worker, file, chat, done.files, most_bytes, count)
    return replace(done.result, left_out=left_out)


async def _import_files(
    archive: Archive,
    worker: Worker,
    file: BinaryIO,
    chat: str,
    names: Mapping[str, str],
    most_bytes: int,
    count: Callable[[int], None],
) -> int:
    """Store the files of messages; answers how many could not be taken over."""
    left_out = 0
    for number, (message_id, name) in enumerate(names.items()):
        count(number)
        try:
            content = await read_exported_file(worker, file, name, most_bytes)
        except (InvalidArgument, MediaUnavailable, TooLong, Unsupported) as error:
            logger.warning("import: file skipped: %s", error.message)
            left_out += 1
            continue
        await archive.store_imported_file(chat, message_id, name, content)
    return left_out


async def import_bridge(
    archive: Archive, worker: Worker, path: Path, *, zone: tzinfo, told: Told = _tell_nobody
) -> ImportResult:
    """Take over the `messages.db` of lharries' bridge.

    Args:
        archive: Where to.
        worker: Reads it.
        path: The database.
        zone: The zone of times that have none.
        told: Called with what is done so far.

    Raises:
        InvalidArgument: It is no such database.
        TooLong, Unsupported, Busy: It is over a bound, in use, or cannot be read.
    """
    if await anyio.to_thread.run_sync(_has_log, path):
        raise Busy(f"{path.name} is in use, or its program was killed.", "End the bridge, then try again.")
    total = ImportResult(0)
    chats: frozenset[str] = frozenset()
    with await anyio.to_thread.run_sync(_opened, path) as file:
        async for page in bridge_pages(worker, file):
            chats |= {jid for jid, _ in page.chats}
            done = await archive.import_bridge(page, chats=chats, zone=zone)
            total = ImportResult(
                total.messages + done.messages,
                total.duplicates + done.duplicates,
                total.skipped + done.skipped,
            )
            told(total, 0, 0)
    return total


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():  # a pipe would be waited for, a device has no end
        raise InvalidArgument(f"{path} is not a file.")
    return path.open("rb")


def _has_log(path: Path) -> bool:
    """Whether rows may stand in a log beside a database rather than in it."""
    logs = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-journal"))
    return any(log.is_file() and log.stat().st_size for log in logs)
