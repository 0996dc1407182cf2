"""What others chose, in a question to a person: whole or cut, but never so that it could pass for ours.

In a line of ours it stands in quotation marks that it cannot close; what is shown whole stands below a line
of ours, behind a bar. Blanks that would push the end of it out of sight are shown as their number.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from whatsapp_mcp.policy.hidden_characters import INVISIBLE, LINE_BREAKS, visible

BAR: Final = "│ "
"""Begins each line of what is shown whole."""
_NAME: Final = 60
"""Characters of a name; who reads on a phone sees one line or two."""
_INLINE: Final = 100
"""Characters of what is shown whole within a line of ours."""
_LONG: Final = 200
"""Characters from which on the length is told; and `_MANY` lines."""
_MANY: Final = 6
_BLANKS: Final = re.compile(
    f"[\\s{''.join(sorted(INVISIBLE))}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]{{7,}}"
)
_MARKS: Final = frozenset(
    "'\"`´‘’‚‛“”„‟«»′″‴‵‶‷ʹʺʻʼʽˮ˝״׳❛❜❝❞❟❠〝〞〟＂＇「」『』\U0001f676\U0001f677\U0001f678"
)
"""Whatever looks like a quotation mark, or two of which do."""


def counted(text: str) -> str:
    """The text with the number of blanks in place of more than six in a row."""
    return _BLANKS.sub(lambda run: f" ⟨{len(run[0]):,} blanks⟩ ", text)


def quoted(text: str, limit: int = _NAME) -> str:
    """Words for a line of ours, in quotation marks that they cannot close; cut ones with their length."""
    line = "".join(_without_marks(visible(counted(text))))
    if len(line) <= limit:
        return f"“{line}”"
    return f"“{line[:limit]}…” ({len(text):,} characters)"


def whole(lead: str, text: str) -> list[str]:
    """All of a text, below or behind a line of ours.

    Args:
        lead: What it is, without a colon.
        text: The text.
    """
    has_marks = any(_is_mark(char) for char in text.replace("'", ""))
    if len(text) > _INLINE or has_marks or LINE_BREAKS.search(text):
        return barred(lead, text)
    return [f"{lead}: {quoted(text, _INLINE * len('‹U+100000›'))}"]


def barred(lead: str, text: str) -> list[str]:
    """As `whole`, always below: the exact text, with its own line breaks and quotation marks."""
    lines = LINE_BREAKS.split(counted(text))
    count = len(LINE_BREAKS.split(text))
    several = f" in {count:,} lines" if count > 1 else ""
    told = f" ({len(text):,} characters{several})" if len(text) > _LONG or count > _MANY else ""
    return [f"{lead}{told}:", *(f"{BAR}{visible(line)}" for line in lines)]


def _without_marks(line: str) -> list[str]:
    """The characters, with one apostrophe for each run of what looks like quotation marks."""
    kept: list[str] = []
    for char in line:
        kept.append("'" if _is_mark(char) else char)
        if kept[-2:] == ["'", "'"]:
            kept.pop()
    return kept


def _is_mark(char: str) -> bool:
    if char.isascii() or char in _MARKS:
        return char in _MARKS
    # `‹U+200B›` is ours.
    return char not in "‹›" and not _MARKS.isdisjoint(unicodedata.normalize("NFKC", char))
