"""Processes: started apart, ended with what they started, told from others; signals that end this one.

`EndTimer` counts on the clock of leases and ends this process whatever it does. The kernel kills the process
(`timer_create(2)` with `SIGKILL`). A thread would not do: a process that is stopped runs none, and when it is
continued other threads than that one may go on first. The timer counts while the machine is suspended, and
kills a stopped process too. Linux alone has both.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import anyio

from whatsapp_mcp.system.machine import HERE, System

if TYPE_CHECKING:
    from anyio.abc import Process

IDLE_PRIORITY: Final = subprocess.IDLE_PRIORITY_CLASS if sys.platform == "win32" else 0
"""`creationflags` of a process that leaves the processors to others; on Unix it calls `lower_priority`."""
_FINDS_FILES: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
"""Variables by which programs find their files; none that usually holds a secret."""
_ON_WINDOWS: Final = (
    "APPDATA",
    "COMSPEC",
    "LOCALAPPDATA",
    "PATHEXT",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERPROFILE",
)
INTERRUPT: Final = ("SIGINT",)
"""Ctrl-C."""
END: Final = ("SIGINT", "SIGTERM", "SIGBREAK")
"""Ctrl-C, what service managers send, and Ctrl-Break of Windows."""
END_OR_HANG_UP: Final = (*END, "SIGHUP")
"""Signals of `END`, and the signal that Unix sends when the terminal's window is closed."""
_ABSOLUTE: Final = 1
"""`TIMER_ABSTIME`."""
_BY_SIGNAL: Final = 0
"""`SIGEV_SIGNAL`."""
_AT_ONCE: Final = 1e-9
"""A time of zero would switch the timer off."""


def variables_of_a_command(system: System = HERE) -> tuple[str, ...]:
    """The names of the variables by which a command finds its programs and files."""
    return (*_FINDS_FILES, *_ON_WINDOWS) if system is System.WINDOWS else _FINDS_FILES


def is_running(pid: int) -> bool:
    """Return whether this user has a process with that ID; always False on Windows, which is not asked."""
    if sys.platform == "win32":  # there, signal 0 would end it
        return False
    try:
        os.kill(pid, 0)
    except OSError:  # none, or somebody else's
        return False
    return True


def kill(pid: int) -> None:
    """End a process at once.

    Raises:
        OSError: There is none, or it is somebody else's.
    """
    # Windows has no signals: any number but those of Ctrl-C and Ctrl-Break ends the process.
    os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def kill_group(process: Process) -> None:
    """End a process that was started in a session of its own, on Unix with all that it has started."""
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            # The process leads its session, so its process group has the same number.
            os.killpg(process.pid, signal.SIGKILL)


def leave_terminal() -> None:
    """Keep the terminal's signals away from this process: whoever started it decides when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        # A process that leads a group already cannot begin a session (setsid(2)).
        with suppress(PermissionError):
            os.setsid()


def suspend(process: Process) -> bool:
    """Stop a process until `resume`; whether that was done, which is on Linux alone.

    Elsewhere nothing would end a stopped process whose parent was killed.
    """
    if sys.platform != "linux":
        return False
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGSTOP)
    return True


def resume(process: Process) -> None:
    """Let a process go on that `suspend` has stopped."""
    if sys.platform == "linux":
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)


def took_too_long(return_code: int | None) -> bool:
    """Return whether a process was ended by its limit of processor time."""
    return sys.platform != "win32" and return_code == -signal.SIGXCPU


def lower_priority() -> None:
    """Leave the processors to whoever else wants them. On Linux this holds for threads started afterwards."""
    if sys.platform != "win32":
        os.nice(19)


def memory_of(pid: int) -> int | None:
    """Bytes of memory that a process takes; None where there is none, and on all systems but Linux."""
    if sys.platform != "linux":
        return None
    try:
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    except (OSError, IndexError):  # it has just ended
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def processor_seconds_of(pid: int) -> float | None:
    """Processor time that a process has taken, in seconds; None as `memory_of`.

    The fields are those of proc_pid_stat(5); the name of the program before them may hold anything.
    """
    if sys.platform != "linux":
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):  # it has just ended
        return None


def most_open_files() -> int | None:
    """Return how many files and sockets this process may have open at once; None if there is no limit."""
    if sys.platform == "win32":
        return None
    import resource

    handles, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if handles == resource.RLIM_INFINITY else handles


def allow_most_open_files() -> None:
    """Let this process, and those it starts, have as many files and sockets open as the system allows."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS names a limit that it does not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def receive_signals(
    names: tuple[str, ...], system: System = HERE
) -> AbstractContextManager[AsyncIterator[signal.Signals]]:
    """While the body runs, the signals come here and do nothing else. In the main thread alone.

    Args:
        names: Of the signals; those that the system does not know never come.
        system: Of which the rules are followed.
    """
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    # There the event loop cannot listen to signals.
    return _handled(numbers) if system is System.WINDOWS else anyio.open_signal_receiver(*numbers)


@contextmanager
def _handled(numbers: list[signal.Signals]) -> Generator[AsyncIterator[signal.Signals]]:
    loop, came = asyncio.get_running_loop(), asyncio.Queue[signal.Signals]()

    def take(number: int, _: FrameType | None) -> None:
        # A handler runs in the main thread between two instructions: only this wakes a loop that sleeps.
        loop.call_soon_threadsafe(came.put_nowait, signal.Signals(number))

    former = {number: signal.signal(number, take) for number in numbers}
    try:
        yield _taken_from(came)
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


async def _taken_from(came: asyncio.Queue[signal.Signals]) -> AsyncIterator[signal.Signals]:
    while True:
        yield await came.get()


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
