"""A model that says, in a conversation, what is written here: the hosts that talk to it are real."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.hosts.scripted_model import Call, Dialect, Request, ScriptedModel


@dataclass(frozen=True)
class Turn:
    """What a person asks, which tools the model calls then, and what it answers.

    Attributes:
        asked: The question.
        calls: The tools, with their arguments.
        answer: What the model says in the end.
        grounds: A pattern of the last tool's answer, without which `answer` would not be true.
    """

    asked: str
    calls: tuple[Call, ...]
    answer: str
    grounds: str


class Conversation(ScriptedModel):
    """Goes through its turns; each ends with the answer."""

    def __init__(self, dialect: Dialect, turns: Sequence[Turn]) -> None:
        super().__init__(dialect, [call for turn in turns for call in turn.calls])
        self._turns = turns
        self._answered = 0
        self._grounds = list[tuple[str, str]]()

    def answer(self, request: Request) -> Sequence[Mapping[str, Any]]:
        """The next call of the turn, or its answer when all of them have been made."""
        offered = any("whatsapp" in name for name in self._dialect.offered(request))
        calls = sum(len(turn.calls) for turn in self._turns[: self._answered + 1])
        if not offered or len(self._dialect.shown(request)) < calls:
            return super().answer(request)
        turn = self._turns[self._answered]
        self._answered += 1
        self._grounds.append((turn.grounds, self._dialect.shown(request)[-1].text))
        return self._dialect.says(turn.answer)

    def check(self) -> None:
        """Find out whether everything was answered truly.

        Raises:
            ValueError: It was not; the message has what the tools answered.
        """
        wrong = [text for pattern, text in self._grounds if not re.search(pattern, text, re.MULTILINE)]
        if wrong or self._answered < len(self._turns):
            raise ValueError(f"The answers do not follow from what the tools said: {wrong}")
