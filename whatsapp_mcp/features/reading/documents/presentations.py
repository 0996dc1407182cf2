"""The slides of a PowerPoint presentation, with the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from whatsapp_mcp.features.reading.documents.document import Document
from whatsapp_mcp.features.reading.documents.packages import Package
from whatsapp_mcp.features.reading.documents.relations import related, relations
from whatsapp_mcp.features.reading.documents.xml_events import End, Start, events
from whatsapp_mcp.models import Passage

SLIDES: Final = 10_000
_RELATED_PARTS: Final = {"notesSlide": "Notes:", "comments": "Comments:"}
"""Parts that belong to a slide, with the line that they begin with."""
_NO_WORDS: Final = frozenset({"sldNum", "dt", "hdr", "ftr"})
"""Kinds of placeholders that are on every slide."""


def open_presentation(package: Package, main: str) -> Document:
    """A presentation; each slide is a passage."""
    named = relations(package, main)
    slides = [named[one].part for one in _slide_ids(package, main) if one in named]
    return Document((_slide(package, part) for part in slides), "pptx", len(slides))


def _slide_ids(package: Package, main: str) -> list[str]:
    ids: list[str] = []
    for event in events(package.chunks(main)):
        if isinstance(event, Start) and event.name == "sldId" and len(ids) < SLIDES:
            ids.append(event.attributes.get("r:id", ""))
    return ids


def _slide(package: Package, part: str) -> Passage:
    lines = list(_lines(package, part))
    named = relations(package, part)
    for kind, head in _RELATED_PARTS.items():
        beside = [line for one in related(named, kind) for line in _lines(package, one)]
        if beside:
            lines += ["", head, *beside]
    return Passage("\n".join(lines))


def _lines(package: Package, part: str) -> Iterator[str]:
    """The paragraphs of a slide; a row of a table is one line."""
    pieces: list[str] = []
    cells: list[str] | None = None
    is_text = is_left_out = False
    for event in events(package.chunks(part)):
        if isinstance(event, str):
            if is_text and not is_left_out:
                pieces.append(event)
        elif isinstance(event, Start):
            is_text = is_text or event.name in {"t", "text"}
            if event.name == "br":
                pieces.append("\n")
            elif event.name == "ph":
                is_left_out = event.attributes.get("type") in _NO_WORDS
            elif event.name == "tr":
                cells = []
        elif event.name in {"t", "text"}:
            is_text = False
        elif event == End("tc") and cells is not None:
            cells.append(" ".join("".join(pieces).split()))
            pieces.clear()
        elif event == End("tr") and cells is not None:
            yield " | ".join(cells)
            cells = None
        elif event.name in {"p", "cm"} and cells is not None:
            pieces.append(" ")
        elif event.name in {"p", "cm"}:
            text = "".join(pieces)
            pieces.clear()
            if text.strip():
                yield text
        elif event.name == "sp":
            is_left_out = False
