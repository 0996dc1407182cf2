"""What one message does: asks, promises, thanks, takes back. Recognised by its words, in four languages."""

from __future__ import annotations

import re
import unicodedata
from enum import Flag, auto
from functools import lru_cache
from typing import Final

from whatsapp_mcp.triage import vocabulary
from whatsapp_mcp.triage.vocabulary import compiled

LONGEST: Final = 600
"""Characters of a message that are read, half of them from its end: who wants something says so there."""

_ACCENTS: Final = re.compile("[\u0300-\u036f]")
_SENTENCE: Final = re.compile(r"[^.!?\n…]+[.!?…]*|[.!?…]+")
_NO_WORDS: Final = re.compile(r"https?:\S+|www\.\S+|@\w+")
"""Addresses and mentions."""
_WORD: Final = re.compile(r"[^\W_]")
_FILLERS: Final = re.compile(rf"(?:(?:{vocabulary.FILLERS})\b[\s,:;]*|[\s¿¡,:;\-*@]+)+")
_ASKS: Final = compiled(vocabulary.ASKS)
_REQUESTS: Final = compiled(vocabulary.REQUESTS)
_PROMISES: Final = compiled(vocabulary.PROMISES)
_AGREES: Final = compiled(vocabulary.AGREES)
_NOT_YET: Final = compiled(vocabulary.NOT_YET)
_CANCELS: Final = compiled(vocabulary.CANCELS)
_FULFILS: Final = compiled(vocabulary.FULFILS)
_THANKS: Final = compiled(vocabulary.THANKS)
_AUTOMATED: Final = compiled(vocabulary.AUTOMATED)
_ONE_OF_MANY: Final = compiled(vocabulary.ONE_OF_MANY)
_EVERYBODY: Final = compiled(vocabulary.EVERYBODY)
_TAG: Final = compiled(vocabulary.TAG)
_LAUGHS: Final = re.compile(vocabulary.LAUGHS)


class Speech(Flag):
    """What a message does; several at once."""

    NOTHING = 0
    ASKS = auto()
    """It wants an answer or an act."""
    PROMISES = auto()
    """Its author is going to do something."""
    AGREES = auto()
    """Its author takes on what the other asked for."""
    NOT_YET = auto()
    """It puts an answer off."""
    CANCELS = auto()
    """It takes back what its author asked."""
    FULFILS = auto()
    """It says that something promised is done."""
    THANKS = auto()
    """It thanks."""
    ONE_OF_MANY = auto()
    """It asks a group for anyone."""
    EVERYBODY = auto()
    """It asks everybody in a group."""


def fold(text: str) -> str:
    """The text in lower case and without accents."""
    if text.isascii():
        return text.lower()
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold())).replace("’", "'")


def folded_ends(text: str) -> str:
    """As `fold`, of no more than `LONGEST` characters: of a long text the beginning and the end."""
    # Twice: a single character may become eighteen when it is folded (U+FDFA).
    return _ends(fold(_ends(text)))


def _ends(text: str) -> str:
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[: half - 1]}\n{text[-half:]}"


@lru_cache(maxsize=4096)
def read(text: str) -> Speech:
    """What a message with this text does; of a long one the beginning and the end count."""
    folded = folded_ends(text)
    if not _WORD.search(folded):
        return Speech.ASKS if _is_only_marks(folded) else Speech.NOTHING
    if _AUTOMATED.search(folded):
        return Speech.NOTHING
    plain = _NO_WORDS.sub(" ", folded) if "/" in folded or "@" in folded else folded
    # Numbers until the end: an operation on members of an enum takes as long as a search.
    found = _ASKED if _asks(plain) else 0
    for pattern, says in _OTHERS:
        if pattern.search(plain):
            found |= says
    return Speech(found & _LEFT_BY_CANCELLING if found & _CANCELLED else found)


def asks_everybody(text: str) -> bool:
    """Whether a text speaks to everybody; cheaper than `read`."""
    return _EVERYBODY.search(fold(text[:LONGEST])[:LONGEST]) is not None


_OTHERS: Final = tuple(
    (pattern, says.value)
    for pattern, says in (
        (_PROMISES, Speech.PROMISES),
        (_AGREES, Speech.AGREES),
        (_NOT_YET, Speech.NOT_YET),
        (_CANCELS, Speech.CANCELS),
        (_FULFILS, Speech.FULFILS),
        (_THANKS, Speech.THANKS),
        (_ONE_OF_MANY, Speech.ONE_OF_MANY),
        (_EVERYBODY, Speech.EVERYBODY),
    )
)
_ASKED: Final = Speech.ASKS.value
_CANCELLED: Final = Speech.CANCELS.value
_LEFT_BY_CANCELLING: Final = ~(Speech.ASKS | Speech.PROMISES).value & (2 ** len(Speech) - 1)


def _is_only_marks(folded: str) -> bool:
    return folded.strip() in {"?", "??", "???"}


def _asks(text: str) -> bool:
    """Whether any sentence asks, and it is not said for effect."""
    if _LAUGHS.search(text):
        return False
    if _REQUESTS.search(text):
        return True
    sentences = [one.strip() for one in _SENTENCE.findall(text) if _WORD.search(one)]
    return any(_is_question(one, last=one is sentences[-1]) for one in sentences)


def _is_question(sentence: str, *, last: bool) -> bool:
    said = sentence.rstrip(" .!?…")
    if sentence.endswith("?"):
        # "You know him, right? Always the same" and "What a game, did you see it?? Unbelievable": it goes on.
        return last or not (sentence.endswith("??") or _TAG.search(said))
    return "!" not in sentence and _begins_question(said)


def _begins_question(said: str) -> bool:
    """Whether a sentence without a question mark is one by its first words."""
    start = _FILLERS.match(said)
    if _ASKS.match(said, start.end() if start else 0):
        return True
    # The question may follow a vocative or an excuse: "perdona, tienes hora".
    return any(_ASKS.match(part.strip()) for part in said.split(",")[1:])
