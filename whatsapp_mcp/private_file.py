"""Files that only their owner may read."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


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
def replaced(path: Path) -> Generator[Path]:
    """An empty file, private to its owner, that takes the place of `path` once the body has filled it.

    Who may read the former file, or has it open, sees nothing of the new one; and it is whole or not there.

    Raises:
        OSError: It cannot be made.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
