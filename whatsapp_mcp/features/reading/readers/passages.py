"""Readings on their way from the process to its server, and their bounds on both sides.

What a file says has any length, and characters that no database or JSON takes. It is bounded and cleaned
where it is read; the server checks that it was, since a file may have taken over the process.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Annotated, Final, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.features.reading.readers import limits
from whatsapp_mcp.features.reading.speech.recogniser import LONGEST_RECORDING, Transcript, without_pauses
from whatsapp_mcp.media.job import Outcome, invalid_answer
from whatsapp_mcp.media.worker import JobResult
from whatsapp_mcp.models import FileReading, Passage, ReadingKind

# C0 and C1 controls but tab and line feed, lone surrogates, and the two that are no characters.
_UNCLEAN: Final = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_PAGE_BREAK: Final = str.maketrans({"\f": " ", "\v": "\n", "\x85": "\n", "\r": "\n"})
_TRAILING: Final = re.compile(r"(?<![ \t\xa0])[ \t\xa0]+(?=\n|\Z)")
_PIECE: Final = 10_000
"""Characters that are folded at once, to find where a text has to end."""
_BLANK_LINES: Final = re.compile(r"\n{3,}")


class _Told(NamedTuple):
    """A reading as its process tells it."""

    passages: Annotated[
        list[tuple[str, str | None, Annotated[float, Field(ge=0, le=1e6)] | None]],
        Field(max_length=limits.PASSAGES),
    ]
    engine: str
    language: str | None
    passages_in_file: Annotated[int, Field(ge=0, le=10_000_000)] | None
    cut: bool


_TOLD: Final = TypeAdapter(_Told)
_PIECES: Final = TypeAdapter(
    list[tuple[Annotated[float, Field(ge=0, le=LONGEST_RECORDING)], Annotated[int, Field(gt=0)]]]
)


def cleaned(text: str) -> str:
    """A text without control characters and lone surrogates, lines without trailing space or long gaps."""
    plain = text.replace("\r\n", "\n").translate(_PAGE_BREAK)
    if _UNCLEAN.search(plain):
        plain = _UNCLEAN.sub("", plain)
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", plain)).strip("\n")


def fitting(text: str, most: int) -> tuple[int, int]:
    """Return how many characters of a text fold to at most `most`, and to how many; at least one each.

    Search takes ligatures apart: one character (U+FDFA) is eighteen letters. A page full of them, which costs
    its sender three bytes each, would keep the archive busy for seconds.
    """
    if text.isascii():
        return min(len(text), most), min(len(text), most)
    folded = 0
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        size = _folded(piece)
        if folded + size <= most:
            folded += size
            continue
        for place, char in enumerate(piece, start):
            if folded + _folded(char) > most:
                return place, folded
            folded += _folded(char)
    return len(text), folded


def _folded(text: str) -> int:
    return max(len(text), len(unicodedata.normalize("NFKC", text)))


def _all_fit(texts: Iterable[str]) -> bool:
    left = limits.CHARACTERS
    for text in texts:
        fits, folded = fitting(text, min(left, limits.PASSAGE_CHARACTERS))
        if fits < len(text):
            return False
        left -= folded
    return True


def collected(
    passages: Iterable[Passage],
    engine: str,
    language: str | None = None,
    *,
    in_file: int | None = None,
    is_late: Callable[[], bool] = lambda: False,
    why_empty: Callable[[], WhatsAppError] | None = None,
) -> Outcome:
    """The answer of a job that read these, as far as the limits go; no more of them are read than that.

    Args:
        passages: In their order; an empty one is kept, since page 3 is the third.
        engine: What read them.
        language: Of a transcript.
        in_file: How many there are, where that is known before they are read.
        is_late: Whether to stop after the present passage.
        why_empty: The error if no passage has a word; None: that is a reading, too.

    Raises:
        WhatsAppError: What `why_empty` gave.
    """
    kept: list[tuple[str, str | None, float | None]] = []
    left, cut, more = limits.CHARACTERS, False, False
    for passage in passages:
        if len(kept) == limits.PASSAGES or left <= 0 or is_late():
            more = True
            break
        most = min(left, limits.PASSAGE_CHARACTERS)
        # What cleaning removes does not count, but no more is cleaned than could be kept.
        text = cleaned(passage.text[: 2 * most])
        fits, folded = fitting(text, most)
        cut = cut or fits < len(text) or len(passage.text) > 2 * most
        left -= folded if fits == len(text) else most
        text = text[:fits]
        title = cleaned(passage.title)[: limits.TITLE_CHARACTERS] if passage.title else None
        kept.append((text, title, passage.start))
    if why_empty is not None and not any(text for text, _, _ in kept):
        raise why_empty()
    total = max(in_file or 0, len(kept) + 1) if more else None
    reading = _Told(kept, engine, language, total, cut)
    return {}, _TOLD.dump_json(reading)


def transcribed(transcript: Transcript, engine: str) -> Outcome:
    """The answer of a job that heard this: a passage is what was said without a pause."""
    heard = (Passage(each.text, start=round(each.start, 2)) for each in without_pauses(transcript.segments))
    return collected(heard, engine[: limits.ENGINE_CHARACTERS], transcript.language)


def reading_of(kind: ReadingKind, answer: JobResult) -> FileReading:
    """Validate a job's answer and return the reading in it.

    Raises:
        Unsupported: It is no such answer, or over the limits.
    """
    try:
        reading = _TOLD.validate_json(answer.content)
    except ValidationError:
        raise invalid_answer() from None
    texts = [text for text, _, _ in reading.passages]
    titles = [title for _, title, _ in reading.passages if title is not None]
    names = [(reading.engine, limits.ENGINE_CHARACTERS), (reading.language or "", limits.LANGUAGE_CHARACTERS)]
    is_bounded = (
        len(texts) <= limits.PASSAGES
        and _all_fit(texts)
        and all(len(title) <= limits.TITLE_CHARACTERS for title in titles)
        and all(len(name) <= most for name, most in names)
    )
    said = (*texts, *titles, *(name for name, _ in names))
    if not is_bounded or any(_UNCLEAN.search(each) for each in said):
        raise invalid_answer()
    return FileReading(
        kind,
        tuple(Passage(*each) for each in reading.passages),
        reading.engine,
        reading.language,
        reading.passages_in_file,
        reading.cut,
    )


def pieces_in(answer: JobResult) -> list[tuple[float, bytes]]:
    """The pieces of sound that the process made, each with its start in seconds.

    Raises:
        Unsupported: It is no such answer.
    """
    try:
        pieces = _PIECES.validate_python(answer.facts.get("pieces"))
    except ValidationError:
        raise invalid_answer() from None
    ends = list(accumulate(size for _, size in pieces))
    if (ends[-1] if ends else 0) != len(answer.content):
        raise invalid_answer()
    return [
        (start, answer.content[end - size : end]) for (start, size), end in zip(pieces, ends, strict=True)
    ]
