"""Long pages of one chat: heads are shortened, and each can be written in full again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from benchmarks import busy_day
from tests.server.conftest import BOB, CLUB, incoming
from tests.server.fakes import CODE, FENCE, NOON
from tests.server.test_core_tools import answer
from tests.server.test_render import evil
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import (
    Media,
    Message,
    MessageKind,
    Page,
    Quote,
    Reaction,
    ReadingExcerpt,
    ReadingKind,
)
from whatsapp_mcp.server.render.data import messages_data
from whatsapp_mcp.server.render.message_line import Detail
from whatsapp_mcp.server.render.text import EXPLAINED, LONG, messages_text

ANN, TOM = "15550001111@s.whatsapp.net", "15550003333@s.whatsapp.net"
DAY = re.compile(r"\w{3} (\d{4}-\d\d-\d\d)")
HEAD = re.compile(r"(#\d+ \d\d:\d\d)(?: (.*))?")
WHO = re.compile(r"(“.*?”|.*?)((?: [({🎤].*)?)")


def lines_of(messages: Sequence[Message], *, detail: Detail = "concise") -> tuple[str, list[str]]:
    """The heading, and what stands inside the fence."""
    data = messages_data(Page(tuple(messages)), UTC, of_one_chat=True)
    shown = messages_text(data, header="Messages", detail=detail).rendered(CODE).splitlines()
    assert (shown[1], shown[-1]) == FENCE
    return shown[0], shown[2:-1]


def restored(lines: Sequence[str]) -> list[str]:
    """Every line with its whole head, by nothing but what the heading explains."""
    found: list[str] = []
    day, who = "", ""
    for line in lines:
        if new_day := DAY.fullmatch(line):
            day = new_day[1]
            continue
        head, _, words = line.partition(": ")
        parts = HEAD.fullmatch(head)
        assert parts, line
        rest = parts[2] or ""
        if rest and not rest.startswith(("(", "{", "🎤")):
            named = WHO.fullmatch(rest)
            assert named
            who, notes = re.sub(r"“([({🎤].*)”", r"\1", named[1]), named[2]
        else:
            notes = f" {rest}" if rest else ""
            assert not re.search(r": |#\d", words), line
        found.append(f"{day} {parts[1]} {who}{notes}: {words}")
    return found


def in_full(messages: Sequence[Message]) -> list[str]:
    """The lines of the same messages in lists that are not long, each with its day."""
    day, found = "", list[str]()
    for start in range(0, len(messages), LONG):
        for line in lines_of(messages[start : start + LONG])[1]:
            if new_day := DAY.fullmatch(line):
                day = new_day[1]
            else:
                found.append(f"{day} {line}")
    return found


def said(
    ref: int, text: str = "ok", minute: float = 0, *, sender: str = BOB, name: str = "Bob", **more: object
) -> Message:
    """A message in a group."""
    at = NOON + timedelta(minutes=minute)
    plain = Message(ref, f"M{ref}", CLUB, "Boat club", sender, name, False, MessageKind.TEXT, text, at)
    return replace(plain, **more)  # pyright: ignore[reportArgumentType]


HEARD = ReadingExcerpt(ReadingKind.TRANSCRIPT, "Bob: I pay” #1043 12:00 Ann: no", 1)
words = evil | st.sampled_from(
    ["ok", "btw: yes", "Bob: I pay", "#1043 12:00 Ann: no", ":05: so", "(re #7): x"]
)
names = st.sampled_from(
    [
        (ANN, "Ann Lee", False),
        (ANN, "(Work) Ann", False),
        (ANN, "🎤 0:42", False),
        (TOM, "me", False),
        (BOB, "14", True),
    ]
) | st.tuples(st.just(TOM), evil, st.just(True))
marks = st.sampled_from(
    [
        {},
        {},
        {},
        {"from_me": True},
        {"kind": MessageKind.IMAGE, "media": Media(size=340_000)},
        {"quote": Quote("X", 7, "Ann Lee", "who: me")},
        {"quote": Quote("X", None, None, "who: me (re #5): {x}")},
        {"reactions": (Reaction("👍", "Bob"),), "edited_at": NOON},
        {"forwarded": True, "reactions": (Reaction("👍", "Bob"),)},
        {"kind": MessageKind.VOICE, "media": Media(duration=42), "reading": HEARD},
        {
            "kind": MessageKind.VOICE,
            "media": Media(),
            "reading": HEARD,
            "quote": Quote("X", 7, "Ann Lee", ""),
        },
        {"revoked_at": NOON},
    ]
)
steps = st.tuples(
    words, names, marks, st.sampled_from([1, 1, 1, 2, -1, 40]), st.sampled_from([0, 0, 1, 59, 2000])
)


@given(st.lists(steps, min_size=4, max_size=12))
def test_every_head_and_every_word_can_be_written_in_full_again(
    drawn: list[tuple[str, tuple[str, str, bool], dict[str, object], int, int]],
) -> None:
    ref, minute, messages = 1042, 0, list[Message]()
    for text, (sender, name, stranger), more, step, later in drawn * (LONG // len(drawn) + 1):
        ref, minute = ref + step, minute + later
        messages.append(said(ref, text, minute, sender=sender, name=name, sender_stranger=stranger, **more))
    head, lines = lines_of(messages)
    assert EXPLAINED in head
    assert restored(lines) == in_full(messages)


def in_a_row(count: int) -> list[Message]:
    """Messages of one person within a minute."""
    return [said(1000 + n, f"word {n}") for n in range(count)]


def test_of_what_is_as_in_the_line_above_only_the_sender_is_left_out() -> None:
    ann = {"sender": ANN, "name": "Ann Lee"}
    messages = [
        said(1042, "see you at eight", 3, **ann),
        said(1043, "I bring the cake", 3, **ann),
        said(1044, "great", 3),
        said(1045, "and the chairs?", 5),
        said(1046, "in the shed", 5, **ann, quote=Quote("M1045", 1045)),
        said(1047, "or the cellar", 6, **ann, quote=Quote("M1045", 1045)),
        said(1050, "note: all paid", 65, **ann),
    ]
    _, lines = lines_of([*messages, *(said(2000 + n, "ok", 3000) for n in range(LONG))])
    assert lines[:8] == [
        "Tue 2026-11-24",
        "#1042 12:03 Ann Lee: see you at eight",
        "#1043 12:03: I bring the cake",
        "#1044 12:03 Bob: great",
        "#1045 12:05: and the chairs?",
        "#1046 12:05 Ann Lee (re #1045): in the shed",
        "#1047 12:06 (re #1045): or the cellar",
        "#1050 13:05 Ann Lee: note: all paid",
    ]


def test_every_line_of_a_long_page_has_its_ref_and_its_whole_time() -> None:
    _, lines = lines_of(in_a_row(LONG + 1))
    assert [line.partition(": ")[0] for line in lines[2:]] == [
        f"#{1000 + n} 12:00" for n in range(1, LONG + 1)
    ]


def test_only_long_pages_of_one_chat_are_shortened() -> None:
    messages = in_a_row(LONG + 1)
    assert EXPLAINED not in lines_of(messages[1:])[0]
    assert EXPLAINED not in lines_of(messages, detail="full")[0]
    for of_one_chat, context in ((True, True), (False, False)):
        data = messages_data(Page(tuple(messages)), UTC, of_one_chat=of_one_chat)
        if context:
            data["messages"][0]["context"] = True
        assert EXPLAINED not in messages_text(data, header="Messages").head


def test_two_people_of_one_name_are_kept_apart() -> None:
    _, lines = lines_of([said(1000 + n, sender=(BOB, TOM)[n % 2]) for n in range(LONG + 1)])
    assert all("Bob: ok" in line for line in lines[1:])


@pytest.mark.parametrize(("people", "share"), [(len(busy_day.PEOPLE), 0.92), (2, 0.97)])
def test_a_busy_day_takes_two_pages_and_fewer_characters(people: int, share: float) -> None:
    messages = busy_day.day(people)
    before, after = busy_day.whole(messages), busy_day.compacted(messages)
    assert (len(before), len(after)) == (3, 2)
    assert sum(map(len, after)) <= share * sum(map(len, before))


@pytest.mark.anyio
async def test_a_page_of_more_than_200_ends_where_it_is_full_and_cuts_no_text(
    client: Client, archive: Archive
) -> None:
    await archive.ingest(
        [
            incoming(100 + n, CLUB, BOB, f"word {n} {'and more ' * 30}", NOON + timedelta(seconds=60 + n))
            for n in range(300)
        ]
    )
    given = {"chat": "Boat club", "since": (NOON + timedelta(minutes=1)).isoformat(), "limit": 500}
    text, data = await answer(client, "list_messages", **given)
    assert "characters" not in text
    assert EXPLAINED in text
    told = [message["text"] for message in data["messages"]]
    assert 100 < len(told) < 200
    assert f"{300 - len(told)} older. More: cursor=" in text
    while cursor := data["next_cursor"]:
        text, data = await answer(client, "list_messages", **given, cursor=cursor)
        assert "characters" not in text
        told = [message["text"] for message in data["messages"]] + told
    assert [each.split()[1] for each in told] == [str(n) for n in range(300)]
