"""Text as search sees it: one folding for what is stored and for what is asked.

Case, width, accents and the many forms of an Arabic alef are folded away, and digits are 0 to 9. Scripts that
write no spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) become one token a character, so that a word is
a phrase of them. An emoji becomes a token of its own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from whatsapp_mcp.text.emoji import SYMBOLS

_ACCENTS = re.compile("(?<=[A-Za-z\u0370-\u03ff])[\u0300-\u036f]+")
"""Marks on Latin and Greek letters, after decomposition."""
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]+"
)
"""Hebrew and Arabic points. Marks of other scripts (Hindi vowels) carry meaning and stay."""
_KNOWN_BELOW = 0x20000
"""Where the planes with living scripts and emoji end: as many characters a table may learn."""


class _Table(dict[int, str | int | None]):
    """A table for `str.translate` that learns what becomes of a character when it first meets it.

    Characters that a plain table does not name would cost an exception each time.
    """

    def __missing__(self, code: int) -> str | int | None:
        becomes = self.learn(code)
        if code < _KNOWN_BELOW:
            self[code] = becomes
        return becomes

    def learn(self, code: int) -> str | int | None:
        """What becomes of a character: it stays."""
        return code


class _Folds(_Table):
    """What folding makes of single characters: of digits, those that a keyboard has everywhere."""

    def learn(self, code: int) -> str | int | None:
        """What becomes of a character."""
        digit = unicodedata.decimal(chr(code), None)
        return code if digit is None else str(digit)


_FOLDS = _Folds(
    str.maketrans(
        {
            "ـ": None,  # tatweel
            "ى": "ي",
            "ٱ": "ا",
            "ة": "ه",
            "ک": "ك",
            "ی": "ي",
            "ß": "ss",
            "ı": "i",
            "ø": "o",
            "ł": "l",
            "đ": "d",
            "æ": "ae",
            "œ": "oe",
            "\u200b": None,
            "\u200c": None,
            "\u200e": None,
            "\u200f": None,
            "\u2060": None,
            "\ufeff": None,
            "\ufe0e": None,
            "\ufe0f": None,
            "’": "'",
        }
    )
)
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f"  # Burmese
    "\u1780-\u17ff"  # Khmer
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3040-\u30ff\u31f0-\u31ff"  # kana, radicals
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003fffd"
)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_IS_EMOJI = re.compile(f"[{SYMBOLS}]")
_EMOJI_TOKEN = re.compile("e[0-9a-f]{4,5}")
_IS_SKIN = re.compile("[\U0001f3fb-\U0001f3ff\u200d]")


class _Apart(_Table):
    """Sets characters of unspaced scripts and emoji apart; drops the colours of skin."""

    def learn(self, code: int) -> str | int | None:
        """What becomes of a character."""
        char = chr(code)
        if _IS_SKIN.match(char):
            return None
        if _IS_EMOJI.match(char):
            return f" e{code:x} "
        return f" {char} " if _IS_UNSPACED.match(char) else code


_APART = _Apart()


def fold(text: str) -> str:
    """The text without case, width, accents and invisible characters; still one running text."""
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text.casefold()).translate(_FOLDS)
    return unicodedata.normalize("NFC", _POINTS.sub("", _ACCENTS.sub("", folded)).casefold()).replace(
        "ё", "е"
    )


def tokens_text(text: str) -> str:
    """The text as the index takes it: folded, unspaced scripts and emoji set apart."""
    if text.isascii():
        return text.lower()
    return fold(text).translate(_APART)


def tokens(text: str) -> list[str]:
    """The tokens that the index holds for a text; the index's tokenizer cuts in the same places."""
    return _split(tokens_text(text))


@lru_cache(maxsize=8192)
def quarters(piece: str) -> int:
    """How long a token is, in quarters of a word; an emoji is none.

    A character of a script without spaces is a part of a word: of Chinese a half, of Thai a quarter.
    """
    if len(piece) == 1 and _IS_UNSPACED.match(piece):
        return 2 if piece >= "\u2e80" else 1
    if _EMOJI_TOKEN.fullmatch(piece) and _IS_EMOJI.match(chr(int(piece[1:], 16))):
        return 0
    return 4


def _split(text: str) -> list[str]:
    found: list[str] = []
    current: list[str] = []
    for char in text:
        if in_token(char):
            current.append(char)
        elif current:
            found.append("".join(current))
            current.clear()
    if current:
        found.append("".join(current))
    return found


@lru_cache(maxsize=8192)
def in_token(char: str) -> bool:
    """Whether a character of a `tokens_text` is part of a token."""
    category = unicodedata.category(char)
    return category[0] in "LNM" or category in ("Co", "Cn")
