"""Fetching from the web: nothing private is reached, nothing takes for ever, nothing grows without limit."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute

from tests.media.website import leading_to, page, served
from tests.tables import for_each
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, MediaUnavailable, TooLong
from whatsapp_mcp.media.web import fetch, locate

pytestmark = pytest.mark.anyio


async def test_a_file_is_fetched_with_its_name_and_type() -> None:
    async with served({"/a/cat%20photo.png?x=1": page(b"meow", "image/png")}) as place:
        found = await fetch(f"{place}/a/cat%20photo.png?x=1", 100)
    assert (found.content, found.name, found.media_type) == (b"meow", "cat photo.png", "image/png")


async def test_a_redirect_is_followed_and_looked_at_like_the_first_address() -> None:
    answers = {"/1": leading_to("/2"), "/2": page(b"here"), "/in": leading_to("http://[::1]/"), "/o": b""}
    answers["/o"] = leading_to("/o")
    async with served(answers) as place:
        found = await fetch(f"{place}/1", 100)
        assert (found.content, found.url) == (b"here", f"{place}/2")
        with pytest.raises(FileNotAllowed):
            await fetch(f"{place}/in", 100)
        with pytest.raises(MediaUnavailable, match="Too many redirects"):
            await fetch(f"{place}/o", 100)


async def test_what_is_too_large_is_refused_or_cut() -> None:
    async with served({"/": page(b"x" * 300_000)}) as place:
        with pytest.raises(TooLong):
            await fetch(place + "/", 1000)
        assert (await fetch(place + "/", 1000, cut=True)).content == b"x" * 1000


async def test_no_answer_is_waited_for_longer_than_asked() -> None:
    async with served({}), await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(SocketAttribute.local_port)
        with anyio.fail_after(5), pytest.raises(MediaUnavailable):
            await fetch(f"http://127.0.0.1:{port}/", 100, within=0.1)


@for_each("location", ["http://[", "http://exämple.invalid/ä", "ftp://x/", ""])
async def test_a_redirect_to_nowhere_is_an_error_of_ours(location: str) -> None:
    async with served({"/": leading_to(location)}) as place:
        with pytest.raises((MediaUnavailable, InvalidArgument)):
            await fetch(place + "/", 100, within=5.0)


@for_each("url", ["ftp://example.com/x", "http:///x", "http://a:b@192.0.2.1/", "http://x:99999/", "nothing"])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        await fetch(url, 100)


@for_each("name", ["cat%00.png", "cat.p%00ng", "cat%0A.png", "%7f"])
async def test_a_control_character_in_the_name_of_a_file_is_refused(name: str) -> None:
    async with served({f"/{name}": page(b"meow", "image/png"), "/on": leading_to(f"/{name}")}) as place:
        for path in (name, "on"):
            with pytest.raises(InvalidArgument, match="control character"):
                await fetch(f"{place}/{path}", 100)


@pytest.mark.parametrize(
    "address", "192.0.0.192 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:a00:1:: fd00:ec2::23 fd20:ce::254".split()
)
async def test_a_name_that_has_one_private_address_among_public_ones_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    def looked_up(host: str, port: int, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("8.8.8.8", address)]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(FileNotAllowed):
        await locate("https://rebound.example/")


async def test_the_address_that_was_judged_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads elsewhere the second time (DNS rebinding) is looked up once."""
    answers = iter(["8.8.8.8", "127.0.0.1"])

    def looked_up(host: str, port: int, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    place = await locate("https://rebound.example/a")
    assert (place.pinned, place.host) == ("https://8.8.8.8:443/a", "rebound.example")
