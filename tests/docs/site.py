"""What the site needs beside the pages: a hook of MkDocs (`mkdocs.yml`).

The pages are written to be read as files of the repository. Here `docs/README.md`, their index, becomes the
navigation; pages that lie outside `docs/` get a place; links between the two are put right, and are named
after the title of a page where the file names its path.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]+)?\)")
"""A link to a file: its text, the path, the anchor."""
ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)#]+)\) \|", re.MULTILINE)
"""A row of the index."""


def indexed(index: Path = INDEX) -> dict[str, list[Path]]:
    """The pages that an index lists, in its order, under the heading of each of its tables."""
    sections: dict[str, list[Path]] = {}
    for section in index.read_text(encoding="utf-8").split("\n## ")[1:]:
        pages = [Path(os.path.normpath(index.parent / target)) for _, target in ROW.findall(section)]
        if pages:
            sections[section.partition("\n")[0]] = pages
    return sections


def place_of(page: Path) -> str:
    """Where a file of the repository is in the site."""
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()


def navigation() -> list[Any]:
    """The tabs of the site; an index of a folder stands for all pages that it lists."""
    tabs: list[Any] = [{"Start": place_of(INDEX)}]
    for heading, pages in indexed().items():
        tabs.append({heading: [_entry(page) for page in pages]})
    return tabs


def _entry(page: Path) -> Any:
    if page.name != "README.md" or not page.is_relative_to(DOCS):
        return place_of(page)
    below = [each for pages in indexed(page).values() for each in pages]
    return {_title(page): [place_of(page), *(place_of(each) for each in below)]}


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def pages() -> list[Path]:
    """Every page of the site as a file of the repository."""
    listed = [page for each in indexed().values() for page in each]
    below = [
        page
        for index in listed
        if index.name == "README.md" and index.is_relative_to(DOCS)
        for each in indexed(index).values()
        for page in each
    ]
    return [INDEX, *listed, *below]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation is that of the index."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages of the index that lie outside `docs/` are pages of the site."""
    for page in pages():
        if not page.is_relative_to(DOCS):
            files.append(File.generated(config, place_of(page), abs_src_path=str(page)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links lead to pages of the site; of a file that is none, its name stays."""
    source = Path(str(page.file.abs_src_path))
    places = {each: place_of(each) for each in pages()}
    here = os.path.dirname(places.get(source, place_of(source)))

    def relinked(link: re.Match[str]) -> str:
        text, path, anchor = link.groups()
        target = Path(os.path.normpath(source.parent / path))
        if target in places:
            text = _title(target) if text == target.name else text
            return f"[{text}]({os.path.relpath(places[target], here or '.')}{anchor or ''})"
        return link[0] if target.is_relative_to(DOCS) or not target.exists() else text

    return LINK.sub(relinked, markdown)
