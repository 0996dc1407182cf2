"""The site of the documentation in a real Chromium, opened from the disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.built import build

pytestmark = [pytest.mark.anyio, pytest.mark.browser]
RESULTS = ".md-search-result__item > .md-search-result__link"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documentation")
    build(folder)
    return folder


@pytest.fixture
async def page(browser: Any, built: Path) -> AsyncIterator[Any]:
    """The first page; a fault on it, or a request for anything but a file, is a fault of the test."""
    page = await browser.new_page(viewport={"width": 1200, "height": 800})
    faults: list[str] = []

    def note(event: Any) -> None:
        """An error, or a request to elsewhere."""
        what = getattr(event, "url", str(event))
        if not what.startswith(("file:", "data:", "about:")):
            faults.append(what)

    page.on("pageerror", note)
    page.on("request", note)
    await page.goto((built / "index.html").as_uri())
    yield page
    await page.close()
    assert faults == []


@pytest.mark.parametrize(
    ("word", "first"), [("approval", "settings.html"), ("voice", "files.html"), ("docker", "install.html")]
)
async def test_a_search_shows_the_page_about_a_thing_first(page: Any, word: str, first: str) -> None:
    await page.click(".md-search__input")
    await page.type(".md-search__input", word)

    result = page.locator(RESULTS).first
    await result.wait_for()

    assert (await result.get_attribute("href")).partition("#")[0].partition("?")[0].endswith(f"/{first}")
    await result.click()
    await page.wait_for_url(f"**/{first}**")
