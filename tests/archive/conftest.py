"""An archive of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.archive.events import NOW
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.settings import AccountFolder


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    """The files of an account."""
    return AccountFolder("default", tmp_path / "accounts" / "default")


@pytest.fixture
async def archive(folder: AccountFolder) -> AsyncIterator[Archive]:
    """An empty archive, open for writing."""
    async with open_archive(folder, write=True, now=lambda: NOW) as opened:
        yield opened
