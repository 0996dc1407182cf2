"""A SOCKS5 proxy on loopback that asks for a name and a password (RFC 1928, RFC 1929)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteStream

Dial = Callable[[str], Awaitable[ByteStream]]
USER = "traveller"
PASSWORD = "aVerySecretWord"


async def dial_directly(target: str) -> ByteStream:
    """A connection to `host:port`."""
    host, _, port = target.rpartition(":")
    return await anyio.connect_tcp(host, int(port))


def dial_through(http_proxy: str) -> Dial:
    """Connections that another proxy makes, for what has no address on loopback."""

    async def dial(target: str) -> ByteStream:
        parts = urlsplit(http_proxy)
        stream = await anyio.connect_tcp(str(parts.hostname), parts.port or 80)
        await stream.send(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        return stream

    return dial


async def _asked_for(stream: BufferedByteStream) -> str:
    """Take the client's word that it may be here; what it wants to be connected with."""
    _, methods = await stream.receive_exactly(2)
    assert 2 in await stream.receive_exactly(methods)
    await stream.send(b"\x05\x02")
    _, length = await stream.receive_exactly(2)
    assert (await stream.receive_exactly(length)).decode() == USER
    assert (await stream.receive_exactly((await stream.receive_exactly(1))[0])).decode() == PASSWORD
    await stream.send(b"\x01\x00")
    kind = (await stream.receive_exactly(4))[3]
    if kind == 3:
        host = (await stream.receive_exactly((await stream.receive_exactly(1))[0])).decode()
    else:
        host = ".".join(map(str, await stream.receive_exactly(4)))
    return f"{host}:{int.from_bytes(await stream.receive_exactly(2), 'big')}"


async def _copy(source: ByteReceiveStream, target: ByteSendStream) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while True:
            await target.send(await source.receive())


@asynccontextmanager
async def socks_proxy(dial: Dial = dial_directly) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve; gives the proxy's URL, and the list to which every `host:port` that was asked for is added."""
    seen: list[str] = []

    async def serve(accepted: ByteStream) -> None:
        async with accepted:
            stream = BufferedByteStream(accepted)
            target = await _asked_for(stream)
            seen.append(target)
            async with await dial(target) as other, anyio.create_task_group() as copying:
                await stream.send(b"\x05\x00\x00\x01" + bytes(6))
                copying.start_soon(_copy, stream, other)
                await _copy(other, stream)
                copying.cancel_scope.cancel()

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        yield f"socks5://{USER}:{PASSWORD}@127.0.0.1:{port}", seen
        tasks.cancel_scope.cancel()
