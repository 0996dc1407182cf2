"""Ends of conversations that a person has labelled: who owes whom an answer, or what was promised.

One to a line in `ends/LANGUAGE.txt`: `label | turns`. The label is `me` (the owner owes it), `them`, `both`
or `-`, after `g` for a group. Turns stand between ` / `: `M:` is the owner, `T:` the other, in groups a name.
`[voice]` and its like are what WhatsApp shows for it, `{👍}` a reaction of whoever is asked, `@me` a mention
of the owner.

Lines of even number were at hand while the vocabulary was written; those of odd number are held out: nothing
was changed to make one of them right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from whatsapp_mcp.triage import Content, Turn, waiting

LANGUAGES = ("en", "de", "es", "pt")
_FOLDER = Path(__file__).parent / "ends"
_CONTENT = {"[voice": Content.VOICE, "[image": Content.FILE, "[sticker": Content.NOTHING}
_REACTION = re.compile(r"\s*\{.+\}$")


@dataclass(frozen=True, slots=True)
class End:
    """One labelled end of a conversation."""

    line: str
    turns: tuple[Turn, ...]
    group: bool
    me: bool
    them: bool


@dataclass(frozen=True, slots=True)
class Figures:
    """How well a set was recognised: of chats that wait, how many of those found are right, and found."""

    right: int
    found: int
    labelled: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.labelled if self.labelled else 1.0

    def __add__(self, other: Figures) -> Figures:
        return Figures(self.right + other.right, self.found + other.found, self.labelled + other.labelled)


def _turn(text: str) -> Turn:
    who, _, said = text.strip().partition(": ")
    reacted = _REACTION.search(said) is not None
    said = _REACTION.sub("", said)
    content = _CONTENT.get(said.split("]")[0].split(" ")[0], Content.TEXT)
    if content is not Content.TEXT:
        said = ""
    for_other = re.search(r"@(?!me\b)\w+", said) is not None
    return Turn(said, who == "M", who, content, "@me" in said, for_other, reacted)


def end(line: str) -> End:
    """A line of a set."""
    label, _, turns = line.partition("|")
    *group, label = label.split()
    both = label == "both"
    said = tuple(map(_turn, turns.strip().split(" / ")))
    return End(line, said, bool(group), both or label == "me", both or label == "them")


def ends(language: str, half: Literal["known", "held out"]) -> list[End]:
    """One half of the set of a language."""
    lines = (_FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    return [end(line) for line in lines[0 if half == "known" else 1 :: 2]]


def figures(found: Iterable[End], side: Literal["me", "them"]) -> tuple[Figures, list[str]]:
    """How well one side is recognised in these ends, and the lines that are wrong."""
    right = told = labelled = 0
    wrong: list[str] = []
    for one in found:
        answer = waiting(one.turns, group=one.group)
        says = (answer.for_me if side == "me" else answer.for_them) is not None
        truth = one.me if side == "me" else one.them
        right, told, labelled = right + (says and truth), told + says, labelled + truth
        if says != truth:
            wrong.append(f"{'found' if says else 'missed'}: {one.line}")
    return Figures(right, told, labelled), wrong
