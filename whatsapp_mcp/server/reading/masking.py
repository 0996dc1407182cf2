"""One-time codes, masked in what an agent may see, and searches that would tell them all the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, NamedTuple

from whatsapp_mcp.models import (
    FileReading,
    Media,
    Message,
    PollOption,
    ReadingExcerpt,
    ReadingKind,
)
from whatsapp_mcp.policy import MASK, mask_codes, mask_parts

_HIT: Final = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_EXCLUDES: Final = re.compile(r"(?:^|\s)-\S")
_ANNOUNCING: Final = 300
"""Characters of a text that may announce a code in the name of its file."""
_AROUND: Final = 100
"""Characters that are shown on each side of a hit in a text with codes."""
_DIGIT: Final = re.compile(r"\d")
_OPERATORS: Final = re.compile(r"[a-zA-Z]{2,6}:(?:\"[^\"]*\"?|\S+)")
_DATES: Final = re.compile(
    r"(?<!\S)(?:before|until|after|since):(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?!\S)"
)
_WORDS: Final = re.compile(r"[^\W_]+")
_OR: Final = frozenset({"OR", "|"})


def mask_codes_in(message: Message, closely: int | None = None) -> None:
    """Mask the codes in what an incoming message itself says; `closely` characters of it are read closely."""
    text, masked = message.text, mask_codes(message.text, closely)
    has_codes = masked is not text
    message.text = masked
    if reading := message.reading:
        heard = mask_codes(reading.text, closely)
        has_codes |= heard is not reading.text
        message.reading = replace(reading, text=heard)
    if message.snippet is not None and message.snippet_of == "text" and masked is not text:
        message.snippet = masked_snippet(masked, message.snippet)
    elif message.snippet is not None and has_codes and message.snippet_of != "reading":
        # The hit's stars may stand within a code, which would not be recognised.
        plain = _HIT.sub(r"\1", message.snippet)
        message.snippet = shown if (shown := mask_codes(plain)) is not plain else message.snippet
    if message.earlier:
        message.earlier = tuple(map(mask_codes, message.earlier))
    if message.details:
        message.details = masked_values(message.details)
    if message.poll:
        message.poll = tuple(replace(option, name=mask_codes(option.name)) for option in message.poll)
    mask_name_in(message, text)


def mask_quote_in(message: Message) -> None:
    """Mask the one-time codes in what a message quotes, whoever replies: the words are another message's."""
    if message.quote is not None and message.quote.text:
        message.quote = replace(message.quote, text=mask_codes(message.quote.text))


def mask_name_in(message: Message, text: str) -> None:
    """Mask the one-time codes in the name of a message's file; a snippet of such a name is left out.

    Args:
        message: The message, which is changed.
        text: Its text as it came.
    """
    if message.media is None or not (name := message.media.file_name):
        return
    masked = masked_name(name, text)
    if masked != name:
        message.media = replace(message.media, file_name=masked)
        if message.snippet_of == "file_name":
            message.snippet = None


def masked_name(name: str, text: str) -> str:
    """The name of a file with its one-time codes masked, which the text of its message may announce."""
    return mask_parts((text[-_ANNOUNCING:], name), "\n")[1]


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
def masked_reading(reading: FileReading) -> FileReading:
    """What was read in a file, with its one-time codes masked wherever they are announced in it.

    The last few are kept: a million characters take seconds, and are read page by page.
    """
    texts = [text for one in reading.passages for text in (one.title or "", one.text)]
    spoken = reading.kind is ReadingKind.TRANSCRIPT
    masked = mask_parts([text for text in texts if text], " " if spoken else "\n")
    following = iter(masked)
    passages = [
        replace(one, title=one.title and next(following), text=one.text and next(following))
        for one in reading.passages
    ]
    return replace(reading, passages=tuple(passages))


def masked_values(value: Any) -> Any:
    """A JSON value with the codes masked in every text within."""
    if isinstance(value, str):
        return mask_codes(value)
    if isinstance(value, dict):
        return {key: masked_values(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked_values(inner) for inner in value]
    return value


class Carried(NamedTuple):
    """What a message carries beside its text."""

    details: Mapping[str, Any] | None
    media: Media | None
    poll: Sequence[PollOption]
    reading: ReadingExcerpt | None


def may_be_told(
    query: str, text: str, carried: Carried, readings: Mapping[int, str] | None, ref: int
) -> bool:
    """Whether it tells nothing of a one-time code that a query found a message which stays back.

    Args:
        query: The query.
        text: The text of the message.
        carried: What else it carries.
        readings: What was read in files that hold codes, without those, by the message's ref.
        ref: Of the message.
    """
    masked, in_file = mask_codes(text), readings is not None and ref in readings
    details = carried.details
    name = carried.media.file_name if carried.media else None
    names_none = not name or masked_name(name, text) == name
    if masked is text and not in_file and names_none and (not details or masked_values(details) == details):
        return True
    heard = mask_codes(carried.reading.text) if carried.reading else ""
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
