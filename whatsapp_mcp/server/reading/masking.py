"""One-time codes, masked in what an agent may see, and searches that would tell them all the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from whatsapp_mcp.models import (
    FileReading,
    Media,
    Message,
    Passage,
    PollOption,
    ReadingExcerpt,
    ReadingKind,
)
from whatsapp_mcp.policy import MASK, mask_parts
from whatsapp_mcp.server.reading.masker import Masker

_HIT: Final = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_EXCLUDES: Final = re.compile(r"(?:^|\s)-\S")
_AROUND: Final = 100
"""Characters that are shown on each side of a hit in a text with codes."""
PART: Final = 80_000
"""Characters of a file that are read for codes where a page of it is shown: twice what an answer shows."""
_NEAR: Final = 1_000
"""Characters on each side of them in which a code may be announced: three times as far as a word reaches."""
_DIGIT: Final = re.compile(r"\d")
_OPERATORS: Final = re.compile(r"[a-zA-Z]{2,6}:(?:\"[^\"]*\"?|\S+)")
_DATES: Final = re.compile(
    r"(?<!\S)(?:before|until|after|since):(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?!\S)"
)
_WORDS: Final = re.compile(r"[^\W_]+")
_OR: Final = frozenset({"OR", "|"})


def mask_codes_in(message: Message, masker: Masker) -> None:
    """Mask the one-time codes in what an incoming message itself says."""
    text, masked = message.text, masker.text(message.text)
    has_codes = masked is not text
    message.text = masked
    if reading := message.reading:
        heard = masker.text(reading.text)
        has_codes |= heard is not reading.text
        message.reading = replace(reading, text=heard)
    if message.snippet is not None and message.snippet_of == "text" and masked is not text:
        message.snippet = masked_snippet(masked, message.snippet)
    elif message.snippet is not None and has_codes and message.snippet_of != "reading":
        # The hit's stars may stand within a code, which would not be recognised.
        plain = _HIT.sub(r"\1", message.snippet)
        message.snippet = shown if (shown := masker.text(plain)) is not plain else message.snippet
    if message.earlier:
        message.earlier = tuple(map(masker.text, message.earlier))
    if message.details:
        message.details = masker.values(message.details)
    if message.poll:
        message.poll = tuple(replace(option, name=masker.text(option.name)) for option in message.poll)
    mask_name_in(message, text, masker)


def mask_quote_in(message: Message, masker: Masker) -> None:
    """Mask the one-time codes in what a message quotes, whoever replies: the words are another message's."""
    if message.quote is not None and message.quote.text:
        message.quote = replace(message.quote, text=masker.text(message.quote.text))


def mask_name_in(message: Message, text: str, masker: Masker) -> None:
    """Mask the one-time codes in the name of a message's file; a snippet of such a name is left out.

    Args:
        message: The message, which is changed.
        text: Its text as it came.
        masker: Masks.
    """
    if message.media is None or not (name := message.media.file_name):
        return
    masked = masker.name(name, text)
    if masked != name:
        message.media = replace(message.media, file_name=masked)
        if message.snippet_of == "file_name":
            message.snippet = None


def masked_snippet(masked: str, snippet: str | None) -> str:
    """A snippet of a text that holds codes, cut again from that without them."""
    hit = _HIT.search(snippet or "")
    at = masked.replace(MASK, "\0" * len(MASK)).find(hit[1]) if hit else -1
    if hit is None or at < 0:
        return ""
    end = at + len(hit[1])
    before = ("…" if at > _AROUND else "") + masked[max(0, at - _AROUND) : at]
    after = masked[end : end + _AROUND] + ("…" if end + _AROUND < len(masked) else "")
    return f"{before}**{hit[1]}**{after}"


@lru_cache(maxsize=4)
def masked_reading(reading: FileReading, first: int | None = None) -> FileReading:
    """What was read in a file, with its one-time codes masked wherever they are announced in it.

    The last few are kept: they are read page by page.

    Args:
        reading: What was read.
        first: The page from which on it is read: of what is long, `PART` characters from there on are read
            for codes, with what is near them, and all other pages are hidden. None: all of it is.
    """
    lengths = [len(one.text) + len(one.title or "") for one in reading.passages]
    if first is None or sum(lengths) <= PART:
        return replace(reading, passages=_masked_passages(reading, reading.passages))
    begin = min(first, len(lengths)) - 1
    end = _reached(lengths, begin, 1, PART)
    before = _reached(lengths, begin - 1, -1, _NEAR) + 1
    passages = list(reading.passages[before : _reached(lengths, end, 1, _NEAR)])
    if before < begin:
        # Titles stand before texts: a page that is cut at its beginning has none.
        passages[0] = replace(passages[0], title=None, text=passages[0].text[-_NEAR:])
    if before + len(passages) > end:
        passages[-1] = replace(passages[-1], text=passages[-1].text[:_NEAR])
    masked = _masked_passages(reading, passages)[begin - before : end - before]
    hidden = [Passage(MASK)] * len(lengths)
    return replace(reading, passages=(*hidden[:begin], *masked, *hidden[end:]))


def _reached(lengths: Sequence[int], at: int, step: Literal[1, -1], wanted: int) -> int:
    """The page behind those, from one on, that have so many characters together."""
    while 0 <= at < len(lengths) and wanted > 0:
        wanted -= lengths[at]
        at += step
    return at


def _masked_passages(reading: FileReading, passages: Sequence[Passage]) -> tuple[Passage, ...]:
    texts = [text for one in passages for text in (one.title or "", one.text)]
    spoken = reading.kind is ReadingKind.TRANSCRIPT
    following = iter(mask_parts([text for text in texts if text], " " if spoken else "\n"))
    return tuple(
        [
            replace(one, title=one.title and next(following), text=one.text and next(following))
            for one in passages
        ]
    )


class Carried(NamedTuple):
    """What a message carries beside its text."""

    details: Mapping[str, Any] | None
    media: Media | None
    poll: Sequence[PollOption]
    reading: ReadingExcerpt | None


def may_be_told(
    query: str, text: str, carried: Carried, readings: Mapping[int, str] | None, ref: int, masker: Masker
) -> bool:
    """Whether it tells nothing of a one-time code that a query found a message which stays back.

    Args:
        query: The query.
        text: The text of the message.
        carried: What else it carries.
        readings: What was read in files that hold codes, without those, by the message's ref.
        ref: Of the message.
        masker: Masks.
    """
    masked, in_file = masker.text(text), readings is not None and ref in readings
    details = carried.details
    name = carried.media.file_name if carried.media else None
    names_none = not name or masker.name(name, text) == name
    if masked is text and not in_file and names_none and (not details or masker.values(details) == details):
        return True
    heard = masker.text(carried.reading.text) if carried.reading else ""
    return finds_masked(query, readings[ref] if readings and in_file else heard, masked, carried)


def finds_masked(query: str, reading: str, text: str, carried: Carried) -> bool:
    """Whether a query would find a message also if the codes in it were masked in the archive.

    Args:
        query: The query.
        reading: What was read in its file, without codes.
        text: Its text, without codes.
        carried: What else it carries.
    """
    options = " ".join(option.name for option in carried.poll)
    file_name = (carried.media.file_name if carried.media else None) or ""
    shown = f"{reading} {text} {file_name} {options}".casefold()
    return not tells_codes(query) and all(
        any(word.casefold() in shown for word in alternatives) for alternatives in _wanted(query)
    )


def _wanted(query: str) -> list[list[str]]:
    """The words of a query, of each list of which one is wanted."""
    wanted: list[list[str]] = []
    joins = False
    for piece in _OPERATORS.sub(" ", query).split():
        if piece in _OR:
            joins = bool(wanted)
            continue
        first, *rest = _WORDS.findall(piece) or [""]
        if joins:
            wanted[-1].append(first)
        else:
            wanted.append([first])
        wanted += [[word] for word in rest]
        joins = False
    return wanted


def tells_codes(query: str) -> bool:
    """Whether what a query finds, or does not, may tell a one-time code."""
    # The index folds other digits, as `⁴`, to these.
    words = _DATES.sub(" ", unicodedata.normalize("NFKD", query))
    return bool(_DIGIT.search(words) or _EXCLUDES.search(query))


def is_shown_masked(snippet: str | None, masked: str, query: str) -> bool:
    """Whether a hit in a masked message tells nothing of what is masked.

    What is found must stand in the masked text, and a snippet need not show all of it.
    """
    hits = _HIT.findall(snippet or "")
    shown = masked.casefold()
    return bool(hits) and not tells_codes(query) and all(hit.casefold() in shown for hit in hits)
