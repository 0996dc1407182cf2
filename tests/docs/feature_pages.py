"""The pages of features, which explain what only these bring."""

from __future__ import annotations

from tests.docs import site
from tests.without import PAGES, features


def text() -> str:
    """All of them as one text."""
    pages = (site.DOCS / f"{PAGES.get(name, name)}.md" for name in features())
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)
