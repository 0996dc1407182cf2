"""Number history: a LID is one person's for ever, a number may be reassigned.

A number is held by the person with whom it was first seen last, or by the first one for what is older than
that. This module answers whose something is that came under an address. It is asked when add-ons, members and
settings are read, which stay as they came; messages are attributed when they are written (`attribution.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from whatsapp_mcp.archive.database import placeholders
from whatsapp_mcp.decoding import OWNER

FAR_FUTURE: Final = 1 << 40
"""Seconds since 1970, after all others."""


class NumberHistory:
    """The people who had a number, one after the other.

    Attributes:
        pn: The number.
        people: Their contacts, the first one first; a number that came back counts from its first time on.
    """

    def __init__(self, db: sqlite3.Connection, pn: str) -> None:
        self.pn = pn
        self._since: list[tuple[int, int]] = db.execute(
            """SELECT h.since, a.contact_id FROM number_history AS h JOIN addresses AS a ON a.jid = h.lid
            WHERE h.pn = ? ORDER BY h.since, h.lid""",
            (pn,),
        ).fetchall()
        self.people = list(dict.fromkeys(contact for _, contact in self._since))

    def at(self, moment: int) -> int:
        """The contact who had the number at a time, in seconds since 1970."""
        held = self._since
        return next((contact for since, contact in reversed(held) if since <= moment), held[0][1])

    def spans(self) -> list[tuple[int, int, int]]:
        """(contact, since, until): each one's time, in seconds since 1970; it ends before `until`."""
        starts = [0, *(since for since, _ in self._since[1:]), FAR_FUTURE]
        return [
            (contact, since, until)
            for (_, contact), (since, until) in zip(self._since, pairwise(starts), strict=True)
        ]


class Address(NamedTuple):
    """A row of `addresses`; `reassigned`: of a number that was two people's, or of one of these people."""

    id: int
    jid: str
    contact: int
    reassigned: bool

    @property
    def is_number(self) -> bool:
        """True for a phone number: what came under it alone counts less than under a LID."""
        return self.jid.endswith("@s.whatsapp.net")


OWNER_ADDRESS: Final = Address(0, "", OWNER, reassigned=False)
"""Stands for the owner where none of their addresses came with it."""


class Observation(NamedTuple):
    """Something was seen of a person: under which address, and when."""

    address: Address
    at: int


@dataclass(slots=True)
class People:
    """Cache of addresses and number histories; it is valid as long as nobody writes."""

    db: sqlite3.Connection
    _addresses: dict[int, Address] = field(default_factory=lambda: {0: OWNER_ADDRESS})
    _histories: dict[str, NumberHistory] = field(default_factory=dict[str, NumberHistory])

    def look_up(self, addresses: Iterable[int]) -> None:
        """Look up addresses together."""
        missing = [*{one for one in addresses if one not in self._addresses}]
        if missing:
            for number, jid, contact, reassigned in self.db.execute(
                f"""SELECT id, jid, contact_id, reassigned FROM addresses
                WHERE id IN ({placeholders(missing)})""",  # noqa: S608
                missing,
            ).fetchall():
                self._addresses[number] = Address(number, jid, contact, bool(reassigned))

    def address(self, number: int) -> Address:
        """An address by its id."""
        if number not in self._addresses:
            self.look_up((number,))
        return self._addresses[number]

    def history(self, pn: str) -> NumberHistory:
        """The history of a number."""
        if pn not in self._histories:
            self._histories[pn] = NumberHistory(self.db, pn)
        return self._histories[pn]

    def may_be(self, address: Address, contact: int) -> bool:
        """Return whether a contact has, or had, an address."""
        if address.reassigned and address.is_number:
            return contact in self.history(address.jid).people
        return address.contact == contact

    def had(self, address: Address, moment: int) -> int:
        """The contact who had an address at a time, in seconds since 1970."""
        if address.reassigned and address.is_number:
            return self.history(address.jid).at(moment)
        return address.contact

    def persons(
        self, seen: Collection[Observation], *, unit: int = 1, chat_with: int | None = None
    ) -> list[int]:
        """The person of each of several observations of one subject (a message, a group).

        In the chat with one person it is that person, if they ever had the number. Else two observations of
        one moment, under the number and under a LID, are one thing, of the one with the LID; and what came
        under the number alone is of the one who had it then.

        Args:
            seen: All that was seen of the subject.
            unit: How many of their `at` are a second.
            chat_with: The person whose chat it is.
        """
        if not any(one.address.reassigned for one in seen):
            return [one.address.contact for one in seen]
        named = {(one.at, one.address.contact) for one in seen if not one.address.is_number}
        return [self._person(one, named, unit, chat_with) for one in seen]

    def _person(
        self, observation: Observation, named: set[tuple[int, int]], unit: int, chat_with: int | None
    ) -> int:
        address, moment = observation
        if address.reassigned and address.is_number:
            people = self.history(address.jid).people
            if chat_with is not None and chat_with in people:
                return chat_with
            for person in people:
                if (moment, person) in named:
                    return person
        return self.had(address, moment // unit)
