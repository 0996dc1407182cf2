"""The tools page matches the registry."""

from tests.docs.tools_page import PAGE, render


def test_the_page_matches_the_registry() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.docs.tools_page"
