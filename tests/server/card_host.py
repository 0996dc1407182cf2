"""A host with MCP Apps: it runs the script of a card, and carries messages between it and a server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import Client
from mcp.client.extension import advertise
from mcp.shared.exceptions import MCPError

from tests.hosts.node import NODE
from whatsapp_mcp.server.cards import Card

APPS: Final = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
"""What a client that draws cards declares."""
EVERYTHING: Final[dict[str, Any]] = {"serverTools": {}, "serverResources": {}}
"""What a card may ask of its host."""
LIMIT: Final = 30.0
_SCRIPT: Final = Path(__file__).with_name("card_process.mjs")


@dataclass
class DrawnCard:
    """A card that a host draws."""

    process: Process
    client: Client
    offers: dict[str, Any]
    tasks: TaskGroup
    methods: list[str] = field(default_factory=list[str])
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    notified: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    answered: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    seen: dict[str, Any] = field(default_factory=dict[str, Any])
    looked: anyio.Event = field(default_factory=anyio.Event)
    ready: anyio.Event = field(default_factory=anyio.Event)

    async def tell(self, what: dict[str, Any]) -> None:
        """One line to the process."""
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps(what).encode() + b"\n")

    async def notify(self, method: str, params: dict[str, Any], *, forged: bool = False) -> None:
        """A notification of the host; a forged one comes from another window."""
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        await self.tell({"message": message, "forged": forged})

    async def show_result(self, name: str, arguments: dict[str, Any]) -> None:
        """Call a tool as the model does, and give the card its result."""
        await self.ready.wait()
        result = await self.client.call_tool(name, arguments)
        params = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        await self.notify("ui/notifications/tool-result", params)

    async def look(self) -> dict[str, Any]:
        """What is to be seen: each element that has an id."""
        self.looked = anyio.Event()
        await self.tell({"look": True})
        await self.looked.wait()
        return self.seen

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The same, once it holds."""
        seen: dict[str, Any] = {}
        with anyio.move_on_after(LIMIT):
            while not holds(seen := await self.look()):  # noqa: ASYNC110
                await anyio.sleep(0.05)
            return seen
        raise AssertionError(f"it never came to be seen: {json.dumps(seen)[:2000]}")

    async def serve(self) -> None:
        """Take the card's messages until its process ends."""
        assert self.process.stdout is not None
        lines = BufferedByteReceiveStream(self.process.stdout)
        while True:
            try:
                line = json.loads(await lines.receive_until(b"\n", 1_000_000))
            except anyio.IncompleteRead:
                return
            if "seen" in line:
                self.seen = line["seen"]
                self.looked.set()
            else:
                self._take(line["message"])

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            self.answered.append(message)
            return
        self.methods.append(message["method"])
        if "id" in message:
            self.tasks.start_soon(self._answer, message)
        else:
            self.notified.append(message)
            if message["method"] == "ui/notifications/initialized":
                self.ready.set()

    async def _answer(self, message: dict[str, Any]) -> None:
        try:
            answer = {"result": await self._result(message["method"], message.get("params", {}))}
        except MCPError as error:
            answer = {"error": {"code": error.error.code, "message": error.error.message}}
        await self.tell({"message": {"jsonrpc": "2.0", "id": message["id"], **answer}})

    async def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "ui/initialize":
            return {"protocolVersion": params["protocolVersion"], "hostCapabilities": self.offers}
        if method == "tools/call":
            self.called.append((params["name"], params["arguments"]))
            result: Any = await self.client.call_tool(params["name"], params["arguments"])
        else:
            assert method == "resources/read"
            result = await self.client.read_resource(params["uri"])
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)


@asynccontextmanager
async def drawn(
    card: Card, client: Client, folder: Path, offers: dict[str, Any] = EVERYTHING
) -> AsyncIterator[DrawnCard]:
    """The card as the server hands it out, drawn by a host of this client."""
    (content,) = (await client.read_resource(card.uri)).contents
    page = folder / f"{card.name}.html"
    page.write_text(content.model_dump()["text"], encoding="utf-8")
    command = [NODE, str(_SCRIPT), str(page)]
    async with (
        await anyio.open_process(command, stderr=None, stdin=subprocess.PIPE) as process,
        anyio.create_task_group() as tasks,
    ):
        shown = DrawnCard(process, client, offers, tasks)
        tasks.start_soon(shown.serve)
        yield shown
        process.terminate()
        tasks.cancel_scope.cancel()
