"""The site is built from the pages without a warning, is whole, and needs nothing from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs import site
from tests.docs.built import build
from tests.hosts.node import NODE

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ITEM = re.compile(r"^ *(?:[*-]|\d+\.) ", re.MULTILINE)
TABLE_ROW = re.compile(r"^\|(?! ---)", re.MULTILINE)
LOADED = {("link", "href"), ("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src")}
"""The attributes by which a page loads something; an `a` only leads somewhere."""
FOUND_FIRST = {
    "approval": "settings.html",
    "audit": "commands.html",
    "backup": "backup.html",
    "claude code channel": "agent.html",
    "claude desktop": "install.html",
    "docker": "install.html",
    "encryption": "encryption.html",
    "import": "importing.html",
    "oauth": "remote.html",
    "pictures": "files.html",
    "privacy": "privacy.html",
    "scheduling": "scheduling.html",
    "simulator": "simulator.html",
    "token": "remote.html",
    "voice": "files.html",
    "who wrote last": "toolsets.html",
}
"""What somebody searches for, and the page about it; a page of a feature may have been left out."""
FROM_ELSEWHERE = re.compile(r"url\(\s*['\"]?(?:https?:)?//|@import")
"""What in a style sheet loads something from another server."""


class Parsed(HTMLParser):
    """The anchors, links, loaded files and tags of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if tag == "a" and name == "href" and value:
                self.links.append(value)
            if (tag, name) in LOADED and value and not value.startswith("data:"):
                self.loaded.append(value)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


def html_of(page: Path, built: Path) -> Path:
    """The file of the site that a page of the repository has become."""
    place = Path(site.place_of(page))
    return built / (
        place.with_name("index.html") if place.name == "README.md" else place.with_suffix(".html")
    )


@pytest.fixture(scope="module")
def parsed(built: Path) -> dict[Path, Parsed]:
    return {page: Parsed(page) for page in built.rglob("*.html")}


def test_every_link_leads_to_a_page_and_a_heading_of_the_site(parsed: dict[Path, Parsed]) -> None:
    broken = [
        f"{page.name}: {link}"
        for page, what in parsed.items()
        for link in (*what.links, *what.loaded)
        if page.name != "404.html" and not leads_somewhere(page, link, parsed)
    ]
    assert broken == []


def leads_somewhere(page: Path, link: str, parsed: dict[Path, Parsed]) -> bool:
    """Whether a link leads to a page, a file or a heading that is there, or to another server."""
    parts = urlsplit(link)
    if parts.scheme in {"https", "http", "mailto"}:
        return True
    target = Path(os.path.normpath(page.parent / unquote(parts.path))) if parts.path else page
    if target.is_dir():
        target /= "index.html"
    if not parts.fragment:
        return target.exists()
    return target in parsed and unquote(parts.fragment) in parsed[target].anchors


def test_a_page_loads_nothing_from_another_server(built: Path, parsed: dict[Path, Parsed]) -> None:
    loaded = {each for what in parsed.values() for each in what.loaded}
    assert {each for each in loaded if urlsplit(each).netloc} == set()
    sheets = [each for each in built.rglob("*.css") if FROM_ELSEWHERE.search(each.read_text("utf-8"))]
    assert sheets == []


def test_lists_and_tables_become_what_they_are_in_the_file(built: Path) -> None:
    for page in site.pages():
        text = FENCED.sub("", page.read_text(encoding="utf-8"))
        html = html_of(page, built).read_text(encoding="utf-8")
        article = html[html.index("<article") : html.index("</article")]
        written = (len(ITEM.findall(text)), len(TABLE_ROW.findall(text)))
        assert (article.count("<li>"), article.count("<tr>")) == written, page.name


def test_the_search_finds_every_page(built: Path) -> None:
    index = json.loads((built / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {each["location"].partition("#")[0] for each in index["docs"]}
    missing = [
        page for page in site.pages() if html_of(page, built).relative_to(built).as_posix() not in found
    ]
    assert missing == []


def test_the_search_shows_the_page_about_a_thing_first(built: Path) -> None:
    script = Path(__file__).with_name("searching.mjs")
    about = {word: page for word, page in FOUND_FIRST.items() if (built / page).exists()}
    done = subprocess.run(
        [NODE, str(script), str(built), *about], capture_output=True, text=True, timeout=120, check=True
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    assert {word: pages[0] for word, pages in found.items()} == about


def test_the_search_works_without_a_server(built: Path, parsed: dict[Path, Parsed]) -> None:
    index = (built / "search" / "search_index.js").read_text(encoding="utf-8")
    assert json.loads(index.removeprefix("var __index = "))["docs"]
    # What a browser makes of it is tested by `make test-pages`.
    shim = built / "assets" / site.WORKER.name
    loaded = {(page.parent / each).resolve() for page, what in parsed.items() for each in what.loaded}
    assert shim.resolve() in loaded


def test_the_tabs_are_those_of_the_index() -> None:
    tabs = [name for tab in site.navigation() for name in tab]
    assert tabs[:6] == ["Start", "Tutorial", "Guides", "Reference", "Explanation", "Project"]


def test_every_page_of_the_documentation_is_in_the_index_once() -> None:
    pages = site.pages()
    assert len(pages) == len(set(pages))
    assert {*site.DOCS.rglob("*.md")} - {*pages} == set()


def test_the_documents_without_those_of_the_fleet_have_at_most_60_000_words() -> None:
    documents = {*site.ROOT.glob("*.md"), *site.DOCS.rglob("*.md"), *site.ROOT.glob("examples/*.md")}
    counted = [page for page in documents if not page.is_relative_to(site.DOCS / "fleet")]
    assert sum(len(page.read_text(encoding="utf-8").split()) for page in counted) <= 60_000


def test_no_page_has_a_misspelt_word() -> None:
    checked = [*map(str, site.pages()), str(site.ROOT / "README.md")]
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *checked],
        cwd=site.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)
