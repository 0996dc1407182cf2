"""Named tokens and logins as a person makes them in a terminal, at a running server."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.fixtures import HttpServer, Mode, Transport, client_of, command, environment, http_server
from tests.server.fakes import text_of
from tests.web.site import sign_in
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

WAYS: list[tuple[Transport, Mode]] = [("http", "auto"), ("http", "legacy"), ("sse", "legacy")]
READING = {"list_chats", "list_messages", "search_messages", "connection_status"}


@pytest.fixture
async def server(whatsapp: WhatsApp, home: Path) -> AsyncIterator[HttpServer]:
    async with http_server(whatsapp, home) as started:
        yield started


async def run(whatsapp: WhatsApp, home: Path, *arguments: str) -> str:
    """What a command prints."""
    with anyio.fail_after(60):
        done = await anyio.run_process(
            command(*arguments), env=environment(whatsapp, home), stdin=subprocess.DEVNULL
        )
    return done.stdout.decode().strip()


@pytest.fixture(scope="module")
async def by_scope(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, HttpServer]]:
    """One server with a token of each scope, and of all of them."""
    home = tmp_path_factory.mktemp("home")
    async with WhatsApp(seed=11) as whatsapp, http_server(whatsapp, home) as started:
        yield {
            scope: replace(
                started, token=await run(whatsapp, home, "token", "create", f"t-{number}", "--scope", scope)
            )
            for number, scope in enumerate(("read", "send", "admin", "read,send,admin"))
        }


@pytest.mark.parametrize(("transport", "mode"), WAYS)
async def test_a_token_offers_the_tools_of_its_scopes_and_refuses_the_rest(
    by_scope: dict[str, HttpServer], transport: Transport, mode: Mode
) -> None:
    offered: dict[str, set[str]] = {}
    for scope, server in by_scope.items():
        async with client_of(server, transport, mode) as client:
            offered[scope] = {tool.name for tool in (await client.list_tools()).tools}
            sent = await client.call_tool("send_message", {"chat": "+15550001111", "text": "x"})
            assert sent.is_error
            assert ("needs the scope send" in text_of(sent.content)) is ("send" not in scope)
            asked = await client.call_tool("connection_status", {})
            assert asked.is_error is ("read" not in scope)
    everything = offered["read,send,admin"]

    assert offered["read"] >= READING
    assert {"send_message"} <= offered["send"]
    assert offered["admin"] == {"link_device"}
    assert offered["read"] | offered["send"] | offered["admin"] == everything
    assert len(everything) == sum(len(offered[scope]) for scope in ("read", "send", "admin"))


async def test_a_revoked_token_is_refused_without_a_restart(
    whatsapp: WhatsApp, home: Path, server: HttpServer
) -> None:
    token = await run(whatsapp, home, "token", "create", "agent")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
        admitted = await http.post(f"{server.base}/mcp", json={})
        listed = await run(whatsapp, home, "token", "list", "--json")
        await run(whatsapp, home, "token", "revoke", "agent")
        refused = await http.post(f"{server.base}/mcp", json={})

    assert '"name": "agent", "scopes": ["read"]' in listed
    assert token not in listed
    assert (admitted.status_code == 401, refused.status_code) == (False, 401)
    assert refused.text == (
        "A bearer token is needed. The file http-token of the home folder holds one; "
        "`whatsapp-mcp token create NAME` makes another.\n"
    )


async def test_a_session_belongs_to_the_token_that_opened_it(
    whatsapp: WhatsApp, home: Path, server: HttpServer
) -> None:
    token = await run(whatsapp, home, "token", "create", "other", "--scope", "read,send,admin")
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    async with httpx2.AsyncClient(headers=accept, trust_env=False) as http:
        url = f"{server.base}/mcp"
        opened = await http.post(url, json=hello, headers=server.headers)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        other = {"Authorization": f"Bearer {token}", **session}
        assert (await http.post(url, json=ping, headers=other)).status_code == 404
        assert (await http.post(url, json=ping, headers={**server.headers, **session})).status_code == 200


async def test_a_server_says_how_to_get_in(whatsapp: WhatsApp, home: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+", encoding="utf-8") as log:
        async with http_server(whatsapp, home, log=log) as server:
            said = (tmp_path / "log").read_text(encoding="utf-8")

    assert f"{server.base}/mcp" in said
    assert str(home / "http-token") in said
    assert "whatsapp-mcp page prints a URL to sign in with" in said
    assert server.token not in said


async def test_the_login_url_of_the_terminal_opens_the_pages(
    whatsapp: WhatsApp, home: Path, server: HttpServer
) -> None:
    url = await run(whatsapp, home, "page")

    assert url.startswith(f"{server.base}/login?code=")
    async with httpx2.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        assert (await browser.get(server.base)).status_code == 403
        page = await sign_in(browser, url)
        assert page.status_code == 200
        with anyio.fail_after(30):
            while "<h2>States before</h2>" not in page.text:  # the page of the connection, once there is one
                assert "The server is starting." in page.text
                page = await browser.get(server.base)
        cookie = browser.cookies.jar
        assert [each.name for each in cookie] == [f"whatsapp_mcp_page_{page.url.port}"]
