"""`whatsapp-mcp client-config`."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from whatsapp_mcp.cli.client_config import Application, Launch, snippet

AWKWARD = Launch(
    "/opt/my tools/whatsapp-mcp", ("--account", "wörk"), (("WHATSAPP_MCP_HOME", 'C:\\Users\\A "B"\\wa'),)
)


def entry_of(application: Application, text: str) -> dict[str, Any]:
    """The entry as the application would read it: command, args and env."""
    if application is Application.CLAUDE_CODE:
        words = shlex.split(text)
        assert words[:3] == ["claude", "mcp", "add"]
        options, command = words[: words.index("--")], words[words.index("--") + 1 :]
        assert options[-3:] == ["--transport", "stdio", "whatsapp"]
        pairs = [options[i + 1].split("=", 1) for i, word in enumerate(options) if word == "--env"]
        return {"command": command[0], "args": command[1:], "env": dict(pairs)}
    if application is Application.CODEX:
        return {"env": {}} | tomllib.loads(text)["mcp_servers"]["whatsapp"]
    servers = json.loads(text)["servers" if application is Application.VSCODE else "mcpServers"]
    return {"env": {}} | servers["whatsapp"]


@pytest.mark.parametrize("application", Application)
def test_a_snippet_carries_command_arguments_and_environment_unharmed(application: Application):
    entry = entry_of(application, snippet(application, AWKWARD).text)

    assert entry["command"] == AWKWARD.command
    assert tuple(entry["args"]) == AWKWARD.args
    assert entry["env"] == dict(AWKWARD.env)


@pytest.mark.parametrize("application", Application)
def test_the_printed_command_starts_this_installation(application: Application, tmp_path: Path):
    env = os.environ | {"WHATSAPP_MCP_HOME": str(tmp_path)}
    printed = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "client-config", application, "--account", "work"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    entry = entry_of(application, printed.stdout)
    assert entry["env"] == {"WHATSAPP_MCP_HOME": str(tmp_path)}
    assert entry["args"][-2:] == ["--account", "work"]
    assert Path(entry["command"]).is_absolute()
    started = subprocess.run(
        [entry["command"], *entry["args"][:-2], "--version"], capture_output=True, text=True, timeout=60
    )
    assert started.stdout.startswith("whatsapp-mcp ")
