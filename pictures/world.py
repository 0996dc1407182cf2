"""The account of the demo: its simulated WhatsApp, its people, and commands of the product on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client

from whatsapp_mcp.cli.demo.agent import FRIEND, HOST, environment, free_port, over_http, running
from whatsapp_mcp.cli.hosts import Launch
from whatsapp_mcp.processes.child_process import module_command
from whatsapp_mcp.server.transports import load_or_make
from whatsapp_mcp.settings import HOME_VARIABLE
from whatsapp_simulator.scenario import Scenario
from whatsapp_simulator.whatsapp import WhatsApp
from whatsapp_simulator.world import World

LIMIT: Final = 60.0
CONFIG: Final = '[policy]\nmode = "standard"\n'


@dataclass(frozen=True)
class Account:
    """An account of the simulated WhatsApp.

    Attributes:
        home: The home folder of servers.
        variables: Their environment.
        scenario: The phone and the people.
        launch: How an application starts a server.
    """

    home: Path
    variables: Mapping[str, str]
    scenario: Scenario
    launch: Launch

    async def link(self) -> None:
        """Scan the code that a command shows, and wait until the history is there."""
        async with await anyio.open_process(
            command("link", "--json"), env=self.variables, cwd=self.home, stdin=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            lines = BufferedByteReceiveStream(process.stdout)
            with anyio.fail_after(LIMIT):
                shown = await _event(lines, "qr")
                await self.scenario.phone.scan(str(shown["text"]))
                await self.scenario.phone.online()
                self.scenario.remember()
                await self.scenario.phone.hand_over()
                await _event(lines, "synced")

    @asynccontextmanager
    async def served(self) -> AsyncGenerator[Server]:
        """A server over HTTP until the end of the block; servers of applications join it."""
        token, port = load_or_make(self.home), free_port(usual=False)
        url = f"http://{HOST}:{port}"
        async with (
            running(dict(self.variables), port, self.home / "server.log"),
            over_http(f"{url}/mcp", token) as client,
        ):
            yield Server(url, client)


@dataclass(frozen=True)
class Server:
    """A server that runs: its address, and a client of it."""

    url: str
    client: Client

    async def knows_people(self) -> None:
        """Wait until the address book is there, by which the words of strangers are told from others."""
        with anyio.fail_after(LIMIT):
            while True:
                found = await self.client.call_tool("search_contacts", {"query": FRIEND})
                text = str(found.content)
                if FRIEND in text and f"~{FRIEND}" not in text:
                    return
                await anyio.sleep(0.1)


async def _event(lines: BufferedByteReceiveStream, name: str) -> dict[str, object]:
    """The next event of this name in the output of `link --json`."""
    while True:
        event = json.loads(await lines.receive_until(b"\n", 65536))
        if event["event"] == name:
            return event


@asynccontextmanager
async def account(folder: Path) -> AsyncGenerator[Account]:
    """The account until the end of the block, with no device linked to it."""
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text(CONFIG, encoding="utf-8")
    async with WhatsApp() as whatsapp:
        program, *arguments = command("serve")
        launch = Launch(
            program, tuple(arguments), (*whatsapp.environment().items(), (HOME_VARIABLE, str(home)))
        )
        yield Account(home, environment(whatsapp, home), Scenario(whatsapp, World.load()), launch)


def command(*arguments: str) -> list[str]:
    """`whatsapp-mcp` on the simulated WhatsApp."""
    return [*module_command("whatsapp_mcp.simulated", *arguments)]


def demo() -> list[str]:
    """The demo, which brings a WhatsApp of its own."""
    return [sys.executable, "-m", "whatsapp_mcp", "demo", "--once"]
