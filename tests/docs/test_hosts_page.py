"""docs/hosts.md is what the table of hosts says."""

from __future__ import annotations

from tests.docs import hosts_page
from whatsapp_mcp.cli.hosts import HOSTS


def test_the_page_is_that_of_the_table() -> None:
    assert hosts_page.PAGE.read_text(encoding="utf-8") == hosts_page.render()


def test_each_host_has_one_part_and_no_page_of_its_own() -> None:
    text = hosts_page.PAGE.read_text(encoding="utf-8")

    assert [text.count(f"\n## {host.title}\n") for host in HOSTS] == [1] * len(HOSTS)
    assert not (hosts_page.PAGE.parent / "hosts").exists()
