"""XML as a stream of events, by expat; document type declarations, and with them entities, are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, NoReturn
from xml.parsers import expat

from whatsapp_mcp.errors import TooLong, Unsupported
from whatsapp_mcp.features.reading.documents.document import DOWNLOAD
from whatsapp_mcp.features.reading.documents.packages import damaged

DEPTH: Final = 512
_SILENT: Final = 2_000_000
"""Bytes without an event: expat reads what has no end, as a comment, from its beginning again and again."""
_ATTRIBUTES: Final = 1_000_000
"""Characters of the attributes of one element."""

Attributes = dict[str, str]


class Start(NamedTuple):
    """The beginning of an element; names without their namespaces, but for `r:id` and its like."""

    name: str
    attributes: Attributes


class End(NamedTuple):
    """The end of an element."""

    name: str


Event = Start | End | str
"""A string is text between them; a text may come in pieces."""


def events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """The events of a document; none of one without content.

    Raises:
        Unsupported: It is no XML, or declares a document type.
        TooLong: It is nested too deeply, or an element or a comment is too large.
    """
    handlers = _Handlers()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = handlers.start
    parser.EndElementHandler = handlers.end
    parser.CharacterDataHandler = handlers.found.append
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.buffer_text = True
    is_there, silent = False, 0
    for chunk in chunks:
        is_there = True
        _parse(parser, chunk)
        silent = 0 if handlers.found else silent + len(chunk)
        if silent > _SILENT:
            raise TooLong("An element of the document is too large.", DOWNLOAD)
        yield from handlers.found
        handlers.found.clear()
    if not is_there:
        return
    _parse(parser, b"", is_end=True)
    yield from handlers.found


def _parse(parser: expat.XMLParserType, chunk: bytes, *, is_end: bool = False) -> None:
    try:
        parser.Parse(chunk, is_end)
    except (expat.ExpatError, ValueError, LookupError, OSError):  # the last two: an unknown encoding
        raise damaged() from None


class _Handlers:
    def __init__(self) -> None:
        self.found: list[Event] = []
        self._depth = 0

    def start(self, name: str, attributes: Attributes) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise TooLong(f"The document is nested more than {DEPTH} levels deep.", DOWNLOAD)
        if sum(map(len, attributes.values())) > _ATTRIBUTES:
            raise TooLong("An element of the document has too long attributes.", DOWNLOAD)
        self.found.append(
            Start(name.rpartition(" ")[2], {_short(key): attributes[key] for key in attributes})
        )

    def end(self, name: str) -> None:
        self._depth -= 1
        self.found.append(End(name.rpartition(" ")[2]))


def _short(name: str) -> str:
    """A name without its namespace, but for Office's ids of relationships, beside which other ids stand."""
    namespace, _, local = name.rpartition(" ")
    return f"r:{local}" if namespace.endswith("/relationships") else local


def _refuse_doctype(*_: object) -> NoReturn:
    # With it come entities, which expand to anything or name other files.
    raise Unsupported("The document declares a document type, which is not read.", DOWNLOAD)
