"""How much memory a process keeps that it no longer uses."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def share_arenas() -> None:
    """Let all threads, also future ones, take their memory from the same two places.

    glibc gives each thread a place of its own, up to eight per processor, and each keeps what it once needed:
    a server whose worker threads take turns grows for hours. Elsewhere this does nothing. See mallopt(3).
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another libc
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
