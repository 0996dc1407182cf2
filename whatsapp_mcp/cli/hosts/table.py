"""The hosts that we know how to set up, as data; each with the page of its documentation that it follows."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.cli.hosts.host import (
    SHELL_VARIABLE,
    Command,
    Host,
    Http,
    application_data,
    by_connector,
    by_url,
    everywhere,
    typed_entry,
)
from whatsapp_mcp.system import System

_MSIX: Final = "$LOCALAPPDATA/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json"
"""File to which Windows redirects the configuration of Claude Desktop from the Microsoft Store."""

CLAUDE_DESKTOP: Final = Host(
    "claude-desktop",
    "Claude Desktop",
    "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    by_connector("Choose Settings, Connectors, Add custom connector"),
    menu="Settings, Developer, Edit Config",
    files=application_data("Claude/claude_desktop_config.json")
    | {System.WINDOWS: (_MSIX, "$APPDATA/Claude/claude_desktop_config.json")},
    is_edited=True,
    afterwards="Quit Claude Desktop from its menu and open it again.",
    sign="Settings, Developer shows `whatsapp` as running.",
)
CLAUDE_CODE: Final = Host(
    "claude-code",
    "Claude Code",
    "https://code.claude.com/docs/en/mcp",
    Http(
        "Run this command.",
        command=(
            *("claude", "mcp", "add", "--scope", "user", "--transport", "http", "{name}", "{url}"),
            *("--header", "Authorization: Bearer {token}"),
        ),
        token=SHELL_VARIABLE,
    ),
    files=everywhere("${CLAUDE_CONFIG_DIR:-~}/.claude.json"),
    entry=typed_entry,
    command=Command(
        "claude",
        # --transport follows --env, which takes every word up to the next option.
        (
            *("mcp", "add", "--scope", "user", "{--env}", "--transport", "stdio"),
            *("{name}", "--", "{command}", "{args}"),
        ),
        ("mcp", "remove", "--scope", "user", "{name}"),
    ),
    afterwards="Start a new session of Claude Code.",
    sign="`/mcp` shows `whatsapp` as connected.",
)
GENERIC: Final = Host(
    "generic",
    "Another application",
    "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    by_url(type="http"),
    menu="the application's settings of MCP servers",
)


def known_hosts() -> tuple[Host, ...]:
    """The hosts in the order in which they are listed: those that `whatsapp-mcp install` sets up first."""
    from whatsapp_mcp.features.hosts import OTHER_HOSTS

    known = [CLAUDE_DESKTOP, CLAUDE_CODE]
    known += OTHER_HOSTS
    return (*known, GENERIC)
