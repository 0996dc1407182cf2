"""Undoing an import, slice by slice: what only it brought goes, and all else is as if it had not been.

What a file said of add-ons, receipts, names and members stands in tables of imports alone, so its rows are
deleted, and what is derived of them is derived again. A message goes if nothing but this import has it; if
something else has it that says less, that is shown again. Addresses and chats that the import made go at
last, if nothing needs them any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import database, identity, state
from whatsapp_mcp.archive.database import column, placeholders, value
from whatsapp_mcp.archive.exchange.import_records import import_record
from whatsapp_mcp.archive.identity import Identities, refresh_chat
from whatsapp_mcp.archive.write import Ingest, WriteContext
from whatsapp_mcp.decoding import Flag
from whatsapp_mcp.models import ImportState

_MESSAGES: Final = 100
"""Messages of a slice: some milliseconds."""
_CHATS: Final = 20
_FOUND: Final = """SELECT DISTINCT m.id, m.ref, m.chat_id, m.wa_id, m.flags FROM refs AS r
 JOIN messages AS m ON m.id = r.message_id WHERE r.ref BETWEEN ? AND ? ORDER BY m.id"""
_SHOW: Final = """UPDATE messages SET sender_id = ?, wa_id = ?, kind = ?, flags = ? | (flags & ?), text = ?,
 reply_wa_id = ?, edited_at = ?, revoked_at = ?, details = ?, original = NULL WHERE id = ?"""
_OF_CHATS: Final[dict[str, str]] = {
    **{kind.table: "chat_address" for kind in state.ADDONS},
    "imported_addons": "chat_address",
    "imported_members": "chat_address",
    "imported_chats": "address_id",
    "chat_settings": "address_id",
    "set_aside": "address_id",
    "read_marks": "iif(chat_id = 0, address_id, NULL)",
    "imported_marks": "iif(chat_id = 0, address_id, NULL)",
}
"""Columns that name a chat by an address, by table."""
_OF_PEOPLE: Final[dict[str, str]] = {
    **{kind.table: "sender_address" for kind in state.ADDONS},
    "imported_addons": "sender_address",
    "imported_members": "address_id",
    "members": "address_id",
    "read_marks": "address_id",
    "imported_marks": "address_id",
}
"""Columns that name a person by an address, by table."""
_NUMBERS: Final = ("messages", "members", "outbox", "read_marks", "imported_marks")
"""Tables that name a chat by its number."""
_JIDS: Final = (
    ("names", "jid"),
    ("imported_names", "jid"),
    ("confirmed", "jid"),
    ("number_history", "pn"),
    ("number_history", "lid"),
    ("outbox", "chat"),
)


class _Here(NamedTuple):
    id: int
    ref: int
    chat: int
    wa_id: str
    flags: int


def import_undone(context: WriteContext, number: int) -> int:
    """Remove a slice of what only an import brought; answers how many rows it looked at, 0 when it is undone.

    Args:
        context: The operation.
        number: Of the import.
    """
    db = context.db
    if import_record(db, number).state is ImportState.UNDONE:
        return 0
    db.execute("UPDATE imports SET state = ?, error = NULL WHERE id = ?", (ImportState.UNDOING, number))
    if taken := _take_refs(db, number):
        _Undoing(context, number).messages(taken)
        return sum(last - first + 1 for first, last in taken)
    if files := column(
        db, "SELECT message_id FROM imported_files WHERE import_id = ? LIMIT ?", (number, _MESSAGES)
    ):
        _drop_files(context, files)
        return len(files)
    if chats := _take_chats(db, number):
        return chats
    _finish(context, number)
    return 0


def _take_refs(db: sqlite3.Connection, number: int) -> list[tuple[int, int]]:
    """The newest refs of an import that it still has, some of them; it has them no more."""
    taken: list[tuple[int, int]] = []
    room = _MESSAGES
    for first, last in db.execute(
        "SELECT first, last FROM imported_refs WHERE import_id = ? ORDER BY first DESC LIMIT ?",
        (number, _MESSAGES),
    ).fetchall():
        begin = max(first, last - room + 1)
        taken.append((begin, last))
        key = (number, first)
        if begin == first:
            db.execute("DELETE FROM imported_refs WHERE (import_id, first) = (?, ?)", key)
        else:
            db.execute(
                "UPDATE imported_refs SET last = ? WHERE (import_id, first) = (?, ?)", (begin - 1, *key)
            )
        room -= last - begin + 1
        if room <= 0:
            break
    return taken


class _Undoing:
    """Takes one slice of messages back."""

    def __init__(self, context: WriteContext, number: int) -> None:
        self._context = context
        self._db = context.db
        self._number = number
        self._batch = Ingest(context)  # a message that is shown with another time takes its raw form along
        self._touched: set[int] = set()
        self._gone: list[_Here] = []

    def messages(self, taken: Sequence[tuple[int, int]]) -> None:
        """Take the messages with these refs back."""
        here: dict[int, _Here] = {}
        for first, last in taken:
            here |= {row[0]: _Here._make(row) for row in self._db.execute(_FOUND, (first, last)).fetchall()}
        for one in here.values():
            self._message(one)
        self._delete()
        self._db.executemany(
            "DELETE FROM imported_addons WHERE wa_id = ? AND import_id = ?",
            [(one.wa_id, self._number) for one in here.values()],
        )
        for chat in self._touched:
            refresh_chat(self._db, chat)
        self._batch.finish()

    def _message(self, row: _Here) -> None:
        db = self._db
        copies = state.copies_of(db, row.ref)
        own = next((copy for copy in copies if copy.import_id == self._number), None)
        if own is not None:  # something else is shown
            db.execute("DELETE FROM imported_copies WHERE (ref, import_id) = (?, ?)", (row.ref, self._number))
            self._drop(own.file, row.id, copies)
        elif row.flags & Flag.IMPORTED:
            others = state.imports_with(db, row.id, row.ref, row.flags) - {copy.import_id for copy in copies}
            if others - {self._number}:
                return
            if copies:
                self._show(row, max(copies, key=lambda copy: copy.worth))
            else:
                self._gone.append(row)
            self._touched.add(row.chat)

    def _drop(self, path: str | None, message: int, copies: Sequence[state.Copy]) -> None:
        """Delete a file, unless something else that is said of the message has it."""
        kept = {copy.file for copy in copies if copy.import_id != self._number}
        kept.add(value(self._db, "SELECT path FROM media WHERE message_id = ?", (message,)))
        if path is not None and path not in kept:
            self._context.files.append(path)

    def _show(self, row: _Here, copy: state.Copy) -> None:
        """Show again what says less than what goes."""
        db, message = self._db, row.id
        db.execute("DELETE FROM imported_copies WHERE (ref, import_id) = (?, ?)", (row.ref, copy.import_id))
        sender = value(db, "SELECT contact_id FROM contact_aliases WHERE old_id = ?", (copy.sender_id,))
        db.execute(
            _SHOW,
            (
                copy.sender_id if sender is None else sender, copy.wa_id, copy.kind, copy.flags,
                int(Flag.TWICE), copy.text, copy.reply_wa_id, copy.edited_at, copy.revoked_at,
                copy.details, message,
            ),
        )  # fmt: skip
        if message >> database.ID_BITS != copy.at:
            message = identity.retime_message(db, message, copy.at)
        path = state.show_media(db, message, state.media_row(copy))
        self._drop(path, message, state.copies_of(db, row.ref))
        database.reindex_message(db, message)
        state.apply_versions(db, message)
        if copy.import_id == state.CAME:
            self._context.files += state.outdate_copies(db, message)

    def _delete(self) -> None:
        """Delete messages that nothing else has."""
        db, ids = self._db, [one.id for one in self._gone]
        if not ids:
            return
        places = placeholders(ids)
        self._context.files += column(
            db,
            f"SELECT path FROM media WHERE message_id IN ({places}) AND path IS NOT NULL",  # noqa: S608
            ids,
        )
        for table in ("media", *state.ABOUT_FILES):
            db.execute(f"DELETE FROM {table} WHERE message_id IN ({places})", ids)  # noqa: S608
        db.execute(f"DELETE FROM fts WHERE rowid IN ({places})", ids)  # noqa: S608
        db.execute(f"DELETE FROM messages WHERE id IN ({places})", ids)  # noqa: S608
        db.executemany("DELETE FROM refs WHERE ref = ?", [(one.ref,) for one in self._gone])
        for one in self._gone:
            if one.flags & Flag.TWICE:  # another ref leads to it; there is no index for that
                db.execute("DELETE FROM refs WHERE message_id = ?", (one.id,))


def _drop_files(context: WriteContext, messages: Sequence[int]) -> None:
    """Take files back that an import stored for messages that stay."""
    db, places = context.db, placeholders(messages)
    context.files += column(
        db,
        f"SELECT path FROM media WHERE message_id IN ({places}) AND path IS NOT NULL",  # noqa: S608
        messages,
    )
    db.execute(f"UPDATE media SET path = NULL WHERE message_id IN ({places})", messages)  # noqa: S608
    for table in state.ABOUT_FILES:
        db.execute(f"DELETE FROM {table} WHERE message_id IN ({places})", messages)  # noqa: S608
    for message in messages:
        database.reindex_message(db, message)  # without the words that were read in it
        state.add_file_change(db, message)


def _take_chats(db: sqlite3.Connection, number: int) -> int:
    """Let some chats count as read as far as they do without the import; answers how many."""
    rows: list[tuple[int]] = db.execute(
        "SELECT address_id FROM imported_chats WHERE import_id = ? LIMIT ?", (number, _CHATS)
    ).fetchall()
    for (address,) in rows:
        db.execute("DELETE FROM imported_chats WHERE (import_id, address_id) = (?, ?)", (number, address))
        for chat in state.addon_chats(db, address):
            state.reread(db, chat)
            refresh_chat(db, chat)
    return len(rows)


def _finish(context: WriteContext, number: int) -> None:
    """Take back the rest, which is little: names, members and watermarks."""
    db = context.db
    named = column(db, "SELECT DISTINCT jid FROM imported_names WHERE import_id = ?", (number,))
    for table in ("imported_names", "imported_members", "imported_pairs", "imported_addons"):
        db.execute(f"DELETE FROM {table} WHERE import_id = ?", (number,))  # noqa: S608
    state.forget_imported_marks(db, number)
    identities = Identities(db)
    for jid in named:
        _name_again(db, identities, jid)
    state.add_contact_changes(db, identities.changed)
    delete_orphans(db, number)
    db.execute("UPDATE events SET ref = NULL WHERE ref NOT IN (SELECT ref FROM refs)")
    state.add_change(db, "history")
    ended: tuple[Any, ...] = (ImportState.UNDONE, context.at, number)
    db.execute("UPDATE imports SET state = ?, ended_at = ?, position = NULL WHERE id = ?", ended)


def _name_again(db: sqlite3.Connection, identities: Identities, jid: str) -> None:
    contact = value(db, "SELECT contact_id FROM addresses WHERE jid = ? AND contact_id >= 0", (jid,))
    if contact is not None:
        identities.refresh(contact)
        identities.changed.add(contact)
    for chat in column(db, "SELECT id FROM chats WHERE jid = ? AND contact_id IS NULL", (jid,)):
        state.refresh_chat_settings(db, chat)


def delete_orphans(db: sqlite3.Connection, number: int) -> None:
    """Delete what an import made and nothing needs; what another import needs goes with that one."""
    _delete_chats(db, number)
    _delete_addresses(db, number)
    other = value(db, "SELECT max(id) FROM imports WHERE id != ? AND state != 'undone'", (number,))
    if other is not None:
        db.execute(
            """UPDATE OR IGNORE imported_addresses SET import_id = ? WHERE import_id = ?
            AND jid IN (SELECT jid FROM addresses UNION ALL SELECT jid FROM chats)""",
            (other, number),
        )
    db.execute("DELETE FROM imported_addresses WHERE import_id = ?", (number,))


def _delete_chats(db: sqlite3.Connection, number: int) -> None:
    """Chats go first: a person may stay without one, for what they said in a group."""
    db.execute("CREATE TEMP TABLE orphans (id INTEGER PRIMARY KEY, jid TEXT)")
    db.execute(
        """INSERT OR IGNORE INTO orphans SELECT c.id, c.jid FROM imported_addresses AS i
        JOIN addresses AS a ON a.jid = i.jid
        JOIN chats AS c ON iif(a.contact_id >= 0, c.contact_id = a.contact_id, c.jid = a.jid)
        WHERE i.import_id = ? AND i.is_chat""",
        (number,),
    )
    for table in _NUMBERS:
        db.execute(f"DELETE FROM orphans WHERE id IN (SELECT chat_id FROM {table})")  # noqa: S608
    for table, address in _OF_CHATS.items():
        db.execute(
            f"""DELETE FROM orphans WHERE id IN (SELECT v.chat_id FROM chat_addresses AS v
            WHERE v.chat_id IN (SELECT id FROM orphans)
            AND v.address_id IN (SELECT {address} FROM {table}))"""  # noqa: S608
        )
    db.execute(
        """DELETE FROM orphans WHERE id IN (SELECT id FROM chats WHERE contact_id IS NULL)
        AND jid IN (SELECT jid FROM imported_names)"""
    )
    # The number stays used up (`free_number`) and leads nowhere: index and feed may still hold it.
    db.execute("INSERT OR IGNORE INTO chat_aliases SELECT id, -1 FROM orphans")
    db.execute("DELETE FROM chats WHERE id IN (SELECT id FROM orphans)")
    db.execute("DROP TABLE orphans")


def _delete_addresses(db: sqlite3.Connection, number: int) -> None:
    db.execute("CREATE TEMP TABLE orphans (id INTEGER PRIMARY KEY, jid TEXT, contact_id INTEGER)")
    db.execute(
        """INSERT INTO orphans SELECT id, jid, contact_id FROM addresses
        WHERE jid IN (SELECT jid FROM imported_addresses WHERE import_id = ? AND NOT is_chat)
        AND contact_id != 0 AND jid NOT IN (SELECT jid FROM chats)
        AND contact_id NOT IN (SELECT contact_id FROM chats WHERE contact_id IS NOT NULL)
        AND NOT EXISTS (SELECT 1 FROM messages WHERE sender_id = contact_id AND sender_id > 0)""",
        (number,),
    )
    for tables in (_OF_CHATS, _OF_PEOPLE):
        for table, address in tables.items():
            db.execute(f"DELETE FROM orphans WHERE id IN (SELECT {address} FROM {table})")  # noqa: S608
    for table, jid in _JIDS:
        db.execute(f"DELETE FROM orphans WHERE jid IN (SELECT {jid} FROM {table})")  # noqa: S608
    # A person stays with all addresses, or goes with all of them.
    db.execute(
        """DELETE FROM orphans WHERE contact_id > 0 AND contact_id IN (SELECT contact_id FROM addresses
        WHERE id NOT IN (SELECT id FROM orphans))"""
    )
    db.execute(
        "INSERT OR IGNORE INTO contact_aliases SELECT contact_id, -1 FROM orphans WHERE contact_id > 0"
    )
    db.execute("DELETE FROM addresses WHERE id IN (SELECT id FROM orphans)")
    db.execute("DELETE FROM contacts WHERE id IN (SELECT contact_id FROM orphans WHERE contact_id > 0)")
    db.execute("DROP TABLE orphans")
