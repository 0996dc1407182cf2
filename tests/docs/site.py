"""What the site needs beside the pages: a hook of MkDocs (`mkdocs.yml`).

The pages are written to be read as files of the repository. Here `docs/README.md`, their index, becomes the
navigation, with that of `docs/fleet/`; pages that lie outside `docs/` get a place; links between the two are
put right, and are named after the title of a page where the file names its path.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tests.docs import modules_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "README.md"
INDEXES = (INDEX, *sorted(DOCS.glob("*/README.md")))
WORKER = Path(__file__).with_name("iframe-worker.js")
"""What the search takes for a worker in pages that are opened from the disk."""
MODULES = "modules.md"
"""The page that is made here."""
INTERNAL = 0.0001
"""The weight of a page about the project itself in the search; its headings come after other texts."""
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s:]+)(#[^)\s]+)?\)")
"""A link to a file: its text, the path, the anchor."""
ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)#]+)\) \|", re.MULTILINE)
"""A row of the index."""


def indexed() -> dict[str, list[Path]]:
    """The pages that the indexes list, in their order, under the heading of each of their tables."""
    sections: dict[str, list[Path]] = {}
    for index in INDEXES:
        for section in index.read_text(encoding="utf-8").split("\n## ")[1:]:
            pages = [Path(os.path.normpath(index.parent / target)) for _, target in ROW.findall(section)]
            if pages:
                sections[section.partition("\n")[0]] = pages
    return sections


def place_of(page: Path) -> str:
    """Where a file of the repository is in the site."""
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).as_posix()


def navigation() -> list[Any]:
    """The tabs of the site."""
    tabs: list[Any] = [{"Start": place_of(INDEX)}]
    for heading, pages in indexed().items():
        made = [MODULES] if heading == "Project" else []
        tabs.append({heading: [*map(place_of, pages), *made]})
    return tabs


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def pages() -> list[Path]:
    """Every page of the site as a file of the repository."""
    return [INDEX, *(page for each in indexed().values() for page in each)]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation is that of the index."""
    config.nav = navigation()
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Pages of the index outside `docs/` are in the site, and so is what its search needs from the disk."""
    for page in pages():
        if not page.is_relative_to(DOCS):
            files.append(File.generated(config, place_of(page), abs_src_path=str(page)))
    files.append(File.generated(config, MODULES, content=modules_page.render()))
    files.append(File.generated(config, f"assets/{WORKER.name}", abs_src_path=str(WORKER)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links lead to pages of the site; of a file that is none, its name stays. The search gets a subject."""
    source = DOCS / MODULES if page.file.src_path == MODULES else Path(str(page.file.abs_src_path))
    if source in indexed()["Project"]:
        page.meta["search"] = {"boost": INTERNAL}
    if source.name != "README.md" and source.stem.isalpha():
        page.meta["tags"] = [source.stem.lower()]
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
