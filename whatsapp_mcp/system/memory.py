"""How much memory a process may take, and how much it keeps that it no longer uses."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
_ARENAS: Final = 2


def limit_memory(most: int) -> None:
    """Let this process take at most so many bytes of memory; one more ends it, and no other process.

    Linux counts what a process can write (RLIMIT_DATA), not what its libraries have mapped. Elsewhere this
    does nothing.
    """
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def share_arenas() -> None:
    """Let all threads, also future ones, take their memory from the same two places.

    glibc gives each thread a place of its own, up to eight per processor, and each keeps what it once needed:
    a server whose worker threads take turns grows for hours. Elsewhere this does nothing. See mallopt(3).
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another libc
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)
