"""The service files start what the command line offers."""

from __future__ import annotations

import configparser
import os
import plistlib
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whatsapp_mcp.cli.app import app

SERVICES = Path(__file__).parents[2] / "examples" / "service"


def systemd() -> list[str]:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    unit.read(SERVICES / "whatsapp-mcp.service", encoding="utf-8")
    return shlex.split(unit["Service"]["ExecStart"])


def launchd() -> list[str]:
    with (SERVICES / "io.github.whatsapp-mcp.plist").open("rb") as file:
        return plistlib.load(file)["ProgramArguments"]


@pytest.mark.parametrize("command", [systemd(), launchd()], ids=["systemd", "launchd"])
def test_a_service_starts_a_command_that_exists(command: list[str]) -> None:
    assert Path(command[0]).name == "whatsapp-mcp"
    result = CliRunner().invoke(app, [*command[1:], "--help"])
    assert result.exit_code == 0, result.output
    assert command[1] == "serve"
    assert command[2:] == ["--transport", "http"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    program = tmp_path / ".local" / "bin" / "whatsapp-mcp"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    unit = shutil.copy(SERVICES / "whatsapp-mcp.service", tmp_path)
    found = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", unit],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
