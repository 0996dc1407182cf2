"""Files that only their owner may read."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_DRAFT: Final = re.compile(r"\.[a-z0-9_]{8}\.part$")
"""The names that `draft_of` gives."""


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
    """Whether a file is called as drafts are; one that nobody writes is of a process that was killed."""
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
    """See that the names in a folder are on the disk, as far as the system can do that.

    Raises:
        OSError: They cannot be written.
    """
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
    with replaced(path) as draft, draft.open("wb") as file:
        file.write(content)
        if synced:
            file.flush()
            os.fsync(file.fileno())
    if synced:
        sync_folder(path.parent)


def read_or_make(path: Path, content: bytes) -> bytes:
    """What a private file holds; it is made with this content if there is none, and the first maker wins.

    Raises:
        OSError: It can be neither read nor made.
    """
    if not path.exists():
        with draft_of(path) as draft:
            draft.write_bytes(content)
            with suppress(FileExistsError):
                os.link(draft, path)  # whole or not at all
    return path.read_bytes()
