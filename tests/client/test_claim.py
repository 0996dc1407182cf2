"""One client of an account at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from whatsapp_mcp.client.claim import PATIENCE, ask_for_patience, claim, patience_for

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="no process can be stopped there")

_HOLD = """
import sys
from pathlib import Path
from whatsapp_mcp.client.claim import ask_for_patience, claim
claim(Path(sys.argv[1]))
if len(sys.argv) > 2:
    ask_for_patience(Path(sys.argv[1]), int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, *, patience: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed it, and ends when its standard input is closed."""
    command = [sys.executable, "-c", _HOLD, str(path), *([str(patience)] if patience is not None else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_former_client_that_ends_by_itself_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "client.lock"
    with holder(path) as former:
        assert former.stdin is not None
        former.stdin.close()
        claim(path)
        assert former.wait(30) == 0
    assert path.read_text() == str(os.getpid())


@POSIX
def test_a_former_client_that_is_stopped_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "client.lock"
    with holder(path) as former:
        os.kill(former.pid, signal.SIGSTOP)
        begun = time.monotonic()
        claim(path)
        assert time.monotonic() - begun >= PATIENCE
        assert former.wait(30) == -signal.SIGKILL


@POSIX
def test_a_former_client_that_asked_for_patience_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "client.lock"
    with holder(path, patience=1) as former:
        os.kill(former.pid, signal.SIGSTOP)
        begun = time.monotonic()
        claim(path)
        assert time.monotonic() - begun >= PATIENCE + 1
        assert former.wait(30) == -signal.SIGKILL
    assert path.read_text() == str(os.getpid())


def test_asking_for_patience_where_the_file_is_gone_is_no_error(tmp_path: Path) -> None:
    ask_for_patience(tmp_path / "client.lock", 5)
    assert list(tmp_path.iterdir()) == []


def test_only_the_process_that_asked_for_patience_gets_it_from_its_host(tmp_path: Path) -> None:
    path = tmp_path / "client.lock"
    assert patience_for(path, 1) == 0
    with holder(path) as process:
        assert patience_for(path, process.pid) == 0
    with holder(path, patience=7) as process:
        assert patience_for(path, process.pid) == 7
        assert patience_for(path, process.pid + 1) == 0


@POSIX
@pytest.mark.parametrize("asked", ["", " ", " nan", " -5", " 1e9"])
def test_patience_that_makes_no_sense_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    path = tmp_path / "client.lock"
    monkeypatch.setattr("whatsapp_mcp.client.claim.PATIENCE", 0.1)
    with holder(path) as former:
        path.write_text(f"{former.pid}{asked}")
        begun = time.monotonic()
        claim(path)
        assert time.monotonic() - begun < PATIENCE
        assert former.wait(30) == -signal.SIGKILL


def test_a_file_that_names_nobody_kills_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "client.lock"
    monkeypatch.setattr("whatsapp_mcp.client.claim.PATIENCE", 0.1)
    monkeypatch.setattr("whatsapp_mcp.client.claim._GONE_LIMIT", 0.1)
    with holder(path) as former:
        path.write_text("")
        claim(path)
        assert former.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells who holds a lock")
def test_a_former_client_cannot_have_another_process_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "client.lock"
    monkeypatch.setattr("whatsapp_mcp.client.claim.PATIENCE", 0.1)
    monkeypatch.setattr("whatsapp_mcp.client.claim._GONE_LIMIT", 0.1)
    with holder(path), holder(tmp_path / "other.lock") as other:
        path.write_text(str(other.pid))
        claim(path)
        assert other.poll() is None


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "planted").touch()


def _link(path: Path) -> None:
    path.symlink_to("archive.db")


@POSIX
@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_folder, id="a folder"),
        pytest.param(os.mkfifo, id="a pipe"),
        pytest.param(_link, id="a link"),
    ],
)
def test_what_a_former_client_left_in_the_place_of_the_lock_is_in_nobodys_way(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    path, archive = tmp_path / "client.lock", tmp_path / "archive.db"
    archive.write_text(f"{os.getpid()} 9")
    plant(path)
    assert patience_for(path, os.getpid()) == 0
    claim(path)
    assert path.read_text() == str(os.getpid())
    assert archive.read_text() == f"{os.getpid()} 9"
