"""The part of a text around a hit, the hit between `**`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from whatsapp_mcp.archive.database import fold, tokens
from whatsapp_mcp.archive.read.search_query import Term

AROUND: Final = 60
"""Characters that are shown on each side of a hit."""
AROUND_FEW: Final = 150
"""As `AROUND`, where there are few hits: they may be all that is read."""
_WORDS: Final = 4_000
"""Words of a text that are looked at: a hit further on is shown without what is around it."""
_STRETCH: Final = 1_024
"""Characters in which a part is looked for at once: to find its place each character is folded alone."""
_LONGEST: Final = 120
"""Characters that are shown of one hit: a word may be as long as a message."""
_HOLDS_TOGETHER: Final = frozenset({"", "-", ":", ".", "/", "'", "’", "@", "_"})
_WORD: Final = re.compile(r"[^\W_]+(?:[\u0300-\u036f\u064b-\u065f\u0900-\u0dff]+[^\W_]*)*|\S", re.UNICODE)


class Cut(NamedTuple):
    """A snippet, and where in the text its hit begins."""

    text: str
    at: int


class Marker:
    """Cuts snippets around the words, phrases and prefixes of one query."""

    def __init__(self, terms: Sequence[Term], around: int = AROUND) -> None:
        self._around = around
        self._whole = {
            token for term in terms for token in (term.tokens[:-1] if term.prefix else term.tokens)
        }
        self._beginnings = tuple(term.tokens[-1] for term in terms if term.prefix)
        self._sought = (*self._whole, *self._beginnings)

    def cut(self, text: str) -> Cut | None:
        """The snippet; None when the hit is not in this text."""
        whole, beginnings = self._whole, self._beginnings
        spans: list[tuple[int, int]] = []
        for word in islice(_WORD.finditer(text, self._start(text)), _WORDS):
            if spans and word.start() > spans[0][1] + self._around:
                break
            found = _tokens(word[0])
            if len(found) > 1 and not whole.isdisjoint(found):
                spans += _parts(word, whole)
            elif not whole.isdisjoint(found) or (
                beginnings and any(one.startswith(beginnings) for one in found)
            ):
                spans.append(word.span())
        return _cut(text, spans, self._around)

    def _start(self, text: str) -> int:
        """Where reading may begin: at the word with the first hit, when it stands there as it is sought."""
        plain = text.casefold()
        if len(plain) != len(text):
            return 0
        places = [plain.find(sought) for sought in self._sought]
        if not places or min(places) < 0:
            return 0
        return plain.rfind(" ", 0, min(places)) + 1


@lru_cache(maxsize=32_768)
def _tokens(word: str) -> tuple[str, ...]:
    return tuple(tokens(word))


def _parts(word: re.Match[str], whole: set[str]) -> list[tuple[int, int]]:
    """Where in a run of several tokens (Chinese, emoji) the wanted ones stand."""
    start = word.start()
    single = [
        (start + place, start + place + 1)
        for place, char in enumerate(word[0])
        if not whole.isdisjoint(_tokens(char))
    ]
    return single or [word.span()]


def of_substring(text: str, wanted: str, around: int = AROUND) -> Cut | None:
    """The snippet for a part of a text, folded alike."""
    overlap = 2 * len(wanted) + _STRETCH
    for start in range(0, len(text), _STRETCH):
        stretch = text[start : start + _STRETCH + overlap]
        if wanted in fold(stretch) and (span := _place(stretch, wanted)) is not None:
            return _cut(text, [(start + span[0], start + span[1])], around)
    return None


def _place(text: str, wanted: str) -> tuple[int, int] | None:
    """Where in a text a folded part begins and ends."""
    folded: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        plain = fold(char)
        folded.append(plain)
        places += [place] * len(plain)
    start = "".join(folded).find(wanted)
    if start < 0:
        return None
    return places[start], places[min(start + len(wanted), len(places)) - 1] + 1


def _cut(text: str, spans: list[tuple[int, int]], around: int) -> Cut | None:
    if not spans:
        return None
    spans = [(start, min(end, start + _LONGEST)) for start, end in spans]
    first, last = max(0, spans[0][0] - around), min(len(text), spans[0][1] + around)
    if first > 0:
        space = text.find(" ", first, spans[0][0])
        first = space + 1 if space >= 0 else first
    if last < len(text):
        space = text.rfind(" ", spans[0][1], last)
        last = space if space >= 0 else last
    marked: list[str] = []
    at = first
    for start, end in _joined(text, spans):
        if end > last:
            break
        marked += [text[at:start], "**", text[start:end], "**"]
        at = end
    marked.append(text[at:last])
    shown = ("…" if first else "") + "".join(marked) + ("…" if last < len(text) else "")
    return Cut(shown, spans[0][0])


def _joined(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Hits with nothing between them, or only what holds a word together (`19:45`), as one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        between = text[joined[-1][1] : start] if joined else " "
        if between in _HOLDS_TOGETHER:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
