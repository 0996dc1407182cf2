"""Writing messages: ids in the order of time, each stored once, placeholders replaced by what comes.

Their raw protobufs, in `raw.db`, are brought in line with what an operation has written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from whatsapp_mcp.archive import database, identity, state
from whatsapp_mcp.archive.database import ID_BITS, value
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write import floods
from whatsapp_mcp.archive.write.applying import WriteContext, begin_raw_operation
from whatsapp_mcp.decoding import KIND_NUMBER, OWNER, Content, Flag, MessageUpdate
from whatsapp_mcp.models import MessageKind
from whatsapp_mcp.storage import transaction

_INSERT = """INSERT INTO messages (id, ref, chat_id, sender_id, wa_id, kind, flags, text,
 reply_wa_id, details, via) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"""
_LOOK_UP = """SELECT m.id, m.kind, m.flags, m.revoked_at, m.via,
 EXISTS (SELECT 1 FROM revokes WHERE wa_id = ?2) OR EXISTS (SELECT 1 FROM edits WHERE wa_id = ?2),
 EXISTS (SELECT 1 FROM early_receipts WHERE wa_id = ?2), EXISTS (SELECT 1 FROM sealed WHERE wa_id = ?2)
 FROM (SELECT 1) LEFT JOIN messages AS m ON m.chat_id = ?1 AND m.wa_id = ?2 AND m.sender_id = ?3"""
"""A message, if it is there, and whether an edit, a receipt or a sealed add-on of it came earlier."""


class MessageWriter:
    """Writes the messages of one batch and remembers which chats they touched."""

    def __init__(self, db: sqlite3.Connection, identities: Identities) -> None:
        self._db = db
        self._identities = identities
        self.touched: set[int] = set()
        self.files: list[str] = []
        self.raw: dict[int, tuple[int, bytes]] = {}
        self.unknown = False
        self.opens_sealed = False
        self.new = 0
        self.duplicates = 0
        self._last_id: dict[int, int] = {}
        self._next_ref = self._first_free_ref()
        self._former_raw: list[tuple[int, tuple[int, bytes] | None]] = []

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Restore what the writer remembers if the block fails, as its savepoint restores the rows."""
        files, new, duplicates = len(self.files), self.new, self.duplicates
        self._former_raw.clear()
        try:
            yield
        except BaseException:
            # A file of a row that is restored would be deleted.
            del self.files[files:]
            for message, former in reversed(self._former_raw):
                if former is None:
                    self.raw.pop(message, None)
                else:
                    self.raw[message] = former
            self.new, self.duplicates = new, duplicates
            self._last_id.clear()
            self._next_ref = self._first_free_ref()
            raise

    def _set_raw(self, message: int, raw: tuple[int, bytes] | None) -> None:
        self._former_raw.append((message, self.raw.get(message)))
        if raw is None:
            self.raw.pop(message, None)
        else:
            self.raw[message] = raw

    def _first_free_ref(self) -> int:
        """The first that no message had, purged ones included."""
        return (value(self._db, "SELECT seq FROM sqlite_sequence WHERE name = 'refs'") or 0) + 1

    def message(self, update: MessageUpdate, *, newest: bool = True) -> None:
        """Store a message; one that is there already is replaced only by one that says more.

        Args:
            update: The message.
            newest: No newer one of ours in this chat follows, so that the chat is read up to here.
        """
        chat, sender = (
            self._identities.chat(update.chat, update.at),
            self._identities.sender(update.sender, update.at),
        )
        floods.bound_message(self._db, update, self._identities.address(update.sender))
        content = update.content
        # One query for each message, not four: history comes in hundreds of thousands.
        message, kind, flags, revoked_at, via, *earlier = self._db.execute(
            _LOOK_UP, (chat, update.wa_id, sender)
        ).fetchone()
        if message is None:
            message = self._insert(update, chat, sender, earlier, newest)
        elif flags & Flag.IMPORTED:
            self.duplicates += 1
            message = self._over_imported(message, update, chat, sender)
            self._read_up_to(message, update, chat, sender, newest)
        else:
            self.duplicates += 1
            if via is not None and self._identities.via(update.chat, update.sender) is None:
                self._db.execute("UPDATE messages SET via = NULL WHERE id = ?", (message,))
            if update.at < message >> ID_BITS:
                message = self._retime(message, update.at, chat)
            if identity.message_worth(KIND_NUMBER[content.kind], content.flags) > identity.message_worth(
                kind, flags
            ):
                self._replace(message, update, chat, sender)
            elif content.flags & Flag.STARRED and not revoked_at:
                starred = "UPDATE messages SET flags = flags | ? WHERE id = ?"
                self._db.execute(starred, (int(Flag.STARRED), message))
        self.attribute(update.chat, update.sender, update.wa_id)

    def _over_imported(self, message: int, update: MessageUpdate, chat: int, sender: int) -> int:
        """A message comes over the connection that a file brought: all but a placeholder replaces it.

        Returns:
            Its id, which is another if it was sent at another time than the file says.
        """
        db, content = self._db, update.content
        kind, ref, via = db.execute("SELECT kind, ref, via FROM messages WHERE id = ?", (message,)).fetchone()
        came, now = state.has_received_copy(db, ref), self._identities.via(update.chat, update.sender)
        db.execute(
            "UPDATE messages SET via = ? WHERE id = ?",
            (None if came and None in (via, now) else now, message),
        )
        if update.at < message >> ID_BITS or (not came and update.at != message >> ID_BITS):
            message = self._retime(message, update.at, chat)
        new = KIND_NUMBER[content.kind]
        if identity.message_worth(new, content.flags) >= identity.message_worth(kind, int(Flag.IMPORTED)):
            self._replace(message, update, chat, sender)
            self.files += state.outdate_copies(db, message)
        else:
            details = _dump(self._details(content, chat, now))
            copy = (update.at, sender, update.wa_id, new, content.flags, content.text, content.reply_to)
            state.store_copy(db, state.Copy(ref, state.CAME, *copy, None, None, details, None))
            self._keep_raw(message, update)
            self.touched.add(chat)
        state.apply_early(db, chat, update.wa_id)
        return message

    def mark_cut(self, messages: Sequence[int]) -> None:
        """Note that not all was kept of what messages say now."""
        for message in messages:
            self._db.execute(
                "UPDATE messages SET flags = flags | ? WHERE id = ?", (int(Flag.CUT_SHORT), message)
            )

    def attribute(self, chat: str, sender: str | None, message: str) -> None:
        """Attribute a message of a reassigned number to the chat and person it belongs to.

        Args:
            chat: The address of the chat.
            sender: The other address that came with it, if there is one.
            message: WhatsApp's id of the message that it is about.
        """
        if self._identities.is_reassigned(chat, sender):
            self.opens_sealed = True
            # In this order; that of a set is another in each process.
            for jid in dict.fromkeys((chat, sender)):
                if jid is not None:
                    self.touched |= identity.attribute_messages(
                        self._db, identity.numbers_of(self._db, jid), message
                    )

    def _insert(self, update: MessageUpdate, chat: int, sender: int, earlier: list[int], newest: bool) -> int:
        db = self._db
        content = update.content
        ref = self._next_ref
        self._next_ref += 1
        via = self._identities.via(update.chat, update.sender)
        details = self._details(content, chat, via)
        message = self._insert_row(
            self._free_id(update.at, live=update.live),
            update.at,
            (
                ref,
                chat,
                sender,
                update.wa_id,
                KIND_NUMBER[content.kind],
                content.flags,
                content.text,
                content.reply_to,
                _dump(details),
                via,
            ),
        )
        db.execute("INSERT INTO refs (ref, message_id) VALUES (?, ?)", (ref, message))
        self._attach(message, content, details, chat, sender)
        self._keep_raw(message, update)
        changed, receipted, sealed = earlier
        if changed:
            state.apply_versions(db, message)
        self.opens_sealed |= bool(sealed)
        if receipted:
            state.apply_early(db, chat, update.wa_id)
        self._read_up_to(message, update, chat, sender, newest)
        self.new += 1
        self.touched.add(chat)
        if update.live:
            state.add_change(db, "message", chat=chat, wa_id=update.wa_id, ref=ref, actor=sender)
        return message

    def _read_up_to(self, message: int, update: MessageUpdate, chat: int, sender: int, newest: bool) -> None:
        """Mark a chat as read up to a message that the owner wrote there."""
        if sender == OWNER and (newest or update.sender is not None):
            forward = "UPDATE chats SET read_id = ?1 WHERE id = ?2 AND read_id < ?1"
            self._db.execute(forward, (message, chat))

    def _keep_raw(self, message: int, update: MessageUpdate) -> None:
        if update.raw:
            self._set_raw(message, (update.raw_code, update.raw))
            self.unknown |= update.content.kind is MessageKind.UNKNOWN

    def _retime(self, message: int, sent_at: int, chat: int) -> int:
        self._last_id.clear()
        new = identity.retime_message(self._db, message, sent_at)
        if (raw := self.raw.get(message)) is not None:
            self._set_raw(message, None)
            self._set_raw(new, raw)
        self.touched.add(chat)
        return new

    def _replace(self, message: int, update: MessageUpdate, chat: int, sender: int) -> None:
        """Replace a placeholder by its message."""
        content = update.content
        details = self._details(content, chat, self._identities.via(update.chat, update.sender))
        self._db.execute(
            """UPDATE messages SET kind = ?, flags = ? | (flags & ?), text = ?, reply_wa_id = ?, details = ?,
            original = NULL, edited_at = NULL, revoked_at = iif(flags & ?, NULL, revoked_at) WHERE id = ?""",
            (
                KIND_NUMBER[content.kind],
                content.flags,
                int(Flag.TWICE),
                content.text,
                content.reply_to,
                _dump(details),
                int(Flag.IMPORTED),  # that a file said that it was deleted counts no more
                message,
            ),
        )
        database.unindex_message(self._db, message)
        media = content.media
        gone = state.show_media(self._db, message, None if media is None else (*media.columns(), None))
        if gone is not None:
            self.files.append(gone)
        self._index(message, content, details, chat, sender)
        self._keep_raw(message, update)
        state.apply_versions(self._db, message)
        self.opens_sealed = True
        self.touched.add(chat)
        ref = value(self._db, "SELECT ref FROM messages WHERE id = ?", (message,))
        state.add_change(self._db, "message", chat=chat, wa_id=update.wa_id, ref=ref, actor=sender)

    def _attach(
        self, message: int, content: Content, details: dict[str, Any], chat: int, sender: int
    ) -> None:
        if content.media is not None:
            self._db.execute(
                "INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
                (message, *content.media.columns()),
            )
        self._index(message, content, details, chat, sender)

    def _index(self, message: int, content: Content, details: dict[str, Any], chat: int, sender: int) -> None:
        file_name = None if content.media is None else content.media.file_name
        database.index_message(
            self._db, message, database.indexed_body(content.text, file_name, details), chat, sender
        )

    def _free_id(self, sent_at: int, *, live: bool) -> int:
        """An id of that second that is free; in the past, where few share one, the first id is just tried."""
        last = self._last_id.get(sent_at)
        if last is not None:
            return last + 1
        return self._next_id(sent_at) if live else sent_at << ID_BITS

    def _next_id(self, sent_at: int) -> int:
        first = sent_at << ID_BITS
        free = "SELECT coalesce(max(id) + 1, ?1) FROM messages WHERE id >= ?1 AND id < ?2"
        return value(self._db, free, (first, first + (1 << ID_BITS)))

    def _insert_row(self, message: int, sent_at: int, columns: tuple[Any, ...]) -> int:
        """Insert a message under that id, or, if it is taken, under the next one of its second."""
        if not self._db.execute(_INSERT, (message, *columns)).rowcount:
            message = self._next_id(sent_at)
            self._db.execute(_INSERT, (message, *columns))
        self._last_id[sent_at] = message
        return message

    def _details(self, content: Content, chat: int, via: int | None) -> dict[str, Any]:
        """The details as they are stored; a quote that the archive holds itself is left out.

        Not so under a number alone: what is quoted may turn out to be of another chat than the reply.
        """
        details = content.details
        mentions = details.get("mentions")
        if mentions and any(self._identities.known_contact(jid) == OWNER for jid in mentions):
            content.flags |= Flag.MENTIONS_ME
        if (
            "quote" in details
            and via is None
            and self._db.execute(  # a file may go again, with what it brought
                "SELECT 1 FROM messages WHERE chat_id = ? AND wa_id = ? AND NOT flags & ?",
                (chat, content.reply_to, int(Flag.IMPORTED)),
            ).fetchone()
        ):
            details = {key: value for key, value in details.items() if key != "quote"}
        return details


def _dump(details: dict[str, Any]) -> str | None:
    return json.dumps(details, ensure_ascii=False, separators=(",", ":")) if details else None


def keep_raw(context: WriteContext, messages: MessageWriter) -> None:
    """Store and delete raw protobufs, before the archive's own transaction commits.

    Only what is nowhere else (a message of unknown kind) or must be gone (a revoked one) waits for the
    disk; the raw form of a decoded message may be lost with the power, the message itself is not.
    """
    changes = _raw_changes(context, messages)
    if messages.raw or changes:
        # With a log, what `archive.db` loses with the power is applied again; `raw.db` must not be behind.
        wait = bool(changes) or messages.unknown or context.mark is not None
        context.raw.execute(f"PRAGMA synchronous = {'FULL' if wait else 'NORMAL'}")
        with transaction(context.raw):
            begin_raw_operation(context)
            for message, _, becomes in changes:
                if becomes is None:
                    context.raw.execute("DELETE FROM raw WHERE message_id = ?", (message,))
                else:
                    context.raw.execute(
                        "UPDATE OR REPLACE raw SET message_id = ? WHERE message_id = ?", (becomes, message)
                    )
            context.raw.executemany(
                "INSERT OR REPLACE INTO raw VALUES (?, ?, ?)",
                [(message, code, payload) for message, (code, payload) in sorted(messages.raw.items())],
            )
    context.files += [path for _, path, _ in changes if path is not None]


def _raw_changes(context: WriteContext, messages: MessageWriter) -> list[tuple[int, str | None, int | None]]:
    """Messages whose raw protobuf must go, with their downloaded files, or gets an earlier id.

    Asked once, at the end; what is to be stored then is of messages that keep it.
    """
    rows = context.db.execute(
        "SELECT message_id, path, becomes FROM raw_gone ORDER BY message_id DESC"
    ).fetchall()
    if rows:
        context.db.execute("DELETE FROM raw_gone")
    for message, _, becomes in rows:
        kept = "SELECT 1 FROM messages WHERE id = ? AND revoked_at IS NULL"
        if message in messages.raw and value(context.db, kept, (message,)) is None:
            raw = messages.raw.pop(message)
            if becomes is not None:
                messages.raw[becomes] = raw
    return rows
