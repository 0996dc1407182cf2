"""The text of a PDF, page by page, by pypdf; of scanned pages, the words in their pictures."""

from __future__ import annotations

import codecs
import io
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import pypdf
from PIL import Image, Jpeg2KImagePlugin, TiffImagePlugin
from pypdf import PdfReader, filters
from pypdf._codecs import core_font_metrics
from pypdf.errors import PyPdfError
from pypdf.generic import _image_xobject

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, Document, no_text, protected
from whatsapp_mcp.features.reading.documents.packages import damaged
from whatsapp_mcp.models import Passage

Words = Callable[[Image.Image], list[str]]
"""The lines of words in an RGB picture."""
PAGES: Final = 20_000
SCAN_PIXELS: Final = 250_000
"""Fewest pixels of a picture that may be a scanned page."""
SCANS: Final = 8
"""Pictures of one page that are recognised: scanners cut a page into strips."""
_SCAN_SIDE: Final = 2_000
"""Pixels a side to which it is fitted."""
_OBJECTS: Final = 50
_FORMS: Final = 2
"""Forms inside forms in which a scan is looked for."""
_ANNOTATIONS: Final = 1_000
"""Most annotations read on one page."""
_ANNOTATION_CHARACTERS: Final = 4_000
_LITTLE: Final = 100
"""Characters that a page has although it is a picture: what a scanner's program stamps on it."""
_BROKEN: Final = (
    *(PyPdfError, ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, OSError),
    *(ImportError, RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error),
)
"""Exceptions that pypdf raises on malformed files."""
_CODECS: Final = tuple(
    map(codecs.lookup, "charmap latin1 gbk gb2312 gb18030 big5 cp932 utf-16 utf-16-be utf-16-le".split())
)
"""Codecs of fonts. Loaded on import: nothing can be loaded once the reading process is confined."""
_LOADED: Final = (core_font_metrics, filters, _image_xobject, Jpeg2KImagePlugin, TiffImagePlugin)
"""The same: pypdf and Pillow load parts of themselves when a file needs them."""
pypdf.overwrite_configuration(
    maximum_declared_stream_length=50_000_000,
    array_based_stream_maximum_output_length=50_000_000,
    zlib_maximum_output_length=50_000_000,
    lzw_maximum_output_length=20_000_000,
    run_length_maximum_output_length=50_000_000,
    stream_decoding_work_maximum_length=150_000_000,
    xform_maximum_invocations_per_extraction=500,
    jbig2dec_binary=None,
    disable_legacy_handling=True,
)
# It quotes the file.
logging.getLogger("pypdf").addHandler(logging.NullHandler())
logging.getLogger("pypdf").propagate = False


def open_pdf(file: BinaryIO, words: Words | None) -> Document:
    """A PDF; each page is a passage, empty where it has no text.

    Args:
        file: The PDF.
        words: What recognises the words in pictures; None: nothing does.

    Raises:
        Unsupported: It is damaged, or protected with a password.
        TooLong: It has too many pages.
    """
    file.seek(0)
    # Its parts stand anywhere, and are looked up thousands of times.
    content = io.BytesIO(file.read())
    try:
        reader = PdfReader(content, strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise protected()
        count = len(reader.pages)
    except _BROKEN:
        raise damaged() from None
    if count > PAGES:
        raise TooLong(f"The PDF has more than {PAGES:,} pages.", DOWNLOAD)
    pages = _Pages(reader, words)
    return Document(map(pages.read, range(count)), "pypdf", count, pages.why_empty)


class _Pages:
    """The pages of an open PDF."""

    def __init__(self, reader: PdfReader, words: Words | None) -> None:
        self._reader = reader
        self._words = words
        self._has_scans = False
        self._has_broken = False

    def read(self, number: int) -> Passage:
        """A page by its number, the first being 0."""
        try:
            page = self._reader.pages[number]
            text = page.extract_text()
        except _BROKEN:
            self._has_broken = True
            return Passage("")
        text = "\n".join((text.rstrip(), *_annotations(page)))
        if len(text.strip()) >= _LITTLE:
            return Passage(text)
        scans = list(islice(_scans(page), SCANS))
        self._has_scans = self._has_scans or bool(scans)
        if self._words is None or not scans:
            return Passage(text)
        recognised = [self._recognised(page, name) for name in scans]
        return Passage("\n".join(piece.strip() for piece in (text, *recognised)).strip())

    def why_empty(self) -> Unsupported:
        """The refusal if no page has a word."""
        if self._has_broken:
            return Unsupported("The pages of the PDF are damaged, or unpack to more than is read.", DOWNLOAD)
        if not self._has_scans:
            return no_text()
        if self._words is not None:
            return Unsupported(
                "The pages of the PDF are pictures, in which no words were recognised.", DOWNLOAD
            )
        return Unsupported(
            "The pages of the PDF are pictures, and words in pictures are not recognised here.",
            "Tell the user that the extra `ocr` does it: pip install 'mcp-server-whatsapp[ocr]'.",
        )

    def _recognised(self, page: Any, name: list[str]) -> str:
        assert self._words is not None
        try:
            image = page.images[name].image
            image.thumbnail((_SCAN_SIDE, _SCAN_SIDE))
            plain = image.convert("RGB")
        except _BROKEN:
            return ""
        try:
            return "\n".join(self._words(plain))
        except (Unsupported, TooLong):
            return ""


def _annotations(page: Any) -> Iterator[str]:
    """Yield the values of a page's form fields and the text of its annotations."""
    try:
        for reference in list(page.get("/Annots") or ())[:_ANNOTATIONS]:
            yield from _annotation(reference.get_object())
    except _BROKEN:
        return


def _annotation(annotation: Any) -> Iterator[str]:
    is_field = annotation.get("/Subtype") == "/Widget"
    field: Any = annotation if "/T" in annotation else annotation.get("/Parent", annotation).get_object()
    said: Any = field.get("/V") if is_field else annotation.get("/Contents")
    # A box that is not ticked has the name `/Off`.
    if not isinstance(said, str) or not said.strip() or said == "/Off":
        return
    plain = said.removeprefix("/")[:_ANNOTATION_CHARACTERS]
    yield f"{str(field.get('/T', ''))[:200]}: {plain}" if is_field else plain


def _scans(holder: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """The names of pictures on a page that are large enough to be a scan, in the file's order.

    Args:
        holder: The page, or a form in it.
        path: The names that lead to the form.
    """
    try:
        resources = holder.get("/Resources", {}).get_object()
        objects = resources.get("/XObject", {}).get_object()
        for name in list(objects)[:_OBJECTS]:
            xobject = objects[name].get_object()
            kind = xobject.get("/Subtype")
            if (
                kind == "/Image"
                and int(xobject.get("/Width", 0)) * int(xobject.get("/Height", 0)) >= SCAN_PIXELS
            ):
                yield [*path, name]
            elif kind == "/Form" and len(path) < _FORMS:
                yield from _scans(xobject, (*path, name))
    except _BROKEN:
        return
