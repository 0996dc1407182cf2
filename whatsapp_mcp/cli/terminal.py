"""Text on a terminal: in UTF-8, in columns, and in the order in which it was written."""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO, Final

_COLUMNS: Final = 80
"""Of a terminal that does not tell its own."""
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL"})
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"
_BIDI_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")


def write_utf8() -> None:
    r"""Let this process write UTF-8 to stdout and stderr, whatever the locale or a Windows code page says.

    Names are of every script, and a program that reads JSON expects it. What cannot be encoded at all, half
    of a character in the name of a file, is written as `\udc80`.
    """
    for stream in (sys.stdout, sys.stderr):
        # None is what Python makes of a closed one.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells in columns, two spaces apart; a wide character counts as two, a combining one as none.

    Widths are those of `rich.cells`, which follow the Unicode character database.
    """
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = (
        [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=False)]
        for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def fitted(text: str, stream: IO[str]) -> str:
    """As much of the text as fits into one line of the terminal that a stream writes to."""
    from rich.cells import chop_cells

    columns = os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    # The last column stays free: some terminals go to the next line when it is written.
    return next(iter(chop_cells(text, columns - 1)), "")


def shown(text: str, stream: IO[str]) -> str:
    """The text as it is written to a stream: for a terminal, right-to-left words are isolated."""
    return isolated(text) if stream.isatty() else text


def isolated(text: str) -> str:
    """The text with each right-to-left passage between isolates (Unicode UAX 9).

    Without them such a name draws the number behind it to its other side, and a line that begins with it is
    turned round as a whole. Bidi controls that are there already are taken out: one of them could end ours.
    """
    if text.isascii():
        return text
    return "".join(_isolated(_BIDI_CONTROLS.sub("", text)))


def _isolated(text: str) -> Iterator[str]:
    start = end = 0
    for index, char in enumerate(text):
        direction = unicodedata.bidirectional(char)
        if direction in _RIGHT_TO_LEFT:
            if start == end:
                yield text[end:index]
                start = index
            end = index + 1
        elif direction == "NSM" and end == index and start < end:  # a vowel sign belongs to its letter
            end = index + 1
        elif start < end and (direction in {"L", "EN", "B"}):
            yield f"{_FIRST_STRONG_ISOLATE}{text[start:end]}{_POP_ISOLATE}"
            start = end
    if start < end:
        yield f"{_FIRST_STRONG_ISOLATE}{text[start:end]}{_POP_ISOLATE}"
    yield text[end:]
