"""The cost for a model to read a day of 600 messages in a busy group, and in a direct chat.

People write in turns of one to five messages, half a minute apart; 40 % is small talk. A quarter of the
account's messages belongs to other chats, which leaves gaps between the refs.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from whatsapp_mcp.models import Media, Message, MessageKind, Page, Quote, Reaction
from whatsapp_mcp.server.arguments.arguments import LONG_LIMIT
from whatsapp_mcp.server.fencing import Text
from whatsapp_mcp.server.render.data import messages_data
from whatsapp_mcp.server.render.text import LONG, messages_text

MESSAGES: Final = 600
SHORT_PAGE: Final = 200
"""Messages of an ordinary page."""
CODE: Final = "482913"
HEADER: Final = "Messages of “Boat club” (since Tue 2026-11-24)"
BEGIN: Final = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
GROUP: Final = "120363000000000003@g.us"
PEOPLE: Final = (
    "me", "Bob", "Ann Lee", "Marta Kowalska", "~Tom", "Jonas Berger", "Aunt Ruth", "Priya", "~Luis Fernández",
)  # fmt: skip
SMALL_TALK: Final = (
    "ok", "haha", "yes", "no", "👍", "thanks!", "on my way", "same here", "good idea", "really?", "😂😂",
    "perfect", "me too", "when?", "got it", "morning!", "great", "I'm in",
)  # fmt: skip
SENTENCES: Final = (
    "who is bringing the trailer on Saturday",
    "I can take four people from the station at half past eight",
    "the forecast says rain from noon, so better early",
    "did anybody call the harbour master about the berth",
    "yes he said we can have number 14 until Sunday evening",
    "can someone lend me a life jacket size M",
    "I transferred 35 euros for the fuel, please check",
    "Marta's train is 20 minutes late, start without us",
    "has anyone seen the key for the shed, it is not at its place",
    "the new sail costs 420 if we order before the 15th",
    "my sister wants to come along, is there still a seat",
    "the doctor moved the appointment to Thursday 10:40",
    "what do you think about the flat in Lime Street, 850 warm",
    "I am stuck in traffic, will be there around seven",
    "Tom asked whether we can help him move on the 28th",
    "note: the meeting point is the bridge, not the cafe",
)


def day(people: int, seed: int = 1) -> list[Message]:
    """The messages of a day, oldest first.

    Args:
        people: The authors, including the owner; two authors make a direct chat.
        seed: The seed of all random choices.
    """
    rng = random.Random(seed)
    messages: list[Message] = []
    ref, at, writer = 104_217, BEGIN, 0
    direct = people == 2
    while len(messages) < MESSAGES:
        writer = rng.choice([other for other in range(people) if other != writer])
        for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 2, 3, 3, 5))):
            messages.append(_message(rng, ref, at, writer, direct=direct))
            ref += 1 if rng.random() < 0.75 else rng.randint(2, 4)
            at += timedelta(seconds=2 + rng.expovariate(1 / 25))
        at += timedelta(seconds=rng.expovariate(1 / 40))
    return messages[:MESSAGES]


def _message(rng: random.Random, ref: int, at: datetime, writer: int, *, direct: bool) -> Message:
    """One message: some have a file, quote another or have a reaction."""
    name = PEOPLE[writer]
    chance = rng.random()
    file = chance < 0.06
    jid = f"1555{writer:07d}@s.whatsapp.net"
    text = rng.choice(SMALL_TALK if rng.random() < 0.4 else SENTENCES)
    return Message(
        ref=ref,
        message_id=f"3EB0{ref:016X}",
        chat="15550000001@s.whatsapp.net" if direct else GROUP,
        chat_name="Bob" if direct else "Boat club",
        sender=jid,
        sender_name=name.removeprefix("~"),
        from_me=writer == 0,
        kind=MessageKind.IMAGE if file else MessageKind.TEXT,
        text="" if file else text,
        timestamp=at,
        media=Media(size=rng.randint(60, 900) * 1000) if file else None,
        quote=Quote("Q", ref - rng.randint(1, 9), "Bob", "") if 0.06 < chance < 0.18 else None,
        reactions=(Reaction("👍", "Bob"),) if 0.18 < chance < 0.24 else (),
        sender_stranger=name.startswith("~"),
    )


def whole(messages: list[Message]) -> list[str]:
    """The same page with a full head on each line, as in short lists."""
    pages: list[str] = []
    for start in range(0, len(messages), SHORT_PAGE):
        page = messages[start : start + SHORT_PAGE]
        lines: list[str] = []
        for part in range(0, len(page), LONG):
            day_of_it, *rest = _text(page[part : part + LONG]).lines
            lines += rest if lines else [day_of_it, *rest]
        pages.append(Text(f"{HEADER}:", lines).rendered(CODE))
    return pages


def compacted(messages: list[Message]) -> list[str]:
    """The pages of `list_messages` with its highest limit."""
    return [
        _text(messages[start : start + LONG_LIMIT]).rendered(CODE)
        for start in range(0, len(messages), LONG_LIMIT)
    ]


def _text(messages: list[Message]) -> Text:
    return messages_text(messages_data(Page(tuple(messages)), UTC, of_one_chat=True), header=HEADER)
