"""A wall clock that jumps, for the processes that a soak starts; their monotonic clock goes on as it was.

The product reads the time as any program does. `clock_site/sitecustomize.py`, found on `PYTHONPATH` by each
Python process, shifts what `time` and `datetime` answer by as many seconds as a shared file says. What
the client library reads within Go is not shifted.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).with_name("clock_site")
OFFSET: Final = struct.Struct("d")


class WallClock:
    """The wall clock of processes that are started with `environment`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.ahead = 0.0
        self.set(0.0)

    def set(self, ahead: float) -> None:
        """Let it be so many seconds ahead (or, below zero, behind), at once and for all of them."""
        self.ahead = ahead
        # One write of eight bytes in place: the processes keep the file mapped.
        fd = os.open(self._file, os.O_CREAT | os.O_WRONLY, 0o600)
        try:
            os.pwrite(fd, OFFSET.pack(ahead), 0)
        finally:
            os.close(fd)

    def environment(self, inherited: dict[str, str]) -> dict[str, str]:
        """`inherited` with what the processes need.

        A `sitecustomize` that stands before on `PYTHONPATH` has to run this one.
        """
        path = [part for part in (inherited.get("PYTHONPATH"), str(_FOLDER)) if part]
        return {**inherited, "PYTHONPATH": os.pathsep.join(path), "SOAK_WALL_CLOCK": str(self._file)}
