"""Locks on open files: the system frees them when their holder dies.

A lock belongs to what was opened, not to the process: closing another handle of the file does not free it
(flock(2); LockFile of Windows, which `msvcrt.locking` calls).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCKED_BYTE: Final = 1 << 20
"""Beyond any text in the file: Windows lets nobody else read a byte that is locked."""


def try_lock(fd: int) -> bool:
    """Lock an open file until it is closed, if nobody else has; never waits. Others can still read it.

    Args:
        fd: Opened for reading and writing. Its position may be another afterwards.

    Raises:
        OSError: The file system has no locks.
    """
    if sys.platform == "win32":
        return lock_byte(fd, msvcrt.locking, msvcrt.LK_NBLCK)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def holds_lock(pid: int, fd: int) -> bool:
    """Return whether a process holds the lock of an open file; True if the system does not say (proc(5))."""
    if sys.platform != "linux":
        return True
    # A number, kind, mode, type, process, and device with inode. Some file systems have two numbers for a
    # device, so that of the file is not compared.
    inode = str(os.fstat(fd).st_ino)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return True
    held = (line.split() for line in lines)
    return any(
        kind == "FLOCK" and holder == str(pid) and place.rpartition(":")[2] == inode
        for _, kind, _, _, holder, place, *_ in held
    )


def lock_byte(fd: int, locking: Callable[[int, int, int], None], without_waiting: int) -> bool:
    """Lock an open file like `try_lock`, by the rules of Windows.

    Args:
        fd: As there.
        locking: `msvcrt.locking`; it locks from where the file's position is.
        without_waiting: `msvcrt.LK_NBLCK`: with it a locked byte is refused with EACCES at once.
    """
    os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
    try:
        locking(fd, without_waiting, 1)
    except PermissionError:
        return False
    return True


def read_locked(fd: int, size: int) -> bytes:
    """The first bytes of an open file that is locked with `try_lock`, or may be."""
    os.lseek(fd, 0, os.SEEK_SET)  # there is no pread everywhere
    return os.read(fd, size)


def write_locked(fd: int, content: bytes) -> None:
    """Replace what an open file holds that is locked with `try_lock`, or may be.

    Raises:
        OSError: There is no room; then it holds nothing.
    """
    # Emptied first: without room for the new content the old one must not stand there.
    os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, content)
