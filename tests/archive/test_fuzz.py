"""Whatever is asked of the archive gets an answer or an error of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.events import ANA, BOB, GROUP, NOON, NOW, journal
from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.archive.read import cursors
from whatsapp_mcp.archive.read.search_query import parse
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.models import ChatKind, MessageFilter, MessageKind
from whatsapp_mcp.settings import AccountFolder

BITS = [
    "from:", "in:", "has:", "is:", "before:", "after:", "-", "OR", "AND", "NOT", "NEAR", "|", '"', "*", "**",
    "^", "(", ")", "{", "+", ":", "body:", "scope:", "c1", "\x00", "\ud800", "ﷺ", "İ", "ß", "\u0301", "會",
    "😂", "me", "ana", "image", "2024", "9999-12-31", "0001-01-01", "9999y", "9" * 20, "%", "_", "\\", "\n",
    "\U0010ffff",
    "#1", "@", ANA, "+15550000001", "“", " ", " ", " ",
]  # fmt: skip
TEXTS = st.tuples(
    st.lists(st.sampled_from(BITS), max_size=12).map("".join), st.sampled_from([1, 1, 1, 40, 1000])
).map(lambda drawn: drawn[0] * drawn[1])
MAYBE = st.sampled_from([None, True, False])
TIMES = st.sampled_from([None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
FILTERS = st.builds(
    MessageFilter,
    chat=st.none() | st.just(GROUP) | TEXTS,
    sender=st.none() | st.just(ANA) | TEXTS,
    kinds=st.lists(st.sampled_from(MessageKind), max_size=3).map(tuple),
    media=MAYBE,
    links=MAYBE,
    since=TIMES,
    until=TIMES,
    from_me=MAYBE,
    unread=MAYBE,
    starred=MAYBE,
)
LIMITS = st.sampled_from([-1, 0, 1, 20, 500, 501])
KEYS = st.lists(
    st.sampled_from([0, -5, 1, 2**62, 2**63 - 1, -(2**63), "a"]) | st.integers(2**63, 36**13 - 1), max_size=3
)
"""Keys of a cursor that are rightly signed and mean nothing."""


ABOUT = [
    "resolve_chat", "chat_shown_as", "chat", "message", "context", "coverage", "members", "edits",
    "common_groups", "media_source", "send_report", "contact", "without_vote", "expires_in",
]  # fmt: skip


def signed(keys: list[int | str] | None, *parts: object) -> str | None:
    return None if keys is None else cursors.encode(cursors.fingerprint(*parts), *keys)


async def fill(archive: Archive) -> None:
    await archive.ingest(
        journal(
            ev.message(
                f"A{n}", f"{bit} {n} ana", chat=(ANA, BOB, GROUP)[n % 3], sender=ANA, at=NOON + n, name=bit
            )
            for n, bit in enumerate(bit for bit in BITS if bit.isprintable())
        )
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[BlockingPortal, Archive]]:
    """A filled archive, and the event loop that it is asked in."""
    folder = AccountFolder("default", tmp_path_factory.mktemp("account") / "default")
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_archive(folder, write=True, now=lambda: NOW)) as archive,
    ):
        portal.call(fill, archive)
        yield portal, archive


@settings(max_examples=examples(200))
@given(data=st.data())
def test_no_question_meets_anything_but_an_answer_or_an_error_of_ours(
    asked: tuple[BlockingPortal, Archive], data: st.DataObject
) -> None:
    portal, archive = asked
    with suppress(WhatsAppError):
        portal.call(data.draw(calls(archive)))


def calls(archive: Archive) -> st.SearchStrategy[Callable[[], Awaitable[Any]]]:
    cursors = st.none() | KEYS

    def search(query: str, where: MessageFilter, order: Any, mode: Any, limit: int, keys: Any) -> Any:
        at = signed(keys, "search", query, where, order, mode)
        return lambda: archive.search(query, where, order=order, mode=mode, limit=limit, cursor=at)

    def messages(where: MessageFilter, oldest_first: bool, limit: int, keys: Any) -> Any:
        at = signed(keys, "messages", where, oldest_first)
        return lambda: archive.messages(where, oldest_first=oldest_first, limit=limit, cursor=at)

    def chats(query: str | None, kind: ChatKind | None, unread: bool | None, limit: int, keys: Any) -> Any:
        at = signed(keys, "chats", query, kind, unread, None, None)
        return lambda: archive.chats(query=query, kind=kind, unread=unread, limit=limit, cursor=at)

    def contacts(query: str | None, limit: int, keys: Any) -> Any:
        at = signed(keys, "contacts", query)
        return lambda: archive.contacts(query, limit=limit, cursor=at)

    def about(name: str, text: str) -> Any:
        return lambda: getattr(archive, name)(text)

    return st.one_of(
        st.builds(
            search,
            TEXTS,
            FILTERS,
            st.sampled_from(["newest", "relevance"]),
            st.sampled_from(["words", "any", "substring"]),
            LIMITS,
            cursors,
        ),
        st.builds(messages, FILTERS, st.booleans(), LIMITS, cursors),
        st.builds(chats, st.none() | TEXTS, st.none() | st.sampled_from(ChatKind), MAYBE, LIMITS, cursors),
        st.builds(contacts, st.none() | TEXTS, LIMITS, cursors),
        st.builds(
            about,
            st.sampled_from(ABOUT),
            TEXTS,
        ),
    )


@pytest.mark.anyio
@for_each("mode", ["words", "any", "substring"])
@for_each("place", ["", "from:", "in:", "has:"], archive="archives")
async def test_a_character_that_becomes_eighteen_is_searched_a_thousand_times(
    archive: Archive, place: str, mode: Any
) -> None:
    await archive.ingest(journal([ev.message("A1", "ﷺ" * 1_000), ev.message("A2", at=NOON + 1)]))
    page = await archive.search(place + "ﷺ" * 1_000, mode=mode)
    if not place:
        assert [message.message_id for message in page.items] == ["A1"]
    assert (await archive.chats(query="ﷺ" * 1_000)).items == ()
    assert await archive.resolve_chat("ﷺ" * 1_000) == ()


def test_a_query_narrows_to_so_many_names_and_searches_the_others_as_text() -> None:
    query = parse("from:ana in:club " * 100)
    assert (len(query.senders), len(query.chats)) == (8, 8)
    assert len(query.wanted) == 2 * 92


@pytest.mark.anyio
@pytest.mark.parametrize("text", ["\ud800", "ana \udfff"])
async def test_half_of_a_character_is_refused(archive: Archive, text: str) -> None:
    for call in (archive.chat, archive.message, archive.resolve_chat):
        with pytest.raises(InvalidArgument, match="half of a character"):
            await call(text)
