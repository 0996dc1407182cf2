"""The clock of leases, and a timer of it that ends this process whatever it does.

The kernel kills the process (`timer_create(2)` with `SIGKILL`). A thread would not do: a process that is
stopped runs none, and when it is continued other threads than that one may go on first. The timer counts
while the machine is suspended, and kills a stopped process too. Linux alone has both.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import time
from typing import Any, Final

_ABSOLUTE: Final = 1
"""`TIMER_ABSTIME`."""
_BY_SIGNAL: Final = 0
"""`SIGEV_SIGNAL`."""
_AT_ONCE: Final = 1e-9
"""A time of zero would switch the timer off."""


def boottime() -> float:
    """Seconds of a clock that goes on while the machine is suspended.

    Raises:
        OSError: The system has no such clock.
    """
    if sys.platform != "linux":
        raise _missing()
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Event(ctypes.Structure):
    """`struct sigevent`, which has 64 bytes."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signal", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * 48),
    )


class _Time(ctypes.Structure):
    """`struct timespec`."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Times(ctypes.Structure):
    """`struct itimerspec`."""

    _fields_ = (("interval", _Time), ("value", _Time))


class EndTimer:
    """Ends this process at a moment, unless that is put off in time.

    Raises:
        OSError: The system has no such timer.
    """

    _library: ctypes.CDLL
    _timer: ctypes.c_void_p

    def __init__(self) -> None:
        if sys.platform != "linux":
            raise _missing()
        self._library = _library()
        # `timer_t` is a pointer in the C library; an int would cut it off on 64 bits.
        self._timer = ctypes.c_void_p()
        # SIGKILL can be neither caught nor blocked: no library in this process puts the end off.
        event = _Event(None, signal.SIGKILL, _BY_SIGNAL)
        self._call("timer_create", time.CLOCK_BOOTTIME, ctypes.byref(event), ctypes.byref(self._timer))

    def put_off(self, until: float) -> None:
        """Let the process end then.

        Args:
            until: In seconds of CLOCK_BOOTTIME; in the past, it ends at once.
        """
        seconds, part = divmod(max(until, _AT_ONCE), 1)
        times = _Times(_Time(0, 0), _Time(int(seconds), max(1, int(part * 1e9))))
        self._call("timer_settime", self._timer, _ABSOLUTE, ctypes.byref(times), None)

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")


def _missing() -> OSError:
    return OSError(errno.ENOSYS, "accounts are led in a database on Linux alone")


def _library() -> ctypes.CDLL:
    """The C library; before glibc 2.34 its timers are in one of their own."""
    library = ctypes.CDLL(None, use_errno=True)
    return library if hasattr(library, "timer_create") else ctypes.CDLL("librt.so.1", use_errno=True)
