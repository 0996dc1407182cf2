"""A server that is killed while its agent works: the next one answers, and nothing goes out twice."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import anyio
import pytest

from tests.device.agents_rig import PROGRAM
from tests.fixtures import link, mcp_client
from tests.test_recovery import SERVER, processes, until_online
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]


async def test_a_server_that_is_killed_while_the_command_runs_costs_no_answer(
    whatsapp: WhatsApp, home: Path, tmp_path: Path
) -> None:
    here, ann = tmp_path / "program", whatsapp.person("Ann")
    here.mkdir()
    (here / "program.py").write_text(PROGRAM)
    (here / "wait").touch()
    command = json.dumps([sys.executable, str(here / "program.py")])
    (home / "config.toml").write_text(
        f'[agent]\ncommand = {command}\nfolder = "{here}"\nsettle = 0.1\n'
        f'[agent.chats]\n"{ann.number}" = "command"\n'
    )
    async with mcp_client(whatsapp, home) as client:
        await link(client, whatsapp)
        await ann.says("when do we sail?")
        await _runs(here, 1)
        for pid in processes(home, SERVER):
            os.kill(pid, signal.SIGKILL)
    (here / "wait").unlink()
    async with mcp_client(whatsapp, home) as client:
        await until_online(client)
        with anyio.fail_after(60):
            texts = [(await ann.receives()).text]
            while texts[-1] != "You said: when do we sail?":
                texts.append((await ann.receives()).text)
        await _runs(here, 2)
        with pytest.raises(TimeoutError), anyio.fail_after(2):
            while (await ann.receives()).text != "You said: when do we sail?":
                pass


async def _runs(here: Path, count: int) -> None:
    file = here / "given.jsonl"
    with anyio.fail_after(60):
        while not file.exists() or len(file.read_text().splitlines()) < count:  # noqa: ASYNC110  a file
            await anyio.sleep(0.05)
