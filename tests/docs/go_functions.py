"""The functions that a Go program has linked in, from the table by which Go itself names them in a traceback.

A stripped file keeps this table. The names of methods in the metadata of types are no evidence: they stay
when the linker has dropped the code.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_MAGIC: Final = 0xFFFFFFF1
"""Go 1.20 and later."""
_NAMES, _FUNCTIONS = 3, 7
"""The words of the header that hold where the names and the functions begin."""


def linked_functions(file: Path) -> set[str]:
    """The full name of each function with code of its own in a 64-bit ELF file.

    Raises:
        ValueError: The file is none of Go, or of a version with another table.
    """
    table = _section(file.read_bytes(), b".gopclntab")
    (magic,) = struct.unpack_from("<I", table)
    if magic != _MAGIC:
        raise ValueError(f"the table begins with {magic:#x}")
    count, *header = struct.unpack_from("<8Q", table, 8)
    names, functions = (header[word - 1] for word in (_NAMES, _FUNCTIONS))
    found: set[str] = set()
    for number in range(count):
        _, entry = struct.unpack_from("<II", table, functions + 8 * number)
        (name,) = struct.unpack_from("<i", table, functions + entry + 4)
        begin = names + name
        found.add(table[begin : table.index(b"\0", begin)].decode())
    return found


def _section(data: bytes, wanted: bytes) -> bytes:
    (headers,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", data, headers + size * number) for number in range(count)]
    for name, _, _, _, offset, length in sections:
        begin = sections[names][4] + name
        if data[begin : data.index(b"\0", begin)] == wanted:
            return data[offset : offset + length]
    raise ValueError(f"no section {wanted.decode()}")
