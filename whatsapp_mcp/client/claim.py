"""One client of an account at a time: each holds a lock until its process is gone.

A client whose leader was killed ends within moments. One that was stopped or is stuck cannot, and when it
goes on it takes the session away from its successor. So the successor waits for it, then kills it. The file
holds the number of the process, and for how many seconds more it has asked its leader and its successor to
wait.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from whatsapp_mcp.client.protocol import LEADER_GONE_SECONDS
from whatsapp_mcp.system import holds_lock, kill, read_locked, try_lock, write_locked

FILE_NAME: Final = "client.lock"
PATIENCE: Final = LEADER_GONE_SECONDS + 0.3
"""Seconds that a former client has to end by itself."""
LONGEST_PATIENCE: Final = 12
"""Seconds that it may have asked for beyond that."""
_READ_ALONE: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""A client that was taken over may leave anything in the place of its lock, also what would hold a reader."""
_GONE_LIMIT: Final = 2.0
"""Seconds from the kill until the system has freed the lock."""
_LOOK_AGAIN: Final = 0.02
"""Seconds between two tries: a lock that is waited for by the system knows no time limit."""

logger = logging.getLogger(__name__)


def claim(path: Path) -> None:
    """Be the only client from here to the end of this process, which may still send signals.

    Raises:
        OSError: The file cannot be made.
    """
    try:
        _write(_claimed(path), path, str(os.getpid()))
    except BlockingIOError as error:
        logger.error("client lock: %s", error)


def _claimed(path: Path) -> int:
    """The open file, locked; a former client had time to end, and was killed.

    Raises:
        BlockingIOError: The former client cannot be ended.
        OSError: The file cannot be made.
    """
    _clear_place(path)
    fd = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    # What it asks for is read after the first wait: a client writes it down only when it is told to end.
    if not _locked_within(fd, PATIENCE) and not _locked_within(fd, _asked_patience(fd)):
        _kill_holder(fd)
        if not _locked_within(fd, _GONE_LIMIT):
            os.close(fd)
            raise BlockingIOError("the former client cannot be ended")
    return fd


def _clear_place(path: Path) -> None:
    """Rename what lies there unless it is a file: a folder may hold too much to be deleted first."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            path.rename(path.with_name(f"{path.name}.{secrets.token_hex(8)}"))
            logger.warning("client lock: what lay in its place was no file and is renamed")


def ask_for_patience(path: Path, seconds: int) -> None:
    """Ask for so much more time to end than every client has, for the client that holds the claim."""
    try:
        fd = os.open(path, os.O_RDWR)
    except OSError as error:
        logger.warning("%s cannot be written: %s", path.name, error)
        return
    _write(fd, path, f"{os.getpid()} {seconds}")
    # Closing another handle of the file does not give the lock up.
    os.close(fd)


def _write(fd: int, path: Path, text: str) -> None:
    try:
        write_locked(fd, text.encode())
    except OSError as error:
        logger.warning("%s cannot be written: %s", path.name, error)


def patience_for(path: Path, pid: int) -> int:
    """Return the extra seconds that a process has asked for if it holds the claim; otherwise 0."""
    try:
        fd = os.open(path, _READ_ALONE)
    except OSError:
        return 0
    try:
        is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        return _asked_patience(fd) if is_file and _held_by(fd)[:1] == [str(pid)] else 0
    except OSError:
        return 0
    finally:
        os.close(fd)


def _held_by(fd: int) -> list[str]:
    return read_locked(fd, 32).decode("ascii", errors="replace").split()


def _asked_patience(fd: int) -> int:
    asked = _held_by(fd)[1:]
    return min(int(asked[0]), LONGEST_PATIENCE) if asked and asked[0].isdecimal() else 0


def _locked_within(fd: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not try_lock(fd):
        if time.monotonic() >= end:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _kill_holder(fd: int) -> None:
    number = next(iter(_held_by(fd)), "")
    # The number may be an old one, or forged, and name an innocent process: the lock has to be that one's.
    if not number.isdecimal() or not holds_lock(int(number), fd):
        return
    logger.warning("client lock: former client (process %s) did not end and is killed", number)
    try:
        kill(int(number))
    except OSError as error:
        logger.warning("client lock: former client cannot be killed: %s", error)
