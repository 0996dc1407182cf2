"""A day of 2,000 messages in 40 chats, with facts that a person has marked as mattering.

`day_texts/facts.txt` has the conversations, a fact to a line: `chat | label | turns`. The chat is `d NAME` or
`g NAME`, the label `me` or `them` (who owes an answer), `promise me` or `promise them`, or `day` with the day
and time that is named; `*` marks the message. `day_texts/chatter.txt` is what is said around, to a line one
message, or a question and its answers. Lines of even number were at hand while the digest was written, those
of odd number are held out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.archive import events as ev
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import ContactUpdate, GroupUpdate
from whatsapp_mcp.protobufs import E2E

MESSAGES: Final = 2_000
MORNING: Final = datetime(2026, 11, 26, 7, 0, tzinfo=UTC)
EVENING: Final = datetime(2026, 11, 26, 22, 0, tzinfo=UTC)
DIRECT: Final = 0.3
"""Of what is said around, how much is said in direct chats."""
_ME: Final = "15550001111"
_FOLDER: Final = Path(__file__).parent / "day_texts"


@dataclass(frozen=True, slots=True)
class MarkedFact:
    """Something that matters: in the chat of this name a message says it."""

    chat: str
    label: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the day: the chat, who writes (None: the owner), what."""

    chat: str
    sender: str | None
    text: str
    mentions_me: bool = False


def _jid(chat: str) -> str:
    number = sum(ord(char) * 31**place for place, char in enumerate(chat)) % 10**7
    return f"120363{number:012}@g.us" if chat.startswith("g ") else _person(chat[2:])


def _person(name: str) -> str:
    return f"1555{sum(ord(char) * 31**place for place, char in enumerate(name)) % 10**7:07}@s.whatsapp.net"


def marked() -> tuple[list[MarkedFact], dict[str, list[Said]]]:
    """The facts, and the conversation of each chat."""
    facts: list[MarkedFact] = []
    talks: dict[str, list[Said]] = {}
    for line, row in enumerate((_FOLDER / "facts.txt").read_text(encoding="utf-8").splitlines()):
        chat, label, turns = (part.strip() for part in row.split(" | ", 2))
        talk = talks.setdefault(chat, [])
        for turn in turns.split(" / "):
            who, _, text = turn.strip().partition(": ")
            said = Said(chat, *_speaker(chat, who.lstrip("*"), text))
            if said not in talk:
                talk.append(said)
            if who.startswith("*"):
                facts.append(MarkedFact(chat, label, said.text, line))
    return facts, talks


def _speaker(chat: str, who: str, text: str) -> tuple[str | None, str, bool]:
    if who == "M":
        return None, text, False
    mentions = "@me" in text
    return (_jid(chat) if who == "T" else _person(who)), text.replace("@me", f"@{_ME}"), mentions


def said(seed: int = 1) -> list[Said]:
    """All messages of the day, in order: the marked conversations between other people's small talk."""
    chance = random.Random(seed)
    _, talks = marked()
    chatter = [
        line.split(" | ") for line in (_FOLDER / "chatter.txt").read_text(encoding="utf-8").splitlines()
    ]
    groups = [f"g Group {number}" for number in range(8)] + [chat for chat in talks if chat.startswith("g ")]
    people, friends = [[f"{word} {number}" for number in range(40)] for word in ("Person", "Friend")]
    blocks: list[list[Said]] = []
    left = MESSAGES - sum(map(len, talks.values()))
    while left > 0:
        lines = chance.choice(chatter)[:left]
        if chance.random() < DIRECT:
            chat = f"d {chance.choice(friends)}"
            blocks.append(
                [Said(chat, None if place % 2 else _jid(chat), line) for place, line in enumerate(lines)]
            )
        else:
            chat = chance.choice(groups)
            blocks.append([Said(chat, _person(chance.choice(people)), line) for line in lines])
        left -= len(lines)
    chance.shuffle(blocks)
    for talk in talks.values():
        # In order, but spread: what is marked at the end of a chat is not followed by more of its own talk.
        places = sorted(chance.sample(range(len(blocks)), len(talk)))
        for place, one in zip(places, talk, strict=True):
            blocks[place] = [one, *blocks[place]]
    return [one for block in blocks for one in block]


async def fill(archive: Archive, said: Iterable[Said]) -> None:
    """Archive them between `MORNING` and `EVENING`; everybody is in the address book."""
    every = list(said)
    await archive.set_own(f"{_ME}@s.whatsapp.net", None, "Me")
    chats = {one.chat for one in every}
    people = {each.sender for each in every if each.sender} | {_jid(chat) for chat in chats if chat[0] == "d"}
    names = {_jid(chat): chat[2:] for chat in chats if chat[0] == "d"}
    await archive.record_contacts(
        [ContactUpdate(jid, saved_name=names.get(jid, f"Contact {jid[4:11]}")) for jid in sorted(people)]
    )
    await archive.record_groups(
        [GroupUpdate(_jid(chat), chat[2:]) for chat in sorted(chats) if chat[0] == "g"]
    )
    step = (EVENING - MORNING) / (len(every) + 1)
    after = await archive.position()
    events = [
        ev.message(
            f"DAY{number}",
            _body(one),
            chat=_jid(one.chat),
            sender=one.sender,
            at=int((MORNING + step * number).timestamp()),
        )
        for number, one in enumerate(every)
    ]
    await archive.ingest(ev.journal(events, after))


def _body(said: Said) -> E2E.Message:
    if not said.mentions_me:
        return E2E.Message(conversation=said.text)
    body = E2E.Message()
    body.extendedTextMessage.text = said.text
    body.extendedTextMessage.contextInfo.mentionedJID.append(f"{_ME}@s.whatsapp.net")
    return body


def told(facts: Iterable[MarkedFact], text: str) -> list[MarkedFact]:
    """Those of the facts that a digest's text tells: under its chat a line with the label and the words."""
    return [fact for fact in facts if any(_tells(line, fact) for line in _lines_of(text, fact.chat[2:]))]


def _lines_of(text: str, chat: str) -> list[str]:
    found: list[str] = []
    inside = False
    for line in text.splitlines():
        if not line.startswith("#"):
            inside = line.startswith((f"{chat},", f"{chat} (group),"))
        elif inside:
            found.append(line)
    return found


def _tells(line: str, fact: MarkedFact) -> bool:
    head, _, words = line.partition(": ")
    kind, _, rest = fact.label.partition(" ")
    shown = words.split("…")[0] or words.lstrip("…")
    if kind == "day":
        said = fact.text
        return rest in head and _alike(shown, said)
    mark = {"me": ", to answer", "them": ", unanswered", "promise": ", promised"}[kind]
    return mark in head and _alike(shown, fact.text)


def _alike(shown: str, text: str) -> bool:
    """Whether a line shows the beginning of a text, or a part of it."""
    plain = text.replace(f"@{_ME}", "")
    return bool(shown.strip()) and (shown.strip()[:25] in text or plain.strip()[:15] in shown)
