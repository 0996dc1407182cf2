"""One-time codes and strangers' names in one answer, and searches that would tell those codes all the same.

A `Masker` masks the codes of an answer in a time that no sender can stretch. `Names` bounds how many names
that strangers chose stand in it: read down a list, they are a text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, reads_as_address
from whatsapp_mcp.models import (
    FileReading,
    Message,
    Passage,
    ReadingKind,
    file_words_are_senders,
)
from whatsapp_mcp.policy import MASK, cut_name, mask_codes, mask_parts, may_hold_code, words_in_name

if TYPE_CHECKING:
    from whatsapp_mcp.archive.read import Sought

READ_CLOSELY: Final = 50_000
"""Characters of an answer that are read for the words around one-time codes, at worst in 0.2 s: more than
an answer shows."""
READ_BY_WORDS: Final = 2_500_000
"""Further characters in which whatever could be a code is masked: more than a page of messages has."""
_IN_FILE: Final = 50_000
"""Characters of a file up to which it is looked for codes that a search must not tell; and of four such."""
_RESERVE: Final = 200_000
"""Characters that are left for the next message, which is no longer with its file and its poll."""
_ANNOUNCING: Final = 300
"""Characters of a text that may announce a code in the name of its file."""
PART: Final = 80_000
"""Characters of a file that are read for codes where a page of it is shown: twice what an answer shows."""
_NEAR: Final = 1_000
"""Characters on each side of them in which a code may be announced: three times as far as a word reaches."""
_DIGIT: Final = re.compile(r"\d")
_DATES: Final = re.compile(
    r"(?<!\S)(?:before|until|after|since):(?:19|20)\d\d-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?(?!\S)"
)
"""Operators with a date: their digits are none of a code."""
STRANGERS: Final = 3
"""Strangers of one answer who are shown by name."""
TOGETHER: Final = 6
"""Words of their names together."""
_KNOWN: Final = 1024
"""Names and addresses of which the shown form is kept."""
SOMEBODY: Final = "somebody"
"""Label of a person shown neither by name nor by number."""


class Masker:
    """Masks the one-time codes in all fields of one answer; each message has a share of what is read closely.

    Behind that whatever could be a code is masked, and behind `READ_BY_WORDS` everything: it lies far beyond
    what an answer shows.
    """

    def __init__(self) -> None:
        self._closely = self._share = READ_CLOSELY
        self._by_words = READ_BY_WORDS
        self._in_files = 4 * _IN_FILE

    def begin(self, among: int) -> None:
        """Begin the next message, the first of so many that are still to come."""
        self._share = self._closely // max(1, among)

    @property
    def is_spent(self) -> bool:
        """True if the next long message might be masked as a whole."""
        return self._by_words < _RESERVE

    def mark(self) -> tuple[int, int, int]:
        """Return the budget left for the messages to come, for `back_to`."""
        return self._closely, self._by_words, self._in_files

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Take nothing for what came after a mark: it is not shown after all."""
        self._closely, self._by_words, self._in_files = mark

    def text(self, text: str) -> str:
        """The text with its codes masked; the same text where there are none."""
        if not may_hold_code(text):
            return text
        closely = self._take(len(text))
        by_words = min(len(text) - closely, self._by_words)
        self._by_words -= by_words
        end = closely + by_words
        masked = mask_codes(text if end == len(text) else text[:end], closely)
        if end < len(text):
            masked += MASK
        return text if masked == text else masked

    def name(self, name: str, text: str) -> str:
        """The name of a file with its codes masked, which the text of its message may announce."""
        if not may_hold_code(name):
            return name
        announcing = text[-_ANNOUNCING:]
        if self._take(len(announcing) + len(name)) < len(announcing) + len(name):
            return mask_codes(name, 0)
        return mask_parts((announcing, name), "\n")[1]

    def values(self, value: Any) -> Any:
        """A JSON value with the codes masked in every text within."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.values(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.values(inner) for inner in value]
        return value

    def looks_into_file(self, length: int) -> bool:
        """Return whether the text read in a file is short enough to look for codes; uses up the budget."""
        self._in_files -= min(length, _IN_FILE)
        return length <= _IN_FILE and self._in_files >= 0

    def _take(self, wanted: int) -> int:
        """So many of these characters are read closely."""
        taken = min(wanted, self._share)
        self._share -= taken
        self._closely -= taken
        return taken


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
    """Return the text read in a file, with one-time codes masked wherever they are announced in it.

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


def _reached(lengths: Sequence[int], index: int, step: Literal[1, -1], wanted: int) -> int:
    """The page behind those, from one on, that have so many characters together."""
    while 0 <= index < len(lengths) and wanted > 0:
        wanted -= lengths[index]
        index += step
    return index


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
    """Texts of a message that a search covers, beside the text read in its file."""

    text: str
    file_name: str
    options: tuple[str, ...]
    choices: tuple[str, ...]

    @classmethod
    def of(cls, message: Message) -> Carried:
        """Return the texts that a message carries."""
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
    """Return whether a query would still find a message if the codes in it were masked in the archive.

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
    """Return whether the hits of a query, or their absence, may tell a one-time code."""
    # The index folds other digits, as `⁴`, to these.
    words = _DATES.sub(" ", unicodedata.normalize("NFKD", sought.query))
    return _DIGIT.search(words) is not None or sought.excludes


class Names:
    """The names of strangers in one answer, the first ones within the bounds."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def mark(self) -> int:
        """Return the number of names shown so far, for `back_to`."""
        return len(self._shown)

    def back_to(self, mark: int) -> None:
        """Forget those that came after a mark: they are not shown after all."""
        while len(self._shown) > mark:
            self._shown.popitem()

    def cut(self, name: str) -> str | None:
        """The name as it is shown, cut; None where it is one too many.

        A number or jid, which stands for who has no name, is nobody's words.
        """
        shown, words = _cut(name)
        if words is not None and shown not in self._shown:
            if len(self._shown) >= STRANGERS or sum(self._shown.values()) + words > TOGETHER:
                return None
            self._shown[shown] = words
        return shown


def names_in(messages: Iterable[Message]) -> Iterator[str]:
    """The names of the chats and senders of messages."""
    for message in messages:
        yield from (message.chat_name, message.sender_name)


@lru_cache(_KNOWN)
def _cut(name: str) -> tuple[str, int | None]:
    """A name as it is shown, and its words; None for an address. The same ones stand in list after list."""
    if reads_as_address(name):
        return name, None
    shown = cut_name(name)
    return shown, words_in_name(shown)


@lru_cache(_KNOWN)
def by_number(jid: str) -> str:
    """Return the number of an address, or else its jid; `SOMEBODY` if the jid is invalid."""
    with suppress(InvalidArgument):
        return Jid.parse(jid).number or jid
    return SOMEBODY
