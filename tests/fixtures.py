"""A simulated WhatsApp, real server processes on it, and MCP clients of those servers.

```python
async def test_something(whatsapp: WhatsApp, home: Path) -> None:
    async with mcp_client(whatsapp, home, "stdio") as client:
        await link(client, whatsapp)
        await client.call_tool("list_chats", {})
```
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TextIO, cast

import anyio
import anyio.abc
import httpx2
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests import simulated
from tests.forking import Copies
from whatsapp_mcp.media import Worker
from whatsapp_mcp.settings import ENV_PREFIX, HOME_VARIABLE
from whatsapp_simulator import WhatsApp

Transport = Literal["stdio", "http", "sse"]
Mode = Literal["auto", "legacy"]
START_LIMIT = 60.0
ANSWER_LIMIT = 60.0


@pytest.fixture
async def whatsapp() -> AsyncIterator[WhatsApp]:
    """WhatsApp on loopback, nobody linked."""
    async with WhatsApp(seed=11) as simulated:
        yield simulated


@pytest.fixture(scope="session")
def copies() -> Copies:
    """What starts the servers and clients of some folders of tests as copies."""
    return Copies()


@pytest.fixture(scope="module")
def as_copies(copies: Copies) -> Iterator[None]:
    """The servers and clients of a module are started as copies."""
    with pytest.MonkeyPatch.context() as patch:
        copies.use(patch)
        yield


@pytest.fixture(scope="session")
async def worker() -> AsyncIterator[Worker]:
    """A worker that decodes files; its process is started by the first test that needs it."""
    opened = Worker()
    # In a task of its own: what one task opens for a module and for the session must close in turn.
    keeping = asyncio.create_task(opened.keep())
    await asyncio.sleep(0)
    yield opened
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder for servers, with a policy that asks nothing."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text('[policy]\nmode = "open"\n', encoding="utf-8")
    return folder


@pytest.fixture
def paths(tmp_path: Path) -> Callable[[], Path]:
    """What makes an empty folder for each row of a table."""

    def made() -> Path:
        return Path(tempfile.mkdtemp(dir=tmp_path))

    return made


@dataclass(frozen=True)
class HttpServer:
    """A server process over HTTP: `base` is its address without a path."""

    base: str
    token: str
    process: anyio.abc.Process

    @property
    def headers(self) -> dict[str, str]:
        """What every request has to carry."""
        return {"Authorization": f"Bearer {self.token}"}


def environment(whatsapp: WhatsApp, home: Path) -> dict[str, str]:
    """What a server process needs in order to use this WhatsApp and this home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ENV_PREFIX)}
    return {**kept, **whatsapp.environment(), HOME_VARIABLE: str(home)}


def command(*arguments: str) -> list[str]:
    """What starts `whatsapp-mcp` with these arguments on the WhatsApp of its environment."""
    return [sys.executable, "-m", simulated.PROGRAM, *arguments]


@contextlib.asynccontextmanager
async def http_server(
    whatsapp: WhatsApp,
    home: Path,
    *arguments: str,
    log: IO[str] | None = None,
    file_handles: int | None = None,
    verify: ssl.SSLContext | None = None,
) -> AsyncGenerator[HttpServer]:
    """A server process over HTTP and SSE that logs to `log`, ready to answer; ended with the block.

    `arguments` are further ones of `serve`. It and its children may open so many file handles. With a
    certificate, `verify` is who trusts it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    serve = command("serve", "--structured", "--transport", "http", "--port", str(port), *arguments)
    if file_handles is not None:
        serve = ["sh", "-c", f'ulimit -n {file_handles}; exec "$0" "$@"', *serve]
    process = await anyio.open_process(
        serve, env=environment(whatsapp, home), stdin=subprocess.DEVNULL, stdout=None, stderr=log
    )
    try:
        base = f"{'https' if verify else 'http'}://127.0.0.1:{port}"
        await _until_healthy(base, verify)
        yield HttpServer(base, (home / "http-token").read_text().strip(), process)
    finally:
        with anyio.CancelScope(shield=True), contextlib.suppress(ProcessLookupError):
            process.terminate()
            with anyio.move_on_after(5):
                await process.wait()
            process.kill()


async def _until_healthy(base: str, verify: ssl.SSLContext | None) -> None:
    async with httpx2.AsyncClient(trust_env=False, verify=verify or True) as http:
        with anyio.fail_after(START_LIMIT):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if (await http.get(f"{base}/healthz")).is_success:
                        return
                await anyio.sleep(0.05)


@contextlib.asynccontextmanager
async def mcp_client(
    whatsapp: WhatsApp,
    home: Path,
    transport: Transport = "stdio",
    mode: Mode = "auto",
    *,
    log: IO[str] | None = None,
    heard: Callable[[Any], None] | None = None,
) -> AsyncGenerator[Client]:
    """An MCP client of a server process of its own, which logs to `log`; both end with the block.

    Over stdio, `heard` gets what the server sends without being asked.
    """

    async def handle(message: Any) -> None:
        if heard is not None:
            heard(message)

    if transport == "stdio":
        program, *arguments = command("serve", "--structured")
        server = StdioServerParameters(command=program, args=arguments, env=environment(whatsapp, home))
        streams = stdio_client(server, errlog=cast("TextIO", log or sys.stderr))
        limit = ANSWER_LIMIT
        async with Client(streams, mode=mode, read_timeout_seconds=limit, message_handler=handle) as client:
            yield client
        return
    async with http_server(whatsapp, home, log=log) as server, client_of(server, transport, mode) as client:
        yield client


@contextlib.asynccontextmanager
async def client_of(server: HttpServer, transport: Transport, mode: Mode = "auto") -> AsyncGenerator[Client]:
    """A client of an HTTP server that runs already."""
    if transport == "sse":
        sse = sse_client(f"{server.base}/sse", headers=server.headers)
        async with Client(sse, mode=mode, read_timeout_seconds=ANSWER_LIMIT) as client:
            yield client
        return
    async with httpx2.AsyncClient(headers=server.headers, timeout=ANSWER_LIMIT, trust_env=False) as http:
        streams = streamable_http_client(f"{server.base}/mcp", http_client=http)
        async with Client(streams, mode=mode, read_timeout_seconds=ANSWER_LIMIT) as client:
            yield client


async def said(client: Client, tool: str, **arguments: Any) -> str:
    """The text that a tool answers, which must not fail."""
    result = await client.call_tool(tool, arguments)
    text = "\n".join(block.text for block in result.content if block.type == "text")
    assert not result.is_error, text
    return text


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer of a tool that must not fail."""
    result = await client.call_tool(tool, arguments)
    text = "\n".join(block.text for block in result.content if block.type == "text")
    assert not result.is_error, text
    return result.structured_content or {}


async def until(
    client: Client,
    holds: Callable[[Mapping[str, Any]], bool],
    tool: str,
    *,
    within: float = 30.0,
    **arguments: Any,
) -> Mapping[str, Any]:
    """The answer of a reading tool once it holds.

    Raises:
        TimeoutError: It did not within so many seconds.
    """
    with anyio.fail_after(within):
        while True:
            answer = await call(client, tool, **arguments)
            if holds(answer):
                return answer
            await anyio.sleep(0.05)


async def link(client: Client, whatsapp: WhatsApp) -> None:
    """Link the first account by the QR that `link_device` gives, and wait until all is well."""
    answer = await call(client, "link_device")
    await whatsapp.me.scan(answer["qr"]["text"])
    await whatsapp.me.online()
    await until(client, lambda status: status["state"] == "online", "connection_status")
