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
    by_id: dict[str, Relation] = {}
    for event in events(package.chunks(posixpath.join(folder, "_rels", f"{name}.rels"))):
        if not isinstance(event, Start) or event.name != "Relationship":
            continue
        attributes = event.attributes
        if attributes.get("TargetMode") == "External" or len(by_id) == _MOST:
            continue
        kind = attributes.get("Type", "").rpartition("/")[2]
        by_id[attributes.get("Id", "")] = Relation(kind, resolved(part, attributes.get("Target", "")))
    return by_id


def related(by_id: dict[str, Relation], kind: str) -> list[str]:
    """The parts of one kind."""
    return [relation.part for relation in by_id.values() if relation.kind == kind]
