"""docs/hosts/ is what the table of hosts says."""

from __future__ import annotations

from tests.docs import host_pages


def test_the_pages_are_those_of_the_table() -> None:
    written = {page.name: page.read_text(encoding="utf-8") for page in host_pages.FOLDER.glob("*")}

    assert written == host_pages.pages()
