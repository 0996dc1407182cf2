"""The pages of imports in a real Chromium: accessible, and no wider than its window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.features.imports.web.importing_device import IMPORTS, ImportingDevice
from tests.pages.conftest import _has_a_browser, axe, browser
from tests.pages.served import Served, served
from tests.pages.test_browser import CHECK, LOOKS, OVERFLOWS, signed_in

__all__ = ["_has_a_browser", "axe", "browser"]

pytestmark = [pytest.mark.anyio, pytest.mark.browser]


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """The pages of an account with imports."""
    async with served(tmp_path_factory.mktemp("home"), ImportingDevice(running=IMPORTS)) as running:
        yield running


@pytest.mark.parametrize("look", LOOKS)
async def test_no_page_of_imports_has_a_fault_of_accessibility_or_is_wider_than_its_window(
    site: Served, browser: Any, axe: str, look: str
):
    async with signed_in(site, browser, **LOOKS[look]) as page:
        for path in ("/imports", "/imports/1/undo"):
            await page.goto(site.url + path)
            await page.evaluate(axe)
            assert await page.evaluate(CHECK) == [], path
            assert await page.evaluate(OVERFLOWS) <= 0, path  # below zero with the gutter of a scroll bar
