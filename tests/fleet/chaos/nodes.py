"""The nodes of a run: processes that are killed, stopped, cut off and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import anyio
import httpx

from tests.fleet.chaos.network import Network
from tests.fleet.postgres import free_port

LIMIT: Final = 60
_CONFIG: Final = """\
database = "{url}"

[node]
name = "{name}"
accounts = {accounts}

[policy]
mode = "open"
"""


@dataclass
class NodeProcess:
    """A machine with one node.

    Attributes:
        name: Of the node.
        home: Its home folder, which outlasts the process.
        url: Of the database, through the network.
        accounts: How many accounts it leads at most.
        network: Between it and the database.
        environment: With which its clients find WhatsApp.
        starts: How often it was started.
    """

    name: str
    home: Path
    url: str
    accounts: int
    network: Network
    environment: Mapping[str, str]
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def log(self) -> Path:
        """What it prints."""
        return self.home / "node.log"

    @property
    def pid(self) -> int:
        """Of its process, while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = _CONFIG.format(url=self.url, name=self.name, accounts=self.accounts)
        (self.home / "config.toml").write_text(config, encoding="utf-8")
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.simulated", "node"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment, "WHATSAPP_MCP_HOME": str(self.home)},
            )

    def kill(self) -> None:
        """Kill it with all its clients, as a machine that loses its power."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(LIMIT)

    def stop(self) -> None:
        """Stop it with all its clients, as a machine that is suspended."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    async def drain(self) -> int:
        """End it in order; answers its exit code."""
        assert self._process is not None
        self._process.terminate()
        with anyio.fail_after(LIMIT):
            while (code := self._process.poll()) is None:  # noqa: ASYNC110  a process tells of nothing
                await anyio.sleep(0.05)
        return code

    def end(self) -> None:
        """Kill it if it runs."""
        if self.runs:
            self.kill()

    def _signal(self, what: signal.Signals) -> None:
        # The parent first: it would start another client, or take a stopped one for dead.
        for pid in family(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, what)


@dataclass
class Replica:
    """A server for programs, which leads no account.

    Attributes:
        home: Its home folder.
        database: Where, through its network.
        url: Where programs reach it.
    """

    home: Path
    database: str
    url: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.home.mkdir(mode=0o700, parents=True)
        (self.home / "config.toml").write_text(f'database = "{self.database}"\n', encoding="utf-8")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._process = self._popen(port)
        with anyio.fail_after(LIMIT):
            async with httpx.AsyncClient() as client:
                while not await _answers(client, f"{self.url}/healthz"):  # noqa: ASYNC110
                    await anyio.sleep(0.1)

    def _popen(self, port: int) -> subprocess.Popen[bytes]:
        serve = ["serve", "--transport", "http", "--port", str(port)]
        with (self.home / "replica.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "whatsapp_fleet", *serve],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "WHATSAPP_MCP_HOME": str(self.home)},
            )

    def end(self) -> None:
        """Kill it if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(LIMIT)


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.HTTPError:
        return False


def family(pid: int) -> list[int]:
    """A process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found
