"""One-time codes, masked in what an agent may see, and searches that would tell them all the same."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from whatsapp_mcp.models import (
    FileReading,
    Message,
    Passage,
    ReadingKind,
    file_words_are_senders,
)
from whatsapp_mcp.policy import MASK, mask_parts
from whatsapp_mcp.server.reading.masker import Masker

if TYPE_CHECKING:
    from whatsapp_mcp.archive.read import Sought

PART: Final = 80_000
"""Characters of a file that are read for codes where a page of it is shown: twice what an answer shows."""
_NEAR: Final = 1_000
"""Characters on each side of them in which a code may be announced: three times as far as a word reaches."""
_DIGIT: Final = re.compile(r"\d")
_DATES: Final = re.compile(
    r"(?<!\S)(?:before|until|after|since):(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?!\S)"
)


def mask_codes_in(message: Message, masker: Masker) -> None:
    """Mask the one-time codes in what an incoming message itself says."""
    text, message.text = message.text, masker.text(message.text)
    if reading := message.reading:
        message.reading = replace(reading, text=masker.text(reading.text))
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
    """Mask the one-time codes in the name of a message's file.

    Args:
        message: The message, which is changed.
        text: Its text as it came.
        masker: Masks.
    """
    if message.media is None or not (name := message.media.file_name):
        return
    message.media = replace(message.media, file_name=masker.name(name, text))


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
    """What a search looks for words in, beside what was read in a file."""

    text: str
    file_name: str
    options: tuple[str, ...]
    choices: tuple[str, ...]

    @classmethod
    def of(cls, message: Message) -> Carried:
        """What a message carries."""
        choices: Sequence[Any] = (message.details or {}).get("choices", ())
        return cls(
            message.text,
            (message.media.file_name if message.media else None) or "",
            tuple([option.name for option in message.poll]),
            tuple(map(str, choices)),
        )

    def masked(self, masker: Masker) -> Carried:
        """The same without one-time codes, which `masker` masks."""
        return Carried(
            masker.text(self.text),
            masker.name(self.file_name, self.text),
            tuple(map(masker.text, self.options)),
            tuple(map(masker.text, self.choices)),
        )


def finds_masked(sought: Sought, carried: Carried, read: Sequence[str]) -> bool:
    """Whether a query would find a message also if the codes in it were masked in the archive.

    Args:
        sought: The query.
        carried: What the message carries, without codes.
        read: What was read in its file, page by page, without codes.
    """
    # Options are not looked for inside of words.
    options = () if sought.is_inside else (*carried.options, *carried.choices)
    searched = "\n".join((carried.text, carried.file_name, *options, *read))
    return not tells_codes(sought) and sought.finds(searched)


def cut_again(sought: Sought, message: Message, read: Sequence[str]) -> None:
    """Cut the snippet of a message from what it says without codes: where a hit stood may tell one.

    Args:
        sought: The query that found it.
        message: The message, which is changed.
        read: As `finds_masked` takes it.
    """
    carried = Carried.of(message)
    message.snippet_passage = None
    places: tuple[tuple[Literal["text", "file_name", "options"], str], ...] = (
        ("text", carried.text),
        ("file_name", carried.file_name),
        ("options", ", ".join(carried.options)),
    )
    for message.snippet_of, text in places:
        message.snippet = sought.cut(text)
        if message.snippet is not None:
            return
    for page, text in enumerate(read, 1):
        if (cut := sought.cut(text)) is not None:
            message.snippet_of, message.snippet_passage = "reading", page
            message.snippet = cut if file_words_are_senders(message) else ""
            return


def tells_codes(sought: Sought) -> bool:
    """Whether what a query finds, or does not, may tell a one-time code."""
    # The index folds other digits, as `⁴`, to these.
    words = _DATES.sub(" ", unicodedata.normalize("NFKD", sought.query))
    return _DIGIT.search(words) is not None or sought.excludes
