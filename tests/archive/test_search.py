"""Search: complete in every script, narrowed by operators, never an error."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.archive import events as ev
from tests.archive.events import ANA, ANA_LID, BOB, GROUP, NOON, journal
from tests.properties import examples
from tests.tables import for_each
from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.archive.database.index import tokens
from whatsapp_mcp.archive.read.search_query import parse
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import GroupUpdate, MessageFilter
from whatsapp_mcp.protobufs import E2E

pytestmark = pytest.mark.anyio

TEXTS = [
    "A reunião é amanhã às 10h",
    "REUNIÃO cancelada",
    "我们明天开会议吗",
    "東京に行きます。ありがとう!",
    "خالد في المكان الأوسط",
    "हम कल मिलेंगे और किताब लाएंगे",
    "สวัสดีครับ พบกันพรุ่งนี้",
    "that was funny 😂😂",
    "thumbs 👍🏽 up",
    "the meeting is at noon",
    "INV-2024-00017 is paid",
    "Straße und Fußball",
    "don't forget the café",
    "Привет, как дела? Ёлка готова",
    "الموعد ١٢:٣٠ غدا",
    "ราคา๙๙บาท",
    "कल ९ बजे",
]


async def fill(archive: Archive, texts: list[str] = TEXTS) -> None:
    await archive.ingest(journal([ev.message(f"T{n}", text, at=NOON + n) for n, text in enumerate(texts)]))


@pytest.fixture
async def filled(archive: Archive) -> Archive:
    """An archive with a message of each text."""
    await fill(archive)
    return archive


async def hits(archive: Archive, query: str, **more: object) -> list[str]:
    return [m.text for m in (await archive.search(query, **more)).items]  # type: ignore[arg-type]


@for_each(
    "query, expected",
    [
        ("reuniao", {0, 1}),
        ("REUNIÃO", {0, 1}),
        ("会议", {2}),
        ("東京", {3}),
        ("ありがとう", {3}),
        ("الاوسط", {4}),
        ("किताब", {5}),
        ("พรุ่งนี้", {6}),
        ("😂", {7}),
        ("👍", {8}),
        ("meet*", {9}),
        ('"is at noon"', {9}),
        ('"at is noon"', set()),
        ("INV-2024-00017", {10}),
        ("strasse fussball", {11}),
        ("don't cafe", {12}),
        ("елка", {13}),
        ("12:30", {14}),
        ("١٢", {14}),
        ("99", {15}),
        ("९ बजे", {16}),
        ("9", {16}),
        ("٢٠٢٤", {10}),
        ("reuniao -cancelada", {0}),
        ('is -"at noon"', {10}),
        ("nothing here", set()),
    ],
)
async def test_words_are_found_whatever_the_script(filled: Archive, query: str, expected: set[int]) -> None:
    assert set(await hits(filled, query)) == {TEXTS[n] for n in expected}


@for_each(
    "query, expected",
    [
        ("etin", {9}),
        ("uniao", {0, 1}),
        ("UNIÃO", {0, 1}),
        ("2024-0", {10}),
        ("50%", set()),
        ("_", set()),
        ("京に", {3}),
        ("etin OR 2024-0", {9, 10}),
        ("京に | etin noon", {9}),
    ],
)
async def test_the_inside_of_words_is_found_in_substring_mode(
    filled: Archive, query: str, expected: set[int]
) -> None:
    assert set(await hits(filled, query, mode="substring")) == {TEXTS[n] for n in expected}


async def test_the_hit_is_marked_in_a_snippet(archive: Archive) -> None:
    await fill(archive, ["word " * 60 + "the needle here " + "word " * 60, *TEXTS])
    (hit,) = (await archive.search("needle")).items
    assert hit.snippet is not None
    assert "the **needle** here" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert 250 < len(hit.snippet) < 330
    assert [m.snippet for m in (await archive.search("meet*")).items] == ["the **meeting** is at noon"]
    assert [m.snippet for m in (await archive.search("会议")).items] == ["我们明天开**会议**吗"]
    assert [m.snippet for m in (await archive.search("reuniao amanha")).items] == [
        "A **reunião** é **amanhã** às 10h"
    ]
    await archive.ingest(journal([ev.message("T99", "parcel PN-4471-DE at 19:45 sharp")], after=99))
    assert [m.snippet for m in (await archive.search("pn-4471-de 19:45")).items] == [
        "parcel **PN-4471-DE** at **19:45** sharp"
    ]
    assert [m.snippet for m in (await archive.search("etin", mode="substring")).items] == [
        "the me**etin**g is at noon"
    ]


async def people(archive: Archive) -> None:
    await archive.write(recording.record_groups, [GroupUpdate(GROUP, "Book Club")])
    image = E2E.Message()
    image.imageMessage.caption = "plan drawing"
    await archive.ingest(
        journal(
            [
                ev.message("P1", "plan from Ana", name="Ana Silva", alt=ANA_LID),
                ev.message("P2", "plan from Bob", chat=BOB, name="Bob", at=NOON + 86_400),
                ev.message("P3", "plan in the club", chat=GROUP, sender=ANA, at=NOON + 2 * 86_400),
                ev.message("P4", "plan of mine", sender=None, at=NOON + 3 * 86_400),
                ev.message("P5", image, chat=GROUP, sender=BOB, at=NOON + 4 * 86_400),
                ev.message("P6", "plan at https://example.org", chat=GROUP, sender=BOB, at=NOON + 5 * 86_400),
            ]
        )
    )


@pytest.fixture
async def with_people(archive: Archive) -> Archive:
    """An archive with plans of several people."""
    await people(archive)
    return archive


@for_each(
    "query, expected",
    [
        ("plan", "P6 P5 P4 P3 P2 P1"),
        ("plan from:ana", "P3 P1"),
        ('plan from:"Ana Silva" in:club', "P3"),
        ("plan from:me", "P4"),
        ("plan -from:bob", "P4 P3 P1"),
        ("plan in:bob", "P2"),
        ('plan in:"Book Club"', "P6 P5 P3"),
        ("plan from:+15550000002", "P6 P5 P2"),
        (f"plan from:{ANA_LID}", "P3 P1"),
        ("plan has:image", "P5"),
        ("has:images", "P5"),
        ("plan has:link", "P6"),
        ("plan -has:link has:media", "P5"),
        ("plan before:2023-11-16", "P2 P1"),
        ("plan after:2023-11-16 before:2023-11-18", "P4 P3"),
        ("after:2023-11-19", "P6"),
        ("plan is:mine", "P4"),
        ("is:unread in:bob", "P2"),
        ("-club plan", "P6 P5 P4 P2 P1"),
        ("drawing OR mine", "P5 P4"),
        ("drawing | mine OR https", "P6 P5 P4"),
        ("plan drawing OR mine OR club", "P5 P4 P3"),
        ('plan "from bob" OR mine -club', "P4 P2"),
        ("from:bob club OR drawing", "P5"),
        ("has:image OR has:link", "P6 P5"),
        ("mine OR has:image", "P5 P4"),
        ("has:link OR club", "P6 P3"),
        ("plan has:image OR is:mine", "P5 P4"),
        ("has:image OR mine OR has:link from:bob", "P6 P5"),
        ("plan -has:media OR drawing from:bob -has:link", "P5 P2"),
        ("OR plan", ""),
        ("mine OR", "P4"),
        ("-plan", ""),
        ("from:nobody", ""),
        ("has:nonsense", ""),
        ("plan before:whenever", ""),
    ],
)
async def test_operators_narrow_the_search(with_people: Archive, query: str, expected: str) -> None:
    page = await with_people.search(query)
    assert [message.message_id for message in page.items] == expected.split()


async def test_has_stands_beside_an_or_also_where_the_inside_of_words_is_found(archive: Archive) -> None:
    await people(archive)
    page = await archive.search("lub OR has:link", mode="substring")
    assert [message.message_id for message in page.items] == ["P6", "P3"]


@for_each(
    "query, rest",
    [
        ("plan has:image from:ana", "from:ana has:image"),
        ("plan OR has:image has:video OR is:mine -no", "has:video OR is:mine"),
        ("plan", ""),
    ],
)
def test_a_query_is_known_without_its_words(query: str, rest: str) -> None:
    assert parse(query).without_words == rest


async def test_a_search_in_a_chat_that_became_one_finds_what_was_indexed_before(archive: Archive) -> None:
    await archive.ingest(
        journal([ev.message("A1", "needle one"), ev.message("A2", "needle two", chat=ANA_LID, at=NOON + 1)])
    )
    await archive.write(recording.record_identities, [(ANA, ANA_LID)])
    found = await archive.search("needle", MessageFilter(chat=ANA))
    assert [m.message_id for m in found.items] == ["A2", "A1"]
    found = await archive.search("needle", MessageFilter(sender=ANA))
    assert len(found.items) == 2


@pytest.mark.parametrize("mode", ["words", "substring"])
async def test_pages_follow_one_another_and_stay_stable_under_new_messages(
    archive: Archive, mode: str
) -> None:
    await fill(archive, [f"common {n}" for n in range(25)])
    seen: list[str] = []
    cursor = None
    for turn in itertools.count(1):
        page = await archive.search("common", limit=10, cursor=cursor, mode=mode)  # type: ignore[arg-type]
        seen += [message.text for message in page.items]
        await archive.ingest(
            journal([ev.message(f"NEW{turn}", "common new", at=NOON + 999 + turn)], after=100 * turn)
        )
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"common {n}" for n in range(24, -1, -1)]


async def test_relevance_puts_the_best_match_first(archive: Archive) -> None:
    await fill(archive, ["plan plan plan", "a plan among many many other words here", "nothing"])
    page = await archive.search("plan", order="relevance")
    assert [m.text for m in page.items] == ["plan plan plan", "a plan among many many other words here"]


async def test_a_cursor_that_is_not_ours_says_what_to_do(archive: Archive) -> None:
    await fill(archive)
    page = await archive.search("is", limit=1)
    assert page.next_cursor is not None
    for cursor in ("garbage", "🎉", "bnVsbA", page.next_cursor[:-2], page.next_cursor + "x" * 5):
        with pytest.raises(InvalidArgument):
            await archive.search("is", limit=1, cursor=cursor)
    with pytest.raises(InvalidArgument):
        await archive.search("other words", cursor=page.next_cursor)
    with pytest.raises(InvalidArgument):
        await archive.search("is", limit=0)


async def test_a_cursor_goes_on_though_an_age_is_another_moment_on_each_page(archive: Archive) -> None:
    await fill(archive)
    start = datetime.fromtimestamp(NOON, UTC)
    first, second = (
        MessageFilter(since=start - age, until=start + timedelta(days=1) - age)
        for age in (timedelta(hours=1), timedelta(hours=1, seconds=-5))
    )
    page = await archive.messages(first, limit=5)
    following = await archive.messages(second, limit=5, cursor=page.next_cursor)
    assert [message.text for message in following.items] == TEXTS[-6:-11:-1]
    hits = await archive.search("is", first, limit=1)
    assert (await archive.search("is", second, limit=1, cursor=hits.next_cursor)).items


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                [
                    '"',
                    "*",
                    "-",
                    "(",
                    ")",
                    "AND",
                    "OR",
                    "NOT",
                    "NEAR",
                    "from:",
                    "in:",
                    "before:",
                    "^",
                    "{",
                    ":",
                    "x",
                    "会",
                    "😂",
                ]
            ),
            max_size=8,
        ).map(" ".join),
    ),
    mode=st.sampled_from(["words", "substring"]),
    order=st.sampled_from(["newest", "relevance"]),
)
async def test_no_query_is_an_error(archive: Archive, query: str, mode: str, order: str) -> None:
    if await archive.position() == 0:
        await fill(archive)
    await archive.search(query, mode=mode, order=order)  # type: ignore[arg-type]


@for_each("mode", ["words", "substring"])
@for_each(
    "query",
    ["at " * 5_000, "at OR " * 2_000 + "x", "-no " * 3_000, "from:ana " * 500, "会" * 20_000, "a." * 20_000],
)
async def test_a_query_of_thousands_of_words_is_no_error(filled: Archive, query: str, mode: str) -> None:
    found = await hits(filled, query, mode=mode)
    if query.startswith("at "):
        assert "the meeting is at noon" in found


async def test_of_many_hits_less_is_shown_around_each(archive: Archive) -> None:
    await fill(archive, [f"{n} " + "word " * 60 + "the needle here " + "word " * 60 for n in range(6)])
    for mode in ("words", "substring"):
        for hit in (await archive.search("needle", mode=mode)).items:  # type: ignore[arg-type]
            assert hit.snippet is not None
            assert "the **needle** here" in hit.snippet
            assert len(hit.snippet) < 160


async def test_a_word_as_long_as_a_message_makes_no_long_snippet(archive: Archive) -> None:
    await fill(archive, [f"before {'x' * 60_000} after"])
    for query, mode in (("x*", "words"), ("x" * 30_000, "substring")):
        (hit,) = (await archive.search(query, mode=mode)).items  # type: ignore[arg-type]
        assert hit.snippet is not None
        assert len(hit.snippet) < 350


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30))
async def test_every_word_of_a_text_finds_it(archive: Archive, text: str) -> None:
    position = await archive.position()
    wa_id = f"W{position}"
    await archive.ingest(journal([ev.message(wa_id, text, at=NOON + position)], after=position))
    for word in text.split():
        if tokens(word):
            found = await archive.search(f'"{word.replace(chr(34), " ")}"')
            assert wa_id in [message.message_id for message in found.items]


def test_a_query_is_taken_apart() -> None:
    query = parse('hello "two words" -no pre* from:ana -in:"Book Club" has:image 10:30 http://x.org')
    assert [term.tokens for term in query.terms] == [
        ("hello",),
        ("two", "words"),
        ("pre",),
        ("10", "30"),
        ("http", "x", "org"),
    ]
    assert [term.tokens for term in query.unwanted] == [("no",)]
    assert query.terms[2].prefix
    assert (query.senders, query.chats, query.has) == (
        [("ana", False)],
        [("Book Club", True)],
        [("image", False)],
    )
