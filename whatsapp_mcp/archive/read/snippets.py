"""The part of a text around a hit, the hit between `**`; and queries, asked of texts with parts missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, Literal, NamedTuple

from whatsapp_mcp.archive.database import fold, in_token, tokens, tokens_text
from whatsapp_mcp.archive.read.search_query import Term, any_of, parse

AROUND: Final = 60
"""Characters that are shown on each side of a hit."""
AROUND_FEW: Final = 150
"""Characters that are shown on each side of a hit where there are few hits: they may be all that is read."""
_WORDS: Final = 4_000
"""Words of a text that are looked at: a hit further on is shown without what is around it."""
_STRETCH: Final = 1_024
"""Characters in which a part is looked for at once: to find its place each character is folded alone."""
_LONGEST: Final = 120
"""Characters that are shown of one hit: a word may be as long as a message."""
_HOLDS_TOGETHER: Final = frozenset({"", "-", ":", ".", "/", "'", "’", "@", "_"})
_MISSING: Final = "\x00"
"""Takes the place of what is missing: no term holds it, so no hit reaches across."""
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
            word_tokens = _tokens(word[0])
            if len(word_tokens) > 1 and not whole.isdisjoint(word_tokens):
                spans += _parts(word, whole)
            elif not whole.isdisjoint(word_tokens) or (
                beginnings and any(one.startswith(beginnings) for one in word_tokens)
            ):
                spans.append(word.span())
        return _cut(text, spans, self._around)

    def _start(self, text: str) -> int:
        """Return where reading may begin: at the word of the first hit; 0 if any is not there as sought."""
        plain = text.casefold()
        # Folding has moved places (`ß` is two letters): those of the folded text do not hold for the text.
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
    """Return the spans of the wanted tokens in a run of several (Chinese, emoji)."""
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
    """Return where in a text a folded part begins and ends; None if it does not occur."""
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
    position = first
    for start, end in _joined(text, spans):
        if end > last:
            break
        marked += [text[position:start], "**", text[start:end], "**"]
        position = end
    marked.append(text[position:last])
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


class Sought:
    """The words of a query, as a search takes them.

    Attributes:
        query: As typed.
        is_inside: Whether words are also found inside of others.
        excludes: Whether what is found depends on words that are not there.
    """

    def __init__(
        self, query: str, mode: Literal["words", "any", "anybody", "substring"] = "words", *, missing: str
    ) -> None:
        """Take a query apart.

        Args:
            query: What is searched for.
            mode: As that of the search.
            missing: What stands in a text where something was left out.
        """
        self.query, self._missing = query, missing
        parsed = parse(query)
        wanted = any_of(parsed.wanted) if mode in {"any", "anybody"} else parsed.wanted
        self._wanted = [*wanted, *(tuple(one.terms) for one in parsed.mixed if one.terms)]
        texts = [*parsed.texts, *(tuple(one.texts) for one in parsed.mixed if one.texts)]
        self._texts = [parts for one in texts if (parts := [part for text in one if (part := fold(text))])]
        self.is_inside = mode == "substring"
        names = [("from", *one) for one in parsed.senders] + [("in", *one) for one in parsed.chats]
        # Where nobody has this name it is searched as text.
        self._names = [(operator, fold(name)) for operator, name, _ in names]
        self.excludes = bool(parsed.unwanted) or any(excluded for *_, excluded in names)
        self._marker = Marker([term for terms in self._wanted for term in terms], AROUND_FEW)

    def finds(self, text: str) -> bool:
        """Return whether a search would find a text, whatever its chat and its sender.

        What an OR joins to an operator counts as its words alone. A text does not count in which the name
        behind an operator, searched as text, may go on in what is missing.
        """
        text = text.replace(self._missing, _MISSING)
        if self._names and _MISSING in text:
            plain, words = fold(text), f" {' '.join(_tokens_around(text))} "
            if any(_goes_on(*one, plain, words) for one in self._names):
                return False
        if self.is_inside:
            plain = fold(text)
            return all(any(part in plain for part in parts) for parts in self._texts)
        # Not taken apart into tokens, which takes far longer than to look where one may stand.
        words = tokens_text(text)
        return all(any(_stands(term, words) for term in terms) for terms in self._wanted)

    def cut(self, text: str) -> str | None:
        """The part of a text around the first hit, which stands between `**`; None where it has none."""
        if not self.is_inside:
            snippet = self._marker.cut(text)
        else:
            cuts = (of_substring(text, part, AROUND_FEW) for parts in self._texts for part in parts)
            snippet = next((cut for cut in cuts if cut is not None), None)
        return None if snippet is None else snippet.text


def _tokens_around(text: str) -> list[str]:
    """The tokens of a text; what is missing is one of its own, which no term has."""
    first, *others = text.split(_MISSING)
    all_tokens = tokens(first)
    for part in others:
        all_tokens += [_MISSING, *tokens(part)]
    return all_tokens


def _stands(term: Term, words: str) -> bool:
    """Check whether a term's tokens follow each other in a `tokens_text`, with no omission between."""
    first, length = term.tokens[0], len(words)
    position = words.find(first)
    while position >= 0:
        if not (position and in_token(words[position - 1])):
            end = position + len(first)
            for token in term.tokens[1:]:
                start = end
                while start < length and words[start] != _MISSING and not in_token(words[start]):
                    start += 1
                if start == end or not words.startswith(token, start):
                    break
                end = start + len(token)
            else:
                if term.prefix or end == length or not in_token(words[end]):
                    return True
        position = words.find(first, position + 1)
    return False


def _goes_on(operator: str, name: str, plain: str, words: str) -> bool:
    """Check whether a name behind its operator begins in a text but is cut by an omission."""
    name_tokens = tokens(name)
    return any(f"{operator}:{name[:end]}{_MISSING}" in plain for end in range(len(name) + 1)) or any(
        f" {' '.join([operator, *name_tokens[:end]])} {_MISSING}" in words
        for end in range(len(name_tokens) + 1)
    )
