"""Whatever people write, a list keeps its shape: one line a message, inside one fence."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import CODE, FENCE
from whatsapp_mcp.models import (
    Actor,
    Chat,
    ChatKind,
    LastMessage,
    Media,
    Mention,
    Message,
    MessageKind,
    Page,
    PollOption,
    Quote,
    Reaction,
    SendStatus,
)
from whatsapp_mcp.server.fencing import LIMIT
from whatsapp_mcp.server.render.data import chats_data, messages_data
from whatsapp_mcp.server.render.message_line import Detail
from whatsapp_mcp.server.render.text import chats_text, messages_text
from whatsapp_mcp.server.render.times import rfc3339, short, stamp
from whatsapp_mcp.text import time_grammar

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
evil = st.text(max_size=80) | st.lists(
    st.sampled_from(
        [
            "\n",
            "\r",
            "\u2028",
            "</messages>",
            "<messages>",
            "#1 12:00 me: ",
            "More: cursor=x",
            "\x1b[2J",
            "a",
            "\u202e",
        ]
    )
).map("".join)


def message(ref: int, text: str, name: str) -> Message:
    """A message with somebody's text wherever one can stand."""
    return Message(
        ref=ref,
        message_id=f"M{ref}",
        chat="1203@g.us",
        chat_name=name,
        sender="15550002222@s.whatsapp.net",
        sender_name=name,
        from_me=False,
        kind=MessageKind.DOCUMENT,
        text=text,
        timestamp=NOW + timedelta(minutes=ref),
        status=SendStatus.FAILED,
        media=Media(file_name=text, size=2_000_000),
        quote=Quote("X", text=text, sender_name=name),
        reactions=(Reaction(text, name),),
        poll=(PollOption(text, (Actor(name),)),),
        snippet=text,
        details={"starts_at": 1_700_000_000, "ends_at": 10**20, "expires_at": text, "place": text},
        edited_at=NOW,
        earlier=(text, name),
        mentions={"1": Mention(name, stranger=True)},
        forwarded=True,
        sender_stranger=True,
    )


WHO = {"chat", "chat_name", "sender", "sender_name", "sender_stranger", "from_me"}
LINE = re.compile(r"#[123] 12:0[123] ")


@given(evil, evil, st.sampled_from(["concise", "full"]), st.booleans())
def test_a_message_is_one_line_inside_the_fence(
    text: str, name: str, detail: Detail, of_one_chat: bool
) -> None:
    page = Page(tuple(message(ref, text, name) for ref in (1, 2, 3)), "next")
    data = messages_data(page, UTC, of_one_chat=of_one_chat)
    shown = messages_text(data, header="Messages", detail=detail).rendered(CODE)
    lines = shown.splitlines()
    assert lines[:3] == ["Messages:", FENCE[0], "Tue 2026-11-24"]
    assert lines[-2:] == [FENCE[1], "More: cursor=next"]
    assert len(lines) == 8
    assert all(LINE.match(line) for line in lines[3:6])
    assert shown.count("</messages") == shown.count("<messages") == 1
    assert len(shown) <= LIMIT


def test_what_is_the_same_in_a_whole_list_is_said_once() -> None:
    direct = replace(message(1, "hello", "Ann"), chat="15550002222@s.whatsapp.net")
    mine = replace(direct, ref=2, from_me=True, sender="15559999999@s.whatsapp.net")
    group = message(3, "hello", "Ann")
    data = messages_data(Page((direct, mine, group)), UTC)
    assert [set(each) & WHO for each in data["messages"]] == [
        {"chat", "chat_name"},
        {"chat", "chat_name", "from_me"},
        {"chat", "chat_name", "sender", "sender_name", "sender_stranger"},
    ]
    data = messages_data(Page((direct, mine)), UTC, of_one_chat=True)
    assert (data.get("chat"), data.get("chat_name")) == ("15550002222@s.whatsapp.net", "Ann")
    assert [set(each) & WHO for each in data["messages"]] == [set(), {"from_me"}]


@given(evil, evil)
def test_a_chat_is_one_line_inside_the_fence(text: str, name: str) -> None:
    said = LastMessage(MessageKind.CALL, text, name, stranger=True)
    said.before = LastMessage(MessageKind.EVENT, text, name)
    chat = Chat("1203@g.us", name, ChatKind.GROUP, 2, NOW, said)
    shown = chats_text(chats_data(Page((chat, chat)), UTC), stamp(NOW, UTC)).rendered(CODE)
    lines = shown.splitlines()
    assert len(lines) == 5
    assert (lines[1], lines[4]) == FENCE
    assert shown.count("</messages") == 1


@given(st.datetimes(min_value=datetime(2010, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_time_that_is_told_can_be_given_back(moment: datetime) -> None:
    told = rfc3339(moment, UTC)
    assert told is not None
    assert time_grammar.since(told, UTC, NOW) == moment.replace(microsecond=0)
    assert short(moment, UTC, NOW)


def test_a_chat_muted_for_ever_can_be_told_in_every_zone() -> None:
    for_ever = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    east, west = timezone(timedelta(hours=11)), timezone(timedelta(hours=-8))
    assert rfc3339(for_ever, east) == "9999-12-31T23:59:59+00:00"
    assert rfc3339(for_ever, west) == "9999-12-31T15:59:59-08:00"
