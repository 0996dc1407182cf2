"""Which parts of an Office document belong to which (ECMA-376, part 2)."""

from __future__ import annotations

import posixpath
from typing import Final, NamedTuple

from whatsapp_mcp.features.reading.documents.packages import Package, resolved
from whatsapp_mcp.features.reading.documents.xml_events import Start, events

_MOST: Final = 10_000


class Relation(NamedTuple):
    """A part that another one names: what it is to that, and its name in the package."""

    kind: str
    part: str


def relations(package: Package, part: str) -> dict[str, Relation]:
    """The parts that a part names, by their ids; `part` is empty for the whole package."""
    folder, name = posixpath.split(part)
    found: dict[str, Relation] = {}
    for event in events(package.chunks(posixpath.join(folder, "_rels", f"{name}.rels"))):
        if not isinstance(event, Start) or event.name != "Relationship":
            continue
        told = event.attributes
        if told.get("TargetMode") == "External" or len(found) == _MOST:
            continue
        kind = told.get("Type", "").rpartition("/")[2]
        found[told.get("Id", "")] = Relation(kind, resolved(part, told.get("Target", "")))
    return found


def related(found: dict[str, Relation], kind: str) -> list[str]:
    """The parts of one kind."""
    return [relation.part for relation in found.values() if relation.kind == kind]
