"""Processes of foreign archives that cost a tenth of those that are started."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.features.imports.foreign.forked import Forks, in_place_of_starting, open_forks


@pytest.fixture(scope="session")
async def forks(anyio_backend: str) -> AsyncIterator[Forks | None]:
    """What forks processes of foreign archives; None on systems that do not."""
    if not hasattr(os, "fork"):
        yield None
        return
    async with open_forks() as opened:
        yield opened


@pytest.fixture
def forked(forks: Forks | None) -> Iterator[None]:
    """The processes of a test are forked; how they are started is tested without this."""
    if forks is None:
        yield
        return
    with in_place_of_starting(forks):
        yield
