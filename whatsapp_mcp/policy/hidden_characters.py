"""Characters that a reader does not see: left out of what is shown, named where a person decides."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LINE_BREAKS: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0"
)
"""Code points that show nothing although their category does not say so."""
UNSEEN: Final = re.compile(
    f"[{''.join(sorted(INVISIBLE))}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
"""What may stand between the letters of a word or the digits of a number and is not seen."""
LINE_MARK: Final = " ⏎ "
"""Stands where a text had a line break."""
_JOINER: Final = "\u200d"
_HIDING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def is_shown(text: str, index: int) -> bool:
    """Whether the character there shows anything, or holds an emoji together."""
    char = text[index]
    if char in "\n\t":
        return True
    if char == _JOINER:  # holds families and flags together; between anything else it only hides
        around = text[index - 1 : index] + text[index + 1 : index + 2]
        return len(around) == 2 and _is_emoji(around[0]) and _is_emoji(around[1])
    if char == "\ufe0f":
        return index > 0 and not text[index - 1].isalpha()
    if unicodedata.category(char) in _HIDING or char in INVISIBLE:
        return False
    return not ("\ufe00" <= char <= "\ufe0e" or "\U000e0100" <= char <= "\U000e01ef")


def visible(text: str) -> str:
    """The text on one line with all that it holds: a person who approves it must see what is hidden in it.

    A line break is `⏎`, any other character that shows nothing its number: `‹U+200B›`.
    """
    line = LINE_BREAKS.sub(LINE_MARK, text)
    if line.isascii() and line.isprintable():
        return line
    return "".join(
        char if is_shown(line, index) and char != "\t" else f"‹U+{ord(char):04X}›"
        for index, char in enumerate(line)
    )


def _is_emoji(char: str) -> bool:
    return unicodedata.category(char) in {"So", "Sk"} or char == "\ufe0f"
