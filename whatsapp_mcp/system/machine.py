"""The machine: which operating system this is, its running boot and file systems, and memory of a process.

Only the modules of this room ask for the system; who calls them need not.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
from contextlib import suppress
from enum import StrEnum
from functools import cache
from pathlib import Path, PurePath
from typing import Final, NamedTuple

_M_ARENA_MAX: Final = -8
"""Parameter of mallopt(3), from glibc's malloc.h."""
_ARENAS: Final = 2
_BOOT_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
_MAC_BOOT: Final = ("/usr/sbin/sysctl", "-n", "kern.bootsessionuuid")
_BOOT_LIMIT: Final = 5.0
"""Seconds that sysctl may take on macOS."""
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
"""Space, tab, newline and backslash, which mountinfo writes as octal numbers."""
_MOUNTED_ON_MACOS: Final = re.compile(r".+ on (/.*) \(([\w-]+)[,)]")
_LIMIT: Final = 2.0
"""Seconds that the list of mounts may take on macOS."""
_DRIVE_REMOTE: Final = 4
"""`DRIVE_REMOTE` of Windows: a network drive."""


class System(StrEnum):
    """An operating system, as far as it is treated in a way of its own; any other Unix counts as Linux."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


def system_of(platform: str) -> System:
    """The system of a value of `sys.platform`."""
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(platform, System.LINUX)


HERE: Final = system_of(sys.platform)
"""The system that this process runs on. A function that decides by it takes it as an argument, for tests."""


def limit_memory(most: int) -> None:
    """Let this process take at most so many bytes of memory; one more ends it, and no other process.

    Linux counts what a process can write (RLIMIT_DATA), not what its libraries have mapped. Elsewhere this
    does nothing.
    """
    if sys.platform == "linux":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        # A process without privileges cannot raise its hard limit (setrlimit(2)).
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


class Mount(NamedTuple):
    """Mount point and type of a file system."""

    point: PurePath
    kind: str


@cache
def boot() -> str | None:
    """Return an ID of the machine's running boot; None if the system does not give one."""
    try:
        if sys.platform == "darwin":
            found = subprocess.run(_MAC_BOOT, capture_output=True, check=True, text=True, timeout=_BOOT_LIMIT)
            return found.stdout.strip()
        return _BOOT_FILE.read_text(encoding="ascii").strip()
    except (OSError, subprocess.SubprocessError):
        return None


def has_time_zone() -> bool:
    """Return whether the system has a time zone of its own; always True on Windows."""
    return sys.platform == "win32" or Path("/etc/localtime").exists()


def mounts_here(folder: Path) -> list[Mount]:
    """The mounts of this machine, as far as they are known; on Windows that of the folder's drive."""
    try:
        if sys.platform == "linux":
            return read_mountinfo(Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape"))
        if sys.platform == "darwin":
            listed = subprocess.run(
                ["/sbin/mount"], capture_output=True, text=True, timeout=_LIMIT, check=True
            )
            return read_mount_list(listed.stdout)
        if sys.platform == "win32":
            import ctypes

            return mount_of_drive(folder.anchor, ctypes.windll.kernel32.GetDriveTypeW(folder.anchor))
    except (OSError, subprocess.SubprocessError):
        return []
    return []


def read_mountinfo(text: str) -> list[Mount]:
    """The mounts in a `/proc/PID/mountinfo` (proc_pid_mountinfo(5))."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        # The number of optional fields before the dash varies: the type is found only from there.
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and after:
            point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
            mounts.append(Mount(Path(point), after.split(" ")[0]))
    return mounts


def read_mount_list(text: str) -> list[Mount]:
    """The mounts that `mount` lists on macOS: `//ann@nas/home on /Volumes/home (smbfs, nodev)`."""
    matches = (_MOUNTED_ON_MACOS.match(line) for line in text.splitlines())
    return [Mount(Path(match[1]), match[2]) for match in matches if match]


def mount_of_drive(anchor: str, drive_type: int) -> list[Mount]:
    """The mount of a drive of Windows, by what `GetDriveTypeW` says of it; none if it is not a remote one."""
    return [Mount(Path(anchor), "smbfs")] if drive_type == _DRIVE_REMOTE else []
