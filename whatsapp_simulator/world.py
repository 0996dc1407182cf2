"""A realistic world for the demo: people, their groups, and their messages, day after day.

The content is `world.toml`. Everything here is a pure function of it, a seed and the time of day, so that two
demos with the same seed show the same messages. `scenario`, which plays it on a simulated WhatsApp, has the
clock.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from importlib import resources
from typing import Final

from pydantic import BaseModel, ConfigDict

OWNER: Final = "Me"
"""The speaker of a line that the owner writes on the phone."""
REPLY: Final = "> "
"""The prefix of a live text that replies to the line before it in its chat."""
REACTION: Final = "+ "
"""The prefix of an emoji with which somebody reacts to the line before it in its chat."""
FILE: Final = "@ "
"""The prefix of a text that stands for a file in `files/`: its name, then its caption."""
_MORNING: Final = 7
_NIGHT: Final = 22


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Owner(_Table):
    """The owner of the account. `number` is E.164."""

    name: str
    number: str


class Person(_Table):
    """Somebody who writes to the owner.

    Attributes:
        answers: Their replies to a message, in their language.
        stranger: Whether they are missing from the owner's address book.
    """

    name: str
    number: str
    answers: tuple[str, ...]
    stranger: bool = False


class Group(_Table):
    """A group; the owner is a member beside `members`."""

    name: str
    members: tuple[str, ...]


class _Conversation(_Table):
    chat: str
    lines: tuple[str, ...]
    ago: float | None = None


class _SmallTalk(_Table):
    who: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One message: `who` says `text` in `chat`, which is a group's name or `who` for a direct chat.

    `pause` is the time in seconds between the line before and this one; `age`, for a line of the past, how
    many seconds ago it was said.
    """

    chat: str
    who: str
    text: str
    pause: float = 0.0
    age: float = 0.0


class World(_Table):
    """All people and lines. Past lines are ordered oldest first; live lines never end."""

    owner: Owner
    people: tuple[Person, ...]
    groups: tuple[Group, ...]
    conversations: tuple[_Conversation, ...]
    small_talk: tuple[_SmallTalk, ...]
    words: Mapping[str, tuple[str, ...]]

    @classmethod
    def load(cls) -> World:
        """Read `world.toml`."""
        text = resources.files("whatsapp_simulator").joinpath("world.toml").read_text(encoding="utf-8")
        return cls.model_validate(tomllib.loads(text))

    @cached_property
    def _answers(self) -> Mapping[str, tuple[str, ...]]:
        return {person.name: person.answers for person in self.people}

    def past(self, now: datetime, seed: int = 0) -> list[Line]:
        """The lines before `now` (aware, in the owner's zone), oldest first and never at night."""
        chance = random.Random(seed)  # noqa: S311
        lines: list[Line] = []
        for conversation in self.conversations:
            if conversation.ago is None:
                continue
            age = (now - _by_day(now - timedelta(days=conversation.ago))).total_seconds()
            for chat, who, text in _read(conversation):
                lines.append(Line(chat, who, text, age=age))
                age -= chance.uniform(30.0, 400.0)
        return sorted(lines, key=lambda line: -line.age)

    def live(self, seed: int = 0) -> Iterator[Line]:
        """The live lines: the conversations in order, then endless small talk."""
        chance = random.Random(seed)  # noqa: S311
        for conversation in self.conversations:
            if conversation.ago is not None:
                continue
            pause = chance.uniform(8.0, 25.0)
            for chat, who, text in _read(conversation):
                yield Line(chat, who, text, pause=pause)
                pause = _writing_time(text, chance)
        while True:
            talk = chance.choice(self.small_talk)
            who = chance.choice(talk.who)
            words = {key: chance.choice(options) for key, options in self.words.items()}
            text = chance.choice(talk.lines).format_map(words)
            yield Line(who, who, text, pause=chance.uniform(20.0, 90.0))

    def answer(self, who: str, chance: random.Random) -> str:
        """This person's reply to a message of the owner."""
        return chance.choice(self._answers[who])


def _read(conversation: _Conversation) -> Iterator[tuple[str, str, str]]:
    for line in conversation.lines:
        who, _, text = line.partition(": ")
        yield conversation.chat, who, text


def _by_day(moment: datetime) -> datetime:
    """The same time, or one some hours earlier if it is at night."""
    if moment.hour >= _NIGHT:
        return moment - timedelta(hours=4)
    return moment - timedelta(hours=9) if moment.hour < _MORNING else moment


def _writing_time(text: str, chance: random.Random) -> float:
    """Seconds to read the line before and type this one: about five characters a second."""
    return 2.0 + len(text) / 5.0 + chance.uniform(0.0, 4.0)
