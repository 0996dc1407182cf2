"""Hostile files of every kind in the real process: an error of ours or a reading, within the limits."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.features.reading.hostile_files import damaged_documents, hostile_documents
from tests.features.reading.hostile_files.reader import open_opened_reader
from tests.media.hostile_files import Kind, damaged_files, hostile_files
from tests.media.hostile_files.runs import Opened
from whatsapp_mcp.features.reading.readers import ReaderOptions

pytestmark = pytest.mark.anyio
SLOW: Final = frozenset({"a million pieces of text", "a million states that are saved"})
"""What takes ten seconds and more; `python -m benchmarks hostile_files` has them."""
MADE: Final = [
    file
    for file in itertools.chain(hostile_documents(), hostile_files())
    if file.kind is not Kind.RECORDING and file.name not in SLOW and not file.name.endswith("not packed")
]
FAMILIES: Final = sorted({file.family for file in MADE})


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Opened]:
    """The process that reads documents, and the words in pictures."""
    async with open_opened_reader(ReaderOptions(words=True)) as opened:
        yield opened


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_hostile_file_is_read_or_refused_within_its_limits(reader: Opened, family: str) -> None:
    assert await reader.failures(file for file in MADE if file.family == family) == []


async def test_damaged_files_of_every_family_are_read_or_refused(reader: Opened) -> None:
    pictures = (file for file in damaged_files(each=4) if file.kind is Kind.PICTURE)
    assert await reader.failures(itertools.chain(damaged_documents(each=4), pictures)) == []


def test_there_are_hostile_files_of_every_kind() -> None:
    assert (len(MADE), len(FAMILIES)) == (229, 18)
    assert len({str(file) for file in MADE}) == len(MADE)
