"""The servers under test: real processes, each driven by an MCP client, replaced when they were killed."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.abc
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

from benchmarks.soak.watch import alive, children

ANSWER_LIMIT: Final = 45.0
_POLL: Final = 0.02
_START_LIMIT: Final = 30.0
# The shell notes the process id and becomes the server.
_NOTE_PID: Final = 'echo $$ > "$0"; exec "$@"'

logger = logging.getLogger(__name__)

GONE: Final = (MCPError, anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, OSError)
"""Errors of a call whose server has gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A tool's answer: its structured content, and its error code if it is an error."""

    data: Mapping[str, Any]
    error: str | None


@dataclass
class Slot:
    """A place for one server process after another."""

    name: str
    client: Client | None = None
    pid: int = 0
    killed: bool = False
    ended: anyio.Event = field(default_factory=anyio.Event)


class Fleet:
    """Servers on one home.

    Args:
        environment: What each of them inherits.
        folder: Where logs and process ids go.

    Attributes:
        lost: Servers that ended and were not killed from here.
        started: Servers that were started.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, count: int) -> None:
        self._environment = dict(environment)
        self._folder = folder
        self.slots = [Slot(f"server-{number}") for number in range(count)]
        self.lost: list[str] = []
        self.started = 0
        self._closing = False
        self._closed = anyio.Event()

    async def run(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        """Keep every slot filled until `close`."""
        async with anyio.create_task_group() as tasks:
            for slot in self.slots:
                await tasks.start(self._keep, slot)
            task_status.started()
            await self._closed.wait()
            for slot in self.slots:
                slot.ended.set()

    def close(self) -> None:
        """Let every server end as an application would: by closing its standard input."""
        self._closing = True
        self._closed.set()

    async def _keep(self, slot: Slot, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        first = True
        while not self._closing:
            try:
                await self._live(slot, task_status if first else None)
            except* GONE:
                logger.info("%s has gone", slot.name)
            first = False

    async def _live(self, slot: Slot, task_status: anyio.abc.TaskStatus[None] | None) -> None:
        slot.killed, slot.ended = False, anyio.Event()
        note = self._folder / f"{slot.name}.pid"
        options = ("serve", "--structured", "--toolsets", "all")
        serve = [sys.executable, "-m", "whatsapp_mcp.simulated", *options]
        parameters = StdioServerParameters(
            command="/bin/sh", args=["-c", _NOTE_PID, str(note), *serve], env=self._environment
        )
        async with Client(parameters, read_timeout_seconds=ANSWER_LIMIT) as client:
            slot.client, slot.pid = client, int(note.read_text())
            self.started += 1
            if task_status is not None:
                task_status.started()
            try:
                await self._until_ended(slot)
            finally:
                slot.client = None

    async def _until_ended(self, slot: Slot) -> None:
        while not slot.ended.is_set():
            with anyio.move_on_after(0.1):
                await slot.ended.wait()
                return
            if not alive(slot.pid):
                if not slot.killed and not self._closing:
                    self.lost.append(f"{slot.name} (process {slot.pid})")
                return

    def kill(self, slot: Slot) -> None:
        """End it with SIGKILL; its place is taken by a new one."""
        slot.killed = True
        os.kill(slot.pid, signal.SIGKILL)

    def leave(self, slot: Slot) -> None:
        """End it as an application does, by closing its standard input; its place is taken by a new one."""
        slot.killed = True
        slot.ended.set()

    async def back(self, slot: Slot) -> None:
        """Return when the place of a server that ended is taken by a new one.

        Raises:
            TimeoutError: It was not within 30 seconds.
        """
        with anyio.fail_after(_START_LIMIT):
            while slot not in self.ready():  # noqa: ASYNC110  nothing tells of it
                await anyio.sleep(_POLL)

    def ready(self) -> list[Slot]:
        """The slots whose server takes calls."""
        return [slot for slot in self.slots if slot.client is not None and not slot.killed]

    def any(self, chance: random.Random) -> Slot | None:
        """A server that takes calls."""
        ready = self.ready()
        return chance.choice(ready) if ready else None

    async def call(
        self, slot: Slot, tool: str, limit: float = ANSWER_LIMIT, **arguments: Any
    ) -> Answer | None:
        """Call a tool; None if its server went or did not answer within `limit` seconds."""
        client = slot.client
        if client is None:
            return None
        try:
            with anyio.fail_after(limit):
                result = await client.call_tool(tool, arguments)
        except (*GONE, TimeoutError):
            return None
        data = result.structured_content or {}
        return Answer(data, data.get("error", {}).get("code", "TOOL_ERROR") if result.is_error else None)

    async def status(self, *, but: Slot | None = None) -> Mapping[str, Any]:
        """The link as the first server says that answers at once; empty when none does."""
        for slot in self.ready():
            if slot is not but:
                answer = await self.call(slot, "connection_status", limit=5.0)
                if answer is not None and answer.error is None:
                    return answer.data
        return {}

    async def until(
        self, holds: Callable[[Mapping[str, Any]], bool], limit: float, *, but: Slot | None = None
    ) -> Mapping[str, Any]:
        """The status once it holds.

        Raises:
            TimeoutError: It did not within `limit` seconds.
        """
        return await poll(lambda: self.status(but=but), holds, limit)

    async def leader(self) -> Slot | None:
        """The leader."""
        pid = (await self.status()).get("leader_pid")
        return next((slot for slot in self.ready() if slot.pid == pid), None)

    def client_of(self, slot: Slot) -> int | None:
        """Process id of the client of the leader; the newest when an old one still ends."""
        return max(children(slot.pid), default=None)


async def poll(
    ask: Callable[[], Awaitable[Mapping[str, Any]]], holds: Callable[[Mapping[str, Any]], bool], limit: float
) -> Mapping[str, Any]:
    """Call `ask` repeatedly and return its first answer that holds.

    Raises:
        TimeoutError: It did not within `limit` seconds; says what was answered last.
    """
    end = time.monotonic() + limit
    while True:
        answer = await ask()
        if holds(answer):
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"{answer.get('state')}: {answer.get('reason')}")
        await anyio.sleep(_POLL)
