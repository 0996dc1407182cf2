"""A disk that is full or read-only is told as that, with what to do, by whichever command writes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whatsapp_mcp.cli.app import app
from whatsapp_mcp.server.main import ServeOptions, serve
from whatsapp_mcp.settings import load

PROGRAM = f"{sys.executable} -m whatsapp_mcp"
REASONS = {
    errno.ENOSPC: ("the disk is full", "Free some space, then try again."),
    errno.EDQUOT: ("this user's share of the disk is used up", "Free some space, then try again."),
    errno.EROFS: ("its file system is read-only", "Mount it for writing, or use a folder on another one."),
    errno.EACCES: ("this user lacks the permission", "Make it"),
}
FULL = """
mount -t tmpfs -o size=64k none "$1"
mkdir "$1/tokens" "$1/empty"
while dd if=/dev/zero of="$1/empty/$RANDOM$RANDOM" bs=4k count=1; do :; done 2>/dev/null
"""
READ_ONLY = """
mkdir -p "$1/tokens"
mount --bind -o ro "$1" "$1" && mount -o remount,bind,ro "$1"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "home"


def refuse(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every file that is about to be written meet this failure."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refused)


@pytest.mark.parametrize("number", REASONS)
def test_a_token_that_cannot_be_stored_is_told_with_the_reason(
    home: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(number, monkeypatch)

    done = CliRunner().invoke(app, ["token", "create", "laptop"])

    why, action = REASONS[number]
    assert isinstance(done.exception, SystemExit)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"Error: {home / 'tokens'} cannot be written: {why}. {action}" in done.stderr
    assert list((home / "tokens").iterdir()) == []


@pytest.mark.parametrize("number", REASONS)
def test_a_key_that_cannot_be_made_is_told_with_the_reason(
    home: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = load().account_folder()
    folder.create()
    refuse(number, monkeypatch)

    with pytest.raises(Exception, match=REASONS[number][0]) as refused:
        serve(ServeOptions("default"), load())

    assert getattr(refused.value, "action", "").startswith(REASONS[number][1])


@cache
def can_mount() -> bool:
    """Whether this user may have mounts of its own here."""
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    command = [*unshared(), "mount -t tmpfs none /mnt"]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def unshared() -> list[str]:
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--mount", *mapped, "bash", "-c"]


@pytest.mark.skipif(not can_mount(), reason="this user may mount nothing here")
@pytest.mark.parametrize(
    ("disk", "number"), [(FULL, errno.ENOSPC), (READ_ONLY, errno.EROFS)], ids=["full", "read-only"]
)
@pytest.mark.parametrize(
    "line",
    [
        "token create laptop",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 --install-completion bash",
        "serve --transport http --port 0",
        "serve",
    ],
)
def test_no_command_ends_in_a_traceback_on_such_a_disk(
    tmp_path: Path, disk: str, number: int, line: str
) -> None:
    variable, _, rest = line.rpartition("=1 ")
    folder = tmp_path / "disk"
    folder.mkdir()
    script = f"{disk}\n{f'export {variable}=1' if variable else ''}\nexec {PROGRAM} {rest} </dev/null"

    done = subprocess.run(
        [*unshared(), script, "bash", folder],
        env={**os.environ, "WHATSAPP_MCP_HOME": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    why, action = REASONS[number]
    assert done.returncode in {1, 2}
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert f": {why}. {action}" in done.stderr
