"""Paths, who may read what lies there, and command lines as a person types them."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from whatsapp_mcp.system.operating_system import HERE, System

HAS_MODES: Final = HERE is not System.WINDOWS
"""Whether files have modes that tell who may use them."""
SHELL_CHARACTERS: Final = frozenset('&|<>^%!"')
"""Those that cmd.exe of Windows, which also runs the scripts of npm, takes for its own."""
_OTHERS: Final = 0o077
_RUNTIME_BASES: Final = ("/run/user/{user}", "/tmp")  # noqa: S108


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


def open_to_others(found: os.stat_result, system: System = HERE) -> int | None:
    """The mode of a file or folder that others than its owner may use; None if they may not.

    Windows has no modes: there what lies in a person's own folders is theirs alone, and nothing is said.
    """
    mode = stat.S_IMODE(found.st_mode)
    return mode if system is not System.WINDOWS and mode & _OTHERS else None


def own_user() -> int | None:
    """The number of this user; None on Windows."""
    return None if sys.platform == "win32" else os.getuid()


def is_foreign(found: os.stat_result) -> bool:
    """Whether a file or folder belongs to another user, where the system says whose it is."""
    return (user := own_user()) is not None and found.st_uid != user


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
    """Where `runtime_folder` may be, the best first; nowhere on Windows."""
    if (user := own_user()) is None:
        return []
    return [Path(base.format(user=user)) / f"whatsapp-mcp-{user}" for base in _RUNTIME_BASES]


def _make_own(folder: Path) -> bool:
    """Make a folder private to this user; whether that is what it is then."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or is_foreign(found):
            return False
        folder.chmod(0o700)
    except OSError:
        return False
    return True


def is_read_only(path: Path) -> bool:
    """Whether the file system of this path is mounted for reading alone, as far as the system says so."""
    if sys.platform == "win32":
        return False
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
