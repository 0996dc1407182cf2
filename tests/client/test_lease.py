"""The end of a client process with the lease of its leader, which the kernel keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.client_process import client_process
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.protocol import LEASE
from whatsapp_mcp.system import boottime

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has the timer"),
]

LIMIT = 30
LATER = 3600.0
PUT_OFF = """
import time
from whatsapp_mcp.system import EndTimer, boottime
timer = EndTimer()
timer.put_off(boottime() + 0.5)
timer.put_off(until := boottime() + 1.0)
print(until, flush=True)
time.sleep(30)
"""
PASSED = """
from whatsapp_mcp.system import EndTimer, boottime
EndTimer().put_off(boottime() - 5)
"""


def run(program: str) -> tuple[int, str]:
    """The exit code of a program, and what it has printed."""
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=LIMIT, check=False
    )
    return done.returncode, done.stdout


def test_an_end_that_is_put_off_comes_later() -> None:
    code, until = run(PUT_OFF)
    assert code == -signal.SIGKILL
    assert boottime() >= float(until)


def test_an_end_that_has_passed_comes_at_once() -> None:
    assert run(PASSED) == (-signal.SIGKILL, "")


async def test_a_client_that_is_stopped_ends_with_its_lease_and_never_goes_on(tmp_path: Path) -> None:
    async with client_process(tmp_path, storage=ClientStorage(until=boottime() + LATER)) as client:
        os.kill(client.process.pid, signal.SIGSTOP)
        await client.peer.notify(LEASE, {"until": boottime() + LATER})
        assert client.process.returncode is None
        os.kill(client.process.pid, signal.SIGCONT)
        until = boottime() + 1.0
        await client.peer.notify(LEASE, {"until": until})
        await client.call("is_connected")  # it has heard of that
        os.kill(client.process.pid, signal.SIGSTOP)
        assert await client.ended() == -signal.SIGKILL
        assert boottime() >= until


async def test_a_client_without_a_lease_has_no_end(tmp_path: Path) -> None:
    async with client_process(tmp_path) as client:
        await client.peer.notify(LEASE, {"until": 1.0})
        assert await client.call("is_connected") is False
