"""Runs a real MCP host, from `whatsapp-mcp install` to the end of a conversation with a scripted model."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import anyio

import whatsapp_mcp
from tests.hosts.node import NODE
from tests.hosts.scripted_model import Call, Dialect, ScriptedModel, served
from whatsapp_mcp.cli.hosts import Launch

LIMIT = 90.0
PROMPT = "Do as the test says."


class Host(Protocol):
    """An MCP host."""

    @property
    def dialect(self) -> Dialect:
        """The API that it speaks to its model."""
        ...

    @property
    def wrapping(self) -> re.Pattern[str]:
        """What it puts around a result that stands at `…`."""
        ...

    @property
    def name(self) -> str:
        """What `whatsapp-mcp install` calls it."""
        ...

    @property
    def program(self) -> tuple[str, Sequence[str]]:
        """The name of its command, and what that runs here."""
        ...

    def prepare(self, home: Path, model: str) -> None:
        """Write into its user's home what it has been told before: where its model is."""
        ...

    def prompt(self, text: str) -> Sequence[str]:
        """The arguments for one prompt."""
        ...

    def environment(self, model: str) -> dict[str, str]:
        """Variables: where its model is, and that it keeps to itself."""
        ...


_WRAPPER = """\
#!{python}
import os, sys
os.environ.update({variables!r})
sys.path[:0] = {path!r}
if sys.argv[1:2] == ["install"]:
    from whatsapp_mcp.cli import main
    main()
os.execv({command!r}, {words!r})
"""


@dataclass(frozen=True)
class User:
    """Somebody with a host and our program, in a home folder of their own.

    Attributes:
        host: The host.
        home: The home folder.
        environment: Their variables.
    """

    host: Host
    home: Path
    environment: dict[str, str]

    async def whatsapp_mcp(self, *arguments: str) -> None:
        """Run `whatsapp-mcp`."""
        await _run([str(self.home / "bin" / "whatsapp-mcp"), *arguments], self.home, self.environment)

    async def ask(self) -> None:
        """Give the host its prompt, in a new project."""
        name, _ = self.host.program
        project = self.home / "project"
        project.mkdir(exist_ok=True)
        await _run([str(self.home / "bin" / name), *self.host.prompt(PROMPT)], project, self.environment)


def new_user(host: Host, home: Path, launch: Launch, model: str) -> User:
    """A user whose host has a model and no server yet, and whose `whatsapp-mcp` serves as `launch` says."""
    folder = home / "bin"
    folder.mkdir(parents=True)
    wrapper = _WRAPPER.format(
        python=sys.executable,
        variables=dict(launch.env),
        path=[str(Path(whatsapp_mcp.__file__).parents[1])],
        command=launch.command,
        words=[launch.command, *launch.args],
    )
    name, words = host.program
    for file, text in (("whatsapp-mcp", wrapper), (name, f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')):
        (folder / file).write_text(text)
        (folder / file).chmod(0o755)
    host.prepare(home, model)
    path = os.pathsep.join((str(folder), str(Path(NODE).parent), os.environ["PATH"]))
    return User(host, home, {"PATH": path, "HOME": str(home), **host.environment(model)})


async def converse(host: Host, folder: Path, launch: Launch, calls: Sequence[Call]) -> ScriptedModel:
    """Let a new user install our server and start the host once, for one prompt on which its model calls.

    Args:
        host: Which.
        folder: Its user's home, to be made.
        launch: How it starts our server.
        calls: What the model does.
    """
    with served(host.dialect, calls) as model:
        user = new_user(host, folder, launch, model.url)
        await user.whatsapp_mcp("install", host.name, "--yes")
        await user.ask()
    assert len(model.shown) == len(calls), model.shown
    return model


async def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Run a program to its end; what it has started ends with it when there is no end in `LIMIT`."""
    process = await anyio.open_process(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    said = b""
    try:
        with anyio.fail_after(LIMIT):
            assert process.stdout is not None
            async for piece in process.stdout:
                said += piece
            assert await process.wait() == 0, said.decode()
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()
