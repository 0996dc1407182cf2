"""The pages of webhooks in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.served import Served
from tests.pages.test_browser import LOOKS, faults_of

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
PAGES = {"webhooks": "/webhooks", "replay": "/webhooks/n8n/replay"}


@pytest.mark.parametrize("look", LOOKS)
async def test_no_page_has_a_fault_of_accessibility_or_is_wider_than_its_window(
    site: Served, browser: Any, axe: str, look: str
):
    assert await faults_of(site, browser, axe, look, PAGES) == {}
