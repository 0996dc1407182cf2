"""The leader's side of a client process, with programs that are none."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
import pytest

from tests.tables import for_each
from whatsapp_mcp.client.protocol import EXIT_NO_LIBRARY
from whatsapp_mcp.device.connection import client_process, in_folder, state
from whatsapp_mcp.device.connection.client_process import LOG_LIMIT, Client, open_log
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.settings import AccountFolder, AccountSettings

pytestmark = pytest.mark.anyio


async def no_notice(method: str, params: Params, generation: int) -> None:
    """Nobody listens."""


def client(folder: AccountFolder, program: tuple[str, ...], reports: list[state.ClientEvent]) -> Client:
    storage = in_folder(folder).client
    return Client(7, folder, AccountSettings(), storage, reports.append, no_notice, program)


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


@for_each(
    "program, reason",
    [
        (("/no/such/program",), "could not be started"),
        (python(f"raise SystemExit({EXIT_NO_LIBRARY})"), "client.log says why"),
        (python("import os; os.kill(os.getpid(), 9)"), "signal 9"),
        (python("print('nonsense', flush=True)"), "ended"),
    ],
    folder="folders",
)
async def test_a_program_that_is_no_client_is_reported_with_its_reason(
    folder: AccountFolder, program: tuple[str, ...], reason: str
) -> None:
    reports: list[state.ClientEvent] = []
    with anyio.fail_after(30):
        await client(folder, program, reports).run()
    (ended,) = reports
    assert isinstance(ended, state.Ended)
    assert ended.generation == 7
    assert reason in ended.reason


async def test_a_program_that_never_speaks_is_given_up(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_process, "_START_LIMIT", 0.2)
    reports: list[state.ClientEvent] = []
    with anyio.fail_after(30):
        await client(folder, python("import time; time.sleep(60)"), reports).run()
    assert isinstance(reports[0], state.Ended)
    assert "did not start" in reports[0].reason


async def test_one_that_ignores_its_closed_pipe_is_killed_within_a_second(folder: AccountFolder) -> None:
    stubborn = python("import time\nwhile True: time.sleep(1)")
    reports: list[state.ClientEvent] = []
    it = client(folder, stubborn, reports)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(it.run)
        await anyio.sleep(0.3)
        with anyio.fail_after(2), pytest.raises(WhatsAppError):
            it.end()
            await it.call("probe", deadline=1.5)
    assert len(reports) == 1


async def test_one_that_has_asked_for_patience_may_finish(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_mcp.client.protocol.LEADER_GONE_SECONDS", 0.1)
    finishing = python(
        "import os, pathlib, sys, time\n"
        "sys.stdout.close()\n"
        "pathlib.Path('client.lock').write_text(f'{os.getpid()} 8')\n"
        "time.sleep(1)\n"
        "pathlib.Path('finished').touch()"
    )
    with anyio.fail_after(30):
        await client(folder, finishing, []).run()
    assert (folder.client / "finished").exists()


async def test_one_that_is_ended_before_it_runs_never_starts(folder: AccountFolder) -> None:
    reports: list[state.ClientEvent] = []
    it = client(folder, ("/no/such/program",), reports)
    it.end()
    await it.run()
    assert isinstance(reports[0], state.Ended)
    assert "before it started" in reports[0].reason


def test_a_full_log_is_renamed(folder: AccountFolder) -> None:
    folder.client_log.write_bytes(b"x" * (LOG_LIMIT + 1))
    with open_log(folder) as log:
        log.write(b"new\n")
    assert folder.client_log.read_bytes() == b"new\n"
    assert folder.client_log.stat().st_mode & 0o077 == 0
    assert folder.client_log.with_name("client.log.1").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
async def test_what_a_client_has_started_ends_with_it(folder: AccountFolder) -> None:
    """Where the kernel lets it start anything: this program is not confined."""
    started = python(
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path('child').write_text(str(child.pid))\n"
    )
    with anyio.fail_after(30):
        await client(folder, started, []).run()
        child = int((folder.client / "child").read_text())
        while is_alive(child):  # noqa: ASYNC110  nothing tells of it
            await anyio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
