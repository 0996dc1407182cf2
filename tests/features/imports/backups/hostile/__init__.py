"""Backups that are damaged, or made to do harm, of everything that is imported."""

from __future__ import annotations

from collections.abc import Iterator

from tests.features.imports.backups.hostile import cards, databases, exports, phones, sealed
from tests.features.imports.backups.hostile.case import Case

__all__ = ["Case", "hostile_backups"]


def hostile_backups() -> Iterator[Case]:
    """All of them; each is made when it is asked for."""
    for family in (databases, sealed, phones, cards, exports):
        yield from family.files()
