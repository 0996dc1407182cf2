"""The text of a Rich Text Format file (version 1.9.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from whatsapp_mcp.errors import TooLong
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD, Document, parts

SIGNATURE: Final = b"{\\rtf"
BYTES: Final = 32_000_000
DEPTH: Final = 1_000
"""Groups inside groups."""
_TOKEN: Final = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|([^\\{}\r\n]+)|[\r\n]+", re.ASCII
)
_BREAKS: Final = {**dict.fromkeys(("par", "line", "row", "sect", "page"), "\n"), "tab": "\t", "cell": " | "}
_MARKS: Final = {
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
_NO_TEXT: Final = frozenset(
    "fonttbl colortbl stylesheet info pict object generator listtable listoverridetable rsidtbl themedata"
    " colorschememapping datastore latentstyles xmlnstbl filetbl revtbl fldinst bkmkstart bkmkend nonshppict"
    " mmathPr header footer headerl headerr footerl footerr headerf footerf".split()
)


def open_rtf(file: BinaryIO) -> Document:
    """An RTF file, in parts of a page.

    Raises:
        TooLong: It is larger than is read, as with pictures in it.
    """
    file.seek(0)
    content = file.read(BYTES + 1)
    if len(content) > BYTES:
        raise TooLong(f"An RTF of more than {BYTES // 1_000_000} MB is not read.", DOWNLOAD)
    return Document(parts(_lines(content.decode("cp1252", "replace"))), "rtf")


def _lines(text: str) -> Iterator[str]:
    held: list[str] = []
    for piece in _pieces(text):
        *whole, rest = piece.split("\n")
        for line in whole:
            yield _joined([*held, line])
            held = []
        held.append(rest)
    yield _joined(held)


def _joined(pieces: list[str]) -> str:
    """A line of its pieces; a character beyond the first 65,536 comes in two of them."""
    return "".join(pieces).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _pieces(text: str) -> Iterator[str]:
    """Pieces of the text, in their order."""
    # Of each open group: whether it is left out, and how many bytes stand for a character told in Unicode.
    groups: list[tuple[bool, int]] = []
    is_left_out, fallback, to_skip = False, 1, 0
    for token in _TOKEN.finditer(text):
        word, number, byte, symbol, brace, plain = token.groups()
        if brace == "{":
            groups.append((is_left_out, fallback))
            if len(groups) > DEPTH:
                raise TooLong(f"The document is nested more than {DEPTH} levels deep.", DOWNLOAD)
        elif brace:
            is_left_out, fallback = groups.pop() if groups else (False, 1)
            to_skip = 0
        elif symbol == "*" or word in _NO_TEXT:
            is_left_out = True
        elif word == "uc":
            fallback = min(8, int(number or 1)) if not (number or "").startswith("-") else 1
        elif word == "u" and number:
            to_skip = fallback
            if not is_left_out:
                yield chr(int(number) % 65_536)
        elif to_skip and (byte or plain):
            skipped = min(to_skip, len(plain)) if plain else 1
            to_skip -= skipped
            if plain and not is_left_out:
                yield plain[skipped:]
        elif not is_left_out:
            yield _shown(word, byte, symbol, plain)


def _shown(word: str | None, byte: str | None, symbol: str | None, plain: str | None) -> str:
    if plain:
        return plain
    if byte:
        return bytes.fromhex(byte).decode("cp1252", "replace")
    if word:
        return _BREAKS.get(word) or _MARKS.get(word, "")
    return {"~": " ", "_": "-", "{": "{", "}": "}", "\\": "\\", "\n": "\n", "\r": "\n"}.get(symbol or "", "")
