"""Runs a real MCP host, from its configuration to the end of a conversation with a scripted model."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import anyio

from tests.hosts.node import NODE
from tests.hosts.scripted_model import Call, Dialect, ScriptedModel, served
from whatsapp_mcp.cli.client_config import Launch

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

    def configure(self, home: Path, launch: Launch, model: str) -> list[list[str]]:
        """Write its configuration into its user's home; the commands to run for one prompt, in order."""
        ...

    def environment(self, model: str) -> dict[str, str]:
        """Variables: where its model is, and that it keeps to itself."""
        ...


async def converse(host: Host, folder: Path, launch: Launch, calls: Sequence[Call]) -> ScriptedModel:
    """Let a new user start the host once, for one prompt on which its model makes these calls.

    Args:
        host: Which.
        folder: Its user's home, to be made.
        launch: How it starts our server.
        calls: What the model does.
    """
    project = folder / "project"
    project.mkdir(parents=True)
    with served(host.dialect, calls) as model:
        path = f"{Path(NODE).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(folder), **host.environment(model.url)}
        for command in host.configure(folder, launch, model.url):
            await _run(command, project, environment)
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
