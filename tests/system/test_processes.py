"""Processes, told from others and ended with what they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from whatsapp_mcp.system import is_running, kill, kill_group, most_open_files, took_too_long

pytestmark = pytest.mark.anyio
ONLY_POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no process groups")
LIMIT = 20
WAITS = [sys.executable, "-c", "import sys; sys.stdin.read()"]
STARTS_ANOTHER = [
    sys.executable,
    "-c",
    "import subprocess, sys; "
    "subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(60)']).wait()",
]


@ONLY_POSIX
async def test_a_process_runs_until_it_is_killed() -> None:
    assert is_running(os.getpid())
    process = await anyio.open_process(WAITS)
    async with process:
        assert is_running(process.pid)
        kill(process.pid)
        with anyio.fail_after(LIMIT):
            assert await process.wait() == -signal.SIGKILL
    assert not is_running(process.pid)


@ONLY_POSIX
async def test_a_process_ends_with_what_it_has_started() -> None:
    process = await anyio.open_process(STARTS_ANOTHER, stderr=subprocess.DEVNULL, start_new_session=True)
    async with process:
        assert process.stdout is not None
        with anyio.fail_after(LIMIT):
            assert await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 10) == b"1"
            kill_group(process)
            with pytest.raises(anyio.EndOfStream):  # whoever holds the pipe is gone
                await process.stdout.receive()
            await process.wait()
    kill_group(process)  # which is no error


@ONLY_POSIX
def test_a_limit_of_processor_time_is_told_from_a_crash() -> None:
    assert took_too_long(-signal.SIGXCPU)
    assert not took_too_long(-signal.SIGSEGV)
    assert not took_too_long(None)


@ONLY_POSIX
def test_the_limit_of_open_files_is_that_of_the_system() -> None:
    import resource

    assert most_open_files() in {resource.getrlimit(resource.RLIMIT_NOFILE)[0], None}


@ONLY_POSIX
def test_a_process_may_be_allowed_as_many_open_files_as_the_system_lets_it_have() -> None:
    program = """
import resource
from whatsapp_mcp.system import allow_most_open_files
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
allow_most_open_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == most)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "True"
