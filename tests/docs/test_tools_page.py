"""The tools page says what the tools are."""

from tests.docs.tools_page import PAGE, render


def test_the_page_is_what_the_registry_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run: python -m tests.docs.tools_page"
