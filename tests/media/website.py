"""A web server on loopback that stands for the internet."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute

from whatsapp_mcp.media import web


def page(body: bytes, media_type: str = "text/html; charset=utf-8") -> bytes:
    """An answer that succeeds."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def leading_to(url: str) -> bytes:
    """An answer that leads on."""
    return f"HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()


async def _answer(answers: dict[str, bytes], stream: ByteStream) -> None:
    async with stream:
        head = (await stream.receive()).decode()
        await stream.send(answers.get(head.split(" ", 2)[1], b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))


@asynccontextmanager
async def served(answers: dict[str, bytes]) -> AsyncIterator[str]:
    """Serve whole answers by path; gives the address. Meanwhile 127.0.0.1 alone counts as public."""

    def public(address: web.Address) -> bool:
        return address == ipaddress.ip_address("127.0.0.1")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "is_public", public)
        async with (
            await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(partial(listener.serve, partial(_answer, answers)))
            yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
            tasks.cancel_scope.cancel()
