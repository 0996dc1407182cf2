"""Taking over pages of another archive, whose messages have the ids that WhatsApp gave them.

Whoever made the file can have made it up, so it says little: `docs/archive.md` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.exchange.foreign_people import ForeignPeople, store_pairs
from whatsapp_mcp.archive.exchange.foreign_reading import ForeignReader, Taken
from whatsapp_mcp.archive.exchange.import_records import add_to_report
from whatsapp_mcp.archive.exchange.import_slices import ImportSlice
from whatsapp_mcp.archive.exchange.imported_messages import ImportedMessage
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.write import Applying
from whatsapp_mcp.decoding import OWNER
from whatsapp_mcp.models import ChatKind, ForeignPage, ImportReport, Unreadable

_MESSAGES: Final = 30
"""Messages of a slice: some milliseconds."""
_PEOPLE: Final = 50
_CHATS: Final = 10

T = TypeVar("T")
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
    on: Applying, number: int, page: ForeignPage, ends: bool, before: ImportReport
) -> ImportReport:
    """Take over a slice of a page; see `Archive.import_page`.

    Args:
        on: The operation.
        number: Of the import; 0 in a dry run.
        page: The slice.
        ends: It is the last one of its page: the import goes on behind it.
        before: What the slices of the page before it brought.
    """
    store_pairs(on, number, page.people)
    part = ImportSlice(on, number)
    reader = ForeignReader(on, number, part.identities)
    people = ForeignPeople(on, number, part.identities, reader)
    for person in page.people:
        people.person(person)
    for chat in page.chats:
        people.chat(chat)
    unreadable = _sum(page.unreadable, people.unreadable)
    messages = [part.place(taken) for taken in _readable(reader, page, unreadable)]
    part.write(messages)
    _write_addons(on, number, part.identities, reader, messages)
    part.finish()
    written, times = part.messages.written, [one.taken.foreign.at for one in messages]
    report = ImportReport(
        written.new, written.known, written.filled, people.names, unreadable=unreadable,
        first=_time(min(times, default=None)), last=_time(max(times, default=None)),
    )  # fmt: skip
    # What is counted once, however often it is tried, is reported at once; the rest with the whole page.
    once = replace(report, known=0, unreadable={})
    if ends:
        on.db.execute("UPDATE imports SET position = ? WHERE id = ?", (page.following, number))
        once = report + ImportReport(known=before.known, unreadable=before.unreadable)
    add_to_report(on.db, number, once)
    return report


def _readable(reader: ForeignReader, page: ForeignPage, unreadable: dict[Unreadable, int]) -> Iterator[Taken]:
    """The messages that are taken over; the others are counted."""
    for message in page.messages:
        taken = reader.message(message)
        if isinstance(taken, Taken):
            yield taken
        else:
            unreadable[taken] = unreadable.get(taken, 0) + 1


def _sum(one: dict[Unreadable, int], other: dict[Unreadable, int]) -> dict[Unreadable, int]:
    return {why: one.get(why, 0) + other.get(why, 0) for why in Unreadable if why in one or why in other}


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _write_addons(
    on: Applying,
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
    deleted = state.read_addons(on.db, state.REVOKES, [one.target for one in messages])
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
    on.db.executemany("INSERT OR IGNORE INTO imported_addons VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    if marks:
        state.store_imported_marks(on.db, number, [(*key, *mark) for key, mark in marks.items()])


def _receipts(identities: Identities, reader: ForeignReader, one: ImportedMessage, marks: _Marks) -> None:
    chat = one.taken.chat
    is_direct = chat_kind(chat) is ChatKind.DIRECT
    for jid, kind, at in reader.receipts(one.taken):
        address = identities.address(chat if is_direct else jid).id
        key = (0 if is_direct else one.chat, address, int(kind))
        if one.id > marks.get(key, (0, 0))[0]:
            marks[key] = (one.id, at)
