"""Hostile pictures and recordings in the real process: an error of ours or a picture, within the limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.media.hostile_files import damaged_files, hostile_files
from tests.media.hostile_files.runs import Opened, open_decoder

pytestmark = pytest.mark.anyio
SLOW: Final = "five hours"
"""What takes ten seconds and more; `python -m benchmarks hostile_files` has it."""
MADE: Final = [file for file in hostile_files() if file.name != SLOW and not file.name.endswith("not packed")]
FAMILIES: Final = sorted({file.family for file in MADE})


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Opened]:
    """The process that opens them."""
    async with open_decoder() as opened:
        yield opened


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_hostile_file_is_decoded_or_refused_within_its_limits(decoder: Opened, family: str) -> None:
    assert await decoder.failures(file for file in MADE if file.family == family) == []


async def test_damaged_files_of_every_family_are_decoded_or_refused(decoder: Opened) -> None:
    assert await decoder.failures(damaged_files(each=4)) == []


def test_there_are_hostile_files_of_every_kind() -> None:
    assert (len(MADE), len(FAMILIES)) == (85, 12)
    assert len({str(file) for file in MADE}) == len(MADE)
