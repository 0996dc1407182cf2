"""Others' text where it is shown: without what hides in it, or passes for a tag of the fence around it.

Names that others have chosen are cut, so short and plain that they carry no message. Where a person decides,
hidden characters are named, and what others chose is whole or cut, but never so that it could pass for ours:
in a line of ours it stands in quotation marks that it cannot close; what is shown whole stands below a line
of ours, behind a bar. Blanks that would push the end of it out of sight are shown as their number.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import Final

from whatsapp_mcp.jid import reads_as_address

LINE_BREAKS: Final = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Everything at which `str.splitlines` splits: no author can begin a line of their own."""
INVISIBLE: Final = frozenset(
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0"
)
"""Code points that show nothing although their category does not say so."""
UNSEEN: Final = re.compile(
    f"[{''.join(sorted(INVISIBLE))}\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
"""Invisible characters that may stand between the letters of a word or the digits of a number."""
LINE_MARK: Final = " ⏎ "
"""Stands where a text had a line break."""
_JOINER: Final = "\u200d"
_HIDING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""General categories of Unicode: controls, formats, surrogates, private use, unassigned, separators of
lines and paragraphs."""
_ANSI: Final = re.compile(
    r"(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC … terminator
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?"
)
"""Escape sequences (ECMA-48), unfinished ones among them: those would take in what a terminal prints next."""
_SELECTORS: Final = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""Variation selectors; there are 256, so a row of them can carry hidden bytes."""
TAG: Final = "messages"
"""The name of the tags between which other people's words stand."""
_OPENINGS: Final = "＜﹤‹〈〈⟨"
"""Characters that may pass for the `<` of a tag."""
_ALIKE: Final = "\x80-\u2e7f\ufb00-\U0001ffff"
"""Letters beyond ASCII, of which many look like others; Chinese, Japanese and Korean ones do not."""
_LETTERS: Final = "[^A-Za-z]{0,2}".join(f"[{letter}{_ALIKE}]" for letter in TAG)
_LOOKS_LIKE_A_TAG: Final = re.compile(rf"[<{_OPENINGS}](?=[^\w<{_OPENINGS}]{{0,8}}{_LETTERS})", re.IGNORECASE)
_SUSPECT: Final = re.compile(f"[{''.join(sorted(INVISIBLE))}{_SELECTORS}{_OPENINGS}]")
"""Characters that are hidden although Python calls them printable, or that may open a tag."""
_LENGTH: Final = 25
"""Characters of a name: what WhatsApp lets people choose. A group's subject may be longer, and is cut."""
_NAMES: Final = 1024
"""Names whose cut form is kept: the same few stand in list after list."""
# Labels have 63 characters at most (RFC 1035); without bounds a long name would take quadratic time.
_LINK: Final = re.compile(
    r"(?<!\S)\S*(?:://|www\.)\S*|\b(?:[\w-]{1,63}[.。．｡]){1,8}[^\W\d_]{2,63}\b(?:[/:?#]\S*)?", re.IGNORECASE
)
_WORDS: Final = 3
"""Words of a name: whoever is to do something has to be told in more."""
_WORD: Final = re.compile(r"[^\W_]{2,}")
_DIGITS: Final = re.compile(r"\d{5,}")
_AT: Final = str.maketrans(dict.fromkeys("@＠﹫", " "))
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
"""Seven blanks or more in a row, invisible ones among them, could push the end of a text out of sight."""
_MARKS: Final = frozenset(
    "'\"`´‘’‚‛“”„‟«»′″‴‵‶‷ʹʺʻʼʽˮ˝״׳❛❜❝❞❟❠〝〞〟＂＇「」『』\U0001f676\U0001f677\U0001f678"
)
"""Whatever looks like a quotation mark, or two of which do."""


def is_shown(text: str, index: int) -> bool:
    """Return whether the character at `index` is visible, or holds an emoji together."""
    char = text[index]
    if char in "\n\t":
        return True
    if char == _JOINER:  # holds families and flags together; between anything else it only hides
        around = text[index - 1 : index] + text[index + 1 : index + 2]
        return len(around) == 2 and _is_emoji(around[0]) and _is_emoji(around[1])
    # Asks for the emoji form of the character before it; behind a letter it has no use but to hide something.
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
    # Openings that only resemble `<` end here: `without_tags` looks at texts with a `<` alone.
    return _LOOKS_LIKE_A_TAG.sub("[", text)


def _harmless(text: str) -> bool:
    """Return whether a text needs no closer look; for whole texts at the speed of C."""
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


def words_in_name(name: str) -> int:
    """Return the number of words in a name."""
    return sum(1 for _ in _WORD.finditer(name))


@lru_cache(_NAMES)
def cut_name(name: str) -> str:
    """The name without links, `@` and runs of five digits: `_WORDS` words and `_LENGTH` characters at most.

    A number or jid, which is shown for who has no name, stays as it is: nobody is called so (`is_name`).
    """
    if reads_as_address(name):
        return name
    # Cleaned first, since invisible characters would hide a link or a number from these patterns; cleaned
    # once more, since what is left out leaves blanks.
    line = clean_line(_DIGITS.sub("…", _LINK.sub("…", clean_line(name))).translate(_AT))
    words = list(islice(_WORD.finditer(line), _WORDS + 1))
    if len(words) > _WORDS:
        line = f"{line[: words[_WORDS - 1].end()]}…"
    return line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1].rstrip()}…"


def _counted(text: str) -> str:
    """The text with the number of blanks in place of more than six in a row."""
    return _BLANKS.sub(lambda run: f" ⟨{len(run[0]):,} blanks⟩ ", text)


def quoted(text: str, limit: int = _NAME) -> str:
    """Words for a line of ours, in quotation marks that they cannot close; cut ones with their length."""
    line = "".join(_without_marks(visible(_counted(text))))
    if len(line) <= limit:
        return f"“{line}”"
    return f"“{line[:limit]}…” ({len(text):,} characters)"


def whole(lead: str, text: str) -> list[str]:
    """All of a text, below or behind a line of ours.

    Args:
        lead: What it is, without a colon.
        text: The text.
    """
    # An apostrophe stays the same in `quoted`; other marks would become one, and the text shown not be exact.
    has_marks = any(_is_mark(char) for char in text.replace("'", ""))
    if len(text) > _INLINE or has_marks or LINE_BREAKS.search(text):
        return barred(lead, text)
    # Room for a text whose every character is shown as its number: nothing of it is cut.
    return [f"{lead}: {quoted(text, _INLINE * len('‹U+100000›'))}"]


def barred(lead: str, text: str) -> list[str]:
    """Return the exact text below a lead line, with its own line breaks and quotation marks."""
    lines = LINE_BREAKS.split(_counted(text))
    count = len(LINE_BREAKS.split(text))
    several = f" in {count:,} lines" if count > 1 else ""
    size = f" ({len(text):,} characters{several})" if len(text) > _LONG or count > _MANY else ""
    return [f"{lead}{size}:", *(f"{BAR}{visible(line)}" for line in lines)]


def _without_marks(line: str) -> list[str]:
    """The characters, with one apostrophe for each run of what looks like quotation marks."""
    kept: list[str] = []
    for char in line:
        # Two apostrophes side by side would pass for a mark that ends the quotation.
        kept.append("'" if _is_mark(char) else char)
        if kept[-2:] == ["'", "'"]:
            kept.pop()
    return kept


def _is_mark(char: str) -> bool:
    if char.isascii() or char in _MARKS:
        return char in _MARKS
    # `‹U+200B›` is ours.
    return char not in "‹›" and not _MARKS.isdisjoint(unicodedata.normalize("NFKC", char))
