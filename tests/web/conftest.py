"""The pages of an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from tests.web.site import PageDevice, Source, browser
from tests.web.world import NOON, fill
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.settings import Settings


@pytest.fixture
def device() -> PageDevice:
    """An online device."""
    return PageDevice()


@pytest.fixture(scope="module")
async def archive(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Archive]:
    """The archive of the world; no test writes to it."""
    folder = Settings(home=tmp_path_factory.mktemp("world")).account_folder()
    folder.create()
    async with open_archive(folder, write=True, now=lambda: NOON) as opened:
        await fill(opened)
        yield opened


@pytest.fixture
def source(device: PageDevice, archive: Archive, tmp_path: Path) -> Source:
    """The server of the pages."""
    return Source(device, tmp_path, archive)


@pytest.fixture
async def http(source: Source) -> AsyncIterator[httpx2.AsyncClient]:
    """A signed-in browser."""
    async with browser(source) as client:
        yield client
