"""`whatsapp-mcp install` for hosts other than Claude: their files, and where it prints instead."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from tests.cli.hosts.test_install import THEIRS, home, run
from tests.tables import for_each
from whatsapp_mcp.cli.hosts import Launch, Machine, found

__all__ = ["home"]


@pytest.fixture(autouse=True)
def no_folder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CODEX_HOME", "COPILOT_HOME", "GEMINI_CLI_HOME", "QWEN_HOME"):
        monkeypatch.delenv(variable, raising=False)


def test_without_its_command_the_file_of_codex_is_changed(home: Path) -> None:
    (home / ".codex").mkdir()

    assert run("install", "codex", "--yes").exit_code == 0
    codex = tomllib.loads((home / ".codex" / "config.toml").read_text())
    assert codex["mcp_servers"]["whatsapp"]["command"] == Launch.here(None).command
    assert run("install", "codex", "--undo", "--yes").exit_code == 0
    assert not (home / ".codex" / "config.toml").exists()


def test_a_file_is_sought_in_the_folder_that_the_variable_of_its_host_names(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "elsewhere"
    folder.mkdir()
    monkeypatch.setenv("CODEX_HOME", str(folder))

    assert run("install", "codex", "--yes").exit_code == 0
    assert (folder / "config.toml").exists()


@pytest.mark.parametrize("name", ["chatgpt", "claude-ai"])
def test_a_host_that_needs_a_public_url_is_answered_with_the_settings(home: Path, name: str) -> None:
    done = run("install", name)

    assert done.exit_code == 2
    assert "Set server.public_url and server.oauth in config.toml." in done.stderr


@for_each("command", ["install", "client-config"])
@for_each(
    ("typed", "told"),
    [
        ("claude", "Did you mean claude-desktop or claude-code or claude-ai?"),
        ("VSCode", "Did you mean vscode?"),
    ],
)
def test_a_name_that_is_wrong_is_answered_with_the_right_ones(
    home: Path, command: str, typed: str, told: str
) -> None:
    done = run(command, typed)

    assert done.exit_code == 2
    assert told in " ".join(done.stderr.split())


def test_what_hosts_have_of_ours_is_found_in_the_files_of_all(home: Path) -> None:
    cursor, zed = home / ".cursor" / "mcp.json", home / ".config" / "zed" / "settings.json"
    for file in (cursor, zed):
        file.parent.mkdir(parents=True)
    assert run("install", "cursor", "--yes").exit_code == 0
    ours = json.dumps({"command": sys.executable, "args": ["-P", "-m", "whatsapp_mcp"]})
    servers = f'"whatsapp": {ours}, "theirs": {json.dumps(THEIRS)},'
    zed.write_text(f'{{// "x": {{}}\n"url": "http://a//b", /* , */ "context_servers": {{{servers}}},}}')

    all_found = {(each.host.name, each.name): each for each in found(Machine.here())}

    assert set(all_found) == {("cursor", "whatsapp"), ("zed", "whatsapp")}
    assert all_found["cursor", "whatsapp"].launch == Launch.here(None)
    assert all_found["zed", "whatsapp"].path == zed
