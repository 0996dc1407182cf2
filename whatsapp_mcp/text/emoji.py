"""Recognition of an emoji, by the grammar of Unicode (UTS #51) rather than a list that ages.

A person reacts with one. Whoever writes the wire's bytes may put any text there.
"""

from __future__ import annotations

import re
from typing import Final

SYMBOLS: Final = (
    "\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
"""Code points that emoji are made of, and their neighbours, as ranges of a character class."""
_SQUARED_LETTERS: Final = (
    "\U0001f100-\U0001f16f\U0001f172-\U0001f17d\U0001f180-\U0001f18d\U0001f1e6-\U0001f1ff"
)
"""Symbols that would spell a word, reaction by reaction."""
_ELEMENT: Final = rf"(?![{_SQUARED_LETTERS}])[\xa9\xae{SYMBOLS}][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]?"
_REGIONS: Final = ("gbeng", "gbsct", "gbwls")
_REGION_TAGS: Final = "|".join("".join(chr(0xE0000 + ord(char)) for char in region) for region in _REGIONS)
_EMOJI: Final = re.compile(
    rf"{_ELEMENT}(?:\u200d{_ELEMENT}){{0,3}}"  # a face, a heart, a family
    r"|[\U0001f1e6-\U0001f1ff]{2}"  # a country's flag
    rf"|\U0001f3f4(?:{_REGION_TAGS})\U000e007f"  # England, Scotland, Wales: other tags could hide a text
    r"|[0-9#*]\ufe0f?\u20e3"  # a key
)


def is_emoji(text: str) -> bool:
    """Return whether a text is one emoji and nothing else."""
    return _EMOJI.fullmatch(text) is not None
