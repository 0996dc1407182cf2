"""Text read in a file, as an answer of its own: the requested part, and how to continue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import EXCERPT, FileReading, FileStep, Message, Passage, ReadingKind
from whatsapp_mcp.policy import clean, clean_line, one_line
from whatsapp_mcp.server.fencing import LIMIT, Text, in_quotes
from whatsapp_mcp.server.render.kinds import duration_text, language_shown

HEARD: Final = "🎤"
"""Stands before the words of a voice note, among what nobody else writes: no name of others has it."""
_PROBLEMS: Final = {"MEDIA_UNAVAILABLE": "expired", "TOO_LONG": "too large"}
"""Description of a file's problem, by the problem's code."""
_ROOM: Final = LIMIT - 3_000
"""Characters of an answer for what was read: the rest is for what is said of it."""
_HEAD: Final = 16
"""Characters of a line before its text, without a title."""
_LINE_BREAK: Final = 2
"""Characters by which a line break grows where it is shown on one line."""
_TITLE: Final = 60
"""Characters of the title of a page."""
_ENGINE: Final = re.compile(r"[A-Za-z0-9 ._+-]{1,40}")
"""Names of engines come from the process that reads foreign files: what is none is not repeated."""
_PAGES: Final = re.compile(r"(?P<first>\d{1,6})(?:(?P<open>-)(?P<last>\d{1,6})?|\+(?P<skip>\d{1,7}))?")


class PageData(TypedDict):
    """A page of a document, what was said without a pause, or a picture; `start` is in seconds."""

    page: int
    title: NotRequired[str]
    start: NotRequired[float]
    text: str


class ReadingData(TypedDict):
    """Text read in a file: some of its `pages` pages; pass `next` as `pages` for more.

    `kind` is `document`, `picture` or `transcript`; `pages_in_file` counts those that were not read, too.
    """

    ref: str
    kind: str
    engine: str
    language: NotRequired[str]
    pages: int
    pages_in_file: NotRequired[int]
    passages: list[PageData]
    next: NotRequired[str]


@dataclass(slots=True)
class Wanted:
    """Which pages are asked for, and what was found of them.

    Attributes:
        first: Number of the first page.
        last: Number of the last one; None: up to the end.
        skip: Characters of the first page that were shown before.
        pages: How many there are.
        following: How to ask for what is left; None: nothing is.
    """

    first: int = 1
    last: int | None = None
    skip: int = 0
    pages: int = 0
    following: str | None = None

    @classmethod
    def parse(cls, pages: str | None) -> Wanted:
        """Pages as a tool's argument gives them: `3`, `2-5`, `7-`, or `3+40000` for the rest of a long one.

        Raises:
            InvalidArgument: It is none of these.
        """
        if pages is None:
            return cls()
        given = _PAGES.fullmatch("".join(pages.split()))
        first, last = (int(given["first"]), given["last"]) if given else (0, None)
        if given is None or first < 1 or (last is not None and int(last) < first):
            raise InvalidArgument(
                f"{clean_line(pages, 40)!r} names no pages.", "Write 3, 2-5, or 7- for all from 7 on."
            )
        if given["open"]:
            return cls(first, None if last is None else int(last))
        return cls(first, first, int(given["skip"] or 0))

    def take(self, reading: FileReading) -> FileReading:
        """The pages that are asked for, as many as an answer has room for.

        Raises:
            InvalidArgument: There is no such page.
        """
        self.pages = len(reading.passages) if any(one.text for one in reading.passages) else 0
        if self.pages == 0:
            return replace(reading, passages=())
        if self.first > self.pages:
            raise InvalidArgument(
                f"There is no page {self.first}: {_counted(self.pages)} were read.", "Leave pages out."
            )
        return replace(reading, passages=tuple(self._fitting(reading.passages[self.first - 1 : self.last])))

    def _fitting(self, passages: tuple[Passage, ...]) -> Iterator[Passage]:
        room, end = _ROOM, self.last or self.pages
        for page, passage in enumerate(passages, self.first):
            skipped = self.skip if page == self.first else 0
            text = passage.text[skipped:]
            length = _shown_length(text) + _HEAD + len(passage.title or "")
            if length > room and page > self.first:
                self.following = (
                    f"{page}-{'' if self.last is None else self.last}" if page < end else f"{page}"
                )
                return
            if length > room:
                # By tenths: how long a text is when it is shown depends on the line breaks that are left in
                # it.
                while _shown_length(text) > room - _HEAD - _TITLE:
                    text = text[: len(text) * 9 // 10]
                self.following = f"{page}+{skipped + len(text)}"
            room -= length
            yield replace(passage, text=text)
            if self.following:
                return
        if self.skip and self.first < self.pages:
            self.following = f"{self.first + 1}-"


def _shown_length(text: str) -> int:
    return len(text) + _LINE_BREAK * text.count("\n")


def _counted(pages: int) -> str:
    return f"{pages} page{'' if pages == 1 else 's'}"


def reading_data(ref: int, part: FileReading, wanted: Wanted) -> ReadingData:
    """A part of what was read, as structured content."""
    data = ReadingData(
        ref=f"#{ref}",
        kind=part.kind.value,
        engine=part.engine if _ENGINE.fullmatch(part.engine) else "an engine",
        pages=wanted.pages,
        passages=[_page_data(page, one) for page, one in enumerate(part.passages, wanted.first)],
    )
    if language := language_shown(part.language):
        data["language"] = language
    if part.passages_in_file is not None:
        data["pages_in_file"] = part.passages_in_file
    if wanted.following:
        data["next"] = wanted.following
    return data


def _page_data(page: int, passage: Passage) -> PageData:
    data = PageData(page=page, text=clean(passage.text))
    if passage.title:
        data["title"] = clean_line(passage.title, _TITLE)
    if passage.start is not None:
        data["start"] = passage.start
    return data


def reading_text(data: ReadingData, what: str, *, cut: bool, of_sender: bool) -> Text:
    """A part of what was read, for a model.

    Args:
        data: The same as structured content.
        what: What the message is: `#12 [document 1.2 MB] “plan.pdf”`.
        cut: A page lost its end to a limit.
        of_sender: They are words of whoever sent the message.
    """
    pages, passages = data["pages"], data["passages"]
    kind = ReadingKind(data["kind"])
    language = f"{data['language']}, " if "language" in data else ""
    if not pages:
        nothing = "Nothing is said in it" if kind is ReadingKind.TRANSCRIPT else "There are no words in it"
        hint = " It may be a scan: download_media fetches it." if kind is ReadingKind.DOCUMENT else ""
        return Text(f"{what}: {nothing} that {data['engine']} could read.{hint}")
    head = f"{what}, {_which(kind, passages, pages)} ({language}read by {data['engine']})"
    head += ":" if of_sender else "; who wrote it is not known:"
    lines = [_line(kind, one, of_many=pages > 1) for one in passages]
    return Text(head, lines, _notes(data, cut=cut))


def _which(kind: ReadingKind, passages: list[PageData], pages: int) -> str:
    """`pages 1-3 of 12`, `transcript`."""
    first, last = passages[0]["page"], passages[-1]["page"]
    shown = f"page {first}" if first == last else f"pages {first}-{last}"
    if kind is ReadingKind.DOCUMENT:
        return f"{shown} of {pages}"
    name = "transcript" if kind is ReadingKind.TRANSCRIPT else "words in it"
    return name if (first, last) == (1, pages) else f"{name}, parts {first}-{last} of {pages}"


def _line(kind: ReadingKind, page: PageData, *, of_many: bool) -> str:
    """`page 2 “Sheet 1”: …`, `0:42: …`; a line break is shown as in a message."""
    if "start" in page:
        head = duration_text(int(page["start"]))
    elif kind is ReadingKind.DOCUMENT or of_many:
        head = f"{'page' if kind is ReadingKind.DOCUMENT else 'part'} {page['page']}"
    else:
        head = "text"
    if title := page.get("title"):
        head += f" {in_quotes(title, _TITLE)}"
    return f"{head}: {one_line(page['text'])}" if page["text"].strip() else f"{head} (no text)"


def _notes(data: ReadingData, *, cut: bool) -> list[str]:
    notes: list[str] = []
    if following := data.get("next"):
        left = following.replace("-", f"-{data['pages']}") if following.endswith("-") else following
        page, _, part = left.partition("+")
        what = f"The rest of page {page} is left" if part else f"Pages {left} are left"
        notes.append(f'{what}: read_file({data["ref"]}, pages="{following}")')
    if whole := data.get("pages_in_file"):
        notes.append(f"The file has {_counted(whole)}, of which the first {data['pages']} were read.")
    if cut:
        notes.append("Of a very long page only the beginning was read.")
    return notes


def file_facts(message: Message) -> dict[str, Any]:
    """Return the text read in a file, or its final problem, as structured content."""
    if read := message.reading:
        known = {
            "kind": read.kind.value,
            "pages": read.passages,
            "language": language_shown(read.language),
            "text": clean(read.text[:EXCERPT]) or None,
            "cut": (read.cut and bool(read.text)) or None,
        }
        facts: dict[str, Any] = {"reading": {key: value for key, value in known.items() if value is not None}}
        if message.snippet is not None and message.snippet_of == "reading":
            facts["snippet_of"] = "reading"
            if message.snippet_passage is not None:
                facts["snippet_page"] = message.snippet_passage
        return facts
    if (problem := message.problem) and problem.final:
        step = "not readable" if problem.step is FileStep.READ else "not fetched"
        return {"problem": _PROBLEMS.get(problem.code, step)}
    return {}
