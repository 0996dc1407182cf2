"""Writes the messages of an import, a slice at once: what is not here, and what says more than what is.

A live message is looked up, indexed and told of one by one; a million of a file are not. So each step is one
statement for the whole slice, and messages come in the order of their ids: the search index flushes what it
has gathered whenever a smaller id follows (https://sqlite.org/fts5.html).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import database, identity, state
from whatsapp_mcp.archive.database import ID_BITS, column, placeholders, value
from whatsapp_mcp.archive.exchange import chat_exports
from whatsapp_mcp.archive.exchange.foreign_reading import AcceptedMessage
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write import WriteContext
from whatsapp_mcp.decoding import KIND_NUMBER, OWNER, PLACEHOLDERS, Content, Flag

_FOUND: Final = """WITH k (chat, wa_id, sender) AS (VALUES {keys})
SELECT m.chat_id, m.wa_id, m.sender_id, m.id, m.ref, m.kind, m.flags, m.edited_at, m.revoked_at
FROM k CROSS JOIN messages AS m ON (m.chat_id, m.wa_id, m.sender_id) = (k.chat, k.wa_id, k.sender)"""
_NEWEST: Final = f"""WITH s (at) AS (VALUES {{seconds}})
SELECT at, (SELECT max(id) FROM messages WHERE id >= at << {ID_BITS} AND id < (at + 1) << {ID_BITS}) FROM s"""  # noqa: S608
_INSERT: Final = """INSERT INTO messages (id, ref, chat_id, sender_id, wa_id, kind, flags, text, reply_wa_id,
 edited_at, revoked_at, details, via) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_MEDIA: Final = "INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)"
_SHOW: Final = """UPDATE messages SET sender_id = ?, wa_id = ?, kind = ?, flags = ? | (flags & ?), text = ?,
 reply_wa_id = ?, edited_at = ?, revoked_at = ?, details = ?, original = NULL WHERE id = ?"""

_Key = tuple[int, str, int]


class _Here(NamedTuple):
    """A message that is in the archive."""

    id: int
    ref: int
    kind: int
    flags: int
    edited_at: int | None
    revoked_at: int | None

    @property
    def worth(self) -> tuple[int, ...]:
        return state.copy_worth(self.kind, self.flags, self.edited_at, self.revoked_at)


@dataclass(slots=True)
class ImportedMessage:
    """A message of the file, with its place in the archive.

    Attributes:
        id, ref: What it has here, once it is written.
        imported: Whether it is here as what a file brought.
        again: The same import has it already: an earlier try got so far, or the file has it twice.
        filled: Whether something of it came over the connection, and could not be read.
    """

    taken: AcceptedMessage
    chat: int
    sender: int
    id: int = 0
    ref: int = 0
    imported: bool = True
    again: bool = False
    filled: bool = False

    @property
    def key(self) -> _Key:
        """The key of the message, equal for copies of the same message."""
        return self.chat, self.taken.foreign.id, self.sender

    @property
    def target(self) -> state.Target:
        """The message as that of its add-ons."""
        return state.Target(self.chat, self.taken.foreign.id, self.sender)

    @property
    def worth(self) -> tuple[int, ...]:
        """The worth of this message, to compare with that of the stored one."""
        content = self.taken.content
        kind = KIND_NUMBER[content.kind]
        return state.copy_worth(kind, content.flags, self.taken.edited_at, self.taken.foreign.revoked_at)


@dataclass(slots=True)
class Written:
    """Counts of a slice's messages, and the chats that they touched."""

    new: int = 0
    known: int = 0
    filled: int = 0
    touched: set[int] = field(default_factory=set[int])


class ImportedMessages:
    """Writes the messages of one slice."""

    def __init__(self, context: WriteContext, number: int, identities: Identities) -> None:
        self._context = context
        self._db = context.db
        self._number = number
        self._identities = identities
        self._with_exports: set[int] = set()
        self.written = Written()

    def write(self, messages: Sequence[ImportedMessage]) -> None:
        """Write them, in the order of their times."""
        of_key: dict[_Key, ImportedMessage] = {}
        twice = [one for one in messages if of_key.setdefault(one.key, one) is not one]
        if of_key:
            self._write(of_key)
        # A file may hold a message twice: the second is compared with the first once that is written.
        if twice:
            self.write(twice)

    def _write(self, messages: dict[_Key, ImportedMessage]) -> None:
        here = self._here(messages)
        self._with_exports = chat_exports.with_exports(self._db, {chat for chat, _, _ in messages})
        waiting = self._waiting([wa_id for _, wa_id, _ in messages])
        new: list[ImportedMessage] = []
        for key, one in messages.items():
            if (existing := here.get(key)) is not None:
                self._again(one, existing, is_revoked=one.taken.foreign.id in waiting["revokes"])
            elif (exported := self._exported(one)) is not None:
                self._over_export(one, exported)
            else:
                new.append(one)
        self._insert(new)
        state.add_refs(self._db, self._number, [one.ref for one in messages.values() if one.imported])
        for one in messages.values():
            self._follow(one, waiting)

    def _here(self, messages: Iterable[_Key]) -> dict[_Key, _Here]:
        values = [part for key in messages for part in key]
        keys = ", ".join(["(?, ?, ?)"] * (len(values) // 3))
        rows = self._db.execute(_FOUND.format(keys=keys), values).fetchall()
        return {row[:3]: _Here(*row[3:]) for row in rows}

    def _waiting(self, ids: Sequence[str]) -> dict[str, set[str]]:
        """Which of these ids an edit, a deletion or a receipt came for over the connection."""
        places = placeholders(ids)
        return {
            table: {*column(self._db, f"SELECT wa_id FROM {table} WHERE wa_id IN ({places})", ids)}  # noqa: S608
            for table in ("revokes", "edits", "early_receipts")
        }

    def _follow(self, message: ImportedMessage, waiting: dict[str, set[str]]) -> None:
        """Apply to a message what came about it over the connection, before or after the message."""
        if not message.imported:
            return
        wa_id = message.taken.foreign.id
        if wa_id in waiting["revokes"] or wa_id in waiting["edits"]:
            state.apply_versions(self._db, message.id)
        if wa_id in waiting["early_receipts"] and message.sender == OWNER:
            state.take_early_imported(self._db, message.chat, wa_id)
        chat, sender = message.taken.chat, message.taken.sender
        if self._identities.is_reassigned(chat, sender):
            for jid in dict.fromkeys((chat, sender)):
                if jid is not None:
                    numbers = identity.numbers_of(self._db, jid)
                    self.written.touched |= identity.attribute_messages(self._db, numbers, wa_id)

    # What is not here.

    def _insert(self, new: list[ImportedMessage]) -> None:
        if not new:
            return
        db = self._db
        ref = (value(db, "SELECT seq FROM sqlite_sequence WHERE name = 'refs'") or 0) + 1
        for place, (one, message) in enumerate(zip(new, self._free_ids(new), strict=True)):
            one.id, one.ref = message, ref + place
        db.executemany(_INSERT, [self._row(one) for one in new])
        db.executemany("INSERT INTO refs (ref, message_id) VALUES (?, ?)", [(one.ref, one.id) for one in new])
        files = [(one.id, *media.columns()) for one in new if (media := one.taken.content.media) is not None]
        db.executemany(_MEDIA, files)
        database.index_messages(db, [(one.id, _body(one.taken.content), one.chat, one.sender) for one in new])
        self.written.new += len(new)

    def _free_ids(self, new: list[ImportedMessage]) -> list[int]:
        """An id of its second for each."""
        seconds = [*dict.fromkeys(one.taken.foreign.at for one in new)]
        places = ", ".join(["(?)"] * len(seconds))
        newest: dict[int, int | None] = dict(
            self._db.execute(_NEWEST.format(seconds=places), seconds).fetchall()
        )
        ids: list[int] = []
        for one in new:
            sent_at = one.taken.foreign.at
            last = newest[sent_at]
            newest[sent_at] = sent_at << ID_BITS if last is None else last + 1
            ids.append(newest[sent_at] or 0)
        return ids

    def _row(self, message: ImportedMessage) -> tuple[Any, ...]:
        taken = message.taken
        content, foreign = taken.content, taken.foreign
        return (
            message.id, message.ref, message.chat, message.sender, foreign.id, KIND_NUMBER[content.kind],
            content.flags, content.text, content.reply_to, taken.edited_at, foreign.revoked_at,
            dumped(content.details), self._identities.via(taken.chat, taken.sender),
        )  # fmt: skip

    # What is.

    def _again(self, message: ImportedMessage, here: _Here, *, is_revoked: bool) -> None:
        """A message that is here already: what says more is shown."""
        message.id, message.ref, message.imported = here.id, here.ref, bool(here.flags & Flag.IMPORTED)
        if not message.imported:
            self._fill(message, here)
            return
        if state.has_ref(self._db, self._number, here.ref):  # it was counted already
            message.again, message.filled = True, state.has_received_copy(self._db, here.ref)
        else:
            self.written.known += 1
        if is_revoked:
            return
        if message.worth < here.worth:
            if not message.again:
                state.store_copy(self._db, self._copy(message))
            return
        if message.again:  # a file may hold a message twice: what says more counts
            own = "DELETE FROM imported_copies WHERE (ref, import_id) = (?, ?)"
            self._db.execute(own, (here.ref, self._number))
        if message.worth > here.worth:
            self._keep_shown(here)
            self._show(message)

    def _fill(self, message: ImportedMessage, here: _Here) -> None:
        """Fill in a message that could not be read; any other that came over the connection stays."""
        if (
            here.kind not in PLACEHOLDERS
            or here.revoked_at is not None
            or message.worth[0] < len(PLACEHOLDERS)
        ):
            self.written.known += 1
            return
        state.store_copy(self._db, state.shown_copy(self._db, here.id, state.CAME))
        self._show(message)
        message.imported = message.filled = True
        self.written.filled += 1

    def _keep_shown(self, here: _Here) -> None:
        """Keep the shown version as the copy of each other import that has no lesser copy of its own."""
        lesser = {copy.import_id for copy in state.copies_of(self._db, here.ref)}
        for number in state.imports_with(self._db, here.id, here.ref, here.flags):
            if number != self._number and number not in lesser:
                state.store_copy(self._db, state.shown_copy(self._db, here.id, number))

    def _copy(self, message: ImportedMessage) -> state.Copy:
        taken = message.taken
        content, foreign = taken.content, taken.foreign
        return state.Copy(
            message.ref, self._number, foreign.at, message.sender, foreign.id, KIND_NUMBER[content.kind],
            content.flags, content.text, content.reply_to, taken.edited_at, foreign.revoked_at,
            dumped(content.details), state.media_text(content.media),
        )  # fmt: skip

    def _show(self, message: ImportedMessage) -> None:
        taken, db = message.taken, self._db
        content, foreign = taken.content, taken.foreign
        db.execute(
            _SHOW,
            (
                message.sender, foreign.id, KIND_NUMBER[content.kind], content.flags, int(Flag.TWICE),
                content.text, content.reply_to, taken.edited_at, foreign.revoked_at,
                dumped(content.details), message.id,
            ),
        )  # fmt: skip
        media = content.media
        gone = state.show_media(db, message.id, None if media is None else (*media.columns(), None))
        if gone is not None and not self._is_kept(message.ref, gone):
            self._context.files.append(gone)
        database.reindex_message(db, message.id)
        state.apply_versions(db, message.id)
        self.written.touched.add(message.chat)

    def _is_kept(self, ref: int, path: str) -> bool:
        """Check whether a copy that is not shown has this file."""
        return any(copy.file == path for copy in state.copies_of(self._db, ref))

    # What an exported chat said without an id.

    def _exported(self, message: ImportedMessage) -> _Here | None:
        if message.chat not in self._with_exports:
            return None
        row = chat_exports.find_exported(
            self._db, message.chat, message.taken, is_own=message.sender == OWNER
        )
        return None if row is None else _Here(*row)

    def _over_export(self, message: ImportedMessage, here: _Here) -> None:
        """The message with WhatsApp's id takes the place of one that was made of an exported chat."""
        message.id, message.ref = here.id, here.ref
        self._keep_shown(here)
        sent_at = message.taken.foreign.at
        if here.id >> ID_BITS != sent_at:
            message.id = identity.retime_message(self._db, here.id, sent_at)
        via = self._identities.via(message.taken.chat, message.taken.sender)
        self._db.execute("UPDATE messages SET via = ? WHERE id = ?", (via, message.id))
        self._show(message)
        self.written.known += 1


def _body(content: Content) -> str:
    name = None if content.media is None else content.media.file_name
    return database.indexed_body(content.text, name, content.details)


def dumped(details: dict[str, Any]) -> str | None:
    """Details as they are stored."""
    return json.dumps(details, ensure_ascii=False, separators=(",", ":")) if details else None
