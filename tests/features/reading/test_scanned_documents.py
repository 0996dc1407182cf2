"""Scanned documents: the words in the pictures of their pages, in the confined process."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from PIL import Image

from tests.media.document_files import pdf, scanned_pdf
from tests.media.footage import written
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.features.reading.readers import Reader, ReaderOptions, open_reader
from whatsapp_mcp.models import FileReading, ReadingKind

pytestmark = pytest.mark.anyio
LETTER = ("Dear tenant,", "the deposit of 900 euros", "is paid back on 1 May.")


@pytest.fixture(scope="module")
async def reader() -> AsyncIterator[Reader]:
    """A reader that recognises words."""
    async with open_reader(ReaderOptions(words=True)) as opened:
        yield opened


def scan(*pages: tuple[str, ...], mode: str = "RGB") -> bytes:
    """A PDF of pictures of these lines, as a scanner makes it."""
    images = [Image.open(io.BytesIO(written(*lines))) for lines in pages]
    large = [image.resize((1200, 1200 * image.height // image.width)).convert(mode) for image in images]
    buffer = io.BytesIO()
    large[0].save(buffer, "PDF", save_all=True, append_images=large[1:])
    return buffer.getvalue()


def lines_of(read: FileReading) -> list[list[str]]:
    """The lines of each page."""
    assert (read.kind, read.engine) == (ReadingKind.DOCUMENT, "pypdf")
    return [passage.text.splitlines() for passage in read.passages]


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "RGBA"])
async def test_the_words_of_a_scanned_letter_are_read(reader: Reader, mode: str) -> None:
    assert lines_of(await reader.document(scan(LETTER, mode=mode))) == [list(LETTER)]


async def test_the_words_of_a_scan_that_is_packed_without_loss_are_read(reader: Reader) -> None:
    image = Image.open(io.BytesIO(written(*LETTER))).resize((1200, 744)).convert("L")
    assert lines_of(await reader.document(scanned_pdf(*image.size, image.tobytes()))) == [list(LETTER)]


async def test_each_scanned_page_is_a_page(reader: Reader) -> None:
    read = await reader.document(scan(("Page one",), ("Page two",)))
    assert lines_of(read) == [["Page one"], ["Page two"]]


async def test_a_scan_without_words_says_so(reader: Reader) -> None:
    blank = io.BytesIO()
    Image.new("RGB", (800, 1000), "white").save(blank, "PDF")
    with pytest.raises(Unsupported, match="no words were recognised"):
        await reader.document(blank.getvalue())


async def test_a_page_with_text_is_read_as_text(reader: Reader) -> None:
    assert lines_of(await reader.document(pdf(["The deposit is 900 euros."]))) == [
        ["The deposit is 900 euros."]
    ]
