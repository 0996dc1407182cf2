"""The account's lock, and the folder of its client process as who begins to lead finds it.

Who has the lock leads; the system frees it when its holder dies. A client that was taken over can put a
folder or a link in the place of a file, which would keep the account from ever being led again.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.system import try_lock, write_locked

_PLACES: Final = tuple(
    f"{name}{end}{beside}"
    for name in ("client.db", "inbox.db")
    for end in ("", ".damaged")
    for beside in ("", "-journal", "-wal", "-shm")
)
"""Names in the client's folder that the leader opens or moves."""

logger = logging.getLogger(__name__)


def identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; None if there is no such file."""
    try:
        file_stat = path.stat()
    except OSError:
        return None
    return file_stat.st_dev, file_stat.st_ino


class OpenFiles:
    """Files that a leader has open: what is written to a deleted one is lost."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._known: dict[Path, tuple[int, int]] = {}

    def missing(self) -> Path | None:
        """A file that has been deleted or replaced since it was there at an earlier look."""
        for path in self._paths:
            now = identity(path)
            known = self._known.setdefault(path, now) if now else self._known.get(path)
            if now != known:
                return path
        return None


class LockFile:
    """A file that one process at a time has locked; it holds that process's id."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; never waits.

        Raises:
            OSError: The file cannot be made.
        """
        fd = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        # If it was deleted between opening and locking, whoever comes next locks another file.
        if not _locked(fd) or not self._is_file(fd):
            os.close(fd)
            return False
        self._fd = fd
        self._note(str(os.getpid()))
        return True

    def _note(self, holder: str) -> None:
        """Tell others who has it; a full disk must not keep anybody from leading."""
        assert self._fd is not None
        try:
            write_locked(self._fd, holder.encode())
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path.name, error)

    @property
    def lost(self) -> bool:
        """True if the file was deleted or replaced, so that another process may hold the account too."""
        return self._fd is not None and not self._is_file(self._fd)

    def _is_file(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._fd is not None:
            # Before the lock is given up: after that the file may be the next holder's.
            self._note("")
            os.close(self._fd)
            self._fd = None

    def holder(self) -> int | None:
        """Process id of who holds it, as far as is known."""
        try:
            return int(self._path.read_text(encoding="ascii").strip() or 0) or None
        except (OSError, ValueError):
            return None


class LeaderLock(LockFile):
    """`leader.lock`: locked while this process leads the account."""

    def __init__(self, folder: AccountFolder) -> None:
        super().__init__(folder.leader_lock)
        self._folder = folder

    def acquire(self) -> bool:
        """Take the lock if it is free, and set aside what is in the place of the client's files; never waits.

        Raises:
            OSError: A file cannot be made or moved.
        """
        if not super().acquire():
            return False
        try:
            set_aside_no_files(self._folder)
        except BaseException:
            self.release()
            raise
        return True


def _locked(fd: int) -> bool:
    try:
        return try_lock(fd)
    except OSError:
        return False


def set_aside_no_files(folder: AccountFolder) -> None:
    """Move what lies in the place of a file and is none to where the client cannot write.

    Raises:
        OSError: It cannot be moved.
    """
    for name in _PLACES:
        path = folder.client / name
        try:
            mode = path.lstat().st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode):
            continue
        if stat.S_ISDIR(mode):
            path.chmod(0o700)  # a folder is moved by who may write in it
        aside = folder.path / f"no-file-{secrets.token_hex(4)}"
        logger.error("account %s: %s is no file, and is kept as %s", folder.name, name, aside.name)
        path.replace(aside)
