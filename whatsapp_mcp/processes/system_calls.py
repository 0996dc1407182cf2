"""System calls that neither Python nor the C library wraps, and permanent restrictions of a process.

Core dumps are forbidden here; `landlock.py` and `seccomp.py` go further on Linux.
"""

from __future__ import annotations

import ctypes
import errno
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_FILTER: Final = Path("/proc/self/coredump_filter")
"""Which memory goes into a dump (core(5))."""


def system_call(number: int, *arguments: int | bytes | ctypes.Structure | None) -> int:
    """A system call; numbers are as wide as a register, a structure is passed by its address.

    Returns:
        What it answers; -1 where it fails, for the reason in `errno` (`failure`).
    """
    wide = (
        ctypes.c_long(each)
        if isinstance(each, int)
        else ctypes.byref(each)
        if isinstance(each, ctypes.Structure)
        else each
        for each in arguments
    )
    # `use_errno` keeps the error: Python's own calls may overwrite the C library's before it is read.
    return ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *wide)


def no_new_privileges() -> None:
    """Give up what a program that is run could gain (set-user-ID); what Landlock and seccomp ask for.

    Raises:
        OSError: The kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise failure("no_new_privs")


def failure(what: str) -> OSError:
    """The error of the call that has just failed."""
    code = ctypes.get_errno()
    return OSError(code, f"{what}: {errno.errorcode.get(code, code)}")


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
