"""A command runs no code from the folder in which it is started (the demo: `test_demo.py`)."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.cli.planted import planted, ran
from whatsapp_mcp.cli.hosts import Launch

SCRIPT = str(Path(sysconfig.get_path("scripts")) / "whatsapp-mcp")


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with a stranger's modules."""
    return planted(tmp_path / "strange")


@pytest.mark.parametrize("program", [(SCRIPT,), (sys.executable, "-m", "whatsapp_mcp")])
def test_doctor_runs_no_module_of_the_current_folder(
    program: tuple[str, ...], strange: Path, tmp_path: Path
) -> None:
    home = {"WHATSAPP_MCP_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*program, "doctor"], cwd=strange, env=os.environ | home, capture_output=True, text=True, timeout=90
    )
    assert (done.returncode, ran(strange)) == (0, []), done.stdout + done.stderr


def test_without_a_script_applications_are_told_to_leave_the_current_folder_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))  # pyright: ignore[reportUnknownLambdaType]
    launch = Launch.here("default")
    assert (launch.command, launch.args[:3]) == (sys.executable, ("-P", "-m", "whatsapp_mcp"))


def test_the_planted_modules_are_run_where_nothing_keeps_them_out(strange: Path) -> None:
    subprocess.run([sys.executable, "-c", "import pylibmagic"], cwd=strange, timeout=30, check=True)
    assert ran(strange) == ["pylibmagic.ran"]
