"""Hostile files of every kind in the real processes: an error of ours or a reading, within the limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.media.hostile_files import HostileFile, damaged_files, hostile_files
from tests.media.hostile_files.runs import Processes, open_processes
from whatsapp_mcp.media import ReaderOptions, available

pytestmark = pytest.mark.anyio
SLOW: Final = frozenset({"five hours", "a million pieces of text", "a million states that are saved"})
"""What takes ten seconds and more; `python -m benchmarks hostile_files` has them."""
MADE: Final = [
    file for file in hostile_files() if file.name not in SLOW and not file.name.endswith("not packed")
]
FAMILIES: Final = sorted({file.family for file in MADE})
OPTIONS: Final = ReaderOptions(words=True)


@pytest.fixture(scope="module")
async def processes() -> AsyncIterator[Processes]:
    """The processes that open foreign files."""
    async with open_processes(OPTIONS, available(OPTIONS)) as opened:
        yield opened


async def failures(processes: Processes, files: list[HostileFile]) -> list[str]:
    """What went wrong with these."""
    found: list[str] = []
    for file in files:
        run = await processes.run(file)
        if run.is_crash or run.is_dead or run.is_over:
            found.append(f"{file}: {run.outcome} {run.sentence} {run.seconds:.1f} s {run.megabytes} MB")
    return found


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_hostile_file_is_read_or_refused_within_its_limits(processes: Processes, family: str) -> None:
    assert await failures(processes, [file for file in MADE if file.family == family]) == []


async def test_damaged_files_of_every_family_are_read_or_refused(processes: Processes) -> None:
    assert await failures(processes, list(damaged_files(each=4))) == []


def test_there_are_hostile_files_of_every_kind() -> None:
    assert len(MADE) > 200
    assert len(FAMILIES) == 23
    assert len({str(file) for file in MADE}) == len(MADE)
