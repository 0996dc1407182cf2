"""What a process gives up before it looks at a foreign file.

A decoder reads what strangers made. Some formats name further files or addresses, and a flaw in a decoder may
do anything that its process can. After `confine`, on Linux:

* seccomp lets the process compute and use its pipes, and nothing else, on x86-64 and AArch64;
* Landlock takes away files, TCP, sockets and signals, as far as this kernel knows them;
* limits keep it from opening a file, socket or pipe, from writing to a disk, and from taking more memory.

macOS has the last alone, without the one on memory. They stop a decoder that is led to open something, not
code that has taken it over: that closes a pipe, and opens a file in its place. Windows has nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from whatsapp_mcp.processes.sandbox import (
    ABSTRACT_UNIX_SOCKET,
    BIND_TCP,
    CONNECT_TCP,
    SIGNAL,
    apply_landlock,
    compute_only,
    forbid_core_dumps,
    no_new_privileges,
)
from whatsapp_mcp.system import lower_priority

MEMORY_BYTES: Final = 640 * 1024 * 1024
"""What decoding may take beside the loaded libraries."""
_PR_SET_PDEATHSIG: Final = 1
_STATM: Final = Path("/proc/self/statm")


def confine(memory_bytes: int = MEMORY_BYTES, written_bytes: int = 0, *, is_background: bool = True) -> None:
    """Give up everything but what is open. Whatever is imported later must be loaded already.

    Args:
        memory_bytes: What may be taken beside what is loaded.
        written_bytes: How large a file may become that is open for writing.
        is_background: Whether nobody waits for it: it leaves the processors to others.
    """
    if is_background:
        lower_priority()
    if sys.platform == "win32":
        return
    import resource

    if sys.platform == "linux":
        # A job that computes for minutes does not look at its pipes, and would go on without its server.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        mapped = int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _limit(resource.RLIMIT_AS, mapped + memory_bytes)
    forbid_core_dumps()
    _limit(resource.RLIMIT_FSIZE, written_bytes)
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel that refuses; what else there is holds all the same
            no_new_privileges()
            apply_landlock((), network=BIND_TCP | CONNECT_TCP, scopes=ABSTRACT_UNIX_SOCKET | SIGNAL)
    # The lowest free descriptor: nothing can be opened at or above the limit, and below it all are taken.
    free = os.dup(0)
    os.close(free)
    _limit(resource.RLIMIT_NOFILE, free)
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel without seccomp
            compute_only(sizes=written_bytes > 0)


def limit_processor_time(seconds: int) -> None:
    """End this process after so many further seconds of processor time, even if nobody is left to kill it."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


def _limit(kind: int, value: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
