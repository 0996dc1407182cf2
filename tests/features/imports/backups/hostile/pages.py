"""Forges pages of SQLite files (https://sqlite.org/fileformat.html): loops, lies about sizes, what is cut."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

HEADER: Final = 100
INTERIOR: Final = 5
"""Kind of a page of a table that leads to others."""
LEAF: Final = 13
"""Kind of one that has rows."""


class Forged:
    """The bytes of a database, page by page.

    Attributes:
        data: All of them.
        size: Bytes of a page.
        root: The first page of the table with the messages.
    """

    def __init__(self, content: bytes, root: int) -> None:
        self.data = bytearray(content)
        stated = int.from_bytes(content[16:18], "big")
        self.size = 65_536 if stated == 1 else stated
        self.root = root

    @property
    def count(self) -> int:
        """How many pages it has."""
        return len(self.data) // self.size

    def at(self, page: int) -> int:
        """Where a page begins, behind the head of the file."""
        return (page - 1) * self.size + (HEADER if page == 1 else 0)

    def put(self, at: int, content: bytes) -> None:
        """Overwrite some bytes."""
        self.data[at : at + len(content)] = content

    def grow(self, pages: int) -> int:
        """Add empty pages; the number of the first."""
        first = self.count + 1
        self.data += bytes(self.size * pages)
        self.put(28, struct.pack(">I", self.count))
        return first

    def interior(self, page: int, children: list[int], last: int) -> None:
        """Make a page one that leads to others."""
        at, start = self.at(page), (page - 1) * self.size
        space = self.size - (HEADER if page == 1 else 0)
        most = min(len(children), (space - 12) // 8)
        content = self.size - 6 * most
        self.put(at, struct.pack(">BHHHBI", INTERIOR, 0, most, content % 65_536, 0, last))
        for number, child in enumerate(children[:most]):
            cell = content + 6 * number
            self.put(at + 12 + 2 * number, struct.pack(">H", cell))
            self.put(
                start + cell, struct.pack(">I", child) + bytes((0x80 | (number >> 7) & 0x7F, number & 0x7F))
            )

    def leaf(self) -> int:
        """The first leaf of the messages."""
        page = self.root
        while self.data[self.at(page)] == INTERIOR:
            cell = int.from_bytes(self.data[self.at(page) + 12 : self.at(page) + 14], "big")
            page = int.from_bytes(self.data[(page - 1) * self.size + cell :][:4], "big")
        return page

    def cell(self, page: int, number: int = 0) -> int:
        """Where a cell of a leaf begins."""
        at = self.at(page) + 8 + 2 * number
        return (page - 1) * self.size + int.from_bytes(self.data[at : at + 2], "big")


def root_of(path: Path, table: str) -> int:
    """The first page of a table."""
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    return page


def _loop(file: Forged) -> None:
    file.interior(file.root, [file.root] * 20, file.root)


def _loop_of_two(file: Forged) -> None:
    other = file.grow(1)
    file.interior(file.root, [other] * 20, other)
    file.interior(other, [file.root] * 20, file.root)


def _fan(file: Forged, top: int, leaf: int, levels: int = 16) -> None:
    """Each level leads a hundred times to the next: more rows than anybody can count."""
    first = file.grow(levels)
    for level in range(levels):
        below = first + level + 1 if level < levels - 1 else leaf
        file.interior(first + level, [below] * 100, below)
    file.interior(top, [first] * 100, first)


def _fan_of_messages(file: Forged) -> None:
    leaf = file.grow(1)
    start = file.leaf()
    file.put(file.at(leaf), bytes(file.data[file.at(start) : file.at(start) + file.size]))
    _fan(file, file.root, leaf)


def _fan_of_tables(file: Forged) -> None:
    """The list of tables has one row again and again, which may be there again and again."""
    leaf = file.grow(1)
    sql = b"CREATE TABLE IF NOT EXISTS m(a)"
    values = (b"table", b"m", b"m", b"\2", sql)
    head = bytes((6, *(2 * len(value) + 13 for value in values[:3]), 1, 2 * len(sql) + 13))
    record = head + b"".join(values)
    cell = bytes((len(record), 1)) + record
    at = file.at(leaf)
    file.put(at, struct.pack(">BHHHB", LEAF, 0, 1, file.size - len(cell), 0))
    file.put(at + 8, struct.pack(">H", file.size - len(cell)))
    file.put(at + file.size - len(cell), cell)
    _fan(file, 1, leaf)


def _word(offset: int, value: int, size: int) -> Callable[[Forged], None]:
    return lambda file: file.put(offset, value.to_bytes(size, "big"))


def _of_root(offset: int, value: bytes) -> Callable[[Forged], None]:
    return lambda file: file.put(file.at(file.root) + offset, value)


def _of_leaf(offset: int, value: bytes) -> Callable[[Forged], None]:
    return lambda file: file.put(file.at(file.leaf()) + offset, value)


def _of_cell(offset: int, value: bytes) -> Callable[[Forged], None]:
    return lambda file: file.put(file.cell(file.leaf()) + offset, value)


def _overflow(following: Callable[[Forged, int], int]) -> Callable[[Forged], None]:
    """The first message continues on a page that does not end."""

    def forge(file: Forged) -> None:
        page = file.grow(1)
        cell = file.cell(file.leaf())
        # A record of 2^28 bytes: the part in this page is at most what fits, the number of the next follows.
        file.put(cell, b"\xff\xff\xff\x7f\x01")
        usable = file.size
        least = (usable - 12) * 32 // 255 - 23
        local = least + (0xFFFFFFF - least) % (usable - 4)
        if local > usable - 35:
            local = least
        file.put(min(cell + 5 + local, len(file.data) - 4), struct.pack(">I", page))
        file.put(file.at(page), struct.pack(">I", following(file, page)))

    return forge


def _all_pages(content: bytes) -> Callable[[Forged], None]:
    def forge(file: Forged) -> None:
        for page in range(2, file.count + 1):
            file.put((page - 1) * file.size, (content * file.size)[: file.size])

    return forge


def _swapped(file: Forged) -> None:
    """The pages are in another order."""
    pages = [bytes(file.data[at : at + file.size]) for at in range(0, len(file.data), file.size)]
    file.data = bytearray(b"".join((pages[0], *reversed(pages[1:]))))


def _freelist(file: Forged) -> None:
    """The free pages lead to themselves."""
    page = file.grow(1)
    file.put(file.at(page), struct.pack(">II", page, (file.size // 4) - 2) + struct.pack(">I", page) * 100)
    file.put(32, struct.pack(">II", page, 0x7FFFFFFF))


ENDLESS: Final = "tables a hundred to the sixteenth"
"""What SQLite reads for ever, before anything can be asked of the database."""
FORGED: Final[Mapping[str, Callable[[Forged], None]]] = {
    "no size of a page": _word(16, 0, 2),
    "pages of three bytes": _word(16, 3, 2),
    "pages of 512 bytes that have 4,096": _word(16, 512, 2),
    "pages of 65,536 bytes that have 4,096": _word(16, 1, 2),
    "a version of the format that is still to come": _word(18, 0xFFFF, 2),
    "a log that is missing": _word(18, 0x0202, 2),
    "pages that are all reserved": _word(20, 0xFF, 1),
    "other parts of a page": _word(21, 0xFFFFFF, 3),
    "four billion pages": _word(28, 0xFFFFFFFF, 4),
    "free pages without end": _freelist,
    "free pages outside of the file": _word(32, 0xFFFFFFF000000001, 8),
    "a format of the tables that is unknown": _word(44, 99, 4),
    "a vacuum that is not": _word(52, 0xFFFFFFFF, 4),
    "texts of another encoding": _word(56, 2, 4),
    "texts of no encoding": _word(56, 9, 4),
    "another application": _word(68, 0xDEADBEEF, 4),
    "messages that lead to themselves": _loop,
    "messages in a circle of two": _loop_of_two,
    "messages a hundred to the sixteenth": _fan_of_messages,
    ENDLESS: _fan_of_tables,
    "messages that lead out of the file": lambda file: file.interior(file.root, [0x7FFFFFFF] * 9, 0x7FFFFFFE),
    "messages that lead to the list of tables": lambda file: file.interior(file.root, [1] * 9, 1),
    "messages that lead to no page": lambda file: file.interior(file.root, [0] * 9, 0),
    "a page of messages of no kind": _of_root(0, b"\7"),
    "a page of messages that is an index": _of_root(0, b"\x0a"),
    "65,535 messages in a page": _of_leaf(3, b"\xff\xff"),
    "messages outside of their page": _of_leaf(8, b"\xff\xff\xff\xff\xff\xff"),
    "messages within each other": lambda file: file.put(
        file.at(file.leaf()) + 8, bytes(file.data[file.at(file.leaf()) + 8 :][:2]) * 4
    ),
    "free room without end": _of_leaf(1, b"\x00\x08"),
    "a message of more bytes than there are": _of_cell(0, b"\xff" * 9),
    "a message with a head of more bytes than it has": _of_cell(3, b"\xff\xff\xff\xff\x7f"),
    "columns of types that are reserved": _of_cell(4, b"\x0a\x0b\x0a\x0b"),
    "a message that continues on itself": _overflow(lambda file, page: page),
    "a message that continues on the first page": _overflow(lambda file, page: 1),
    "a message that continues nowhere": _overflow(lambda file, page: 0x7FFFFFF0),
    "pages of zeros": _all_pages(b"\0"),
    "pages of ones": _all_pages(b"\xff"),
    "pages that look like messages": _all_pages(struct.pack(">BHHHB", LEAF, 0, 0x100, 0x10, 0)),
    "pages in another order": _swapped,
}
"""What is done to the pages of a database."""
HARMLESS: Final = frozenset(
    {
        *("free pages without end", "free pages outside of the file"),
        *("another application", "a log that is missing"),
    }
)
"""What does not touch what is read: these are read as if nothing were wrong."""
CUT: Final[Mapping[str, Callable[[int, int], int]]] = {
    "nothing": lambda whole, page: 0,
    "one byte": lambda whole, page: 1,
    "half of its first word": lambda whole, page: 8,
    "its first word": lambda whole, page: 16,
    "half of its head": lambda whole, page: 50,
    "its head": lambda whole, page: 100,
    "half of its first page": lambda whole, page: page // 2,
    "its first page": lambda whole, page: page,
    "its first page and a byte": lambda whole, page: page + 1,
    "half": lambda whole, page: whole // 2 // page * page,
    "all but its last page": lambda whole, page: whole - page,
    "all but half of a page": lambda whole, page: whole - page // 2,
    "all but its last byte": lambda whole, page: whole - 1,
}
"""Where a file is cut: how many bytes are left, by its size and that of a page."""
