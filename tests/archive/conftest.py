"""An archive of its own for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
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


@pytest.fixture
def folders(paths: Callable[[], Path]) -> Callable[[], AccountFolder]:
    """What names the files of an account for each row of a table."""
    return lambda: AccountFolder("default", paths() / "accounts" / "default")


@pytest.fixture
def archives(folders: Callable[[], AccountFolder]) -> Callable[[], AbstractAsyncContextManager[Archive]]:
    """What opens an empty archive for each row of a table."""
    return lambda: open_archive(folders(), write=True, now=lambda: NOW)
