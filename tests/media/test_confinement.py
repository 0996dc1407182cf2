"""What a decoding process that was taken over can still do, on Linux: compute, and write to its pipes."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"},
    reason="the filter is for Linux on these",
)
NOT_LANDLOCK = {
    "open a file in an earlier thread",
    "fork",
    "change rights",
    "look at a file",
    "change limits of its parent",
    "live on without its parent",
}
"""What Landlock alone does not refuse."""


def attempts(walls: str, folder: Path) -> dict[str, str | None]:
    """What became of each act in a confined process, beside two listening sockets."""
    (folder / "file").write_text("x", encoding="utf-8")
    folder.chmod(0o700)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as nameless:
        port = server.getsockname()[1]
        nameless.bind(f"\0whatsapp-mcp-{port}")
        nameless.listen()
        program = [sys.executable, "-m", "tests.media.confined", walls, str(folder), str(port)]
        done = subprocess.run(
            program,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            start_new_session=True,
        )
    return json.loads(done.stdout)


@pytest.mark.parametrize("walls", ["all", "seccomp"])
def test_a_process_that_was_taken_over_reaches_no_file_no_network_and_no_process(
    walls: str, tmp_path: Path
) -> None:
    outcomes = attempts(walls, tmp_path)
    assert {name for name, error in outcomes.items() if error is None} == set()
    assert len(outcomes) == 21
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"


def test_landlock_alone_refuses_files_network_and_signals(tmp_path: Path) -> None:
    version = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp.client.load"], capture_output=True, check=True, timeout=60
    ).stdout
    if int(version.split()[0]) < 6:
        pytest.skip("this kernel's Landlock knows no signals")
    outcomes = attempts("landlock", tmp_path)
    assert {name for name, error in outcomes.items() if error is None} <= NOT_LANDLOCK
    assert os.listdir(tmp_path) == ["file"]


def test_a_confined_process_starts_threads(tmp_path: Path) -> None:
    lines = "import threading; from whatsapp_mcp.media.child import confine; confine()"
    lines += "; done = threading.Event(); threading.Thread(target=done.set).start(); print(done.wait(9))"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"True\n"


_SIZES = """
import ctypes, os, platform, sys
from whatsapp_mcp.media.child import confine
call = {"x86_64": 262, "aarch64": 79}[platform.machine()]
libc, found = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(256)
file = os.open(sys.argv[1], os.O_RDWR)
confine(written_bytes=int(sys.argv[2]))
print([libc.syscall(call, file, b"", found, flags) for flags in (0x1000, 0)])
try:
    print(os.write(file, bytes(9)))
except OSError as error:
    print(error.errno)
"""
"""newfstatat of an open file, with AT_EMPTY_PATH and without, and what can be written to it."""


@pytest.mark.parametrize(("written", "answers"), [(0, "[-1, -1]\n27\n"), (9, "[0, -1]\n9\n")])
def test_a_process_asks_for_sizes_and_writes_only_if_it_has_a_file_to_write(
    written: int, answers: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    arguments = [sys.executable, "-c", _SIZES, str(tmp_path / "file"), str(written)]
    done = subprocess.run(arguments, capture_output=True, check=True, timeout=60, text=True)
    assert done.stdout == answers
