"""Tokens of a list's text, compared with the answer of lharries/whatsapp-mcp for the same messages and chats.

The other answers are reconstructed from the documented line formats: a message is
`[time] Chat: NAME From: NAME: text`, by default with one message before and after each; a chat is a JSON
object. Tokens are characters divided by four.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks.verdicts import judged
from whatsapp_mcp.models import Chat, ChatKind, LastMessage, Message, MessageKind, Page
from whatsapp_mcp.server.fencing import new_code
from whatsapp_mcp.server.render.data import chats_data, messages_data
from whatsapp_mcp.server.render.text import chats_text, messages_text
from whatsapp_mcp.server.render.times import stamp

NOW: Final = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
TEXTS: Final = (
    "Are you coming on Saturday?",
    "Yes, at eight. Shall I bring something?",
    "The boat needs paint, and somebody has to look after the engine before the season begins.",
    "ok",
    "We decided to paint it blue",
)


def message(number: int) -> Message:
    """A message of an evening's conversation between two people."""
    mine = number % 3 == 0
    return Message(
        ref=1000 + number,
        message_id=f"3EB0{number:018X}",
        chat="15550002222@s.whatsapp.net",
        chat_name="Ann Lee",
        sender="15550001111@s.whatsapp.net" if mine else "15550002222@s.whatsapp.net",
        sender_name="Me" if mine else "Ann Lee",
        from_me=mine,
        kind=MessageKind.TEXT,
        text=TEXTS[number % len(TEXTS)],
        timestamp=NOW - timedelta(minutes=60 - number),
    )


def theirs(item: Message) -> str:
    """The other server's line for a message."""
    who = "Me" if item.from_me else item.sender_name
    return f"[{item.timestamp:%Y-%m-%d %H:%M:%S}] Chat: {item.chat_name} From: {who}: {item.text}\n"


def chat(number: int) -> Chat:
    """One of many chats."""
    return Chat(
        jid=f"1555000{number:04}@s.whatsapp.net",
        name=f"Person Number {number}",
        kind=ChatKind.DIRECT,
        unread=number % 3,
        last_message_at=NOW - timedelta(hours=number),
        last_message=LastMessage(MessageKind.TEXT, TEXTS[number % len(TEXTS)], from_me=number % 3 == 0),
    )


def their_chat(item: Chat) -> dict[str, object]:
    """The other server's object for a chat."""
    assert item.last_message_at is not None
    assert item.last_message is not None
    return {
        "jid": item.jid,
        "name": item.name,
        "last_message_time": item.last_message_at.isoformat(),
        "last_message": item.last_message.text,
        "last_sender": item.jid.partition("@")[0],
        "last_is_from_me": item.last_message.from_me,
    }


def main() -> int:
    """Print both sizes and their ratios; 1 if a limit does not hold."""
    messages = [message(number) for number in range(60)]
    shown = messages[20:40]
    ours = len(
        messages_text(
            messages_data(Page(tuple(shown)), UTC, of_one_chat=True), header="Messages of Ann Lee"
        ).rendered(new_code())
    )
    plain = sum(len(theirs(item)) for item in shown)
    default = sum(len(theirs(messages[at])) for hit in range(20, 40) for at in (hit - 1, hit, hit + 1))
    print(f"20 messages: ours {ours // 4}, theirs {plain // 4} without context, {default // 4} by default")
    holds = verdict("of its default answer", ours / default, 0.40)
    holds &= verdict("of its answer without context", ours / plain, 0.80)
    chats = [chat(number) for number in range(50)]
    ours = len(chats_text(chats_data(Page(tuple(chats)), UTC), stamp(NOW, UTC)).rendered(new_code()))
    listed = len(json.dumps([their_chat(item) for item in chats], indent=2))
    print(f"50 chats: ours {ours // 4}, theirs {listed // 4}")
    holds &= verdict("of its answer", ours / listed, 0.40)
    return not holds


def verdict(what: str, ratio: float, limit: float) -> bool:
    """Print whether the ratio is within its limit."""
    print(f"{judged(ratio <= limit)}  {what:30}{ratio:5.2f}   at most {limit}")
    return ratio <= limit


if __name__ == "__main__":
    sys.exit(main())
