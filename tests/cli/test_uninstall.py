"""`whatsapp-mcp uninstall`: what it lists, what it asks, and what it leaves."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from whatsapp_mcp import settings
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.device.leader import LeaderLock
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ConnectionState, ConnectionStatus
from whatsapp_mcp.server.transports import Tokens
from whatsapp_mcp.system import System

ALL = ("--yes", "--unlink", "--delete-messages")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the service manager is a shell script")


class Machine:
    """A computer with a service, an application that starts us, and two accounts of which one is linked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = folder / "ann"
        self.data = folder / "data"
        self.unlinked: list[str] = []
        self.fails = False
        program = self.home / "bin" / "systemctl"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o755)
        for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(self.home))
        patch.setenv("WHATSAPP_MCP_HOME", str(self.data))
        patch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin{os.pathsep}/bin")
        patch.setattr("whatsapp_mcp.cli.service.HERE", System.LINUX)
        patch.setattr("whatsapp_mcp.cli.connection.find", self._status)
        patch.setattr("whatsapp_mcp.cli.connection.with_known_device", self._unlink)
        for name in ("default", "work"):
            settings.load().account_folder(name).create()
        (self.data / "config.toml").write_text('log_level = "info"\n')
        self.desktop = self.home / ".config" / "Claude" / "claude_desktop_config.json"
        self.desktop.parent.mkdir(parents=True)
        self.desktop.write_text('{"mcpServers": {"other": {"command": "x"}}}')
        self.former = self.desktop.read_bytes()
        self.unit = self.home / ".config" / "systemd" / "user" / "wa.service"
        assert self.run("install", "claude-desktop", "--yes").exit_code == 0
        assert self.run("service", "install", "--name", "wa").exit_code == 0

    def run(self, *arguments: str, answers: str | None = None) -> Result:
        done = CliRunner().invoke(app, arguments, input=answers)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def account(self, name: str) -> Path:
        return settings.load().account_folder(name).path

    def _status(self, account: str, *, wait: bool) -> ConnectionStatus:
        state = ConnectionState.OFFLINE if account == "default" else ConnectionState.UNLINKED
        return ConnectionStatus(state, datetime.now(UTC), account)

    def _unlink(self, account: str, _: object) -> None:
        if self.fails:
            raise NotConnected("It is down.")
        self.unlinked.append(account)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A computer on which everything is."""
    return Machine(tmp_path, monkeypatch)


def test_a_dry_run_lists_everything_and_touches_nothing(machine: Machine) -> None:
    done = machine.run("uninstall", "--dry-run")

    assert done.exit_code == 0
    for part in (
        f"service      {machine.unit}",
        f"application  Claude Desktop: whatsapp in {machine.desktop}",
        "account      default: linked",
        "account      work: not linked",
        f"home         {machine.data}",
    ):
        assert part in done.stdout
    assert "Nothing was removed." in done.stderr
    assert "uv tool uninstall mcp-server-whatsapp" in done.stderr
    assert machine.unit.exists()
    assert "whatsapp" in json.loads(machine.desktop.read_text())["mcpServers"]
    assert machine.unlinked == []


def test_everything_goes_and_what_was_there_before_is_as_it_was(machine: Machine) -> None:
    done = machine.run("uninstall", *ALL)

    assert done.exit_code == 0, done.stderr
    assert machine.unlinked == ["default"]
    assert not machine.unit.exists()
    assert machine.desktop.read_bytes() == machine.former
    assert not machine.data.exists()
    assert "uv tool uninstall mcp-server-whatsapp" in done.stderr
    assert "There is nothing here." in machine.run("uninstall").stdout


def test_messages_and_the_link_stay_if_they_are_to_be_kept(machine: Machine) -> None:
    done = machine.run("uninstall", "--yes", "--keep-linked", "--keep-messages")

    assert done.exit_code == 0, done.stderr
    assert machine.unlinked == []
    assert machine.account("default").is_dir()
    assert (machine.data / "config.toml").exists()
    assert not machine.unit.exists()


@pytest.mark.parametrize("missing", ALL)
def test_where_nobody_can_be_asked_every_answer_has_to_be_given(machine: Machine, missing: str) -> None:
    done = machine.run("uninstall", *(option for option in ALL if option != missing))

    assert done.exit_code == 2
    assert missing in done.stderr
    assert machine.unit.exists()
    assert machine.unlinked == []


def test_a_person_is_asked_about_the_link_and_the_messages_separately(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(question: str, **_: object) -> bool:
        asked.append(question)
        return not question.startswith("Delete")

    asked: list[str] = []
    monkeypatch.setattr("whatsapp_mcp.cli.uninstall._can_ask", lambda: True)
    monkeypatch.setattr("whatsapp_mcp.cli.uninstall.typer.confirm", ask)

    assert machine.run("uninstall", "--yes").exit_code == 0
    assert asked == [
        "Unlink the phone of default? The messages here stay.",
        f"Delete all messages and settings in {machine.data}?",
    ]
    assert machine.unlinked == ["default"]
    assert machine.account("default").is_dir()


def test_an_account_that_could_not_be_unlinked_keeps_its_keys(machine: Machine) -> None:
    machine.fails = True

    done = machine.run("uninstall", *ALL)

    assert done.exit_code == 1
    assert "It is down." in done.stderr
    assert machine.account("default").is_dir()
    assert not machine.account("work").exists()
    assert not machine.unit.exists()


def test_an_account_that_a_server_leads_stays(machine: Machine) -> None:
    lock = LeaderLock(settings.load().account_folder("work"))
    assert lock.acquire()
    try:
        done = machine.run("uninstall", *ALL)
    finally:
        lock.release()

    assert done.exit_code == 1
    assert "A server of work is running" in done.stderr
    assert machine.account("work").is_dir()
    assert (machine.data / "config.toml").exists()


def test_what_a_person_keeps_in_the_home_folder_stays(machine: Machine) -> None:
    (machine.data / "certificate.pem").write_text("mine")

    done = machine.run("uninstall", *ALL)

    assert done.exit_code == 0
    assert [path.name for path in machine.data.iterdir()] == ["certificate.pem"]
    assert "certificate.pem" in done.stderr


def test_models_are_listed_and_removed(machine: Machine) -> None:
    models = machine.data / "models"
    for name in ("whisper-small", ".whisper-small.part", "whisper-tiny", "large"):
        (models / name).mkdir(parents=True)
    (models / "whisper-small" / "model.json").write_text("{}")

    done = machine.run("uninstall", "--yes", "--keep-linked", "--keep-messages")

    assert re.findall("^model +(.+)", done.stdout, re.MULTILINE) == ["small"]
    assert "Removed: the model small." in done.stdout
    assert sorted(path.name for path in models.iterdir()) == ["large", "whisper-tiny"]


def test_an_entry_that_cannot_be_taken_out_is_told_and_the_rest_goes(machine: Machine) -> None:
    machine.desktop.with_name("mine.json").hardlink_to(machine.desktop)

    done = machine.run("uninstall", *ALL)

    assert done.exit_code == 1
    assert f"{machine.desktop} is not changed here" in done.stderr
    assert not machine.unit.exists()
    assert not machine.account("work").exists()
    assert not machine.data.exists()
    assert f"Claude Desktop still has whatsapp in {machine.desktop}: remove it by hand." in done.stderr


def test_what_others_keep_in_folders_of_our_names_stays_and_is_named(machine: Machine) -> None:
    theirs = ["accounts/alice/ledger.ods", "accounts/default (backup)/client.db", "models/large/model.bin"]
    theirs += ["tokens/notes.json", "tokens/notes.txt"]
    for name in theirs:
        path = machine.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    Tokens(machine.data).create("phone", ["read"])
    (machine.data / "http-token").write_text("x" * 32)

    done = machine.run("uninstall", *ALL)

    assert done.exit_code == 0, done.stderr
    assert "alice" not in done.stdout
    left = [path for path in machine.data.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(machine.data).as_posix() for path in left) == sorted(theirs)
    for name in ("accounts/alice", "accounts/default (backup)", "models/large", "tokens/notes.txt"):
        assert name in done.stderr


def test_a_configuration_that_cannot_be_read_is_listed(machine: Machine) -> None:
    machine.desktop.write_text('{"mcpServers": ')

    done = machine.run("uninstall", "--dry-run")

    assert f"unknown      Claude Desktop: {machine.desktop} cannot be read" in done.stdout
