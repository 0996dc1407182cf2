"""Plain text and tables: encodings, parts, rows."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents import open_document
from whatsapp_mcp.features.reading.documents.document import PART_CHARACTERS, parts


def pages(content: bytes, mime_type: str = "text/plain", file_name: str = "") -> list[str]:
    """The texts of a document's passages."""
    return [one.text for one in open_document(io.BytesIO(content), mime_type, file_name).passages]


@for_each("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_a_text_is_read_in_the_encoding_that_it_has(encoding: str) -> None:
    text = "Die Kaution beträgt 900 Euro.\nGrüße aus Köln"
    assert pages(text.encode(encoding)) == [text]


def test_other_scripts_are_read() -> None:
    text = "аренда 押金 عربون 😀"
    assert pages(text.encode()) == pages(text.encode("utf-16")) == [text]


def test_a_character_on_the_border_of_what_is_read_does_not_change_the_encoding() -> None:
    content = b"a" * 7_999_999 + "é".encode() * 10
    assert pages(content)[0] == "a" * PART_CHARACTERS


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, b"\x7fELF\x02\x01\x01" + bytes(99), b"\x80\x01abc"]
)
def test_what_is_no_text_is_refused(content: bytes) -> None:
    with pytest.raises(Unsupported, match="neither text"):
        pages(content)


@pytest.mark.parametrize(
    ("content", "label"), [(b"\x89PNG\r\n\x1a\n....", "a PNG"), (b"OggS....", "an Ogg file"), (b"", "empty")]
)
def test_another_kind_of_file_is_refused_by_name(content: bytes, label: str) -> None:
    with pytest.raises(Unsupported, match=label):
        pages(content, "text/plain", "a.txt")


@given(st.lists(st.text("ab\n", max_size=9000), max_size=4))
def test_parts_keep_every_character_in_its_order(texts: list[str]) -> None:
    lines = "\n".join(texts).split("\n")
    found = [one.text for one in parts(lines)]
    assert all(len(text) <= PART_CHARACTERS + len(lines) for text in found)
    assert "".join(found).replace("\n", "") == "".join(lines)


def test_a_form_feed_begins_a_page() -> None:
    assert pages(b"one\n\x0ctwo\nlines") == ["one", "two\nlines"]


@for_each("delimiter", [",", ";", "\t", "|"])
def test_a_table_is_read_row_by_row_whatever_separates_its_fields(delimiter: str) -> None:
    rows = [["name", "note", "sum"], ["Ann", '"two\nlines"', "3"]]
    content = "\r\n".join(delimiter.join(row) for row in rows).encode()
    assert pages(content, "text/csv", "a.csv") == ["name | note | sum\nAnn | two lines | 3"]


def test_a_table_with_an_endless_field_is_refused_by_name() -> None:
    with pytest.raises(TooLong, match="field of more than 100,000"):
        pages(b'a,"' + b"x\n" * 200_000, "text/csv")
