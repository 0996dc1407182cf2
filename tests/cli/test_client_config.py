"""`whatsapp-mcp client-config`."""

import importlib.util
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


@pytest.fixture
def uv_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a `uvx` that runs this installation out of its cache."""
    monkeypatch.setattr(sys, "prefix", "/home/me/.cache/uv/archive-v0/abc")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # pyright: ignore[reportUnknownLambdaType]
    monkeypatch.delenv("WHATSAPP_MCP_HOME", raising=False)
    uvx = tmp_path / "uvx"
    uvx.touch(mode=0o755)
    return tmp_path


def test_run_by_uvx_the_snippet_names_uvx_and_not_a_folder_of_its_cache(
    uv_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(uv_cache))

    assert Launch.here("default") == Launch(str(uv_cache / "uvx"), ("whatsapp-mcp",))


def test_a_uvx_that_is_not_on_the_path_is_found_beside_the_uv_that_runs_it(
    uv_cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("UV", str(uv_cache / "uv"))

    assert Launch.here("default").command == str(uv_cache / "uvx")


def test_run_by_uvx_with_media_the_snippet_keeps_media(uv_cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(uv_cache))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)  # pyright: ignore[reportUnknownLambdaType]

    assert Launch.here("work").args == (
        *("--from", "whatsapp-mcp[media]", "whatsapp-mcp"),
        *("--account", "work"),
    )


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
