"""Writes docs/hosts.md, a part for each of the other hosts: `python -m tests.features.hosts.page`."""

from __future__ import annotations

from pathlib import Path

from tests.docs.hosts_page import part, versions
from whatsapp_mcp.cli.hosts import Host
from whatsapp_mcp.features.hosts import OTHER_HOSTS

PAGE = Path(__file__).parents[3] / "docs" / "hosts.md"
_PACKAGES = {
    "codex": "@openai/codex",
    "gemini-cli": "@google/gemini-cli",
    "qwen-code": "@qwen-code/qwen-code",
    "opencode": "opencode-linux-x64-baseline",
}
"""Those that `make test-hosts` runs."""
_INTRODUCTION = """\
# Other applications

[Install](install.md) the program, [link your phone](install.md#link-your-phone), and connect the application
[as any other](install.md#connect-your-application). What differs stands in its part here, which follows its
documentation. Where a version is named, it was run with the application itself. This page is written by
`python -m tests.features.hosts.page`.

From a container, this computer is called `host.docker.internal`: list that name as
[`server.allowed_hosts`](remote.md#from-containers-and-other-machines). What signs in with OAuth takes
[these settings](remote.md#oauth).

| application | set up by |
| --- | --- |
{rows}
Where a file is YAML, its margins become two blanks when it is changed.
"""
_ADDING = """
## How to add one

1. An entry in `features/hosts/table.py`, with the page of the application's documentation that it follows:
   where its file is on each system, in which member the servers are and what an entry looks like, its own
   command line if that both adds and removes servers, and its form for HTTP.
2. `python -m tests.features.hosts.golden` writes what is printed for it on each system, to be looked at, and
   `python -m tests.features.hosts.page` its part of this page.
3. Its name in `AUTOMATIC` or `PRINTED` of `tests/features/hosts/test_snippets.py`.
4. If npm has it, run it for real: a module in `tests/features/hosts/` beside the others, and its rule in
   `tests/server/hosts.py`.
"""


def render() -> str:
    """The whole page."""
    rows = "".join(f"| [{host.title}](#{_anchor(host)}) | {_command(host)} |\n" for host in OTHER_HOSTS)
    parts = (f"\n## {host.title}\n{part(host, _version(host))}" for host in OTHER_HOSTS)
    return _INTRODUCTION.format(rows=rows) + "".join(parts) + _ADDING


def _anchor(host: Host) -> str:
    return host.title.lower().replace(" ", "-")


def _command(host: Host) -> str:
    if host.is_automatic:
        return f"`whatsapp-mcp install {host.name}`"
    return f"`whatsapp-mcp client-config {host.name}`" + (", over HTTP" if host.entry is None else "")


def _version(host: Host) -> str | None:
    package = _PACKAGES.get(host.name)
    return versions(Path(__file__).parent)[package] if package else None


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
