"""`whatsapp-mcp service`: what it writes, and what it asks the service manager for."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.hosts import Launch
from whatsapp_mcp.cli.service import launchd_agent, systemd_unit
from whatsapp_mcp.system import System

HERE = "whatsapp_mcp.cli.service.HERE"
GOLDEN = Path(__file__).parent / "golden"
SERVE = ("serve", "--transport", "http")
PLAIN = Launch("/home/ann/.local/bin/whatsapp-mcp", SERVE)
AWKWARD = Launch(
    "/home/ann/my tools/50%/$new/whatsapp-mcp",
    ("--from", 'a "b" \\c', "${HOME}", *SERVE),
    (("WHATSAPP_MCP_HOME", "/home/ann/100% $mine"),),
)
SYSTEMD = "systemctl --user"
LAUNCHD = f"gui/{os.getuid()}" if hasattr(os, "getuid") else ""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has neither systemd nor launchd")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's home folder; the package's own is the usual one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "WHATSAPP_MCP_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


Managers = Callable[..., Path]


@pytest.fixture
def manager(home: Path, monkeypatch: pytest.MonkeyPatch) -> Managers:
    """Puts a service manager on the path that notes what it is asked for, in the file that is returned."""

    def make(name: str, *, fails: bool = False) -> Path:
        noted, program = home / "noted", home / "bin" / name
        program.parent.mkdir()
        ending = "echo 'Failed to connect to bus.' >&2; exit 1" if fails else "exit 0"
        program.write_text(f'#!/bin/sh\necho "$(basename "$0")" "$@" >> {noted}\n{ending}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(HERE, System.MACOS if name == "launchctl" else System.LINUX)
        return noted

    return make


def service(*arguments: str) -> Result:
    done = CliRunner().invoke(app, ["service", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.mark.parametrize(("name", "launch"), [("plain", PLAIN), ("awkward", AWKWARD)])
def test_the_unit_is_as_it_was_looked_at(name: str, launch: Launch):
    written = systemd_unit("whatsapp-mcp", launch).content

    assert written == (GOLDEN / f"{name}.service").read_text(encoding="utf-8")


@pytest.fixture
def folder_on_disk() -> Iterator[Path]:
    """A folder that is not below /dev, where systemd starts no program."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("launch", [PLAIN, AWKWARD], ids=["plain", "awkward"])
def test_systemd_finds_no_fault_in_the_unit(launch: Launch, folder_on_disk: Path):
    program = folder_on_disk / launch.command.removeprefix("/home/ann/")
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    unit = folder_on_disk / "whatsapp-mcp.service"
    unit.write_text(systemd_unit("whatsapp-mcp", Launch(str(program), launch.args, launch.env)).content)

    found = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", unit],
        env={"PATH": os.environ["PATH"], "HOME": str(folder_on_disk), "XDG_RUNTIME_DIR": str(folder_on_disk)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (found.returncode, found.stderr) == (0, "")


def test_the_agent_is_as_it_was_looked_at(home: Path):
    written = launchd_agent("whatsapp-mcp", AWKWARD).content

    assert written.replace(str(home), "/Users/ann") == (GOLDEN / "awkward.plist").read_text(encoding="utf-8")
    assert plistlib.loads(written.encode())["ProgramArguments"] == [AWKWARD.command, *AWKWARD.args]


def test_a_unit_is_shown_written_and_started(home: Path, manager: Managers):
    noted = manager("systemctl")

    answer = service("install")

    unit = home / ".config" / "systemd" / "user" / "whatsapp-mcp.service"
    assert answer.exit_code == 0, answer.stderr
    assert str(unit) in answer.stdout
    assert unit.read_text() in answer.stdout
    assert noted.read_text().splitlines() == [
        f"{SYSTEMD} daemon-reload",
        f"{SYSTEMD} enable --now whatsapp-mcp",
    ]
    assert f"$ {SYSTEMD} daemon-reload" in answer.stdout
    assert "loginctl enable-linger" in answer.stdout


def test_an_agent_is_shown_written_and_started(home: Path, manager: Managers):
    noted = manager("launchctl")

    answer = service("install", "--account", "work", "--port", "8809")

    agent = home / "Library" / "LaunchAgents" / "whatsapp-mcp-work.plist"
    assert answer.exit_code == 0, answer.stderr
    assert agent.read_text() in answer.stdout
    arguments = plistlib.loads(agent.read_bytes())["ProgramArguments"]
    assert arguments[1:] == [*SERVE, "--port", "8809", "--account", "work"]
    assert noted.read_text() == f"launchctl bootstrap {LAUNCHD} {agent}\n"


@pytest.mark.parametrize(
    ("program", "stop"),
    [("systemctl", "--user disable --now whatsapp-mcp"), ("launchctl", f"bootout {LAUNCHD}/whatsapp-mcp")],
)
def test_to_install_again_ends_the_old_one_first(manager: Managers, program: str, stop: str):
    noted = manager(program)
    service("install")
    first = noted.read_text()

    assert service("install").exit_code == 0
    assert noted.read_text() == f"{first}{program} {stop}\n{first}"


@pytest.mark.parametrize("program", ["systemctl", "launchctl"])
def test_it_is_ended_and_removed(home: Path, manager: Managers, program: str):
    manager(program)
    service("install")
    [written] = [*home.rglob("whatsapp-mcp.*")]

    answer = service("uninstall")

    assert (answer.exit_code, written.exists()) == (0, False)
    assert f"Removed {written}." in answer.stdout
    assert service("uninstall").exit_code == 2


def test_it_is_removed_although_the_settings_are_wrong(manager: Managers, monkeypatch: pytest.MonkeyPatch):
    manager("systemctl")
    service("install")
    monkeypatch.setenv("WHATSAPP_MCP_LOG_LEVEL", "loud")

    assert service("install").exit_code == 2
    assert service("uninstall").exit_code == 0


@pytest.mark.parametrize("system", [System.LINUX, System.MACOS])
def test_it_is_printed_and_nothing_is_written(home: Path, monkeypatch: pytest.MonkeyPatch, system: System):
    monkeypatch.setattr(HERE, system)
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(home / "wa"))

    answer = service("print")

    assert (answer.exit_code, answer.stderr) == (0, "")
    assert "WHATSAPP_MCP_HOME" in answer.stdout
    assert [*home.iterdir()] == []


def test_a_manager_that_refuses_is_told_with_its_words(manager: Managers):
    manager("systemctl", fails=True)

    answer = service("install")

    assert answer.exit_code == 1
    assert "`systemctl --user daemon-reload` failed: Failed to connect to bus." in answer.stderr


def test_without_a_service_manager_nothing_is_written(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(HERE, System.LINUX)
    monkeypatch.setenv("PATH", str(home))

    answer = service("install")

    assert answer.exit_code == 1
    assert "`whatsapp-mcp service print`" in answer.stderr
    assert [*home.iterdir()] == []


def test_where_there_is_no_service_manager_that_it_knows_it_says_what_to_start(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(HERE, System.WINDOWS)

    answer = service("install")

    assert answer.exit_code == 1
    assert "serve --transport http" in answer.stderr


@pytest.mark.parametrize("arguments", [["--name", "../x"], ["--name", "a b"]])
def test_a_name_that_no_service_can_have_is_refused(manager: Managers, arguments: list[str]):
    manager("systemctl")

    assert service("install", *arguments).exit_code == 2
