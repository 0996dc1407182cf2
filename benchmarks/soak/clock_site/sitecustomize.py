"""Shifts the wall clock of this process by the seconds in the file `SOAK_WALL_CLOCK` (a C double)."""

from __future__ import annotations

import datetime
import mmap
import os
import struct
import time

_REAL = datetime.datetime


def _shift(path: str) -> None:
    with open(path, "rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    offset, real_time, real_time_ns = struct.Struct("d"), time.time, time.time_ns

    def ahead() -> float:
        return offset.unpack_from(shared)[0]

    def shifted_time() -> float:
        return real_time() + ahead()

    def shifted_time_ns() -> int:
        return real_time_ns() + int(ahead() * 1e9)

    class AnyDatetime(type):
        """Lets what C code made count as an instance."""

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _REAL)

    class ShiftedDatetime(_REAL, metaclass=AnyDatetime):
        """`datetime` with another now."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return _REAL.fromtimestamp(shifted_time(), tz)

    time.time, time.time_ns = shifted_time, shifted_time_ns
    datetime.datetime = ShiftedDatetime  # type: ignore[misc]


if "SOAK_WALL_CLOCK" in os.environ:
    _shift(os.environ["SOAK_WALL_CLOCK"])
