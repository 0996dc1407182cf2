"""No principal takes what a server has for all of them, and none keeps what it was once allowed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.server import over_http
from tests.server.fakes import FakeSource
from tests.server.two_accounts import PRIVATE, WORK, TwoAccounts, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.server import publisher
from whatsapp_mcp.server.application import Application, create
from whatsapp_mcp.server.calls import ANYBODY, Principal
from whatsapp_mcp.server.transports import limits
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.limits import MOST_OPEN, OpenRequests
from whatsapp_mcp.server.transports.page_login import PageLogins

pytestmark = pytest.mark.anyio
LIMIT = 30.0
ONE, OTHER = "read", "send"
"""Tokens of two principals."""
CHATS = f"whatsapp://{PRIVATE}/chats"


@dataclass
class McpClient:
    """A client of the older protocol, message by message."""

    http: httpx2.AsyncClient
    token: str
    session: dict[str, str] = field(default_factory=dict[str, str])
    number: int = 0

    async def ask(self, method: str, **params: Any) -> httpx2.Response:
        """The answer to a request."""
        self.number += 1
        message = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": params}
        return await self.http.post("/mcp", content=json.dumps(message), headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        kinds = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        return {**kinds, **self.session, "Authorization": f"Bearer {self.token}"}

    async def begin(self) -> None:
        """Open a session."""
        version = "2025-06-18"
        client = {"name": "x", "version": "1"}
        answer = await self.ask("initialize", protocolVersion=version, capabilities={}, clientInfo=client)
        assert answer.status_code == 200, answer.text
        self.session = {"Mcp-Session-Id": answer.headers["mcp-session-id"], "Mcp-Protocol-Version": version}
        told = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
        await self.http.post("/mcp", content=told, headers=self.headers)

    async def is_open(self) -> bool:
        """Whether its session is still there."""
        return (await self.ask("ping")).status_code == 200


@asynccontextmanager
async def serving(
    source: Any, application: Application, others: tuple[Any, ...] = ()
) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        over_http.listening(source, application=application, others=others) as http,
        application.session_manager.run(),
    ):
        yield http


@pytest.fixture
async def two(source: FakeSource, archive: Archive, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    home = tmp_path / "work-home"
    home.mkdir()
    async with two_accounts(home, source, archive) as both:
        yield both


@pytest.mark.parametrize(
    "changed",
    [
        Principal("token:tenant", frozenset({"read"}), frozenset({WORK})),
        Principal("token:tenant", frozenset({"metrics"}), frozenset({PRIVATE, WORK})),
    ],
    ids=["accounts", "scopes"],
)
async def test_a_session_ends_with_the_rights_with_which_it_began(
    two: TwoAccounts, monkeypatch: pytest.MonkeyPatch, changed: Principal
) -> None:
    now = [Principal("token:tenant", frozenset({"read"}), frozenset({PRIVATE, WORK}))]

    async def verify(_: str) -> Principal:
        return now[0]

    monkeypatch.setattr(over_http, "verify", verify)
    async with serving(two.private, create(two.accounts, "all"), (two.work,)) as http:
        client = McpClient(http, "tenant")
        await client.begin()
        subscribed = await client.ask("resources/subscribe", uri=CHATS)
        assert "error" not in subscribed.text
        now[0] = changed
        heard = await http.get("/mcp", headers=client.headers)
        assert heard.status_code == 404
        assert not await client.is_open()
        now[0] = Principal("token:tenant", frozenset({"read"}), frozenset({PRIVATE, WORK}))
        assert await client.is_open()


async def test_the_requests_of_one_principal_leave_room_for_others() -> None:
    began = anyio.create_memory_object_stream[None](MOST_OPEN)
    go_on = anyio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/mcp/wait":
            await began[0].send(None)
            await go_on.wait()
        await PlainTextResponse("done")(scope, receive, send)

    guard = Guard(app, "127.0.0.1", over_http.verify, PageLogins("page"))
    transport = httpx2.ASGITransport(app=guard)
    async with httpx2.AsyncClient(transport=transport, base_url=over_http.URL) as http:

        async def get(path: str, token: str) -> httpx2.Response:
            return await http.get(path, headers={"Authorization": f"Bearer {token}"})

        with anyio.fail_after(LIMIT), began[0], began[1]:
            async with anyio.create_task_group() as tasks:
                for _ in range(MOST_OPEN):
                    tasks.start_soon(get, "/mcp/wait", ONE)
                for _ in range(MOST_OPEN):
                    await began[1].receive()
                refused = await get("/mcp", ONE)
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
                assert (await get("/mcp", OTHER)).status_code == 200
                go_on.set()
            assert (await get("/mcp", ONE)).status_code == 200


def test_where_no_token_tells_who_asks_nobody_has_a_share() -> None:
    requests = OpenRequests(0)
    with requests.counted(ANYBODY) as anybody, requests.counted("token:x") as somebody:
        assert (anybody, somebody) == (True, False)


async def test_one_session_too_many_ends_the_one_of_its_principal_that_was_quiet_longest(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MOST_SESSIONS", 2)
    async with serving(source, create(source, "core")) as http:
        stranger, first, second, third = (McpClient(http, token) for token in (OTHER, ONE, ONE, ONE))
        for client in (stranger, first, second):
            await client.begin()
        assert await first.is_open()
        await third.begin()
        assert [await client.is_open() for client in (stranger, first, second, third)] == [
            True,
            True,
            False,
            True,
        ]


async def test_so_many_clients_of_one_principal_are_told_of_changes_and_others_still_are(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "MOST_OF_ONE", 1)
    async with serving(source, create(source, "core")) as http:
        said: list[bool] = []
        for token in (over_http.TOKEN, over_http.TOKEN, ONE):
            client = McpClient(http, token)
            await client.begin()
            answer = await client.ask("resources/subscribe", uri="whatsapp://chats")
            said.append("clients with one token" in answer.text)
    assert said == [False, True, False]
