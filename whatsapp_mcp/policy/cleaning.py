"""Others' text without what hides in it, or passes for a tag of the fence around other people's words."""

from __future__ import annotations

import re
from typing import Final

from whatsapp_mcp.policy.hidden_characters import INVISIBLE, LINE_BREAKS, LINE_MARK, is_shown

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
