"""Files that are made to do harm: bombs, loops, lies about sizes."""

from __future__ import annotations

from collections.abc import Iterator

from tests.media.hostile_files import damaged, pictures, recordings
from tests.media.hostile_files.hostile_file import HostileFile, Kind

__all__ = ["HostileFile", "Kind", "damaged_files", "hostile_files"]


def hostile_files() -> Iterator[HostileFile]:
    """Pictures and recordings; each is made when it is asked for, since some are large."""
    for family in (pictures, recordings):
        yield from family.files()


def damaged_files(each: int, seed: int = 1) -> Iterator[HostileFile]:
    """So many damaged ones of each family."""
    yield from damaged.files(damaged.samples(), each, seed)
