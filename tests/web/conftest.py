"""The pages of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.server.fakes import FakeDevice
from tests.web.site import Source, browser


@pytest.fixture
def device() -> FakeDevice:
    """An online device."""
    return FakeDevice()


@pytest.fixture
def source(device: FakeDevice, tmp_path: Path) -> Source:
    """The server of the pages."""
    return Source(device, tmp_path)


@pytest.fixture
async def http(source: Source) -> AsyncIterator[httpx2.AsyncClient]:
    """A signed-in browser."""
    async with browser(source) as client:
        yield client
