"""The fence between our words and those of other people, and the bound on every answer.

Lines with other people's words stand between `<messages 482913>` and `</messages 482913>`. The number is new
in each answer, so nobody who writes a message can know it; and whatever looks like such a tag inside is
broken. No line holds a line break, and each begins with a ref, a date or a name of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from whatsapp_mcp.policy import TAG, without_tags

LIMIT: Final = 40_000
"""Characters of an answer's text, about 10,000 tokens; applications cut or refuse what is much longer."""
_AROUND: Final = 120
"""Room for the tags, and the note that lines were left out."""


def new_code() -> str:
    """Six digits that nobody knows: two tokens."""
    return f"{secrets.randbelow(1_000_000):06}"


@dataclass(frozen=True, slots=True)
class Text:
    """What a model reads.

    Attributes:
        head: A sentence or heading of ours.
        lines: Lines that hold other people's words; they come fenced.
        notes: Lines of ours behind them.
    """

    head: str
    lines: Sequence[str] = ()
    notes: Sequence[str] = ()

    def plus(self, *notes: str) -> Text:
        """The same with further notes."""
        return replace(self, notes=[*self.notes, *notes])

    def rendered(self, code: str, limit: int = LIMIT) -> str:
        """All of it, at most so many characters.

        Args:
            code: What makes this answer's fence its own.
            limit: Characters.
        """
        inside, notes = "\n".join(self.lines), self.notes
        if not inside:
            return cut("\n".join([self.head, *notes]), limit)
        room = limit - length([self.head, *notes]) - _AROUND
        if len(inside) > room:
            kept = _fitting(self.lines, room)
            inside, left_out = "\n".join(kept), len(self.lines) - len(kept)
            if left_out:
                notes = [f"({left_out} more lines do not fit: ask for fewer at a time.)", *notes]
        tag = f"{TAG} {code}"
        return "\n".join([self.head, f"<{tag}>", without_tags(inside), f"</{tag}>", *notes])


def cut(text: str, limit: int = LIMIT) -> str:
    """A text of ours, at most so many characters; only names in it could make it longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _fitting(lines: Sequence[str], room: int) -> list[str]:
    """The first lines that fit; at least a part of the first one."""
    kept: list[str] = []
    for line in lines:
        if len(line) >= room:
            return kept or [f"{line[: room - 2]}…"]
        kept.append(line)
        room -= len(line) + 1
    return kept


def length(lines: Sequence[str]) -> int:
    """Characters of lines one below the other."""
    return sum(map(len, lines)) + len(lines)
