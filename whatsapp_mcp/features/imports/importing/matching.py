"""Which chat each exported one in a folder is."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.errors import InvalidArgument, TooLong, Unsupported
from whatsapp_mcp.features.imports.exports.reader import read_chat_authors
from whatsapp_mcp.features.imports.importing.places import exports_in
from whatsapp_mcp.media import Worker
from whatsapp_mcp.models import ExportMatch, ExportOutline

logger = logging.getLogger(__name__)


async def match_exports(archive: ReadingArchive, worker: Worker, folder: Path) -> tuple[ExportMatch, ...]:
    """Which chat each exported one is, where that is certain, and which it may be where it is not.

    Of each file the names of those who wrote in it are read, by the decoding process. A file without messages
    of an export is left out; one that cannot be read is no chat's.

    Args:
        archive: Whose chats they may be.
        worker: Reads the files.
        folder: Where they lie.

    Raises:
        Busy: Too many files are read at the moment.
    """
    outlines: list[ExportOutline] = []
    for name in await anyio.to_thread.run_sync(exports_in, folder):
        try:
            with await anyio.to_thread.run_sync(_opened, folder / name) as file:
                authors = await read_chat_authors(worker, file)
        except InvalidArgument:
            continue
        except (OSError, TooLong, Unsupported) as error:
            logger.warning("import: who wrote in an export is not known: %s", type(error).__name__)
            authors = dict[str, int]()
        outlines.append(ExportOutline(name, frozenset(authors)))
    return await archive.match_exports(outlines)


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
