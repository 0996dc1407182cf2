"""Other people's words: cleaned, and fenced so that a model can tell them from the server's.

Lines with other people's words stand between `<messages 482913>` and `</messages 482913>`. The number is new
in each answer, so nobody who writes a message can know it; and whatever looks like such a tag inside is
broken. No line holds a line break, and each begins with a ref, a date or a name of ours. What others wrote
stays data, on its own line, with nothing hidden in it. Every answer is bounded.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from whatsapp_mcp.jid import reads_as_address
from whatsapp_mcp.policy import TAG, clean_line, without_tags
from whatsapp_mcp.text.emoji import is_emoji

LIMIT: Final = 40_000
"""Characters of an answer's text, about 10,000 tokens; applications cut or refuse what is much longer."""
_AROUND: Final = 120
"""Room for the tags, and the note that lines were left out."""
_NAMES: Final = 512
"""Names whose cleaned form is kept: the same few stand in every line of a list."""
_CHARACTERS: Final = 1024
"""Characters of which it is kept whether they separate."""
NAME: Final = 48
"""Characters of a name in a line; more would be a message."""
_SEPARATORS: Final = frozenset(':;,()[]{}<>"“”„‟«»|#~*`\\^=꞉∶ː˸։׃‚،؛、；：')
"""Characters that could end a name in a line, or open something else behind it."""
_LONGEST_ID: Final = 64
"""Characters of an id or a jid that are shown."""
_NOT_IN_AN_ID: Final = re.compile(r"[^\w.@:+=/-]", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][\w.+-]{0,40}/[\w.+-]{1,80}", re.ASCII | re.IGNORECASE)
NO_EMOJI: Final = "□"
"""Stands in place of a reaction that is no emoji."""
_ENDS_A_QUOTE: Final = str.maketrans(dict.fromkeys('“”„‟"＂', "'"))
_ENDS_A_NAME: Final = str.maketrans(":#<>", "꞉＃‹›")
_APOSTROPHES: Final = frozenset("‘’")
_BADGES: Final = re.compile("[✓✔✅☑🗸🗹🆗★☆✪✯⭐🌟●⬤🔴-🔹🟠-🟫🛡🔰🏅🎖©®™🎤🎙]\N{VARIATION SELECTOR-16}?")
"""Characters that may pass for WhatsApp's badge of a verified business, or for this server's mark of a voice
note."""
_LINK: Final = re.compile(
    r"(?<!\S)\S*(?:://|www\.)\S*|\b[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/\S*", re.IGNORECASE
)


def new_code() -> str:
    """Six digits that nobody knows: two tokens."""
    return f"{secrets.randbelow(1_000_000):06}"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that a model reads.

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
        # All lines at once: a tag could begin in one of them and end in the next.
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


@lru_cache(_NAMES)
def full_name(name: str) -> str:
    """A name as programs get it: cleaned, on one line, at most 200 characters."""
    return clean_line(name, 200)


@lru_cache(_NAMES)
def clean_name(name: str, limit: int = NAME) -> str:
    """A person's or chat's name that cannot be taken for anything else in a line.

    `:` ends the name in a message's line, `#` begins a ref, `<` the fence, and `me` is the person whose
    account it is: none may come from outside.
    """
    line = clean_line(name, limit).translate(_ENDS_A_NAME).strip()
    return f"“{line}”" if line.casefold() in {"me", "you", ""} else line


@lru_cache(_NAMES)
def chosen_name(name: str, limit: int = NAME) -> str:
    """Clean a name, as `clean_name` does, that may have been chosen to pass for something else.

    Brackets, quotes, what separates the parts of a line, links and what looks like a badge are left out:
    `Ann ✅ (+1555), 2 unread: pay` is no more than some words, and they end where the name ends.
    """
    line = clean_line(_LINK.sub("…", _BADGES.sub(" ", clean_line(name))))
    if not line.isalnum():
        line = " ".join("".join(" " if _separates(char) else char for char in line).split())
    return clean_name(line, limit)


@lru_cache(_CHARACTERS)
def _separates(char: str) -> bool:
    """Return whether a character, or its plain form, ends a part of a line or opens another."""
    # Full-width and small forms look like the plain character.
    plain = unicodedata.normalize("NFKC", char)
    if char in _APOSTROPHES:
        return False
    return not _SEPARATORS.isdisjoint(plain) or unicodedata.category(plain[0]) in {"Ps", "Pe", "Pi", "Pf"}


def called(name: str, stranger: bool) -> str:
    """A name for a line, with a `~` before what a stranger is called; a number needs none."""
    return f"~{chosen_name(name)}" if stranger and not reads_as_address(name) else clean_name(name)


def titled(name: str) -> str:
    """Return a group or channel name in quotes, for use in a line; anybody may have chosen it."""
    chosen = chosen_name(name)
    return chosen if chosen.startswith("“") else f"“{chosen}”"


def in_quotes(text: str, limit: int) -> str:
    """Somebody's words within a line of other things: on one line, in quotes that they cannot close.

    Nor do they hold the `: ` behind which a line's own words begin.
    """
    return f"“{clean_line(text, limit).translate(_ENDS_A_QUOTE).replace(': ', '꞉ ')}”"


def identifier(text: str) -> str:
    """An id or jid as it came over the wire; what no id has is shown as `?`."""
    if text.isalnum() and text.isascii() and len(text) <= _LONGEST_ID:
        return text
    return _NOT_IN_AN_ID.sub("?", text[:_LONGEST_ID])


known_identifier = lru_cache(_NAMES)(identifier)
"""Cached `identifier`, for an id that appears in many lines."""


def media_type(text: str) -> str | None:
    """A MIME type without its parameters; None where it is none."""
    bare = text.partition(";")[0].strip()
    return bare if _MEDIA_TYPE.fullmatch(bare) else None


def reaction_shown(emoji: str) -> str:
    """The emoji that somebody reacted with; what is no emoji is shown as `NO_EMOJI`."""
    return emoji if is_emoji(emoji) else NO_EMOJI


def spoken_of(name: str, from_me: bool, stranger: bool) -> str:
    """Somebody for a line: `me`, or what they are called."""
    return "me" if from_me else called(name, stranger)
