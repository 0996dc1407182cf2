"""A phone full of chats, from a seed: what its database is filled with, and what has to be read out of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.features.imports.backups.iphone import (
    V2016,
    V2025,
    ChatStorage,
    Receipts,
    Version,
    media_key,
    quote,
)
from whatsapp_mcp.models import (
    ForeignFile,
    ForeignMessage,
    ForeignReaction,
    ForeignVote,
    MessageKind,
)

_BEGAN: Final = 1_400_000_000
_WORDS: Final = (
    "the boat leaves at seven, bring bread and a map; see you at the harbour 🌊 مرحبا 你好".split()
)
_EMOJI: Final = ("👍", "❤️", "😂", "🙏🏽")


@dataclass
class Phone:
    """What has to be read.

    Attributes:
        path: The database.
        messages: Those of it, in order.
    """

    path: Path
    messages: list[ForeignMessage] = field(default_factory=list[ForeignMessage])


@dataclass(frozen=True)
class _Chat:
    number: int
    jid: str
    members: tuple[tuple[int, str], ...] = ()


def phone(path: Path, seed: int, count: int, version: Version = V2025) -> Phone:
    """Write a database with so many messages of all kinds.

    Args:
        path: The file, which is not there yet.
        seed: Of everything in it.
        count: How many messages.
        version: Of the database. An old one has no LIDs, stars or answers.
    """
    chance = random.Random(seed)
    found = Phone(path)
    with ChatStorage(path, version) as storage:
        chats = _chats(storage, chance, version)
        for number in range(count):
            chat = chance.choice(chats)
            member, sender = chance.choice(chat.members) if chat.members else (None, chat.jid)
            from_me = chance.random() < 0.4
            at = _BEGAN + number * chance.randrange(1, 400)
            head = ForeignMessage(
                f"3A{chance.getrandbits(72):018X}", chat.jid, None if from_me else sender, at
            )
            say = chance.choices(list(_KINDS), list(_KINDS.values()))[0]
            written, message = say(chance, head, version)
            if version is not V2016 and chance.random() < 0.05:
                written["starred"], message = 1, replace(message, starred=True)
            values: dict[str, Any] = {"isfromme": int(from_me), "groupmember": None if from_me else member}
            storage.message(chat.number, head.id, at, **(values | written))
            found.messages.append(message)
    return found


def _chats(storage: ChatStorage, chance: random.Random, version: Version) -> list[_Chat]:
    people = [f"1555{number:07}@s.whatsapp.net" for number in range(60)]
    if version is V2025:
        people = [f"1{number:014}@lid" if number % 3 else person for number, person in enumerate(people)]
    found = [_Chat(storage.chat(person, f"Person {number}"), person) for number, person in enumerate(people)]
    for number in range(12):
        jid = f"12036300{number:010}@g.us"
        group = storage.chat(jid, f"Group {number}")
        members = tuple((storage.member(group, person), person) for person in chance.sample(people, 8))
        found.append(_Chat(group, jid, members))
    return found


_Said = tuple[dict[str, Any], ForeignMessage]


def _words(chance: random.Random) -> str:
    return " ".join(chance.choices(_WORDS, k=chance.randrange(1, 18)))


def _text(chance: random.Random, head: ForeignMessage, _: Version) -> _Said:
    text = _words(chance)
    forwarded = chance.random() < 0.1
    flags = 1 << 24 | (1 << 7 if forwarded else 0)
    return {"text": text, "flags": flags}, replace(head, text=text, forwarded=forwarded)


def _answer(chance: random.Random, head: ForeignMessage, version: Version) -> _Said:
    text, answered, copied = _words(chance), f"3EB0{chance.getrandbits(64):016X}", _words(chance)
    written = {"text": text, "media": {"metadata": quote(answered, None, copied)}}
    if version is V2016:
        return written, replace(head, text=text)
    details = {"quote": {"sender": None, "text": copied}}
    return written, replace(head, text=text, reply_to=answered, details=details)


def _reacted(chance: random.Random, head: ForeignMessage, _: Version) -> _Said:
    text, at_ms = _words(chance), (head.at + 5) * 1000
    given = [
        ("R1", None, chance.choice(_EMOJI), at_ms),
        ("R2", "15550000001@s.whatsapp.net", "👍", at_ms + 1),
    ]
    reactions = tuple(ForeignReaction(sender, emoji, when) for _, sender, emoji, when in given)
    return {"text": text, "receipts": Receipts(given).blob()}, replace(head, text=text, reactions=reactions)


def _picture(chance: random.Random, head: ForeignMessage, version: Version) -> _Said:
    name, size = f"{chance.getrandbits(64):016x}", chance.randrange(1, 9_000_000)
    key, digest = chance.randbytes(32), chance.randbytes(32)
    media = {
        "medialocalpath": f"Media/{head.chat}/{name[0]}/{name[1]}/{name}.jpg",
        "filesize": size,
        "latitude": 1200.0,
        "longitude": 800.0,
        "vcardstring": "image/jpeg",
        "mediakey": media_key(key, digest),
    }
    has_keys = version is not V2016
    file = ForeignFile(
        "image",
        mime_type="image/jpeg",
        size=size,
        width=1200,
        height=800,
        media_key=key if has_keys else None,
        enc_sha256=digest if has_keys else None,
        path=f"Message/{media['medialocalpath']}",
    )
    return {"kind": 1, "media": media}, replace(head, kind=MessageKind.IMAGE, file=file)


def _voice(chance: random.Random, head: ForeignMessage, _: Version) -> _Said:
    seconds = chance.randrange(1, 600)
    mime_type, size = "audio/ogg; codecs=opus", seconds * 2_000
    media = {"movieduration": seconds, "vcardstring": mime_type, "filesize": size}
    file = ForeignFile("audio", mime_type=mime_type, size=size, duration=seconds)
    return {"kind": 3, "media": media}, replace(head, kind=MessageKind.VOICE, file=file)


def _place(chance: random.Random, head: ForeignMessage, _: Version) -> _Said:
    latitude, longitude = round(chance.uniform(1, 89), 6), round(chance.uniform(1, 179), 6)
    media = {"latitude": latitude, "longitude": longitude, "title": "Harbour"}
    details = {"latitude": latitude, "longitude": longitude}
    return {"kind": 5, "media": media}, replace(
        head, kind=MessageKind.LOCATION, text="Harbour", details=details
    )


def _poll(chance: random.Random, head: ForeignMessage, _: Version) -> _Said:
    options, at_ms = [f"{word} {number}" for number, word in enumerate(_WORDS[:4])], head.at * 1000
    votes = [("15550000001@s.whatsapp.net", [1, 3], at_ms + 1), (None, [0], at_ms + 2)]
    blob = Receipts(poll=("When?", options), votes=votes).blob()
    read = tuple(ForeignVote(sender, tuple(chosen), when) for sender, chosen, when in votes)
    details = {"options": options, "choose": 0}
    return (
        {"kind": 46, "receipts": blob},
        replace(head, kind=MessageKind.POLL, text="When?", details=details, votes=read),
    )


def _deleted(_: random.Random, head: ForeignMessage, __: Version) -> _Said:
    return {"kind": 14}, replace(head, revoked_at=head.at)


def _call(_: random.Random, head: ForeignMessage, __: Version) -> _Said:
    return {"kind": 59}, replace(head, kind=MessageKind.CALL, details={"call": {}})


def _unknown(_: random.Random, head: ForeignMessage, __: Version) -> _Said:
    return {"kind": 75}, replace(head, kind=MessageKind.UNKNOWN, details={"type": "iPhone 75"})


_KINDS: Final[dict[Callable[[random.Random, ForeignMessage, Version], _Said], int]] = {
    _text: 600,
    _answer: 100,
    _reacted: 60,
    _picture: 100,
    _voice: 40,
    _place: 5,
    _poll: 3,
    _deleted: 5,
    _call: 10,
    _unknown: 2,
}
"""Kinds of messages and how often they come."""
