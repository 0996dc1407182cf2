"""Somebody else's text made harmless to read: it stays data, on its own line, with nothing hidden in it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from whatsapp_mcp.emoji import is_emoji
from whatsapp_mcp.jid import reads_as_address
from whatsapp_mcp.policy import INVISIBLE, LINE_BREAKS, LINE_MARK, is_shown

_ANSI: Final = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC … terminator
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?"
)
_SELECTORS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
TAG: Final = "messages"
"""The name of the tags between which other people's words stand."""
_OPENINGS: Final = "＜﹤‹〈〈⟨"
"""What may pass for the `<` of a tag."""
_ALIKE: Final = "\x80-\u2e7f\ufb00-\U0001ffff"
"""Letters beyond ASCII, of which many look like others; Chinese, Japanese and Korean ones do not."""
_LETTERS: Final = "[^A-Za-z]{0,2}".join(f"[{letter}{_ALIKE}]" for letter in TAG)
_LOOKS_LIKE_A_TAG: Final = re.compile(rf"[<{_OPENINGS}](?=[^\w<{_OPENINGS}]{{0,8}}{_LETTERS})", re.IGNORECASE)
_SUSPECT: Final = re.compile(f"[{''.join(sorted(INVISIBLE))}{_SELECTORS}{_OPENINGS}]")
"""What hides although Python calls it printable, or may open a tag."""
_NAMES: Final = 512
"""Names whose cleaned form is kept: the same few stand in every line of a list."""
_CHARACTERS: Final = 1024
NAME: Final = 48
"""Characters of a name in a line; more would be a message."""
_SEPARATORS: Final = frozenset(':;,()[]{}<>"“”„‟«»|#~*`\\^=꞉∶ː˸։׃‚،؛、；：')
"""What could end a name in a line, or open something else behind it."""
_LONGEST_ID: Final = 64
_NOT_IN_AN_ID: Final = re.compile(r"[^\w.@:+=/-]", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][\w.+-]{0,40}/[\w.+-]{1,80}", re.ASCII | re.IGNORECASE)
NO_EMOJI: Final = "□"
_ENDS_A_QUOTE: Final = str.maketrans(dict.fromkeys('“”„‟"＂', "'"))
_ENDS_A_NAME: Final = str.maketrans(":#<>", "꞉＃‹›")
_APOSTROPHES: Final = frozenset("‘’")
_BADGES: Final = re.compile("[✓✔✅☑🗸🗹🆗★☆✪✯⭐🌟●⬤🔴-🔹🟠-🟫🛡🔰🏅🎖©®™🎤🎙]\N{VARIATION SELECTOR-16}?")
"""What may pass for WhatsApp's mark of a verified business, or for ours of a voice note."""
_LINK: Final = re.compile(r"\S*(?:://|www\.)\S*|\b[\w-]+(?:\.[\w-]+)+/\S*", re.IGNORECASE)


def clean(text: str) -> str:
    r"""The text without escape sequences, control, zero-width, bidi, tag and other invisible characters.

    Line breaks of every kind become `\n`; emoji sequences keep their joiners.
    """
    if text.isprintable() and (text.isascii() or _SUSPECT.search(text) is None):
        return text  # nearly all: as `_harmless`, without the call
    text = LINE_BREAKS.sub("\n", _ANSI.sub("", text))
    if _harmless(text.replace("\n", "").replace("\t", "")):
        return text
    text = "".join(char for index, char in enumerate(text) if _harmless(char) or is_shown(text, index))
    return _LOOKS_LIKE_A_TAG.sub("[", text)


def _harmless(text: str) -> bool:
    """Whether nothing in it needs a closer look; an answer for whole texts at the speed of C."""
    return text.isprintable() and (text.isascii() or _SUSPECT.search(text) is None)


def without_tags(text: str) -> str:
    """Clean text in which nothing opens or closes the fence, or seems to."""
    return _LOOKS_LIKE_A_TAG.sub("[", text) if "<" in text else text


def clean_line(text: str, limit: int | None = None) -> str:
    """Cleaned text on one line, cut to `limit` characters."""
    return one_line(clean(text), limit)


def one_line(text: str, limit: int | None = None) -> str:
    """Clean text on one line, cut to `limit` characters; line breaks are shown as ` ⏎ `."""
    line = text
    if "\n" in line or "\t" in line or "  " in line or line != line.strip():
        lines = [" ".join(part.split()) for part in line.split("\n")]
        line = LINE_MARK.join(part for part in lines if part)
    if limit is not None and len(line) > limit:
        return line[: limit - 1] + "…"
    return line


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
    """As `clean_name`, of a name that may have been chosen to be taken for something else.

    Brackets, quotes, what separates the parts of a line, links and what looks like a badge are left out:
    `Ann ✅ (+1555), 2 unread: pay` is no more than some words, and they end where the name ends.
    """
    line = clean_line(_LINK.sub("…", _BADGES.sub(" ", clean_line(name))))
    if not line.isalnum():
        line = " ".join("".join(" " if _separates(char) else char for char in line).split())
    return clean_name(line, limit)


@lru_cache(_CHARACTERS)
def _separates(char: str) -> bool:
    """Whether a character, or what it is a wide or small form of, ends a part of a line or opens another."""
    plain = unicodedata.normalize("NFKC", char)
    if char in _APOSTROPHES:
        return False
    return not _SEPARATORS.isdisjoint(plain) or unicodedata.category(plain[0]) in {"Ps", "Pe", "Pi", "Pf"}


def called(name: str, stranger: bool) -> str:
    """A name for a line, with a `~` before what a stranger is called; a number needs none."""
    return f"~{chosen_name(name)}" if stranger and not reads_as_address(name) else clean_name(name)


def titled(name: str) -> str:
    """What a group or channel is called, for a line of our own: a name that anybody may have chosen."""
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
"""As `identifier`, of one that stands in many lines."""


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
