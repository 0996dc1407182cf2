"""The reading process and its server's side: what comes back, what is loaded, and what it may cost."""

from __future__ import annotations

import io
import json
import sys
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.document_files import (
    docx,
    encrypted,
    opendocument,
    paragraph,
    pdf,
    pptx,
    slide_paragraphs,
    xlsx,
    zipped,
)
from tests.tables import for_each
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.readers import (
    Reader,
    ReaderOptions,
    available,
    limits,
    open_reader,
    passages,
)
from whatsapp_mcp.features.reading.readers.options import arguments_of, options_of
from whatsapp_mcp.features.reading.readers.passages import cleaned, collected, reading_of
from whatsapp_mcp.features.reading.speech.options import SpeechOptions
from whatsapp_mcp.media import JobResult
from whatsapp_mcp.models import FileReading, Passage, ReadingKind

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Reader]:
    """A reader of documents alone."""
    async with open_reader(ReaderOptions()) as opened:
        yield opened


def read_back(passages: list[Passage], **more: Any) -> FileReading:
    """Passages as they arrive at the server."""
    facts, content = collected(iter(passages), "test", **more)
    return reading_of(ReadingKind.DOCUMENT, JobResult(facts, content))


def answer(**changed: Any) -> JobResult:
    """An answer of the process in which something is changed."""
    told = {"passages": [["a", None, None]], "engine": "e", "language": None, "passages_in_file": None}
    return JobResult({}, json.dumps(list({**told, "cut": False, **changed}.values())).encode())


async def test_a_text_is_read_in_a_process_of_its_own(reader: Reader) -> None:
    read = await reader.document("Die Kaution beträgt 900 €.\n".encode(), "text/plain", "brief.txt")
    assert read == FileReading(ReadingKind.DOCUMENT, (Passage("Die Kaution beträgt 900 €."),), "text")
    assert reader.pid is not None
    if sys.platform == "linux":
        assert 10_000_000 < (reader.memory or 0) < 300_000_000


async def test_the_confined_process_reads_documents_of_every_family(reader: Reader) -> None:
    grid = '<row><c t="inlineStr"><is><t>words</t></is></c></row>'
    rows = "<table:table-row><table:table-cell><text:p>words</text:p></table:table-cell></table:table-row>"
    for content in (
        pdf(["words"]),
        encrypted("", "words"),
        docx(paragraph("words")),
        xlsx({"A": grid}),
        pptx([slide_paragraphs("words")]),
        opendocument("text", "<text:p>words</text:p>"),
        opendocument("spreadsheet", f"<table:table>{rows}</table:table>"),
        rb"{\rtf1 words}",
        "words".encode("utf-16"),
        b"BEGIN:VCARD\nFN:words\nEND:VCARD\n",
        zipped({"words": b""}),
    ):
        read = await reader.document(content)
        assert "words" in read.passages[0].text, read.engine


async def test_an_open_file_is_read_as_its_bytes_are(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name;sum\nAnn;3\n")
    with (tmp_path / "a.csv").open("rb") as file:
        read = await reader.document(file, "text/csv", "a.csv")
    assert [passage.text for passage in read.passages] == ["name | sum\nAnn | 3"]


async def test_what_is_not_loaded_is_refused_with_what_to_install(reader: Reader) -> None:
    with pytest.raises(Unsupported, match=r"\[ocr\]"):
        await reader.picture(b"")
    with pytest.raises(Unsupported, match="voice install"):
        await reader.recording(b"")


@for_each(
    "options",
    [
        ReaderOptions(),
        ReaderOptions(words=True),
        ReaderOptions(speech=SpeechOptions("pocketsphinx")),
        ReaderOptions(True, SpeechOptions("whisper", Path("/models/a b"))),
    ],
)
def test_a_process_gets_its_options_as_arguments(options: ReaderOptions) -> None:
    assert options_of(arguments_of(options)) == options


@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_what_was_cleaned_is_clean_and_stays_as_it_is(text: str) -> None:
    clean = cleaned(text)
    assert cleaned(clean) == clean
    assert clean.encode().decode() == clean
    assert not set(clean) & set("\0\r\f\x1b")


def test_letters_and_lines_are_kept_by_cleaning() -> None:
    assert cleaned("a\r\nb\rc\td  \n\n\n\nÄ😀\f\0") == "a\nb\nc\td\n\nÄ😀"


def test_no_more_than_the_limits_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("PASSAGES", 3), ("CHARACTERS", 12), ("PASSAGE_CHARACTERS", 5)):
        monkeypatch.setattr(limits, name, most)
    assert read_back([Passage("x")] * 3) == FileReading(
        ReadingKind.DOCUMENT, (Passage("x"),) * 3, "test", passages_in_file=None, cut=False
    )
    many = read_back([Passage("x")] * 9, in_file=9)
    assert (len(many.passages), many.passages_in_file, many.cut) == (3, 9, False)
    long = read_back([Passage("123456789")] * 3)
    assert [passage.text for passage in long.passages] == ["12345", "12345", "12"]
    assert (long.passages_in_file, long.cut) == (None, True)
    monkeypatch.setattr(limits, "PASSAGES", 9)
    assert read_back([Passage("12345")] * 9).passages_in_file == 4


def test_a_late_reading_ends_with_what_was_read() -> None:
    late = iter([False, False, True])
    read = read_back([Passage("x")] * 9, in_file=9, is_late=lambda: next(late))
    assert (len(read.passages), read.passages_in_file) == (2, 9)


def test_passages_are_asked_for_only_as_far_as_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PASSAGES", 2)
    asked = (Passage(str(number)) for number in range(10))
    collected(asked, "test")
    assert next(asked).text == "3"


@given(st.lists(st.tuples(st.text(max_size=20), st.none() | st.text(max_size=9)), max_size=5))
def test_what_is_collected_arrives(passages: list[tuple[str, str | None]]) -> None:
    read = read_back([Passage(*one) for one in passages])
    assert [one.text for one in read.passages] == [cleaned(text) for text, _ in passages]


def test_a_ligature_counts_as_the_letters_that_search_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("CHARACTERS", 100), ("PASSAGE_CHARACTERS", 40)):
        monkeypatch.setattr(limits, name, most)
    read = read_back([Passage("\ufdfa" * 9)] * 9)
    assert [len(one.text) for one in read.passages] == [2, 2, 1]
    assert read.cut
    with pytest.raises(Unsupported, match="invalid data"):
        reading_of(ReadingKind.DOCUMENT, answer(passages=[["\ufdfa" * 9, None, None]]))


@given(
    st.lists(st.text("a\ufdfa\ufb03ß한é\u0323\u0301\u1e0b漢😀 ", max_size=30), max_size=5), st.integers(1, 60)
)
def test_what_fits_folds_to_no_more_and_arrives(texts: list[str], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "_PIECE", 7)
        patch.setattr(limits, "CHARACTERS", most)
        read = read_back(list(map(Passage, texts)))
    assert sum(len(unicodedata.normalize("NFKC", one.text)) for one in read.passages) <= most


@pytest.mark.parametrize("longest", ["😀", '"', "é"])
def test_the_longest_reading_fits_into_an_answer(longest: str) -> None:
    each = limits.CHARACTERS // limits.PASSAGES
    passage = Passage(longest * each, longest * limits.TITLE_CHARACTERS, 999_999.99)
    _, content = collected([passage] * limits.PASSAGES, longest * limits.ENGINE_CHARACTERS)
    assert len(content) <= limits.DOCUMENT.output_bytes
    assert len(reading_of(ReadingKind.DOCUMENT, JobResult({}, content)).passages) == limits.PASSAGES


@for_each(
    "changed",
    [
        {"passages": [["a"]]},
        {"passages": [["a\0", None, None]]},
        {"passages": [["\ud800", None, None]]},
        {"passages": [["a", "t" * 201, None]]},
        {"passages": [["a", None, -1]]},
        {"passages": [["a", None, None]] * 2001},
        {"passages": [["a" * 200_001, None, None]]},
        {"passages": [["a" * 200_000, None, None]] * 6},
        {"engine": "e" * 101},
        {"engine": "\x1b[2J"},
        {"language": "x" * 17},
        {"passages_in_file": -1},
        {"cut": "perhaps"},
    ],
)
def test_an_answer_over_the_limits_is_no_reading(changed: dict[str, Any]) -> None:
    assert reading_of(ReadingKind.PICTURE, answer()).passages == (Passage("a"),)
    with pytest.raises(Unsupported, match="invalid data"):
        reading_of(ReadingKind.PICTURE, answer(**changed))


def test_what_can_be_read_here_follows_from_what_is_loaded() -> None:
    assert available(ReaderOptions()) == {ReadingKind.DOCUMENT}
    assert available(ReaderOptions(words=True)) == {ReadingKind.DOCUMENT, ReadingKind.PICTURE}
    speech = ReaderOptions(speech=SpeechOptions("pocketsphinx"))
    assert available(speech) == {ReadingKind.DOCUMENT, ReadingKind.TRANSCRIPT}


def test_what_a_transcript_may_cost_grows_with_its_length() -> None:
    assert limits.recording_limits(10).seconds == 120
    assert limits.recording_limits(600).seconds == 2400
    assert limits.recording_limits(1e9) == limits.recording_limits(None)


def test_the_rehearsal_reads_its_samples() -> None:
    from whatsapp_mcp.features.reading.readers import reading_documents
    from whatsapp_mcp.features.reading.readers.samples import samples

    for sample in samples():
        facts, content = reading_documents.read_document(
            io.BytesIO(sample), {"mime_type": "", "file_name": ""}
        )
        assert (facts, bool(content)) == ({}, True)
