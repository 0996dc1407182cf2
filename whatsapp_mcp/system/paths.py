"""Paths: who may read what lies there, files for their owner alone, their locks, and command lines as typed.

The system frees a lock on an open file when its holder dies. A lock belongs to what was opened, not to the
process: closing another handle of the file does not free it (flock(2); LockFile of Windows, which
`msvcrt.locking` calls).
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from whatsapp_mcp.system.machine import HERE, System

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

HAS_MODES: Final = HERE is not System.WINDOWS
"""True if files have modes that say who may use them."""
SHELL_CHARACTERS: Final = frozenset('&|<>^%!"')
"""Characters with a special meaning for cmd.exe of Windows, which also runs the scripts of npm."""
_OTHERS: Final = 0o077
"""Bits of a mode for the group and for all others."""
_RUNTIME_BASES: Final = ("/run/user/{user}", "/tmp")  # noqa: S108
"""Where systemd keeps a folder for each user, else `/tmp`: both short, since a socket's path has a limit."""
_DRAFT: Final = re.compile(r"\.[a-z0-9_]{8}\.part$")
"""The names that `draft_of` gives."""
LOCKED_BYTE: Final = 1 << 20
"""Beyond any text in the file: Windows lets nobody else read a byte that is locked."""


def command_line(words: Sequence[str], system: System = HERE) -> str:
    """A command as it is typed into the shell of a system."""
    if system is not System.WINDOWS:
        return shlex.join(words)
    return " ".join(
        _quoted(word) if SHELL_CHARACTERS.intersection(word) else subprocess.list2cmdline([word])
        for word in words
    )


def _quoted(word: str) -> str:
    """A word in double quotes; backslashes before a quote are doubled, as Windows programs expect."""
    doubled = re.sub(r'(\\+)(?="|\Z)', r"\1\1", word)
    return '"' + doubled.replace('"', '\\"') + '"'


def program_file(name: str, system: System = HERE) -> str:
    """The name of the file of a program, of the program's name or of the file's."""
    suffix = ".exe" if system is System.WINDOWS else ""
    return name.removesuffix(suffix) + suffix


def open_to_others(status: os.stat_result, system: System = HERE) -> int | None:
    """The mode of a file or folder that others than its owner may use; None if they may not.

    Windows has no modes: there what lies in a person's own folders is theirs alone, and nothing is said.
    """
    mode = stat.S_IMODE(status.st_mode)
    return mode if system is not System.WINDOWS and mode & _OTHERS else None


def own_user() -> int | None:
    """The number of this user; None on Windows."""
    return None if sys.platform == "win32" else os.getuid()


def is_foreign(status: os.stat_result) -> bool:
    """Return whether a file or folder belongs to another user, where the system names an owner."""
    return (user := own_user()) is not None and status.st_uid != user


@contextmanager
def working_in(folder: Path) -> Generator[None]:
    """Work in a folder, then in the former one again, which need not have a name any more.

    Does nothing on Windows: there a folder in which a process works cannot lose its name.
    """
    if sys.platform == "win32":
        yield
        return
    former = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(former)
        os.close(former)


def runtime_folder() -> Path | None:
    """A short, private folder for sockets, made if need be; None when other users' folders are in its place.

    It does not depend on the environment: MCP applications start their servers with few variables, and every
    process of the account's owner has to find the same folder.
    """
    return next(filter(_make_own, runtime_folders()), None)


def runtime_folders() -> list[Path]:
    """Return the candidates for `runtime_folder`, the best first; none on Windows."""
    if (user := own_user()) is None:
        return []
    return [Path(base.format(user=user)) / f"whatsapp-mcp-{user}" for base in _RUNTIME_BASES]


def _make_own(folder: Path) -> bool:
    """Make a folder private to this user; whether that is what it is then."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Not stat: whoever puts a symbolic link there would choose the folder in which the sockets lie.
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or is_foreign(status):
            return False
        folder.chmod(0o700)
    except OSError:
        return False
    return True


def is_read_only(path: Path) -> bool:
    """Return whether a path's file system is mounted read-only, as far as the system says so."""
    if sys.platform == "win32":
        return False
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def make_private_file(path: Path) -> None:
    """Make an empty file, private to its owner, if there is none; one that is there is not touched.

    It is not even opened: closing it again would free every lock that SQLite holds on it in this process,
    and another process would take away the log that is still written to
    (https://sqlite.org/howtocorrupt.html, 2.2).

    Raises:
        OSError: It cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def draft_of(path: Path) -> Generator[Path]:
    """An empty file, private to its owner, in the folder of `path`; deleted at the end if it is still there.

    Its name is its own, so two writers of one file do not write into each other's draft.

    Raises:
        OSError: It cannot be made.
    """
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def is_draft(path: Path) -> bool:
    """Return whether a file has the name of a draft; an abandoned draft is from a process that was killed."""
    return _DRAFT.search(path.name) is not None


@contextmanager
def replaced(path: Path) -> Generator[Path]:
    """A draft (`draft_of`) that takes the place of `path` once the body has filled it.

    Who may read the former file, or has it open, sees nothing of the new one; and it is whole or not there.

    Raises:
        OSError: It cannot be made.
    """
    with draft_of(path) as draft:
        yield draft
        draft.replace(path)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, as far as the system can do that.

    Raises:
        OSError: They cannot be written.
    """
    # Windows opens no folder as a file, so that there is nothing to sync.
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_private(path: Path, content: bytes, *, synced: bool = False) -> None:
    """Write a file that only its owner may read, whole or not at all; one of this name is replaced.

    Args:
        path: The file.
        content: All of it.
        synced: Whether it must be on the disk before it takes the name: after a power cut it is else empty.

    Raises:
        OSError: It cannot be written.
    """
    # The inner context ends first: Windows renames no file that is still open.
    with replaced(path) as draft, draft.open("wb") as file:
        file.write(content)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    if synced:
        sync_folder(path.parent)


def read_or_make(path: Path, content: bytes) -> bytes:
    """Return the content of a private file; if there is none, make it with `content`. The first maker wins.

    Raises:
        OSError: It can be neither read nor made.
    """
    if not path.exists():
        with draft_of(path) as draft:
            draft.write_bytes(content)
            # A link, not a rename: where another process was first, a rename would replace its content.
            with suppress(FileExistsError):
                os.link(draft, path)  # whole or not at all
    return path.read_bytes()


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
