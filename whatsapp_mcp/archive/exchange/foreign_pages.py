"""Taking over pages of another archive, whose messages have the ids that WhatsApp gave them.

Whoever made the file can have made it up, so it says little: `docs/archive.md` has the rules.

What it says of people and groups, names and members, is taken where nothing else tells them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.exchange.foreign_reading import (
    DRY_PAIRS,
    AcceptedMessage,
    ForeignReader,
    clean_text,
    parsed,
)
from whatsapp_mcp.archive.exchange.import_records import ImportSlice, add_to_report
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.decoding import OWNER, NameKind
from whatsapp_mcp.jid import other_spellings
from whatsapp_mcp.models import (
    ChatKind,
    ForeignChat,
    ForeignPage,
    ForeignPerson,
    ImportReport,
    ImportSource,
    Unreadable,
)
from whatsapp_mcp.storage import transaction

_SUBJECT: Final = NameKind.GIVEN
"""The kind of a group's name in `imported_names`."""
_MOST_MEMBERS: Final = 10_000
"""Most members of one group that are taken over."""
_SHOWN: Final = "SELECT saved_name, given_name, business_name, push_name FROM contacts WHERE id = ?"
_NAMED: Final = (ChatKind.GROUP, ChatKind.CHANNEL, ChatKind.BROADCAST)
_MESSAGES: Final = 30
"""Messages of a slice: some milliseconds."""
_PEOPLE: Final = 50
_CHATS: Final = 10
"""Chats of a slice; each may have thousands of members."""
T = TypeVar("T")


def store_pairs(context: WriteContext, number: int, people: Sequence[ForeignPerson]) -> None:
    """Remember while the file is read which of its addresses it says are one person's."""
    if number:
        rows = [(number, *pair) for pair in _pairs(people)]
        context.db.executemany("INSERT OR REPLACE INTO imported_pairs VALUES (?, ?, ?)", rows)


def remember_dry_pairs(db: sqlite3.Connection, people: Sequence[ForeignPerson]) -> None:
    """Remember pairs for a dry run in a temporary table, since each of its transactions is rolled back."""
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

    def __init__(
        self, context: WriteContext, number: int, identities: Identities, reader: ForeignReader
    ) -> None:
        self._db = context.db
        self._number = number
        self._identities = identities
        self._reader = reader
        source = value(context.db, "SELECT source FROM imports WHERE id = ?", (number,))
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
        valid_names = [(kind, name) for kind, text in names if (name := _name(text)) is not None]
        if not valid_names:
            return
        contact = self._identities.contact(jid)
        if contact == OWNER:
            return
        before = self._db.execute(_SHOWN, (contact,)).fetchone()
        self._db.executemany(
            "INSERT OR REPLACE INTO imported_names VALUES (?, ?, ?, ?)",
            [(jid, int(kind), self._number, name) for kind, name in valid_names],
        )
        self._identities.refresh(contact)
        if self._db.execute(_SHOWN, (contact,)).fetchone() != before:
            self._identities.changed.add(contact)
            self.names += 1

    def chat(self, chat: ForeignChat) -> None:
        """Store the name and the members of a group."""
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


_Marks = dict[tuple[int, int, int], tuple[int, int]]


def slices_of(page: ForeignPage) -> list[ForeignPage]:
    """A page in slices, people before messages, and those in the order of their times.

    Where the next page begins stands in the last one alone.
    """
    messages = sorted(page.messages, key=lambda message: message.at)
    slices = [
        *(ForeignPage(people=some) for some in _some(page.people, _PEOPLE)),
        *(ForeignPage(chats=some) for some in _some(page.chats, _CHATS)),
        *(ForeignPage(some) for some in _some(messages, _MESSAGES)),
    ] or [ForeignPage()]
    slices[-1] = replace(slices[-1], unreadable=page.unreadable, following=page.following, read=page.read)
    return slices


def _some(all_of_them: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(all_of_them), size):
        yield tuple(all_of_them[start : start + size])


def import_page(
    context: WriteContext, number: int, page: ForeignPage, ends: bool, before: ImportReport
) -> ImportReport:
    """Take over a slice of a page; see `Archive.import_page`.

    Args:
        context: The operation.
        number: Of the import; 0 in a dry run.
        page: The slice.
        ends: It is the last one of its page: the import goes on behind it.
        before: What the slices of the page before it brought.
    """
    store_pairs(context, number, page.people)
    part = ImportSlice(context, number)
    reader = ForeignReader(context, number, part.identities)
    people = ForeignPeople(context, number, part.identities, reader)
    for person in page.people:
        people.person(person)
    for chat in page.chats:
        people.chat(chat)
    unreadable = _sum(page.unreadable, people.unreadable)
    messages = [part.place(taken) for taken in _readable(reader, page, unreadable)]
    part.write(messages)
    _write_addons(context, number, part.identities, reader, messages)
    part.finish()
    written, times = part.messages.written, [one.taken.foreign.at for one in messages]
    report = ImportReport(
        written.new, written.known, written.filled, people.names, unreadable=unreadable,
        first=_time(min(times, default=None)), last=_time(max(times, default=None)),
    )  # fmt: skip
    # What is counted once, however often it is tried, is reported at once; the rest with the whole page.
    once = replace(report, known=0, unreadable={})
    if ends:
        context.db.execute("UPDATE imports SET position = ? WHERE id = ?", (page.following, number))
        once = report + ImportReport(known=before.known, unreadable=before.unreadable)
    add_to_report(context.db, number, once)
    return report


def _readable(
    reader: ForeignReader, page: ForeignPage, unreadable: dict[Unreadable, int]
) -> Iterator[AcceptedMessage]:
    """The messages that are taken over; the others are counted."""
    for message in page.messages:
        taken = reader.message(message)
        if isinstance(taken, AcceptedMessage):
            yield taken
        else:
            unreadable[taken] = unreadable.get(taken, 0) + 1


def _sum(counts: dict[Unreadable, int], other: dict[Unreadable, int]) -> dict[Unreadable, int]:
    return {
        why: counts.get(why, 0) + other.get(why, 0) for why in Unreadable if why in counts or why in other
    }


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _write_addons(
    context: WriteContext,
    number: int,
    identities: Identities,
    reader: ForeignReader,
    messages: Sequence[ImportedMessage],
) -> None:
    """Reactions, votes and receipts: they count for messages that a file brought, not for others.

    Nor for those that were deleted for everyone since.
    """
    rows: list[tuple[object, ...]] = []
    marks: _Marks = {}
    deleted = state.read_addons(context.db, state.REVOKES, [one.target for one in messages])
    for one in messages:
        foreign = one.taken.foreign
        if not one.imported or one.target in deleted:
            continue
        if foreign.reactions or foreign.votes:
            chat = identities.address(one.taken.chat).id
            for kind, told in enumerate((reader.reactions(one.taken), reader.votes(one.taken))):
                rows += [
                    (foreign.id, chat, kind, identities.address(sender).id, at, says, number)
                    for sender, at, says in told
                ]
        if foreign.receipts and one.sender == OWNER:
            _receipts(identities, reader, one, marks)
    context.db.executemany("INSERT OR IGNORE INTO imported_addons VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    if marks:
        state.store_imported_marks(context.db, number, [(*key, *mark) for key, mark in marks.items()])


def _receipts(identities: Identities, reader: ForeignReader, message: ImportedMessage, marks: _Marks) -> None:
    chat = message.taken.chat
    is_direct = chat_kind(chat) is ChatKind.DIRECT
    for jid, kind, at in reader.receipts(message.taken):
        address = identities.address(chat if is_direct else jid).id
        key = (0 if is_direct else message.chat, address, int(kind))
        if message.id > marks.get(key, (0, 0))[0]:
            marks[key] = (message.id, at)
