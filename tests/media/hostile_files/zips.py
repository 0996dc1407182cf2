"""Hostile ZIPs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.media.document_files import zipped
from tests.media.hostile_files.hostile_file import HostileFile, Kind, deflated


class Entry(NamedTuple):
    """A file in a ZIP, with what its two heads say of it."""

    name: bytes
    packed: bytes
    size: int
    method: int = 8
    flags: int = 0
    crc: int = 0


def heads(entry: Entry, offset: int, *, packed_size: int | None = None) -> tuple[bytes, bytes]:
    """What stands before an entry, and in the list of entries."""
    size = min(entry.size, 0xFFFFFFFF)
    packed = len(entry.packed) if packed_size is None else packed_size
    shared = struct.pack(
        "<HHHHHIIIH", 20, entry.flags, entry.method, 0, 0, entry.crc, packed, size, len(entry.name)
    )
    local = b"PK\3\4" + shared + struct.pack("<H", 0) + entry.name
    listed = b"PK\1\2\x14\0" + shared + struct.pack("<HHHHII", 0, 0, 0, 0, 0, offset) + entry.name
    return local, listed


def end(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    """The end record."""
    return (
        b"PK\5\6"
        + struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, size, offset, len(comment))
        + comment
    )


def made_of(*entries: Entry) -> bytes:
    """A ZIP of these entries, whatever their heads say."""
    body, listed = b"", b""
    for entry in entries:
        local, line = heads(entry, len(body))
        body += local + entry.packed
        listed += line
    return body + listed + end(len(entries), len(listed), len(body))


def many(count: int, name_length: int = 0) -> bytes:
    """A ZIP of empty files."""
    body = bytearray()
    listed = bytearray()
    for number in range(count):
        local, line = heads(Entry(b"%0*d" % (max(1, name_length), number), b"", 0, 0), len(body))
        body += local
        listed += line
    return bytes(body + listed) + end(count, len(listed), len(body))


def overlapping(count: int) -> bytes:
    """A ZIP all of whose entries are the same bytes."""
    packed = deflated(100)
    local, _ = heads(Entry(b"a", packed, 100_000_000), 0)
    listed = b"".join(heads(Entry(b"%d" % n, packed, 100_000_000), 0)[1] for n in range(count))
    return local + packed + listed + end(count, len(listed), len(local + packed))


def endless_list() -> bytes:
    """A ZIP whose list of files has twenty million bytes."""
    line = heads(Entry(b"a", b"", 0, 0), 0)[1]
    listed = line * (20_000_000 // len(line))
    return b"PK\3\4" + bytes(30) + listed + end(0xFFFF, len(listed), 34)


MADE: Final[dict[str, Callable[[], bytes]]] = {
    "65,535 files": lambda: many(65_535),
    "files with names of 60,000 letters": lambda: many(100, 60_000),
    "a list of files of 20 MB": endless_list,
    "files that overlap": lambda: overlapping(2_000),
    "a file of a gigabyte": lambda: made_of(Entry(b"a", deflated(1000), 1_000_000_000)),
    "a file of four gigabytes that is a lie": lambda: made_of(Entry(b"a", b"\3\0", 0xFFFFFFFE)),
    "a ZIP in a ZIP in a ZIP": lambda: zipped(
        {"a.zip": zipped({"b.zip": zipped({"c.zip": bytes(1_000_000)})})}
    ),
    "names that lead out of it": lambda: zipped({"../../etc/passwd": "x", "/etc/shadow": "x", "C:\\a": "x"}),
    "names of control characters": lambda: zipped({"\x1b[2J\u202egpj.exe\n3 files": "x"}),
    "one name a thousand times": lambda: made_of(*[Entry(b"a", b"", 0, 0)] * 1000),
    "an unknown method": lambda: made_of(Entry(b"a", b"x", 1, 99)),
    "a list that is elsewhere": lambda: many(3)[:-22] + end(3, 100, 0xFFFFFFF0),
    "a list of negative length": lambda: many(3)[:-22] + end(3, 0xFFFFFFFF, 0),
    "an end without anything": lambda: b"PK\3\4" + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
    "a comment full of ends": lambda: many(3)[:-22] + end(3, 9, 9, end(1, 1, 1) * 2_000),
    "no list at all": lambda: many(3)[:60],
    "ZIP64 that promises everything": lambda: (
        many(2)[:-22]
        + b"PK\6\6"
        + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**60, 2**60, 2**62, 2**62)
        + b"PK\6\7"
        + struct.pack("<IQI", 0, 60, 1)
        + end(0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    ),
    "an extra field without an end": lambda: made_of(Entry(b"a", b"", 0, 0)).replace(
        struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0), struct.pack("<HHHHII", 9, 0, 0, 0, 0, 0)
    ),
    "a checksum that is wrong": lambda: made_of(
        Entry(b"[Content_Types].xml", zlib.compress(b"<Types/>")[2:-4], 8, crc=1)
    ),
}


def files() -> Iterator[HostileFile]:
    """All of them."""
    for name, made in MADE.items():
        yield HostileFile(Kind.DOCUMENT, "ZIP", name, made, "application/zip")
