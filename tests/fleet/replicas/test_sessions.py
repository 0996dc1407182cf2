"""One client and two replicas: what any of them answers, and what only the one that began it knows."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.types import Implementation

from tests.fleet.replicas.rig import Fleet, fleet, lead
from tests.server.fakes import FakeSource
from tests.server.over_http import TOKEN, guarded
from tests.server.test_core_tools import answer
from tests.server.test_elicitation import QUESTION, Person, chosen, send, setting
from whatsapp_mcp.models import ApprovalState
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls.elicitation import YES
from whatsapp_mcp.server.transports.connections import ConnectionLimits
from whatsapp_mcp.server.transports.http import uvicorn_server

pytestmark = pytest.mark.anyio

LIMIT = 30.0
KEY = b"k" * 32
"""With which all replicas of a fleet seal."""
SESSION = "0123456789abcdef0123456789abcdef"


@dataclass
class Front(httpx2.AsyncHTTPTransport):
    """What is before the replicas: it asks the one that the test has chosen, or each in turn.

    Attributes:
        ports: Of the replicas.
        chosen: Which is asked; None: each in turn.
        statuses: Of all answers, by the replica.
        called: Which replicas a tool was called at.
    """

    ports: list[int]
    chosen: int | None = 0
    statuses: list[list[int]] = field(default_factory=lambda: [[], []])
    called: list[int] = field(default_factory=list[int])
    _asked: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._asked += 1
        replica = self._asked % len(self.ports) if self.chosen is None else self.chosen
        request.url = request.url.copy_with(port=self.ports[replica])
        if b"tools/call" in await request.aread():
            self.called.append(replica)
        response = await super().handle_async_request(request)
        self.statuses[replica].append(response.status_code)
        return response


@asynccontextmanager
async def replica(source: FakeSource, nodes: Fleet) -> AsyncIterator[int]:
    """A replica of the fleet; answers its port."""
    application = create(nodes.accounts(source), "core", structured=True, state_key=KEY)
    server = uvicorn_server(guarded(source, application=application), ConnectionLimits())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with application.session_manager.run(), anyio.create_task_group() as tasks:
            tasks.start_soon(server._serve, [listener])  # pyright: ignore[reportPrivateUsage]
            yield listener.getsockname()[1]
            server.force_exit = server.should_exit = True


@pytest.fixture
async def front(source: FakeSource) -> AsyncIterator[Front]:
    """Two replicas of one fleet."""
    async with AsyncExitStack() as stack:
        nodes = await stack.enter_async_context(fleet("one"))
        await lead(nodes, "one", source)
        yield Front([await stack.enter_async_context(replica(source, nodes)) for _ in range(2)])


def http_of(front: Front) -> httpx2.AsyncClient:
    """What a client connects with."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.AsyncClient(
        transport=front, base_url="http://127.0.0.1:80", headers=headers, timeout=LIMIT, trust_env=False
    )


@asynccontextmanager
async def client_of(
    http: httpx2.AsyncClient, mode: Literal["auto", "legacy"], person: Person | None = None
) -> AsyncIterator[Client]:
    streams = streamable_http_client(f"{http.base_url}/mcp", http_client=http)
    info = Implementation(name="claude-code", version="1")
    async with Client(streams, mode=mode, client_info=info, elicitation_callback=person) as client:
        yield client


async def test_a_session_goes_on_at_its_replica_and_is_begun_again_at_another(front: Front) -> None:
    async with http_of(front) as http:
        async with client_of(http, "legacy") as client:
            await answer(client, "list_chats")
            front.chosen = 1
            with pytest.raises(MCPError, match="Session"):
                await client.call_tool("list_chats", {})
            front.chosen = 0
            await answer(client, "list_chats")
        assert set(front.statuses[1]) == {404}
        front.chosen = 1
        async with client_of(http, "legacy") as client:
            await answer(client, "list_chats")


async def test_a_client_of_the_newer_protocol_is_answered_by_whichever_replica_is_asked(front: Front) -> None:
    front.chosen = None
    async with http_of(front) as http, client_of(http, "auto") as client:
        for _ in range(4):
            await answer(client, "list_chats")
    assert all(set(statuses) == {200} for statuses in front.statuses)


async def test_a_question_that_one_replica_has_asked_is_answered_through_another(
    front: Front, source: FakeSource
) -> None:
    source.device.held, source.policy = QUESTION, setting("elicitation")
    person = Person(chosen(YES))
    front.chosen = None
    async with http_of(front) as http, client_of(http, "auto", person) as client:
        assert (await send(client)).startswith("sent to Ann Lee")
    assert sorted(front.called) == [0, 1]
    assert (source.device.held.state, len(person.seen)) == (ApprovalState.APPROVED, 1)


async def test_a_session_that_a_replica_does_not_have_is_not_found_by_any_request(front: Front) -> None:
    headers = {"Mcp-Session-Id": SESSION, "Accept": "application/json, text/event-stream"}
    lists = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with http_of(front) as http:
        for method, path in (
            ("POST", "/mcp"),
            ("GET", "/mcp"),
            ("DELETE", "/mcp"),
            ("POST", f"/messages/?session_id={SESSION}"),
        ):
            body = lists if method == "POST" else None
            answered = await http.request(method, path, json=body, headers=headers)
            assert answered.status_code == 404, (method, path)
