"""docs/install.md says of each application of the core what the table of hosts says."""

from __future__ import annotations

from pathlib import Path

from tests.cli.hosts.golden import CORE
from tests.docs.hosts_page import part, versions
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import Host

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
PACKAGES = {"claude-code": "@anthropic-ai/claude-code"}
"""What `make test-hosts` runs."""
MARK = "<!-- run by tests/docs/test_install_page.py -->\n"


@for_each("host", CORE)
def test_the_page_says_of_a_host_what_the_table_does(host: Host) -> None:
    package = PACKAGES.get(host.name)
    version = versions(ROOT / "tests" / "hosts")[package] if package else None
    assert f"\n### {host.title}\n{part(host, version)}" in PAGE.replace(MARK, "")
