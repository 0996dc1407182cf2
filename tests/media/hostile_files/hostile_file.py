"""A file that is made to do harm, and what many of them are made of."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

_PIECE: Final = 1_000_000


class Kind(StrEnum):
    """As what a file is read."""

    DOCUMENT = "document"
    PICTURE = "picture"
    RECORDING = "recording"


@dataclass(frozen=True, slots=True)
class HostileFile:
    """A file.

    Attributes:
        kind: As what it is read.
        family: Its format.
        name: What is wrong with it.
        made: Its content.
        mime_type: What its sender calls it.
    """

    kind: Kind
    family: str
    name: str
    made: Callable[[], bytes]
    mime_type: str = ""

    def __str__(self) -> str:
        return f"{self.family}: {self.name}"


@cache
def deflated(megabytes: int, unit: bytes = b"\0") -> bytes:
    """So many megabytes of equal units, deflated without a head: a thousandth of it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = unit * (_PIECE // len(unit))
    first = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (megabytes - 1) + packer.flush()


@cache
def zlib_bomb(megabytes: int, unit: bytes = b"\0") -> bytes:
    """The same with the head of zlib; its checksum is wrong, which shows only at its end."""
    return b"\x78\xda" + deflated(megabytes, unit) + b"\0\0\0\0"
