"""Keeps keys and messages out of core dumps: a process that crashes would leave its memory on the disk."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_FILTER: Final = Path("/proc/self/coredump_filter")
"""Which memory goes into a dump (core(5))."""


def forbid_core_dumps() -> None:
    """Let neither this process nor those that it starts leave a core dump; on Windows this does nothing.

    On Linux a program that the kernel hands dumps to may ignore the limit: it gets one without any memory.
    """
    if sys.platform == "win32":
        return
    import resource

    with suppress(OSError):  # no kernel refuses to lower a limit, and a jail may
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError):  # without /proc, or a kernel without dumps
            _FILTER.write_text("0", encoding="ascii")
