"""Fetching from the web: nothing private is reached, nothing takes for ever, nothing grows without limit."""

from __future__ import annotations

import ipaddress

import anyio
import pytest
from anyio.abc import SocketAttribute

from tests.media.website import leading_to, page, served
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, MediaUnavailable, TooLong
from whatsapp_mcp.media.web import fetch, is_public

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


@pytest.mark.parametrize("location", ["http://[", "http://exämple.invalid/ä", "ftp://x/", ""])
async def test_a_redirect_to_nowhere_is_an_error_of_ours(location: str) -> None:
    async with served({"/": leading_to(location)}) as place:
        with pytest.raises((MediaUnavailable, InvalidArgument)):
            await fetch(place + "/", 100, within=5.0)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "http:///x", "http://a:b@192.0.2.1/", "http://x:99999/", "nothing"]
)
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument):
        await fetch(url, 100)


@pytest.mark.parametrize("name", ["cat%00.png", "cat.p%00ng", "cat%0A.png", "%7f"])
async def test_a_control_character_in_the_name_of_a_file_is_refused(name: str) -> None:
    async with served({f"/{name}": page(b"meow", "image/png"), "/on": leading_to(f"/{name}")}) as place:
        for path in (name, "on"):
            with pytest.raises(InvalidArgument, match="control character"):
                await fetch(f"{place}/{path}", 100)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("::ffff:8.8.8.8", True),
        ("2002:808:808::", True),
        ("2001:0:808:808::1", False),  # Teredo
        ("fec0::1", False),
        ("64:ff9b:1::808:808", False),
        ("::808:808", False),
        ("::7f00:1", False),
        ("::ffff:0:808:808", False),
        ("::ffff:0:7f00:1", False),
        ("3fff::1", False),
        ("2001:db8::1", False),
        ("5f00::1", False),
        ("4000::1", False),
        ("ff0e::1", False),
    ],
)
def test_only_public_addresses_are_public(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected
