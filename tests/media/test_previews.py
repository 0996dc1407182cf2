"""Link previews: what a page says of itself, and that no page can do harm or hold up a message."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.footage import BLUE, near, pixel, png, size
from tests.media.website import leading_to, page, served
from tests.tables import for_each
from whatsapp_mcp.media import Worker
from whatsapp_mcp.media.previews import first_url, page_facts, preview_of
from whatsapp_mcp.media.web import Fetched

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
pytestmark = pytest.mark.anyio


def facts(text: str | bytes) -> dict[str, str]:
    """What a page of this text says of itself."""
    return page_facts(Fetched("http://x/", text if isinstance(text, bytes) else text.encode(), "text/html"))


@for_each(
    ("text", "link"),
    [
        ("see https://example.com/a?b=1#c, please", "https://example.com/a?b=1#c"),
        ("(https://example.com/wiki/Cat_(animal)).", "https://example.com/wiki/Cat_(animal)"),
        ("HTTP://EXAMPLE.COM and https://other.example", "HTTP://EXAMPLE.COM"),
        ("example.com ftp://example.com mailto:a@example.com", None),
        ("", None),
    ],
)
def test_the_first_web_address_of_a_text_is_its_link(text: str, link: str | None) -> None:
    assert first_url(text) == link


@given(st.text(max_size=200).map(lambda text: f"https://{text}"))
def test_a_link_stands_in_its_text(text: str) -> None:
    link = first_url(text)
    assert link is None or link in text


def test_a_page_is_told_by_its_open_graph_names_and_its_title() -> None:
    told = facts(
        "<head><title>\n Old &amp; wise </title><META name=description content='Plain words'>"
        '<meta property="og:title" content="The &quot;big&quot; one"/>'
        "<meta content=pic.jpg property=og:image></head>"
    )
    assert told["title"] == "Old & wise"
    assert told["description"] == "Plain words"
    assert told["og:title"] == 'The "big" one'
    assert told["og:image"] == "pic.jpg"


def test_a_page_is_read_in_its_own_character_set() -> None:
    assert facts('<meta charset="latin-1"><title>Grüße</title>'.encode("latin-1"))["title"] == "Grüße"
    assert facts('<meta charset="no-such"><title>Grüße</title>')["title"] == "Grüße"
    assert facts("<meta charset=Shift_JIS><title>東京</title>".encode("shift_jis"))["title"] == "東京"


@for_each("charset", ["idna", "punycode", "undefined", "rot13", "hex", "unicode_escape", "utf-7"])
def test_a_page_in_a_strange_character_set_can_be_read(charset: str) -> None:
    facts(f"<meta charset={charset}><title>Boats.are \\x zz--</title>".encode() + bytes(range(256)))


def test_what_a_page_hides_in_its_title_does_not_come_along() -> None:
    assert facts("<title>a\u202eb\u200bc\nd</title>")["title"] == "abc d"


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["<meta ", "<title", ">", "=", '"', "'", "a"])).map("".join)
)
def test_any_page_can_be_read(text: str) -> None:
    facts(text)


@pytest.mark.parametrize("part", ["<meta ", "<meta a=", "<title ", '<meta a="', "<meta a='a=\"", "<title>"])
def test_reading_takes_time_in_proportion_to_the_page(part: str) -> None:
    def spent(size: int) -> float:
        began = time.process_time()
        facts(part * (size // len(part)))
        return time.process_time() - began

    assert spent(256_000) < 8 * spent(64_000) + 0.1


async def test_a_preview_has_title_description_and_picture(worker: Worker) -> None:
    answers = {
        "/": leading_to("/post/1"),
        "/post/1": page(
            b'<title>Boats</title><meta name="description" content="All of them">'
            b'<meta property="og:image" content="../boat.png">'
        ),
        "/boat.png": page(png(400, 200, BLUE), "image/png"),
    }
    async with served(answers) as place:
        found = await preview_of(f"look: {place}/ !", worker)
    assert found is not None
    assert (found.url, found.title, found.description) == (f"{place}/", "Boats", "All of them")
    assert size(found.thumbnail) == (192, 96)
    assert near(pixel(found.thumbnail, 5, 5), BLUE)


@for_each(
    "answer",
    [
        page(b"<p>no title"),
        page(b"<title>x</title>", "application/pdf"),
        leading_to("http://[::1]/"),
        leading_to("http://["),
        b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_a_page_that_cannot_be_read_gives_no_preview(answer: bytes, worker: Worker) -> None:
    async with served({"/": answer}) as place:
        assert await preview_of(f"{place}/", worker) is None


@for_each("image", ["http://10.0.0.1/a.png", "http://[", "/none.png", "/words.png", "/logo.svg", "/list.png"])
async def test_a_picture_that_cannot_be_had_is_left_out(image: str, worker: Worker) -> None:
    body = f'<title>Boats</title><meta property="og:image" content="{image}">'.encode()
    answers = {"/": page(body), "/words.png": page(b"words"), "/logo.svg": page(SVG, "image/svg+xml")}
    answers["/list.png"] = page(b"ffconcat version 1.0\nfile secret.png\n", "image/png")
    async with served(answers) as place:
        found = await preview_of(f"{place}/", worker)
    assert found is not None
    assert (found.title, found.thumbnail) == ("Boats", b"")


async def test_a_text_without_link_asks_nobody() -> None:
    assert await preview_of("no link here", Worker()) is None
    assert await preview_of("http://127.0.0.1:1/", Worker()) is None
