"""What a digest of a day tells, and what it costs a model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage import day
from tests.triage.day import EVENING, MORNING
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.models import Chat, ChatKind, ChatNews, Digest, Fact, Message, MessageKind
from whatsapp_mcp.server.render import digest as digest_module
from whatsapp_mcp.server.render import digest_data, digest_text
from whatsapp_mcp.server.render.digest import tokens_of
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.triage import LONGEST, NamedDay, Side, Speech, read

TOKENS: Final = 1_500
LEAST: Final = 0.9
CODE: Final = "482913"
SIDES: Final[tuple[Side | None, ...]] = ("me", "them", None)


def rendered(digest: Digest, tokens: int) -> str:
    weights = [[fact.weight for fact in news.facts] for news in digest.chats]
    return digest_text(digest_data(digest, UTC), weights, EVENING, UTC, tokens).rendered(CODE)


@pytest.mark.anyio
async def test_a_day_of_2000_messages_is_told_in_1500_tokens_with_nine_facts_of_ten(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        await day.fill(archive, day.said())
        digest = await archive.digest(MORNING, zone=UTC, now=EVENING)
    assert sum(news.new for news in digest.chats) == day.MESSAGES
    text = rendered(digest, TOKENS)
    assert tokens_of(text) <= TOKENS
    known = [fact for fact in day.marked()[0] if fact.line % 2 == 0]
    told = day.told(known, text)
    assert len(told) / len(known) >= LEAST, [fact for fact in known if fact not in told]


@pytest.mark.anyio
async def test_a_small_budget_keeps_what_the_owner_owes_and_says_what_is_left_out(tmp_path: Path) -> None:
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    async with open_archive(folder, write=True) as archive:
        await day.fill(archive, day.said())
        digest = await archive.digest(MORNING, zone=UTC, now=EVENING)
    text = rendered(digest, 300)
    assert tokens_of(text) <= 300
    assert ", to answer" in text
    assert ", unanswered" not in text
    assert "more facts left out" in text


_WORDS = st.text(max_size=700)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """A fact of a stranger in a group, with any words and any name."""
    name, sent = draw(_WORDS), EVENING - timedelta(hours=1)
    group, sender = "120363000000000001@g.us", "15550002222@s.whatsapp.net"
    message = Message(
        1,
        "3EB0",
        group,
        name,
        sender,
        name,
        False,
        MessageKind.TEXT,
        draw(_WORDS),
        sent,
        sender_stranger=True,
    )
    message.forwarded = draw(st.booleans())
    ahead = draw(st.lists(st.integers(0, 300), max_size=3))
    days = tuple(NamedDay(EVENING.date() + timedelta(each), 0) for each in ahead)
    owes = draw(st.sampled_from(SIDES))
    return Fact(message, owes, draw(st.booleans()), days, draw(st.integers(0, 120)))


@st.composite
def news(draw: st.DrawFn) -> ChatNews:
    """What is new in a chat of any name."""
    kind = draw(st.sampled_from([ChatKind.GROUP, ChatKind.DIRECT, ChatKind.CHANNEL]))
    new = draw(st.integers(0, 10**6))
    chat = Chat("120363000000000001@g.us", draw(_WORDS), kind, new)
    return ChatNews(chat, new, tuple(draw(st.lists(facts(), max_size=6))))


@given(st.lists(news(), max_size=8), st.integers(200, 3_000))
def test_whatever_came_in_a_digest_costs_no_more_than_it_may(chats: list[ChatNews], tokens: int) -> None:
    text = rendered(Digest(datetime(2026, 11, 26, tzinfo=UTC), tuple(chats)), tokens)
    assert tokens_of(text) <= tokens


def test_of_a_text_however_long_no_more_than_its_ends_is_looked_at_and_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[str] = []

    def noting(text: str) -> Speech:
        looked_at.append(text)
        return read(text)

    monkeypatch.setattr(digest_module, "read", noting)
    long = "It rained. " * 6_000 + "Can you bring the oars?"
    message = Message(
        1,
        "3EB0",
        "1@g.us",
        "Club",
        "2@lid",
        "Bob",
        False,
        MessageKind.TEXT,
        long,
        EVENING - timedelta(hours=1),
    )
    chat = Chat("1@g.us", "Club", ChatKind.GROUP, 20)
    digest = Digest(MORNING, (ChatNews(chat, 20, (Fact(message, "me", False, (), 9),) * 20),))
    assert "…Can you bring the oars?" in rendered(digest, 400)
    assert sum(map(len, looked_at)) <= 20 * LONGEST


@given(_WORDS)
def test_tokens_are_never_counted_lower_for_a_part_of_a_text(text: str) -> None:
    assert tokens_of(text[: len(text) // 2]) <= tokens_of(text)
