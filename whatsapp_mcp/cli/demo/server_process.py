"""The server of the demo: the real one, in a process of its own, pointed at the simulated WhatsApp."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import anyio.abc

from whatsapp_mcp.processes.child_process import module_command
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE

if TYPE_CHECKING:
    from whatsapp_simulator.whatsapp import WhatsApp

HOST: Final = "127.0.0.1"
USUAL_PORT: Final = 8808
STOP_LIMIT: Final = 0.8
"""Seconds that the server has to end before it is killed."""


def command(port: int | None = None) -> list[str]:
    """What starts a server: over HTTP on `port`, or over stdio."""
    serve = [*module_command("whatsapp_mcp.simulated", "serve")]
    return serve if port is None else [*serve, "--transport", "http", "--host", HOST, "--port", str(port)]


def environment(whatsapp: WhatsApp, home: Path) -> dict[str, str]:
    """What the server process gets: the person's own settings stay out of the demo."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**kept, **whatsapp.environment(), HOME_VARIABLE: str(home)}


def join(variables: dict[str, str]) -> str:
    """The variables for the command of a server that joins the demo.

    The proxy goes with it: should the demo end first, that server becomes the leader and must not look for
    WhatsApp outside.
    """
    names = (HOME_VARIABLE, "HTTPS_PROXY", "NO_PROXY")
    return " ".join(f"{name}={shlex.quote(variables[name])}" for name in names)


@contextlib.asynccontextmanager
async def running(
    variables: dict[str, str], port: int | None, log: Path
) -> AsyncGenerator[anyio.abc.Process]:
    """The server process, on `port` or over stdin and stdout of this process; ended with this block."""
    stdin = None if port is None else subprocess.DEVNULL
    with log.open("wb") as stderr:
        process = await anyio.open_process(
            command(port), env=variables, cwd=log.parent, stdin=stdin, stdout=None, stderr=stderr
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)


async def _stop(process: anyio.abc.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        with anyio.move_on_after(STOP_LIMIT):
            await process.wait()
            return
        process.kill()
        await process.wait()


def free_port(*, usual: bool) -> int:
    """A free port: the usual one where `usual` is wished and it is free."""
    for port in (USUAL_PORT, 0) if usual else (0,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return int(probe.getsockname()[1])
    return USUAL_PORT
