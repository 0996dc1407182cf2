"""Files that cannot be had again: copies of those on their way out, and what imports have brought."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Protocol


class FileStore(Protocol):
    """The files of one account, by their paths below its folder. Safe for several tasks at a time.

    Each method may raise `OSError` or `StorageError`.
    """

    async def put(self, name: str, file: Path) -> None:
        """Keep a file; whole and durable when this returns. One of this name that is there already stays."""
        ...

    async def fetch(self, name: str, target: Path) -> bool:
        """Write a file to an existing one; False where there is none of this name."""
        ...

    async def names(self) -> frozenset[str]:
        """The names of all."""
        ...

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; those that are not there are passed over.

        Raises:
            Fenced: A newer leader has taken over; nothing was deleted.
        """
        ...
