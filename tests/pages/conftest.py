"""These tests need Playwright, a Chromium and axe-core: see `make test-pages`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.pages.served import CHROMIUM, Served, chromium, served

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="session", autouse=True)
def _has_a_browser() -> None:  # pyright: ignore[reportUnusedFunction]  pytest calls it
    if importlib.util.find_spec("playwright") is None or CHROMIUM is None or not AXE.is_file():
        pytest.skip("needs Playwright, a Chromium and axe-core: run `make test-pages`")


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The pages of the world."""
    async with served(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    """A Chromium."""
    async with chromium() as running:
        yield running


@pytest.fixture
def axe() -> str:
    """The source of the accessibility checker."""
    return AXE.read_text(encoding="utf-8")
