"""`whatsapp-mcp doctor`: what it finds in the configurations of MCP hosts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from whatsapp_mcp import settings
from whatsapp_mcp.cli.doctor import Finding, home
from whatsapp_mcp.cli.hosts import Launch, Machine, System


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A computer of a person who uses Claude Code, with another server in it."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "data"))
    return Machine(System.LINUX, str(tmp_path))


def found_with(machine: Machine, launch: Launch) -> Finding:
    """What is found where Claude Code starts a server so."""
    server = {"command": launch.command, "args": list(launch.args), "env": dict(launch.env)}
    servers = {"whatsapp": server, "theirs": {"command": "/nowhere/else"}}
    (Path(machine.home) / ".claude.json").write_text(json.dumps({"mcpServers": servers}))
    return home.applications(settings.load(), machine)


def test_without_a_host_the_command_that_sets_one_up_is_named(machine: Machine):
    found = home.applications(settings.load(), machine)

    assert (found.ok, found.action) == (True, "Run `whatsapp-mcp install HOST`.")


def test_a_host_that_starts_this_program_is_fine(machine: Machine):
    found = found_with(machine, Launch.here("default"))

    assert found == Finding("hosts", True, "this program is started by Claude Code")


def test_a_host_may_start_this_program_for_another_account(machine: Machine):
    assert found_with(machine, Launch.here("work")).action is None


def test_a_host_that_starts_a_program_which_is_not_there_is_told(machine: Machine):
    found = found_with(machine, Launch("/gone/bin/whatsapp-mcp"))

    assert not found.ok
    assert found.detail == "Claude Code: the program that is to be started is not there"
    assert found.action == "Run `whatsapp-mcp install claude-code`."


def test_a_host_that_starts_another_installation_is_told(machine: Machine, tmp_path: Path):
    other = tmp_path / "whatsapp-mcp"
    shutil.copy("/bin/sh", other)

    found = found_with(machine, Launch(str(other)))

    assert found.ok
    assert found.action == "If that is not meant: Run `whatsapp-mcp install claude-code`."


def test_a_host_that_uses_another_home_folder_is_told(machine: Machine, tmp_path: Path):
    here = Launch.here("default")

    found = found_with(machine, Launch(here.command, here.args, (("WHATSAPP_MCP_HOME", str(tmp_path)),)))

    assert "another home folder" in found.detail
