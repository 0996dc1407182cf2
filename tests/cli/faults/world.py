"""A home folder with an account that is, or was, linked; commands that a person runs on it."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client

from tests import fixtures
from whatsapp_mcp.cli.doctor import Finding
from whatsapp_mcp.settings import HOME_VARIABLE
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.whatsapp import Person

LIMIT: Final = 60.0
ROOT: Final = Path(__file__).parents[3]
CONFIG: Final = '[policy]\nmode = "open"\n'
IS_ROOT: Final = hasattr(os, "geteuid") and os.geteuid() == 0
_AS_PERSON: Final = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--") if IS_ROOT else ()
"""Runs a command without the rights by which root reads everything."""

Needs = Literal["home", "phone", "mounts", "root"]
"""What a fault is made of: a home folder of its own, that and a phone, file systems, files of others."""


@dataclass
class World:
    """A person's computer.

    Attributes:
        home: The home folder.
        backup: A copy of it from before the fault.
        whatsapp: On which the account is linked; None where nothing may be asked of it.
        variables: Further variables of each command.
        shell: Runs the commands in a view of the file systems of its own.
    """

    home: Path
    backup: Path
    whatsapp: WhatsApp | None = None
    variables: dict[str, str] = field(default_factory=dict[str, str])
    shell: Shell | None = None
    others: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def account(self) -> Path:
        """The folder of the account."""
        return self.home / "accounts" / "default"

    @property
    def config(self) -> Path:
        """The settings."""
        return self.home / "config.toml"

    @property
    def wa(self) -> WhatsApp:
        """WhatsApp, in a world with a phone."""
        assert self.whatsapp is not None
        return self.whatsapp

    def environment(self) -> dict[str, str]:
        """The variables of a command."""
        person = self.home.with_name("person")
        own = {"HOME": str(person), "XDG_CONFIG_HOME": str(person), "TZ": "UTC", **self.variables}
        if self.whatsapp is not None:
            return fixtures.environment(self.whatsapp, self.home) | own
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WHATSAPP_MCP_")}
        return {**kept, HOME_VARIABLE: str(self.home), **own}

    def command(self, *arguments: str) -> list[str]:
        """What starts `whatsapp-mcp`."""
        if self.whatsapp is not None:
            return fixtures.command(*arguments)
        return [sys.executable, "-m", "whatsapp_mcp", *arguments]

    async def doctor(self, *, whole: bool = False) -> tuple[int, list[Finding]]:
        """The exit code of `doctor`, and what it found; of the whole, or of the home folder alone."""
        module = ["whatsapp_mcp", "doctor", "--json"] if whole else ["tests.cli.faults.doctor_of_home"]
        code, out, err = await self.execute([sys.executable, "-m", *module])
        assert out.startswith("["), err
        return code, [Finding(**each) for each in json.loads(out)]

    async def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code of `whatsapp-mcp` with these arguments, and what it printed."""
        assert arguments[0] not in {"link", "status"} or self.whatsapp is not None, "nobody real is asked"
        code, out, err = await self.execute(self.command(*arguments))
        assert "Traceback" not in err, err
        return code, out + err

    async def execute(self, words: list[str]) -> tuple[int, str, str]:
        """The exit code of a command, and what it wrote."""
        with anyio.fail_after(LIMIT):
            if self.shell is not None:
                return await self.shell.run(words, self.environment())
            done = await anyio.run_process(
                [*_AS_PERSON, *words],
                env=self.environment(),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    async def obey(self, finding: Finding) -> None:
        """Run what the advice of a finding is made of: a line for the shell, or commands in backquotes."""
        action = finding.action or ""
        commands = re.findall(r"`whatsapp-mcp ([^`]+)`", action)
        if not commands:
            code, _, err = await self.execute(["sh", "-c", action.removeprefix("sudo ")])
            assert code == 0, err
        for command in commands:
            await self.run(*command.split())

    async def link(self) -> None:
        """Run `whatsapp-mcp link`, and scan its code with the phone."""
        process = await anyio.open_process(
            fixtures.command("link", "--json"), env=self.environment(), stdin=subprocess.DEVNULL, stderr=None
        )
        assert process.stdout is not None
        lines = BufferedByteReceiveStream(process.stdout)
        async with process:
            with anyio.fail_after(LIMIT):
                event: dict[str, Any] = {}
                while event.get("event") != "qr":
                    event = json.loads(await lines.receive_until(b"\n", 65536))
                await self.wa.me.scan(event["text"])
                while await process.wait():
                    raise AssertionError("it could not be linked")

    async def serve(self) -> Client:
        """Start a server, which ends with the world or with `end_servers`."""
        return await self.others.enter_async_context(fixtures.mcp_client(self.wa, self.home))

    async def end_servers(self) -> None:
        """End what was started beside."""
        await self.others.aclose()

    async def hear_from(self, friend: Person, text: str = "hello") -> None:
        """Let a message arrive, while a server runs."""
        await friend.says(text)
        with anyio.fail_after(LIMIT):
            while not await self._archived():  # noqa: ASYNC110  another process writes it
                await anyio.sleep(0.05)

    async def _archived(self) -> int:
        code, out, _ = await self.execute(self.command("archive", "stats", "--json"))
        return 0 if code else int(json.loads(out)["messages"])

    def restore(self, name: str) -> None:
        """Put a file of the account back from the backup."""
        shutil.copy(self.backup / "accounts" / "default" / name, self.account / name)


class Shell:
    """A shell in a view of the file systems of its own; nothing of it remains."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def run(self, words: list[str], variables: dict[str, str]) -> tuple[int, str, str]:
        """Run a command in it."""
        sets = [f"{name}={value}" for name, value in variables.items()]
        line = shlex.join(["env", "-i", *sets, *words])
        await self._stdin.send(f"(cd {ROOT}; {line}) </dev/null; code=$?; echo; echo $code ENDED\n".encode())
        out = (await self._stdout.receive_until(b" ENDED\n", 1 << 22)).decode()
        said, _, code = out.rstrip().rpartition("\n")
        return int(code), said.strip(), ""

    @staticmethod
    @asynccontextmanager
    async def opened() -> AsyncIterator[Shell]:
        """Open one, until the body ends."""
        mapped = [] if IS_ROOT else ["--map-root-user"]
        process = await anyio.open_process(["unshare", "--mount", *mapped, "bash"], stderr=None)
        async with process:
            try:
                yield Shell(process)
            finally:
                process.kill()


Act = Callable[[World], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """A row of the table.

    Attributes:
        name: What it is called in a test's report.
        make: Makes it.
        finding: The check that fails.
        said: Part of what it finds.
        advice: Part of what it advises.
        follow: Does what is advised; None runs the advice as it stands.
        needs: What it is made of.
        whole: Whether the installation is checked too.
    """

    name: str
    make: Act
    finding: str
    said: str
    advice: str
    follow: Act | None = None
    needs: Needs = "home"
    whole: bool = False
