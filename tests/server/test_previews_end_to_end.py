"""Link previews from an MCP client to the phone at the other end."""

from __future__ import annotations

import pytest

from tests.media.footage import RED, png, size
from tests.media.website import page, served
from tests.server.linked import Linked
from tests.server.test_core_tools import answer

pytestmark = pytest.mark.anyio
BOATS = page(
    b'<title>Boats</title><meta name="description" content="All of them">'
    b'<meta property="og:image" content="/boat.png">'
)


async def test_a_preview_arrives_with_the_message_that_asks_for_it(linked: Linked) -> None:
    async with served({"/": BOATS, "/boat.png": page(png(400, 200, RED), "image/png")}) as place:
        text = f"Look at {place}/"
        await answer(linked.client, "send_message", chat="Ann", text=text, link_preview=True)
        got = (await linked.ann.receives()).message.extendedTextMessage
        assert (got.text, got.matchedText) == (text, f"{place}/")
        assert (got.title, got.description) == ("Boats", "All of them")
        assert size(got.JPEGThumbnail) == (192, 96)


async def test_a_drawing_as_picture_of_a_page_is_left_out_and_the_next_send_goes_out(linked: Linked) -> None:
    drawn = page(b'<title>Drawn</title><meta property="og:image" content="/logo.svg">')
    svg = page(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', "image/svg+xml")
    async with served({"/": drawn, "/logo.svg": svg}) as place:
        text = f"Look at {place}/"
        await answer(linked.client, "send_message", chat="Ann", text=text, link_preview=True)
        got = (await linked.ann.receives()).message.extendedTextMessage
        assert (got.title, got.JPEGThumbnail) == ("Drawn", b"")
    await answer(linked.client, "send_message", chat="Ann", text="and on")
    assert (await linked.ann.receives()).message.conversation == "and on"


async def test_no_page_is_fetched_unasked(linked: Linked) -> None:
    async with served({"/": BOATS}) as place:
        await answer(linked.client, "send_message", chat="Ann", text=f"See {place}/")
        got = (await linked.ann.receives()).message
        assert got.conversation == f"See {place}/"
        assert not got.HasField("extendedTextMessage")


async def test_a_page_that_fails_does_not_hold_up_the_message(linked: Linked) -> None:
    text = "See http://127.0.0.1:1/"
    _, told = await answer(linked.client, "send_message", chat="Ann", text=text, link_preview=True)
    assert told["status"] in {"sent", "delivered"}
    assert (await linked.ann.receives()).message.conversation == text
