"""`whatsapp-mcp client-config`."""

import json
import os
import shlex
import shutil
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


def test_run_by_uvx_the_snippet_names_uvx_and_not_a_folder_of_its_cache(monkeypatch: pytest.MonkeyPatch):
    def found(name: str) -> str:
        return f"/home/me/.local/bin/{name}"

    monkeypatch.setattr(sys, "prefix", "/home/me/.cache/uv/archive-v0/abc")
    monkeypatch.setattr(shutil, "which", found)

    launch = Launch.here("default")

    assert (launch.command, launch.args) == ("/home/me/.local/bin/uvx", ("whatsapp-mcp",))


def test_an_unknown_application_is_refused_with_the_known_ones():
    answer = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "client-config", "emacs"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert "claude-desktop" in answer.stderr
