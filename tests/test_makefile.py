"""What `make` promises beyond running a tool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def lint(environment: Path, *, failing: str) -> subprocess.CompletedProcess[str]:
    """Run `make lint` with tools that only say their name; the one named `failing` fails."""
    (environment / "bin").mkdir()
    for name in ("ruff", "pyright", "lint-imports"):
        tool = environment / "bin" / name
        tool.write_text(f"#!/bin/sh\necho ran {name}\nexit {int(name == failing)}\n", encoding="utf-8")
        tool.chmod(0o755)
    stamp = f"{environment}/.dev-installed"
    return subprocess.run(
        ["make", "--old-file", stamp, f"VENV={environment}", "lint"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_lint_runs_every_tool_and_names_those_that_failed(tmp_path: Path) -> None:
    done = lint(tmp_path, failing="ruff")
    assert [line for line in done.stdout.splitlines() if line.startswith("ran ")] == [
        "ran ruff",
        "ran ruff",
        "ran pyright",
        "ran pyright",  # by the types of macOS
        "ran pyright",  # and of Windows
        "ran lint-imports",
    ]
    assert done.stderr.splitlines()[:3] == [
        "Failed:",
        f"  {tmp_path}/bin/ruff check .",
        f"  {tmp_path}/bin/ruff format --check .",
    ]
    assert done.returncode != 0


def test_lint_succeeds_when_every_tool_does(tmp_path: Path) -> None:
    done = lint(tmp_path, failing="")
    assert (done.returncode, done.stderr) == (0, "")
