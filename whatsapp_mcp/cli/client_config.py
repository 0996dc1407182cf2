"""What to paste into, or run for, each MCP application so that it starts this server.

Sources: the applications' own documentation of MCP servers (Claude Desktop `claude_desktop_config.json`,
Claude Code `claude mcp add`, Cursor `mcp.json`, VS Code `mcp.json`, Codex `config.toml`).
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from whatsapp_mcp.cli.installation import command
from whatsapp_mcp.settings import HOME_VARIABLE

SERVER_NAME = "whatsapp"


class Application(StrEnum):
    """The MCP applications that we know how to set up."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"
    CODEX = "codex"


@dataclass(frozen=True, slots=True)
class Launch:
    """How an application starts this server: by absolute path, for its PATH may be another."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @classmethod
    def here(cls, account: str, *arguments: str) -> Launch:
        """Start the installation that runs now, with its home folder when that is not the usual one."""
        program, *first = command()
        option = () if account == "default" else ("--account", account)
        home = os.environ.get(HOME_VARIABLE)
        env = ((HOME_VARIABLE, str(Path(home).expanduser().absolute())),) if home else ()
        return cls(program, (*first, *arguments, *option), env)


@dataclass(frozen=True, slots=True)
class Snippet:
    """`text` is what to paste or run, `where` one sentence that says where it belongs."""

    text: str
    where: str


def snippet(application: Application, launch: Launch) -> Snippet:
    """What makes this application start the server."""
    match application:
        case Application.CLAUDE_DESKTOP:
            where = "Merge this into claude_desktop_config.json (Settings, Developer, Edit Config)."
            return Snippet(_json({"mcpServers": {SERVER_NAME: _stdio(launch)}}), where)
        case Application.CURSOR:
            where = "Merge this into ~/.cursor/mcp.json, or into .cursor/mcp.json of one project."
            return Snippet(_json({"mcpServers": {SERVER_NAME: _stdio(launch)}}), where)
        case Application.VSCODE:
            where = "Merge this into .vscode/mcp.json, or into what 'MCP: Open User Configuration' opens."
            return Snippet(_json({"servers": {SERVER_NAME: {"type": "stdio"} | _stdio(launch)}}), where)
        case Application.CLAUDE_CODE:
            return Snippet(_claude_code(launch), "Run this command.")
        case Application.CODEX:
            return Snippet(_codex(launch), "Add this to ~/.codex/config.toml.")


def _stdio(launch: Launch) -> dict[str, object]:
    entry: dict[str, object] = {"command": launch.command, "args": list(launch.args)}
    if launch.env:
        entry["env"] = dict(launch.env)
    return entry


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _claude_code(launch: Launch) -> str:
    words = ["claude", "mcp", "add", "--scope", "user"]
    for key, value in launch.env:
        words += ["--env", f"{key}={value}"]
    # --transport stands last: --env takes every word up to the next option.
    words += ["--transport", "stdio", SERVER_NAME, "--", launch.command, *launch.args]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _codex(launch: Launch) -> str:
    lines = [
        f"[mcp_servers.{SERVER_NAME}]",
        f"command = {_toml(launch.command)}",
        f"args = [{', '.join(_toml(arg) for arg in launch.args)}]",
    ]
    if launch.env:
        pairs = ", ".join(f"{key} = {_toml(value)}" for key, value in launch.env)
        lines.append(f"env = {{ {pairs} }}")
    return "\n".join(lines)


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
