"""The pictures of the documentation: each is there, small, used, and told to whoever does not see it."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image

from tests.docs import site
from tests.tables import for_each

FOLDER = site.DOCS / "pictures"
PICTURES = sorted(FOLDER.iterdir())
PAGES = [site.ROOT / "README.md", *site.pages()]
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
STILL, MOVING, ALL = 150_000, 1_500_000, 3_000_000
"""Bytes of a picture, and of all together."""
WIDEST = 1250
"""Pixels: half as many again as a page of GitHub shows."""


def shown() -> list[tuple[Path, str, Path]]:
    """The page, the alternative text and the file of each picture."""
    return [
        (page, text, (page.parent / target).resolve())
        for page in PAGES
        for text, target in PICTURE.findall(page.read_text(encoding="utf-8"))
    ]


def test_every_picture_that_a_page_shows_is_there() -> None:
    assert [f"{page.name}: {file}" for page, _, file in shown() if not file.is_file()] == []


def test_every_picture_is_described_in_words() -> None:
    assert [file.name for _, text, file in shown() if len(text.split()) < 5] == []


def test_every_picture_is_shown_on_a_page() -> None:
    assert [file.name for file in {*PICTURES} - {file for _, _, file in shown()}] == []


@for_each("file", PICTURES)
def test_a_picture_is_small(file: Path) -> None:
    with Image.open(file) as image:
        assert image.width <= WIDEST
    assert file.stat().st_size <= (MOVING if file.suffix == ".gif" else STILL)


def test_all_pictures_together_are_small() -> None:
    assert sum(file.stat().st_size for file in PICTURES) <= ALL


def test_the_readme_begins_with_a_picture_that_moves() -> None:
    [first, *_] = [file for page, _, file in shown() if page.name == "README.md"]
    with Image.open(first) as image:
        assert getattr(image, "n_frames", 1) > 1
