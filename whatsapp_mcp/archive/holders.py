"""Who had a number when: the person with whom it was first seen last, or the first one for what is older."""

from __future__ import annotations

import sqlite3
from itertools import pairwise
from typing import Final

_ALWAYS: Final = 1 << 40


class Tenures:
    """Those who had a number one after the other.

    Attributes:
        pn: The number.
        persons: Their contacts, the first one first; a number that came back counts from its first time on.
    """

    def __init__(self, db: sqlite3.Connection, pn: str) -> None:
        self.pn = pn
        self._since: list[tuple[int, int]] = db.execute(
            """SELECT h.since, a.contact_id FROM holders AS h JOIN addresses AS a ON a.jid = h.lid
            WHERE h.pn = ? ORDER BY h.since, h.lid""",
            (pn,),
        ).fetchall()
        self.persons = list(dict.fromkeys(contact for _, contact in self._since))

    def at(self, at: int) -> int:
        """The contact who had the number at a time, in seconds since 1970."""
        held = self._since
        return next((contact for since, contact in reversed(held) if since <= at), held[0][1])

    def spans(self) -> list[tuple[int, int, int]]:
        """(contact, since, until): each one's time, in seconds since 1970; it ends before `until`."""
        starts = [0, *(since for since, _ in self._since[1:]), _ALWAYS]
        return [
            (contact, since, until)
            for (_, contact), (since, until) in zip(self._since, pairwise(starts), strict=True)
        ]
