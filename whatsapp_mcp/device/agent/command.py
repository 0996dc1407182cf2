"""Runs the agent's command: without a shell, in an environment of its own, within limits."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import anyio
from anyio.abc import Process

from whatsapp_mcp.errors import cause
from whatsapp_mcp.models import Caller
from whatsapp_mcp.processes.child_process import bound
from whatsapp_mcp.settings import CHAT_VARIABLE, HOME_VARIABLE, PRINCIPAL_VARIABLE, AgentSettings
from whatsapp_mcp.system import kill_group, variables_of_a_command

_BYTES: Final = 8
"""Bytes that a character of the answer may take in what a command prints, JSON among it."""
_LEAST: Final = 65_536
"""Bytes of output that are always read: JSON has more in it than the answer."""


class Ended(NamedTuple):
    """The outcome of a run.

    Attributes:
        output: What it printed; None if it failed.
        reason: Why it failed, for the person.
    """

    output: str | None
    reason: str = ""


def environment_of(agent: AgentSettings, caller: Caller) -> dict[str, str]:
    """The variables of a command.

    Args:
        agent: Names those that it gets beside.
        caller: For whom it acts: a server that it starts is bound to the same chat, or if that is the
            owner's own, which binds nothing, counts as the same agent.
    """
    names = (*variables_of_a_command(), HOME_VARIABLE, *agent.environment)
    kept = {name: os.environ[name] for name in names if name in os.environ}
    own = {CHAT_VARIABLE: caller.chat} if caller.chat else {PRINCIPAL_VARIABLE: caller.principal}
    return {**kept, **own}


async def run(agent: AgentSettings, given: bytes, environment: Mapping[str, str], folder: Path) -> Ended:
    """Run the command with `given` on its standard input, to its end or its limits.

    What it writes to standard error is not kept: it may hold what people wrote.
    """
    most = max(_LEAST, agent.limits.characters * _BYTES)
    try:
        process = await _started(agent.command, environment, folder)
    except OSError as error:
        return Ended(None, f"the command cannot be started ({cause(error)})")
    output, is_whole = b"", False
    async with process:
        try:
            with anyio.move_on_after(agent.limits.seconds):
                # A command may close its output and run on, so its end is awaited within the same limit.
                output, is_whole = await _talk(process, given, most)
                if is_whole:
                    await process.wait()
        finally:
            # Whatever it has started ends with it.
            kill_group(process)
    if len(output) > most:
        return Ended(None, "the command printed too much")
    if not is_whole:
        return Ended(None, f"the command took longer than {agent.limits.seconds:.0f} s")
    if process.returncode != 0:
        return Ended(None, f"the command ended with status {process.returncode}")
    return Ended(output.decode("utf-8", "replace"))


async def _started(command: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> Process:
    # So that it ends with this process, however that ends.
    started, variables = bound(command, environment)
    return await anyio.open_process(
        started, stderr=subprocess.DEVNULL, cwd=folder, env=variables, start_new_session=True
    )


async def _talk(process: Process, given: bytes, most: int) -> tuple[bytes, bool]:
    """Return the process's output, up to a little more than `most` bytes, and whether that is all."""
    assert process.stdin is not None
    assert process.stdout is not None
    output = bytearray()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_feed, process, given)
        async for piece in process.stdout:
            output += piece
            if len(output) > most:
                tasks.cancel_scope.cancel()
                return bytes(output), False
    return bytes(output), True


async def _feed(process: Process, given: bytes) -> None:
    assert process.stdin is not None
    # A command that needs no words need not read them.
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.send(given)
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await process.stdin.aclose()
