"""One small document of each family, which the reading process reads before it is confined."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Final

_PDF: Final = (
    b"<< /Type /Catalog /Pages 2 0 R >>",
    b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
    b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F 5 0 R >> >> >>",
    b"<< /Length 29 >>\nstream\nBT /F 12 Tf 9 9 Td (a) Tj ET \nendstream",
    b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
)
_WORD: Final = {
    "[Content_Types].xml": "<Types/>",
    "_rels/.rels": '<R><Relationship Id="a" Type="x/officeDocument" Target="d.xml"/></R>',
    "d.xml": "<document><p><t>a</t></p></document>",
}


def samples() -> Iterator[bytes]:
    """A text, a PDF and a Word document."""
    yield b"Words"
    yield pdf_of(_PDF)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in _WORD.items():
            package.writestr(name, content)
    yield packed.getvalue()


def pdf_of(objects: Iterable[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is its catalog."""
    content, offsets = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, each in enumerate(objects, 1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(offsets) + 1
    table = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Root 1 0 R /Size %d >>\n" % (size, rows, size)
    return bytes(content) + table + b"startxref\n%d\n%%%%EOF\n" % len(content)
