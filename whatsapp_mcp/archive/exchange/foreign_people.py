"""What a foreign archive says of people and groups: names and members, where nothing else tells them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.exchange.foreign_reading import DRY_PAIRS, ForeignReader, clean_text, parsed
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.write import Applying
from whatsapp_mcp.decoding import OWNER, NameKind
from whatsapp_mcp.jid import other_spellings
from whatsapp_mcp.models import ChatKind, ForeignChat, ForeignPerson, ImportSource, Unreadable
from whatsapp_mcp.storage import transaction

_SUBJECT: Final = NameKind.GIVEN
"""The kind of a group's name in `imported_names`."""
_MOST_MEMBERS: Final = 10_000
_SHOWN: Final = "SELECT saved_name, given_name, business_name, push_name FROM contacts WHERE id = ?"
_NAMED: Final = (ChatKind.GROUP, ChatKind.CHANNEL, ChatKind.BROADCAST)


def store_pairs(on: Applying, number: int, people: Sequence[ForeignPerson]) -> None:
    """Remember while the file is read which of its addresses it says are one person's."""
    if number:
        rows = [(number, *pair) for pair in _pairs(people)]
        on.db.executemany("INSERT OR REPLACE INTO imported_pairs VALUES (?, ?, ?)", rows)


def remember_dry_pairs(db: sqlite3.Connection, people: Sequence[ForeignPerson]) -> None:
    """As `store_pairs`, for a dry run: beside the file, since each of its transactions is rolled back."""
    db.execute(DRY_PAIRS)
    db.execute("DELETE FROM dry_pairs")
    with transaction(db):
        db.executemany("INSERT OR REPLACE INTO dry_pairs VALUES (?, ?)", _pairs(people))


def _pairs(people: Sequence[ForeignPerson]) -> list[tuple[str, str]]:
    """Both addresses of each person, in either order."""
    return [
        pair
        for person in people
        if person.other and (jid := parsed(person.jid)) and (other := parsed(person.other)) and jid != other
        for pair in ((jid, other), (other, jid))
    ]


class ForeignPeople:
    """Writes people and groups of one slice.

    Attributes:
        names: How many have a name now that had none.
        unreadable: What was not taken over.
    """

    def __init__(self, on: Applying, number: int, identities: Identities, reader: ForeignReader) -> None:
        self._db = on.db
        self._number = number
        self._identities = identities
        self._reader = reader
        source = value(on.db, "SELECT source FROM imports WHERE id = ?", (number,))
        self._saved = NameKind.SAVED if source == ImportSource.ADDRESS_BOOK else NameKind.GIVEN
        self.names = 0
        self.unreadable: dict[Unreadable, int] = {}

    def person(self, person: ForeignPerson) -> None:
        """Names of a person: those of an address book are the owner's own, those of a backup anybody's."""
        jid = self._reader.address(person.jid) if "@" in person.jid else None
        if jid is None or chat_kind(jid) is not ChatKind.DIRECT:
            self.unreadable[Unreadable.NO_NUMBER] = self.unreadable.get(Unreadable.NO_NUMBER, 0) + 1
            return
        if self._saved is NameKind.SAVED and not self._identities.known(jid):
            # An address book has numbers as they are dialled, WhatsApp some as they were once.
            jid = next(filter(self._identities.known, other_spellings(jid)), jid)
        names = (
            (self._saved, person.saved_name),
            (NameKind.BUSINESS, person.business_name),
            (NameKind.PUSH, person.push_name),
        )
        told = [(kind, name) for kind, text in names if (name := _name(text)) is not None]
        if not told:
            return
        contact = self._identities.contact(jid)
        if contact == OWNER:
            return
        before = self._db.execute(_SHOWN, (contact,)).fetchone()
        self._db.executemany(
            "INSERT OR REPLACE INTO imported_names VALUES (?, ?, ?, ?)",
            [(jid, int(kind), self._number, name) for kind, name in told],
        )
        self._identities.refresh(contact)
        if self._db.execute(_SHOWN, (contact,)).fetchone() != before:
            self._identities.changed.add(contact)
            self.names += 1

    def chat(self, chat: ForeignChat) -> None:
        """What a group is called and who is in it."""
        jid = parsed(chat.jid)
        if jid is None or chat_kind(jid) not in _NAMED:
            return
        number, db = self._identities.chat(jid), self._db
        name = _name(chat.name)
        if name is not None:
            before = value(db, "SELECT name FROM chats WHERE id = ?", (number,))
            row = (jid, int(_SUBJECT), self._number, name)
            db.execute("INSERT OR REPLACE INTO imported_names VALUES (?, ?, ?, ?)", row)
            state.refresh_chat_settings(db, number)
            self.names += before is None
        group = self._identities.address(jid).id
        members = [
            (group, self._number, self._identities.address(person).id, min(max(role, 0), 2))
            for text, role in chat.members[:_MOST_MEMBERS]
            if (person := self._reader.address(text)) and chat_kind(person) is ChatKind.DIRECT
        ]
        db.executemany("INSERT OR REPLACE INTO imported_members VALUES (?, ?, ?, ?)", members)


def _name(text: str | None) -> str | None:
    """A name, if it can be one: what reads as an address would pass for one."""
    name = clean_text(text).strip() if text else ""
    return decoding.bounded_text(name, decoding.MAX_NAME) if state.is_name(name) else None
