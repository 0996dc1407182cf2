"""A host's side of a channel: messages of JSON-RPC, written and read one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCNotification, JSONRPCRequest

from tests.server.fakes import CODE
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import ServicesSource
from whatsapp_mcp.server.channel import ClaudeChannel

LIMIT = 30.0


@dataclass
class Session:
    """What the host writes, and what the server writes to it, by method."""

    to_server: MemoryObjectSendStream[SessionMessage | Exception]
    from_server: MemoryObjectReceiveStream[SessionMessage]
    notified: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    numbers: int = 0

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a request: its result, or its error under `error`."""
        self.numbers += 1
        request = JSONRPCRequest(jsonrpc="2.0", id=self.numbers, method=method, params=params)
        await self.to_server.send(SessionMessage(request))
        while True:
            answer = await self.next()
            if answer.get("id") == self.numbers:
                return answer["result"] if "result" in answer else {"error": answer["error"]}
            self.notified.append(answer)

    async def notify(self, method: str, **params: Any) -> None:
        """Write a notification."""
        await self.to_server.send(
            SessionMessage(JSONRPCNotification(jsonrpc="2.0", method=method, params=params))
        )

    async def next(self) -> dict[str, Any]:
        """The next message of the server."""
        with anyio.fail_after(LIMIT):
            got = await self.from_server.receive()
        return got.message.model_dump(by_alias=True, exclude_none=True)

    async def pushed(self, method: str) -> dict[str, Any]:
        """The parameters of the next notification of a method."""
        while True:
            found = next((each for each in self.notified if each.get("method") == method), None)
            if found is not None:
                self.notified.remove(found)
                return found["params"]
            self.notified.append(await self.next())

    async def until(self, met: Callable[[], object]) -> None:
        """Wait until the server has done something."""
        with anyio.fail_after(LIMIT):
            while not met():
                await anyio.lowlevel.checkpoint()

    async def begin(self) -> dict[str, Any]:
        """Begin as Claude Code does; answers with what the server says of itself."""
        greeting = await self.ask(
            "initialize",
            protocolVersion="2025-11-25",
            capabilities={},
            clientInfo={"name": "claude-code", "version": "2.1.332"},
        )
        await self.notify("notifications/initialized")
        return greeting


@asynccontextmanager
async def session(source: ServicesSource, chat: str = "") -> AsyncIterator[Session]:
    """A session with a channel of this chat; empty: the chat with oneself."""
    to_server, theirs = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    ours, from_server = anyio.create_memory_object_stream[SessionMessage](64)
    channel = ClaudeChannel(source, chat, new_code=lambda: CODE)
    application = create(source, new_code=lambda: CODE)
    async with to_server, theirs, ours, from_server, anyio.create_task_group() as tasks:
        tasks.start_soon(application.run_streams, theirs, ours, channel)
        yield Session(to_server, from_server)
        tasks.cancel_scope.cancel()
