"""Whoever has no token takes neither many connections nor long ones, and the rest goes on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
import trustme
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.tables import for_each
from whatsapp_mcp.server.calls import Principal
from whatsapp_mcp.server.transports.connections import ConnectionLimits, limits_of_this_process
from whatsapp_mcp.server.transports.guard import Guard
from whatsapp_mcp.server.transports.http import uvicorn_server
from whatsapp_mcp.server.transports.page_login import PageLogins

pytestmark = pytest.mark.anyio
LIMIT = 30
TOKEN = "a-token-of-this-test"
HALF_SENT = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half: "
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STREAM = f"GET /mcp/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


async def verify(token: str) -> Principal | None:
    """The one token of these tests."""
    return Principal("token:test") if token == TOKEN else None


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer `/healthz` at once, `/mcp/body` after its body, and `/mcp/stream` until the client goes."""
    while scope["path"] == "/mcp/body" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    is_stream = scope["path"] == "/mcp/stream"
    await send(
        {"type": "http.response.body", "body": b"begun"[: 4 if is_stream else 5], "more_body": is_stream}
    )
    while is_stream and (await receive())["type"] != "http.disconnect":
        pass


@dataclass(frozen=True)
class Served:
    """A server in this process."""

    port: int

    @asynccontextmanager
    async def connection(self, sent: bytes) -> AsyncIterator[SocketStream]:
        """A connection on which this was sent."""
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            await stream.send(sent)
            yield stream

    async def is_well(self) -> bool:
        """Whether it answers a new connection."""
        async with self.connection(HEALTH) as stream:
            return (await stream.receive()).startswith(b"HTTP/1.1 200")


@asynccontextmanager
async def served(
    count: int = 8,
    admission: float = 60,
    transfer: float = 60,
    tls: ssl.SSLContext | None = None,
    app: ASGIApp = application,
) -> AsyncIterator[Served]:
    """The application behind the guard, on connections with these limits."""
    listener = socket.create_server(("127.0.0.1", 0))
    guard = Guard(app, "127.0.0.1", verify, PageLogins("page"))
    server = uvicorn_server(guard, ConnectionLimits(count, admission, transfer), tls)
    with anyio.fail_after(LIMIT), listener:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server._serve, [listener])  # pyright: ignore[reportPrivateUsage]
            yield Served(listener.getsockname()[1])
            server.force_exit = server.should_exit = True


async def is_closed(stream: SocketStream) -> bool:
    """Wait until the server closes a connection."""
    with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        while True:
            await stream.receive()
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HALF_SENT,
        HEALTH,
        HEALTH + HALF_SENT,
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf",
    ],
    ids=["nothing", "half a header", "an open path", "half a header after an answer", "half a refused body"],
)
async def test_a_connection_without_an_admitted_request_is_closed_in_time(sent: bytes) -> None:
    async with served(admission=0.3) as server, server.connection(sent) as stream:
        assert await is_closed(stream)


async def test_bytes_that_drip_in_do_not_prolong_a_connection() -> None:
    async with served(admission=0.3) as server, server.connection(HALF_SENT) as stream:
        with pytest.raises((anyio.BrokenResourceError, anyio.EndOfStream)):
            while True:
                await stream.send(b"x")
                with anyio.move_on_after(0.05):
                    await stream.receive()


async def test_an_admitted_request_may_take_as_long_as_it_takes() -> None:
    async with served(admission=0.1) as server, server.connection(STREAM) as stream:
        assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        with anyio.move_on_after(0.5) as waited:
            await is_closed(stream)
        assert waited.cancelled_caught


async def test_one_connection_too_many_takes_the_place_of_the_one_that_waits_longest() -> None:
    async with served(count=8) as server, AsyncExitStack() as opened:
        stream = await opened.enter_async_context(server.connection(STREAM))
        assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        waiting = [await opened.enter_async_context(server.connection(HALF_SENT)) for _ in range(20)]
        assert await server.is_well()
        for early in waiting[:12]:
            assert await is_closed(early)
        with anyio.move_on_after(0.1) as waited:
            await is_closed(stream)
        assert waited.cancelled_caught


async def test_a_connection_is_closed_when_all_others_are_in_use() -> None:
    async with served(count=8) as server, AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(server.connection(STREAM)) for _ in range(8)]
        for stream in streams:
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        last = await opened.enter_async_context(server.connection(HEALTH))
        assert await is_closed(last)
        await streams[0].aclose()
        while not await server.is_well():
            pass


def admitted(path: str, length: int = 0) -> bytes:
    """The head of a request with the token."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


async def test_an_admitted_request_whose_body_does_not_come_is_closed() -> None:
    sent = admitted("/mcp/body", 1000) + b"half"
    async with served(admission=0.1, transfer=0.2) as server, server.connection(sent) as stream:
        assert await is_closed(stream)


async def test_a_body_that_takes_longer_than_a_header_may_is_taken() -> None:
    async with served(admission=0.1) as server, server.connection(admitted("/mcp/body", 4)) as stream:
        await anyio.sleep(0.3)
        await stream.send(b"body")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200")


async def test_a_client_that_does_not_read_its_answer_is_closed() -> None:
    gone = anyio.Event()

    async def large(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):  # more than the system keeps for a client
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        await receive()
        gone.set()

    sent = admitted("/mcp/large")
    async with served(transfer=0.2, app=large) as server, server.connection(sent):
        await gone.wait()


@pytest.mark.parametrize("header", [b"X-Long: " + b"x" * 200_000, b"X-Many: 1\r\n" * 20_000])
async def test_headers_that_are_too_large_are_refused(header: bytes) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    async with served() as server, server.connection(head) as stream:
        with contextlib.suppress(anyio.BrokenResourceError):
            await stream.send(header)
            assert (await stream.receive()).startswith(b"HTTP/1.1 4")
        assert await is_closed(stream)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """What a server with a certificate has."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_an_encrypted_request_is_answered(authority: trustme.CA, tls: ssl.SSLContext) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with (
        served(tls=tls) as server,
        await anyio.connect_tcp("127.0.0.1", server.port, ssl_context=trust) as stream,
    ):
        answers = BufferedByteReceiveStream(stream)
        for _ in range(2):
            await stream.send(HEALTH)
            assert (await answers.receive_until(b"begun", 1000)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", HEALTH], ids=["nothing", "half", "no TLS"])
async def test_a_connection_that_does_not_encrypt_is_closed_in_time(tls: ssl.SSLContext, sent: bytes) -> None:
    async with served(admission=0.3, tls=tls) as server, server.connection(sent) as stream:
        assert await is_closed(stream)


async def test_connections_that_do_not_encrypt_give_way_to_one_that_does(
    authority: trustme.CA, tls: ssl.SSLContext
) -> None:
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with served(count=8, tls=tls) as server, AsyncExitStack() as opened:
        waiting = [await opened.enter_async_context(server.connection(b"")) for _ in range(20)]
        async with await anyio.connect_tcp("127.0.0.1", server.port, ssl_context=trust) as stream:
            await stream.send(HEALTH)
            answer = await BufferedByteReceiveStream(stream).receive_until(b"begun", 1000)
            assert answer.startswith(b"HTTP/1.1 200")
        for early in waiting[:12]:
            assert await is_closed(early)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file handles there")
@for_each("handles, count", [(60, 15), (20, 8), (256, 64), (1024, 256), (1 << 20, 256), (-1, 256)])
def test_three_quarters_of_the_file_handles_are_left_to_the_rest(
    monkeypatch: pytest.MonkeyPatch, handles: int, count: int
) -> None:
    import resource

    def limit(_resource: int) -> tuple[int, int]:
        return handles, handles

    monkeypatch.setattr(resource, "getrlimit", limit)
    assert limits_of_this_process().count == count
