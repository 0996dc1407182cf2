"""A digest as a model reads it: the newest lines of each chat, in a fixed budget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Final

from typing_extensions import TypedDict

from whatsapp_mcp.models import NEW_COUNTED, Digest, MessageFilter
from whatsapp_mcp.server.fencing import Text, length
from whatsapp_mcp.server.render.data import MessageData, message_data
from whatsapp_mcp.server.render.message_line import View, body_of, chat_of, notes_of, sender_of
from whatsapp_mcp.server.render.text import narrowed
from whatsapp_mcp.server.render.times import short_stamp, stamp

BUDGET: Final = 6_000
"""Characters of a digest: about 1,500 tokens of English."""
_AROUND: Final = 300
"""Characters of the heading, the fence and the note around the lines."""
_SIZES: Final = ((5, 200), (3, 120), (2, 90), (1, 70))
"""Lines of each chat, and characters of each text, until all chats fit."""
_WHOLE_LINE: Final = 400
"""Characters of a line: names, marks and what stands for files are short, but not counted in its text."""


class NewsData(TypedDict):
    """A chat: how many messages are new, and the newest of them, oldest first."""

    new: int
    messages: list[MessageData]


class DigestData(TypedDict):
    """Messages since a time, the chat with the newest message first; `others` counts further chats."""

    since: str
    chats: list[NewsData]
    others: int


def digest_shown(digest: Digest, since: datetime, now: datetime, zone: tzinfo) -> tuple[Text, DigestData]:
    """A digest as text and as data, both of the same messages."""
    header = f"Said in chats and groups{narrowed(MessageFilter(since=since), zone)}, the newest first"
    today = stamp(now, zone)
    chats = [
        NewsData(new=digest.new[jid], messages=[message_data(message, zone) for message in each])
        for jid, each in groupby(digest.messages, key=lambda message: message.chat)
    ]
    blocks: list[list[str]] = []
    kept, fits = chats, 0
    for most, width in _SIZES:
        kept = [NewsData(new=chat["new"], messages=chat["messages"][-most:]) for chat in chats]
        blocks = [_block(chat, today, width) for chat in kept]
        if (fits := _fitting(blocks)) == len(blocks):
            break
    others = len(digest.others) + len(blocks) - fits
    data = DigestData(since=stamp(since, zone), chats=kept[:fits], others=others)
    if not fits:
        return Text(f"{header}: nothing."), data
    note = [f"({others} more chat{'' if others == 1 else 's'}: list_chats shows them.)"] if others else []
    return Text(f"{header}:", [line for block in blocks[:fits] for line in block], note), data


def _fitting(blocks: Sequence[Sequence[str]]) -> int:
    """Return the number of chats that fit the budget."""
    room = BUDGET - _AROUND
    for count, block in enumerate(blocks):
        if (room := room - length(block)) < 0:
            return count
    return len(blocks)


def _block(chat: NewsData, today: str, width: int) -> list[str]:
    """`Boat club, 12 new` above its lines, such as `#1042 14:03 Ann: see you at eight`."""
    new, messages = chat["new"], chat["messages"]
    view = View(False, width, "")
    heading = f"{chat_of(messages[0])}, {new}{'+' if new == NEW_COUNTED else ''} new"
    return [heading, *(_line(message, today, view) for message in messages)]


def _line(message: MessageData, today: str, view: View) -> str:
    """Return the line of a message; the other person of a direct chat is named in the heading above."""
    who = f" {sender_of(message, message)[0]}" if "from_me" in message or "sender" in message else ""
    sent_at = short_stamp(message["timestamp"], today)
    line = f"{message['ref']} {sent_at}{who}{notes_of(message, view)}: {body_of(message, message, view)}"
    return line if len(line) <= _WHOLE_LINE else f"{line[:_WHOLE_LINE]}…"
