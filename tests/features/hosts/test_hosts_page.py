"""docs/hosts.md is what the table of the other hosts says."""

from __future__ import annotations

from tests.features.hosts import page
from whatsapp_mcp.features.hosts import OTHER_HOSTS


def test_the_page_is_that_of_the_table() -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert text == page.render()
    assert [text.count(f"\n## {host.title}\n") for host in OTHER_HOSTS] == [1] * len(OTHER_HOSTS)
