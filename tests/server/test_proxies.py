"""What a reverse proxy says is believed if it is one of the trusted ones."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.tables import for_each
from whatsapp_mcp.server.transports.place import ForwardedHeaders

pytestmark = pytest.mark.anyio
TRUSTED = ("172.18.0.0/16", "127.0.0.1/32", "::1/128")


def misdirected(request: Request) -> Response | None:
    """The judge of a server whose name is an address of loopback."""
    return None if request.url.hostname == "127.0.0.1" else Response(status_code=421)


async def seen(peer: str, *headers: tuple[str, str]) -> dict[str, Any]:
    """What the application behind sees of a request."""
    found: dict[str, Any] = {}

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.update(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope = {
        "type": "http",
        "client": (peer, 1234),
        "scheme": "http",
        "path": "/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in (HOST, *headers)],
    }
    await ForwardedHeaders(application, TRUSTED, misdirected)(scope, nothing, nothing)
    hosts = [value.decode() for name, value in found["headers"] if name == b"host"]
    return {"client": found["client"][0], "scheme": found["scheme"], "hosts": hosts}


HOST = ("host", "127.0.0.1:8808")
FORWARDED = (
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "wa.example.org"),
)


@for_each("peer", ["172.18.4.5", "127.0.0.1", "::1"])
async def test_a_trusted_proxy_says_who_asks_and_for_what(peer: str) -> None:
    assert await seen(peer, *FORWARDED) == {
        "client": "203.0.113.9",
        "scheme": "https",
        "hosts": ["wa.example.org"],
    }


@for_each("peer", ["172.19.0.1", "203.0.113.1", "fe80::1", "", "unix"])
async def test_nobody_else_does(peer: str) -> None:
    assert await seen(peer, *FORWARDED) == {"client": peer, "scheme": "http", "hosts": ["127.0.0.1:8808"]}


async def test_what_a_client_has_put_before_a_proxys_words_is_not_believed() -> None:
    answer = await seen(
        "127.0.0.1",
        ("x-forwarded-for", "127.0.0.1, 203.0.113.9, 172.18.0.2"),
        ("x-forwarded-host", "evil.example, wa.example.org"),
    )

    assert answer == {"client": "203.0.113.9", "scheme": "http", "hosts": ["wa.example.org"]}


async def test_a_proxy_that_says_nothing_changes_nothing() -> None:
    assert await seen("127.0.0.1") == {"client": "127.0.0.1", "scheme": "http", "hosts": ["127.0.0.1:8808"]}


async def test_no_name_is_taken_from_forwarded() -> None:
    answer = await seen("127.0.0.1", ("forwarded", "for=203.0.113.9;host=evil.example;proto=https"))
    assert answer == {"client": "127.0.0.1", "scheme": "http", "hosts": ["127.0.0.1:8808"]}
