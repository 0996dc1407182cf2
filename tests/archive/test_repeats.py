"""A text that repeats many words of another chat is found, wherever in the text they stand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from tests.archive.test_file_readings import document, pages
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, outbox, recording
from whatsapp_mcp.archive.database.index import tokens
from whatsapp_mcp.archive.read.facts import _BLOCK, _RUN, _blocks, _runs, quarters
from whatsapp_mcp.models import SendRequest, TextContent

pytestmark = pytest.mark.anyio

TWELVE = "The spare key lies under the third flower pot beside the door"
CHINESE = "备用钥匙放在门边第三个花盆下面请不要告诉任何人这件事情"


async def written(archive: Archive, text: str, chat: str = ANA) -> None:
    await archive.ingest(journal([ev.message("T1", text, chat=chat, sender=ANA, alt=ANA_LID)]))


@for_each(
    "text",
    [
        TWELVE,
        f"Hi Bob! As promised: {TWELVE.upper()}! See you.",
        TWELVE.replace(" ", "\n* "),
        TWELVE.replace("spare", "spare 😂🎂"),
        f"{'So many words before. ' * 300}{TWELVE}",
    ],
    archive="archives",
)
async def test_twelve_words_of_another_chat_are_found_anywhere_in_a_text(archive: Archive, text: str) -> None:
    await written(archive, f"Listen. {TWELVE}, never tell anybody.")
    (message,) = (await archive.messages()).items
    assert await archive.repeats_another_chat(text, BOB) == message.ref


async def test_twelve_words_that_were_read_in_a_file_of_another_chat_are_found(archive: Archive) -> None:
    await archive.ingest(journal([ev.message("F1", document(), chat=ANA)]))
    await archive.write(recording.record_reading, "F1", pages("Listen.", f"{TWELVE}, never tell anybody."))
    (message,) = (await archive.messages()).items
    assert await archive.repeats_another_chat(f"Hi Bob! {TWELVE}!", BOB) == message.ref
    assert await archive.repeats_another_chat(TWELVE, ANA) is None


@for_each(
    "text",
    [
        "",
        "The spare key lies under the third flower pot beside the window",
        "the door beside pot flower third the under lies key spare the",
        "No! The spare key lies somewhere else, and under the third flower pot beside the door is nothing",
        "😂" * 40,
    ],
    archive="archives",
)
async def test_fewer_words_or_others_are_not(archive: Archive, text: str) -> None:
    await written(archive, f"{TWELVE} {'😂' * 40}")
    assert await archive.repeats_another_chat(text, BOB) is None


async def test_the_words_of_the_chat_itself_may_be_repeated_by_either_address(archive: Archive) -> None:
    await written(archive, TWELVE)
    assert await archive.repeats_another_chat(TWELVE, ANA) is None
    assert await archive.repeats_another_chat(TWELVE, ANA_LID) is None
    assert await archive.repeats_another_chat(TWELVE, "15550000099@s.whatsapp.net") is not None


async def test_a_script_without_spaces_is_counted_by_characters(archive: Archive) -> None:
    await written(archive, CHINESE, chat=GROUP)
    assert await archive.repeats_another_chat(f"你好{CHINESE[:24]}", BOB) is not None
    assert await archive.repeats_another_chat(f"你好{CHINESE[:23]}", BOB) is None


async def test_what_this_companion_sent_may_be_sent_to_others_too(archive: Archive) -> None:
    entry, _ = await archive.write(outbox.add, SendRequest(ANA, TextContent(TWELVE)))
    await archive.ingest(journal([ev.message("OWN", TWELVE, chat=ANA, sender=None)]))
    assert await archive.repeats_another_chat(TWELVE, BOB) is not None
    await archive.outbox_sent(entry.send_id, "OWN", datetime.fromtimestamp(NOON, UTC))
    assert await archive.repeats_another_chat(TWELVE, BOB) is None


@given(st.lists(st.sampled_from(["one", "two", "会", "ส", "😂", "7"]), max_size=120), st.integers(0, 100))
def test_each_run_holds_a_whole_block_of_any_text_around_it(said: list[str], start: int) -> None:
    words = tokens(" ".join(said))
    blocks = [block.split() for block in _blocks(words)]
    assert all(_BLOCK <= sum(map(quarters, block)) <= _BLOCK + 3 for block in blocks)
    end, weight = start, 0
    while end < len(words) and weight < _RUN:
        weight += quarters(words[end])
        end += 1
    if weight >= _RUN:
        begins = [sum(map(len, blocks[:n])) for n in range(len(blocks))]
        spans = [(at, at + len(block)) for at, block in zip(begins, blocks, strict=True)]
        assert any(start <= first and last <= end for first, last in spans)


@given(st.lists(st.sampled_from(["one", "two", "会", "ส", "😂"]), max_size=60))
def test_runs_are_the_same_in_every_text_that_holds_them(said: list[str]) -> None:
    inner = set(_runs(tokens(" ".join(said))))
    outer = set(_runs(tokens(" ".join(["x", *said, "y"]))))
    assert inner <= outer
