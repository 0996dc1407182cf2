"""Which files may be sent: those below allowed folders, and never the files of this package itself.

Its own files are known by device and inode, so that a hard link, a symbolic link or a bind mount is no way to
them; what is looked at is what was opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument

MEDIA: Final = "media"
"""The folder of an account whose files may be sent."""
_OF_CLIENTS: Final = ("accounts/*/client/*", "accounts/*/client/received/*", "accounts/*/sending/*")
_OWN: Final = ("*", "tokens/*", "accounts/*", "accounts/*/*", "accounts/*/exports/*", *_OF_CLIENTS)
"""Patterns of what the home folder holds (`settings.AccountFolder`), down to the folders `media` and not
below."""
_OF_ACCOUNTS: Final = ("accounts/*", "accounts/*/*", "accounts/*/client/*")
"""The patterns whose matches include the databases."""
_FOLDER: Final = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
"""O_PATH: a folder on the way need not be one that may be listed."""
_FILE: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Without O_NONBLOCK a FIFO would hold whoever opens it."""
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_HAS_OPENAT: Final = os.open in os.supports_dir_fd
"""False on Windows."""

_Identity = tuple[int, int]
"""Device and inode."""


def open_allowed(path: Path, roots: Sequence[Path], home: Path) -> BinaryIO:
    """Open a regular file below one of the roots for reading.

    Links in the path are followed before it is decided whether it lies below a root, and none is after that.

    Args:
        path: An absolute path.
        roots: Folders.
        home: The home folder, of which nothing but files to send is ever opened.

    Raises:
        FileNotAllowed: It lies outside, or is a file of this package.
        InvalidArgument: There is no such file, or it cannot be read.
    """
    root, below = _place(path, roots)
    own = _own_files(home)
    try:
        opened = _open_step_by_step(root, below, own) if _HAS_OPENAT else _open_at_once(root / below)
    except OSError as error:
        raise _no_file() from error
    try:
        status = os.fstat(opened)
        _refuse_own(status, own)
        if not stat.S_ISREG(status.st_mode):
            raise _no_file()
    except BaseException:
        os.close(opened)
        raise
    return os.fdopen(opened, "rb")


def refuse_own(path: Path, home: Path) -> None:
    """Refuse a file of an account, such as its databases, before anything opens it.

    A process that opens and closes a database which it uses frees all its locks on it (SQLite, how to
    corrupt, 2.2).

    Raises:
        FileNotAllowed: It is one, by whatever name.
    """
    if _identity(path) in _own_files(home, _OF_ACCOUNTS):
        raise FileNotAllowed("The file belongs to whatsapp-mcp itself.", "Give another file.")


def importable(path: Path, roots: Sequence[Path], home: Path) -> Path:
    """A file or folder that an agent may have imported, by a path on which no link is left.

    Args:
        path: As it was given.
        roots: Folders that a person allows.
        home: The home folder. Nothing in it is imported: what was downloaded came from strangers.

    Raises:
        FileNotAllowed: It lies outside the roots, or in the home folder.
        InvalidArgument: There is no such file or folder.
    """
    try:
        resolved, own = path.resolve(strict=True), home.resolve()
        allowed = [root.resolve() for root in roots]
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_file() from error
    # Nor a folder around the home: importing it would read what is inside.
    if resolved.is_relative_to(own) or own.is_relative_to(resolved):
        raise _outside()
    if not any(resolved.is_relative_to(root) for root in allowed):
        raise _outside()
    return resolved


def _place(path: Path, roots: Sequence[Path]) -> tuple[Path, Path]:
    """The root in which a path lies, and the way from there, both without links."""
    try:
        resolved = path.resolve()
        for root in map(Path.resolve, roots):
            if resolved.is_relative_to(root):
                return root, resolved.relative_to(root)
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL in the path
        raise _outside() from error
    raise _outside()


def _open_step_by_step(root: Path, below: Path, own: frozenset[_Identity]) -> int:
    """Open each folder from the one before: whoever moves links about meanwhile gains nothing."""
    folder = os.open(root, _FOLDER)
    try:
        for part in below.parts[:-1]:
            _refuse_own(os.fstat(folder), own)
            inner = os.open(part, _FOLDER | _NO_LINK, dir_fd=folder)
            os.close(folder)
            folder = inner
        _refuse_own(os.fstat(folder), own)
        return os.open(below.name or ".", _FILE | _NO_LINK, dir_fd=folder)
    finally:
        os.close(folder)


def _open_at_once(path: Path) -> int:
    """Open a file by its whole path, the only way on Windows; refuse a path with links."""
    opened = os.open(path, _FILE)
    if path.resolve() == path and os.path.samestat(os.fstat(opened), path.stat()):
        return opened
    os.close(opened)
    raise _outside()


def _refuse_own(status: os.stat_result, own: frozenset[_Identity]) -> None:
    if (status.st_dev, status.st_ino) in own:
        raise FileNotAllowed(
            "The file belongs to whatsapp-mcp itself, which never sends its own files.", "Send another file."
        )


def _outside() -> FileNotAllowed:
    return FileNotAllowed("The path is not that of a file in an allowed folder.")


def _no_file() -> InvalidArgument:
    return InvalidArgument("The path is not that of a file that can be read.", "Give the path of one.")


def _own_files(home: Path, patterns: Sequence[str] = _OWN) -> frozenset[_Identity]:
    media = set(home.glob(f"accounts/*/{MEDIA}"))
    identities = (_identity(path) for pattern in patterns for path in home.glob(pattern) if path not in media)
    return frozenset(identity for identity in (_identity(home), *identities) if identity is not None)


def _identity(path: Path) -> _Identity | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def overlap(root: Path, home: Path) -> str | None:
    """Return what is wrong with a folder to send files from: it contains the home folder or lies in it.

    None when nothing is, as below the folders `media` of accounts.
    """
    root, home = root.resolve(), home.resolve()
    above_home = {_identity(folder) for folder in (home, *home.parents)} - {None}
    if home.is_relative_to(root) or _identity(root) in above_home:
        return f"contains the home folder {home}, whose files are never sent"
    if root.is_relative_to(home):
        account, _, kind = (*root.relative_to(home).parts, "", "", "")[:3]
        is_media = (account, kind) == ("accounts", MEDIA)
    else:
        own = _own_files(home)
        is_media = not any(_identity(folder) in own for folder in (root, *root.parents))
    return None if is_media else f"lies in the home folder {home}, whose files are never sent"
