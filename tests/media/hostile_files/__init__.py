"""Files that are made to do harm, of every kind that is read: bombs, loops, lies about sizes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.media.hostile_files import damaged, office, pdfs, pictures, recordings, texts, zips
from tests.media.hostile_files.hostile_file import HostileFile, Kind

__all__ = ["HostileFile", "Kind", "damaged_files", "hostile_files"]

damaged_files = damaged.files


def hostile_files() -> Iterator[HostileFile]:
    """All that are made one by one; each is made when it is asked for, since some are large."""
    for family in (pdfs, office, zips, texts, pictures, recordings):
        yield from family.files()
