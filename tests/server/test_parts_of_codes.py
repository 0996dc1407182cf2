"""A one-time code is masked also where a part is shown that does not hold the words which announce it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from tests.archive import events as ev
from tests.archive.events import journal
from tests.archive.test_file_readings import document, pages, voice
from tests.server.conftest import BOB
from tests.server.fakes import FakeDevice, FakeSource
from tests.server.test_core_tools import answer
from tests.server.test_file_readings import AT, heard
from tests.server.test_resources import read
from tests.server.test_resources import serving as serving_files
from tests.server.test_withholding import serving
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.models import FileReading, Passage, ReadingKind
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.protobufs import E2E
from whatsapp_mcp.server.reading.masking import masked_reading
from whatsapp_mcp.server.render import Wanted

pytestmark = pytest.mark.anyio

CODE = "730164"
FAR = (
    "Your verification code follows in this message, which is long enough that a snippet does not hold the "
    "words before it. It is given to you by your bank, and nobody will ever ask you for it, remember that "
    f"well, thanks. {CODE} keepsafe now"
)
LATE = f"{'I say hi. ' * 17}note {CODE}, which, as {'I said ' * 16}is your verification code"
"""The code stands within what lists of chats show, and what announces it does not."""


async def received(archive: Archive, body: Any, reading: FileReading | None = None) -> str:
    """The ref of a new message of Bob."""
    told = [ev.message("X1", body, chat=BOB, at=AT + 50)]
    await archive.ingest(journal(told, after=await archive.position()))
    if reading is not None:
        await archive.write(recording.record_reading, "X1", reading)
    return f"#{(await archive.message('X1')).ref}"


async def shown(client: Client, tool: str, **arguments: Any) -> str:
    """All of an answer, which is of the new message."""
    text, data = await answer(client, tool, **arguments)
    return text + json.dumps(data, ensure_ascii=False)


@pytest.fixture
async def client(archive: Archive, device: FakeDevice, tmp_path: Path) -> AsyncIterator[Client]:
    async with serving(archive, device, tmp_path) as connected:
        yield connected


async def test_reading_on_in_a_page_shows_no_code_that_its_beginning_announces(
    client: Client, archive: Archive
) -> None:
    said = pages(f"Your WhatsApp code: {CODE}. Do not share")
    ref = await received(archive, document(), said)
    told = await shown(client, "read_file", message=ref, pages="1+19")
    assert "Do not share" in told
    assert CODE not in told


@pytest.mark.parametrize(
    "said", [("Your verification code is", CODE), ("Your verification code is", "730", "164")]
)
async def test_a_code_is_masked_that_is_said_after_a_pause(
    client: Client, archive: Archive, said: tuple[str, ...], tmp_path: Path, device: FakeDevice
) -> None:
    ref = await received(archive, voice(), heard(*said, "bye"))
    (tmp_path / "a.ogg").write_bytes(b"OggS")
    device.file = str(tmp_path / "a.ogg")
    tools: tuple[tuple[str, dict[str, Any]], ...] = (
        ("list_messages", {"chat": "Bob", "limit": 1}),
        ("list_chats", {}),
        ("read_file", {"message": ref}),
        ("read_file", {"message": ref, "pages": "2-"}),
        ("download_media", {"message": ref}),
        ("search_messages", {"query": "bye"}),
    )
    for tool, arguments in tools:
        told = await shown(client, tool, **arguments)
        assert "bye" in told, tool
        assert said[1] not in told, tool
    source = FakeSource(device, archive, tmp_path, Policy.in_mode("standard"))
    async with serving_files(source) as connected:
        assert said[1] not in str((await read(connected, ref[1:]))[-1])
    _, data = await answer(client, "export_chat", chat="Bob")
    assert said[1] not in await anyio.Path(data["path"]).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "sent",
    [document(f"login-code_{CODE}.pdf"), document(f"{CODE}.pdf", caption="Your code is the file's name")],
)
async def test_the_name_of_a_file_shows_no_code_and_no_search_tells_it(
    client: Client, archive: Archive, sent: Any, tmp_path: Path, device: FakeDevice
) -> None:
    ref = await received(archive, sent, pages("keepsafe"))
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4")
    device.file = str(tmp_path / "a.pdf")
    tools: tuple[tuple[str, dict[str, Any]], ...] = (
        ("list_messages", {"chat": "Bob", "limit": 1}),
        ("list_messages", {"chat": "Bob", "limit": 1, "detail": "full"}),
        ("list_chats", {}),
        ("read_file", {"message": ref}),
        ("download_media", {"message": ref}),
        ("get_message_context", {"message": ref}),
        ("search_messages", {"query": "pdf"}),
    )
    for tool, arguments in tools:
        assert CODE not in await shown(client, tool, **arguments), tool
    for guess in (CODE, CODE[:3]):
        _, data = await answer(client, "search_messages", query=guess, substring=True)
        assert data["messages"] == []


async def test_the_name_of_a_page_shows_no_code(client: Client, archive: Archive) -> None:
    named = Passage("x", f"Your WhatsApp code: {CODE}")
    ref = await received(archive, document(), FileReading(ReadingKind.DOCUMENT, (named,), "openpyxl"))
    assert CODE not in await shown(client, "read_file", message=ref)


@pytest.mark.parametrize("spoken", [False, True])
async def test_the_words_around_a_hit_show_no_code_that_is_announced_far_from_it(
    client: Client, archive: Archive, spoken: bool
) -> None:
    body = voice() if spoken else FAR
    await received(archive, body, heard("Hi. " * 90 + FAR) if spoken else None)
    told = await shown(client, "search_messages", query="keepsafe")
    assert "**keepsafe** now" in told
    assert CODE not in told


@for_each("query", [f"keepsafe {CODE}", "keepsafe 7*", "keepsafe ⁷*"])
async def test_no_search_tells_a_code_by_a_hit_that_stands_far_from_it(
    client: Client, archive: Archive, query: str
) -> None:
    await received(archive, FAR)
    _, data = await answer(client, "search_messages", query=query)
    assert data["messages"] == []


@for_each("query", ["deposit", "deposit since:2026-01-01", "until:2026-12 deposit"])
async def test_a_long_document_is_found_by_words_and_between_dates(
    client: Client, archive: Archive, query: str
) -> None:
    await received(archive, document(), pages("The deposit", "word " * 12_000))
    _, data = await answer(client, "search_messages", query=query)
    assert [each["message_id"] for each in data["messages"]] == ["X1"]


@pytest.mark.parametrize("spoken", [False, True])
async def test_a_beginning_shows_no_code_that_is_announced_after_it(
    client: Client, archive: Archive, spoken: bool
) -> None:
    late = f"{'Hello you. ' * 9}{LATE}" if spoken else LATE
    await received(archive, voice() if spoken else late, heard(late) if spoken else None)
    for tool, arguments in (
        ("list_messages", {"chat": "Bob", "limit": 1}),
        ("list_chats", {}),
        ("get_message_context", {"message": "X1"}),
    ):
        told = await shown(client, tool, **arguments)
        assert "[one-time code hidden]" in told, tool
        assert CODE not in told, tool


ASIDE = st.lists(st.sampled_from(["bye", "", "x " * 40]), max_size=3)


@given(
    ASIDE,
    st.sampled_from([Passage("Your verification code is"), Passage("", "Your verification code")]),
    ASIDE,
    st.sampled_from([("730164",), ("730", "164"), ("bye 730", "164 bye")]),
    ASIDE,
    st.integers(1, 12),
    st.integers(0, 60),
)
def test_no_part_shows_a_code_that_the_whole_masks(
    before: list[str],
    announces: Passage,
    between: list[str],
    code: tuple[str, ...],
    after: list[str],
    first: int,
    skip: int,
) -> None:
    texts = [*map(Passage, before), announces, *map(Passage, (*between, *code, *after))]
    masked = masked_reading(FileReading(ReadingKind.TRANSCRIPT, tuple(texts), "x"))
    first = min(first, len(texts))
    for wanted in (f"{first}", f"{first}-", f"{first}+{skip}"):
        part = Wanted.parse(wanted).take(masked)
        assert not any(set(one.text) & set("730164") for one in part.passages)


def _reply(to: str, quoted: str) -> Any:
    body: Any = E2E.Message()
    body.extendedTextMessage.text = "ok keepsafe"
    context = body.extendedTextMessage.contextInfo
    context.stanzaID, context.participant = to, BOB
    context.quotedMessage.conversation = quoted
    return body


@pytest.mark.parametrize("sender", [None, BOB])
async def test_no_quote_of_a_reply_shows_a_code_whoever_replies(
    client: Client, archive: Archive, sender: str | None
) -> None:
    said = f"Your verification code is {CODE}"
    told = [
        ev.message("X1", said, chat=BOB, at=AT + 50),
        ev.message("X2", _reply("X1", said), chat=BOB, sender=sender, at=AT + 60),
    ]
    await archive.ingest(journal(told, after=await archive.position()))
    ref = f"#{(await archive.message('X2')).ref}"
    tools: tuple[tuple[str, dict[str, Any]], ...] = (
        ("list_messages", {"chat": "Bob", "limit": 1}),
        ("list_messages", {"limit": 1, "detail": "full"}),
        ("get_message_context", {"message": ref, "before": 0, "after": 0}),
        ("search_messages", {"query": "keepsafe"}),
    )
    for tool, arguments in tools:
        told_now = await shown(client, tool, **arguments)
        assert "keepsafe" in told_now, tool
        assert CODE not in told_now, tool
    _, data = await answer(client, "export_chat", chat="Bob")
    assert CODE not in await anyio.Path(data["path"]).read_text(encoding="utf-8")


async def test_the_code_of_ones_own_message_stays(client: Client, archive: Archive) -> None:
    told = [ev.message("X2", f"My verification code is {CODE}", chat=BOB, sender=None, at=AT + 60)]
    await archive.ingest(journal(told, after=await archive.position()))
    assert CODE in await shown(client, "list_messages", chat="Bob", limit=1)


@for_each("page", [2, 30, 59])
@for_each("spoken", [False, True])
@for_each(
    "ends, begins",
    [("Your verification code is", f"{CODE} for you. "), (f"{CODE} is", "your verification code. ")],
)
def test_a_page_of_a_long_file_shows_no_code_that_the_page_before_or_behind_announces(
    page: int, spoken: bool, ends: str, begins: str
) -> None:
    kind = ReadingKind.TRANSCRIPT if spoken else ReadingKind.DOCUMENT
    other = "We meet at pier 4. " * 100
    texts = [other] * 60
    texts[page - 1 : page + 1] = other + ends, begins + other
    whole = FileReading(kind, tuple(map(Passage, texts)), "x")
    for first in (page, page + 1):
        shown = Wanted.parse(f"{first}").take(masked_reading(whole, first))
        assert CODE not in shown.passages[0].text
        assert "We meet at pier 4." in shown.passages[0].text
