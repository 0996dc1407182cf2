"""Locks on open files, by what each system documents."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from whatsapp_mcp.system import holds_lock, read_locked, try_lock, write_locked
from whatsapp_mcp.system.paths import LOCKED_BYTE, lock_byte

LK_NBLCK: Final = 2


class LocksOfWindows:
    """`msvcrt.locking` of one file, as the C runtime documents it.

    It locks bytes from the handle's position on, also beyond the end. A byte is locked by one handle: another
    is refused at once with EACCES, and so is the same one.
    """

    def __init__(self) -> None:
        self._holders: dict[int, int] = {}

    def locking(self, fd: int, mode: int, count: int) -> None:
        """Lock."""
        assert mode == LK_NBLCK, "anything else waits for ten seconds"
        position = os.lseek(fd, 0, os.SEEK_CUR)
        wanted = range(position, position + count)
        if any(byte in self._holders for byte in wanted):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._holders.update(dict.fromkeys(wanted, fd))

    def can_read(self, fd: int, size: int) -> bool:
        """Whether another handle may read so many bytes from the beginning."""
        return not any(byte < size and holder != fd for byte, holder in self._holders.items())

    def close(self, fd: int) -> None:
        """Close a handle: its locks end, those of other handles do not."""
        os.close(fd)
        self._holders = {byte: holder for byte, holder in self._holders.items() if holder != fd}


Lock = Callable[[int], bool]
Close = Callable[[int], None]


@pytest.fixture(params=["here", "windows"])
def locks(request: pytest.FixtureRequest) -> tuple[Lock, Close]:
    """How a file is locked, and how it is closed."""
    if request.param == "here":
        return try_lock, os.close
    windows = LocksOfWindows()
    return lambda fd: lock_byte(fd, windows.locking, LK_NBLCK), windows.close


@pytest.fixture
def handles(tmp_path: Path) -> Callable[[], int]:
    """Opens the one file once more each time."""
    return lambda: os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR, 0o600)


def test_one_handle_has_it_until_that_is_closed(
    locks: tuple[Lock, Close], handles: Callable[[], int]
) -> None:
    lock, close = locks
    first, second, third = handles(), handles(), handles()
    assert lock(first)
    assert not lock(second)
    close(third)  # which is not the holder
    assert not lock(second)
    close(first)
    assert lock(second)
    close(second)


def test_what_a_locked_file_holds_is_replaced_and_read_by_others(
    locks: tuple[Lock, Close], handles: Callable[[], int]
) -> None:
    lock, close = locks
    holder, other = handles(), handles()
    assert lock(holder)
    write_locked(holder, b"4711 and more")
    write_locked(holder, b"4712")
    assert read_locked(other, 100) == b"4712"
    write_locked(other, b"4712 5")
    assert read_locked(holder, 100) == b"4712 5"
    close(other)
    close(holder)


def test_on_windows_the_locked_byte_keeps_nobody_from_reading_the_text(handles: Callable[[], int]) -> None:
    windows, holder, other = LocksOfWindows(), handles(), handles()
    assert lock_byte(holder, windows.locking, LK_NBLCK)
    assert windows.can_read(other, LOCKED_BYTE)
    assert not windows.can_read(other, LOCKED_BYTE + 1)
    windows.close(other)
    windows.close(holder)


def test_a_file_system_without_locks_is_not_taken_for_a_lock_of_another(handles: Callable[[], int]) -> None:
    def unsupported(fd: int, mode: int, count: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    fd = handles()
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        lock_byte(fd, unsupported, LK_NBLCK)
    os.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells who holds a lock")
def test_linux_tells_which_process_holds_a_lock(handles: Callable[[], int]) -> None:
    fd = handles()
    assert not holds_lock(os.getpid(), fd)
    assert try_lock(fd)
    assert holds_lock(os.getpid(), fd)
    assert not holds_lock(os.getppid(), fd)
