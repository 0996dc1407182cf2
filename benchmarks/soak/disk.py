"""A small disk of its own for an account's folder, which can be filled to the last block.

It needs the right to mount; without it a soak goes on with limits on file sizes alone, and says so.
"""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_BLOCK: Final = b"\0" * 4096


class Disk:
    """The disk under a folder.

    Attributes:
        missing: Why there is none of its own; None when there is.
    """

    def __init__(self, folder: Path, missing: str | None) -> None:
        self._ballast = folder / "ballast"
        self.missing = missing

    def fill(self) -> None:
        """Leave no room: every write that needs a block fails with ENOSPC."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(_BLOCK):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, megabytes: int = 96) -> Iterator[Disk]:
    """Put a small disk under a new folder while the body runs, if this process may mount one."""
    folder.mkdir(mode=0o700, parents=True)
    options = f"size={megabytes}m,mode=0700"
    try:
        mount = ["mount", "-t", "tmpfs", "-o", options, "soak", str(folder)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        missing = f"no disk can be mounted here: {done.stderr.strip()}" if done.returncode else None
    except OSError as error:
        missing = f"no disk can be mounted here: {error.strerror}"
    try:
        yield Disk(folder, missing)
    finally:
        if missing is None:
            with suppress(OSError):
                subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
