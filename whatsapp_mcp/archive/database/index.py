"""The search index: what of a message can be found, and in which scope; and text as search sees it.

There is one folding for what is stored and for what is asked. Case, width, accents and the many forms of an
Arabic alef are folded away, and digits are 0 to 9. Scripts that write no spaces (Chinese, Japanese, Thai,
Lao, Khmer, Burmese) become one token a character, so that a word is a phrase of them. An emoji becomes a
token of its own.
"""

from __future__ import annotations

import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from whatsapp_mcp.text.emoji import SYMBOLS

_ACCENTS = re.compile("(?<=[A-Za-z\u0370-\u03ff])[\u0300-\u036f]+")
"""Marks on Latin and Greek letters, after decomposition."""
_POINTS = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed]+"
)
"""Hebrew and Arabic points. Marks of other scripts (Hindi vowels) carry meaning and stay."""
_KNOWN_BELOW = 0x20000
"""End of the planes with living scripts and emoji: a table learns at most as many characters."""
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
"""Skin tones and the joiner: an emoji is found whatever its skin."""
_ADD: Final = "INSERT INTO fts (rowid, body, scope) VALUES (?, ?, ?)"
_INDEXED: Final = """SELECT m.id, m.text, d.file_name, m.details, r.text, m.chat_id, m.sender_id
 FROM messages AS m LEFT JOIN media AS d ON d.message_id = m.id
 LEFT JOIN readings AS r ON r.message_id = d.message_id"""


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
        """Return the replacement of a character: by default the character itself."""
        return code


class _Folds(_Table):
    """Folding of single characters: decimal digits of any script become ASCII digits."""

    def learn(self, code: int) -> str | int | None:
        """Return the ASCII digit for a decimal digit, otherwise the character itself."""
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


class _Apart(_Table):
    """Sets characters of unspaced scripts and emoji apart; drops the colours of skin."""

    def learn(self, code: int) -> str | int | None:
        """Return the replacement: emoji and unspaced characters set apart, skin tones dropped."""
        char = chr(code)
        if _IS_SKIN.match(char):
            return None
        if _IS_EMOJI.match(char):
            return f" e{code:x} "
        return f" {char} " if _IS_UNSPACED.match(char) else code


_APART = _Apart()


def fold(text: str) -> str:
    """The text without case, width, accents and invisible characters; still one running text."""
    # Nothing but case is folded in ASCII, which most texts are.
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFKD", text.casefold()).translate(_FOLDS)
    # Case once more, since NFKD makes capitals of some signs (ℂ). Of Cyrillic letters only ё loses its marks:
    # й is another letter than и.
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
    """Return the length of a token in quarters of a word; 0 for an emoji.

    A character of a script without spaces is a part of a word: of Chinese a half, of Thai a quarter.
    """
    if len(piece) == 1 and _IS_UNSPACED.match(piece):
        return 2 if piece >= "\u2e80" else 1
    if _EMOJI_TOKEN.fullmatch(piece) and _IS_EMOJI.match(chr(int(piece[1:], 16))):
        return 0
    return 4


def _split(text: str) -> list[str]:
    words: list[str] = []
    current: list[str] = []
    for char in text:
        if in_token(char):
            current.append(char)
        elif current:
            words.append("".join(current))
            current.clear()
    if current:
        words.append("".join(current))
    return words


@lru_cache(maxsize=8192)
def in_token(char: str) -> bool:
    """Check whether a character of a `tokens_text` is part of a token."""
    category = unicodedata.category(char)
    return category[0] in "LNM" or category in ("Co", "Cn")


def indexed_body(
    text: str, file_name: str | None, details: dict[str, Any] | None, reading: str | None = None
) -> str:
    """Everything of a message that a search may find, normalised."""
    parts = [text]
    if file_name:
        parts.append(file_name)
    if details:
        parts += details.get("options", ())
        parts += details.get("choices", ())
    if reading:
        parts.append(reading)
    return tokens_text("\n".join(parts))


def index_message(db: sqlite3.Connection, message: int, body_text: str, chat: int, sender: int) -> None:
    """Index a message; one without text is left out."""
    index_messages(db, [(message, body_text, chat, sender)])


def index_messages(db: sqlite3.Connection, rows: Iterable[tuple[int, str, int, int]]) -> None:
    """Index messages, of each its id, text, chat and sender; those without text are left out."""
    entries = [
        # The tokenizer would cut `s-1` at its sign.
        (message, body_text, f"c{chat} s{sender if sender >= 0 else 'x'}")
        for message, body_text, chat, sender in rows
        if body_text and not body_text.isspace()
    ]
    db.executemany(_ADD, entries)


def unindex_message(db: sqlite3.Connection, message: int) -> None:
    """Take a message out of the index."""
    db.execute("DELETE FROM fts WHERE rowid = ?", (message,))


def reindex_message(db: sqlite3.Connection, message: int) -> None:
    """Index a message again from its row."""
    unindex_message(db, message)
    _index_rows(db, f"{_INDEXED} WHERE m.id = ?", (message,))


def index_all(db: sqlite3.Connection) -> None:
    """Fill an empty index."""
    # In order: FTS5 writes out what it has gathered whenever a smaller rowid follows.
    _index_rows(db, f"{_INDEXED} ORDER BY m.id")


def _index_rows(db: sqlite3.Connection, sql: str, values: tuple[int, ...] = ()) -> None:
    for message, text, file_name, details, reading, chat, sender in db.execute(sql, values):
        body = indexed_body(text, file_name, json.loads(details) if details else None, reading)
        index_message(db, message, body, chat, sender)
