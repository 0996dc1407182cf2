"""A database and the log beside it, as one file.

SQLite looks for a log under the name of its database; in a backup both have other names, and what reads
foreign files opens none later. So the log is read here: https://sqlite.org/fileformat.html#the_write_ahead_log
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import BinaryIO, Final

from whatsapp_mcp.errors import InvalidArgument

_HEADER: Final = struct.Struct(">8I")
"""Magic, version, page size, checkpoint, two salts, two sums."""
_FRAME: Final = struct.Struct(">6I")
"""Page, pages after a commit or 0, two salts, two sums."""
_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
_SALTED: Final = slice(8, 16)
_MODES: Final = slice(18, 20)
"""Bytes of a database that say that it has a log."""
_ALONE: Final = b"\1\1"
_WORD: Final = 0xFFFFFFFF


def fold(main: BinaryIO, log: BinaryIO | None, write: Callable[[bytes], object]) -> None:
    """Write a database as it is with what its log adds.

    Args:
        main: The database.
        log: Its log. What is not whole in it was never committed, and counts for nothing.
        write: Takes the database, page by page.

    Raises:
        InvalidArgument: It is no database.
    """
    size = main.seek(0, os.SEEK_END)
    main.seek(0)
    start = main.read(100)
    page_size = int.from_bytes(start[16:18], "big")
    page_size = 65_536 if page_size == 1 else page_size
    if len(start) < 100 or page_size < 512 or page_size & (page_size - 1):
        raise InvalidArgument("The database is damaged.", "Give another copy of it.")
    before = -(-size // page_size)
    pages, count = ({}, None) if log is None else _committed(log, page_size, before)
    main.seek(0)
    for number in range(1, (before if count is None else count) + 1):
        page = main.read(page_size)
        if log is not None and number in pages:
            log.seek(pages[number])
            page = log.read(page_size)
        page = page.ljust(page_size, b"\0")
        write(page[: _MODES.start] + _ALONE + page[_MODES.stop :] if number == 1 else page)


def _committed(log: BinaryIO, page_size: int, before: int) -> tuple[dict[int, int], int | None]:
    """Return where each page's newest content is, and the number of pages then; None: as `before`."""
    log.seek(0)
    header = log.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return {}, None
    magic, _, size, _, *_, first, second = _HEADER.unpack(header)
    order = _MAGIC.get(magic)
    if order is None or size != page_size or _sums(order, header[:24], (0, 0)) != (first, second):
        return {}, None
    sums, offset = (first, second), _HEADER.size
    pages: dict[int, int] = {}
    waiting: dict[int, int] = {}
    count: int | None = None
    frames = 0
    while True:
        frame, content = log.read(_FRAME.size), log.read(page_size)
        if len(content) < page_size or frame[_SALTED] != header[16:24]:
            return pages, count
        number, after, _, _, *stored = _FRAME.unpack(frame)
        sums = _sums(order, frame[:8] + content, sums)
        frames += 1
        # A database grows by pages that are in its log.
        if sums != tuple(stored) or not 0 < number <= before + frames or after > before + frames:
            return pages, count
        waiting[number] = offset + _FRAME.size
        offset += _FRAME.size + page_size
        if after:
            pages |= waiting
            waiting, count = {}, after


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    checksum, other = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        checksum = checksum + first + other & _WORD
        other = other + second + checksum & _WORD
    return checksum, other
