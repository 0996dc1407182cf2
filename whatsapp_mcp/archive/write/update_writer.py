"""Writes updates into the archive's tables, in the order in which one may depend on another.

Receipts, names, settings of chats, members of groups and how far the past has come are written here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import identity, state
from whatsapp_mcp.archive.database import ID_BITS, RAW_GONE, value
from whatsapp_mcp.archive.identity import Identities, Lookups, chat_kind
from whatsapp_mcp.archive.write.addon_writer import AddOnWriter, note_waiting
from whatsapp_mcp.archive.write.message_writer import MessageWriter
from whatsapp_mcp.decoding import (
    NEVER_UNREAD,
    OWNER,
    ChatUpdate,
    Flag,
    HistoryUpdate,
    IdentityUpdate,
    LinkedUpdate,
    MembersUpdate,
    MessageUpdate,
    NameKind,
    NameUpdate,
    OwnUpdate,
    ReceiptKind,
    ReceiptUpdate,
    UndecodedUpdate,
    UnreadUpdate,
    Update,
)
from whatsapp_mcp.models import ChatKind, MessageKind

_SHOWN = {
    NameKind.SAVED: "saved_name",
    NameKind.BUSINESS: "business_name",
    NameKind.PUSH: "push_name",
    NameKind.GIVEN: "given_name",
}
_EARLY = """SELECT 1 FROM early_receipts
 WHERE (wa_id, chat_address, sender_address, at, kind) = (?, ?, ?, ?, ?)"""
_LAST: Final = (UnreadUpdate, *state.OF_UPDATE)


class StateWriter:
    """Writes the states of one batch."""

    def __init__(self, db: sqlite3.Connection, identities: Identities, messages: MessageWriter) -> None:
        self._db = db
        self._identities = identities
        self._messages = messages

    def receipt(self, update: ReceiptUpdate, came: int) -> None:
        """Move the read watermarks of a person (or of the owner) forward.

        Args:
            update: The receipt.
            came: When it came, in seconds since 1970.
        """
        db = self._db
        kind = ReceiptKind.SEEN if update.contact is None else update.mark
        reader = state.EVERYONE if update.everyone else self._reader_address(update.chat, update.contact)
        chat, address = (
            self._identities.chat(update.chat, update.at),
            self._identities.address(update.chat).id,
        )
        changed = False
        for wa_id in update.wa_ids:
            changed |= state.store_receipt(db, address, reader, wa_id, kind, update.at)
            self._note_early(update, wa_id, kind, came)
            self._messages.attribute(update.chat, None, wa_id)
        if changed or (update.contact is None and update.wa_ids):
            self._messages.touched.update(state.addon_chats(db, address))
        if changed and not update.everyone:
            contact = OWNER if update.contact is None else self._identities.contact(update.contact, update.at)
            messages = state.addon_messages(db, update.wa_ids[-1], address)
            state.add_change(
                db, "receipt",
                chat=messages[0].target.chat if messages else chat,
                wa_id=update.wa_ids[-1],
                ref=messages[0].ref if messages else None,
                actor=contact,
                detail=update.mark.name.lower(),
            )  # fmt: skip

    def _note_early(self, update: ReceiptUpdate, wa_id: str, kind: ReceiptKind, came: int) -> None:
        """Note a receipt of somebody else that waits for its message."""
        if update.contact is None or update.everyone:
            return
        address, reader = self._identities.address(update.chat), self._identities.address(update.contact)
        if chat_kind(update.chat) is ChatKind.DIRECT:
            reader = address
        row = (wa_id, update.at, int(kind))
        if self._db.execute(_EARLY, (wa_id, address.id, reader.id, *row[1:])).fetchone():
            note_waiting(self._db, state.EARLY_RECEIPTS, row, address, reader, came)

    def _reader_address(self, chat: str, contact: str | None) -> int:
        """The number of the address whose watermark it is: in a chat with one person, the chat's."""
        if chat_kind(chat) is ChatKind.DIRECT:
            return self._identities.address(chat).id
        return 0 if contact is None else self._identities.address(contact).id

    def name(self, update: NameUpdate) -> None:
        """Store names of one address of a person; of each kind the newest counts."""
        for kind, name in (
            (NameKind.SAVED, update.saved_name),
            (NameKind.BUSINESS, update.business_name),
            (NameKind.PUSH, update.push_name),
            (NameKind.GIVEN, update.given_name),
        ):
            if name:
                self._name(update.jid, kind, name, update.at, update.looked_up)

    def _name(self, jid: str, kind: NameKind, name: str, updated_at: int, looked_up: bool) -> None:
        known = self._identities.names.get((jid, kind))
        if known is None:
            row = self._db.execute(
                "SELECT at, name FROM names WHERE (jid, kind) = (?, ?)", (jid, int(kind))
            ).fetchone()
            known = (row[0], row[1]) if row else (-1, "")
        if looked_up and name != known[1]:
            updated_at = max(updated_at, known[0] + 1)
        self._identities.names[jid, kind] = max(known, (updated_at, name))
        if (updated_at, name) <= known:
            return
        contact = self._identities.contact(jid)
        self._db.execute(
            """INSERT INTO names VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET name = excluded.name, at = excluded.at""",
            (jid, int(kind), name, updated_at),
        )
        shown = f"SELECT {_SHOWN[kind]} FROM contacts WHERE id = ?"  # noqa: S608
        if value(self._db, shown, (contact,)) != name:
            self._identities.refresh(contact)
            self._identities.changed.add(contact)

    def chat(self, update: ChatUpdate) -> None:
        """Store properties of a chat; of each the newest value counts."""
        self._identities.chat(update.jid, update.at)
        address = self._identities.address(update.jid)
        for field in state.CHAT_SETTINGS:
            value = getattr(update, field)
            if value is not None:
                state.store_chat_setting(
                    self._db, address, field, value, update.at, looked_up=update.looked_up
                )

    def members(self, update: MembersUpdate) -> None:
        """Store who is in a group."""
        group, address = self._identities.chat(update.chat), self._identities.address(update.chat)
        members = [(self._identities.address(jid), role) for jid, role in update.members]
        state.store_members(
            self._db, group, address, members, update.at, whole=update.whole, looked_up=update.looked_up
        )

    def unread(self, update: UnreadUpdate, transferred: list[MessageUpdate]) -> None:
        """Set the read watermark so that the phone's own count results.

        Args:
            update: The phone's count.
            transferred: The messages of this chat that came with it, in any order.
        """
        newest_first = sorted(transferred, key=lambda message: message.at, reverse=True)
        incoming = [
            message
            for message in newest_first
            if message.sender is not None and message.content.kind not in NEVER_UNREAD
        ]
        # As many are unread as came, or more: where that begins is not among them.
        if update.count >= len(incoming):
            return
        read = incoming[update.count] if update.count else newest_first[0]
        chat = self._identities.address(update.chat)
        sender = self._identities.sender(read.sender, read.at)
        messages = [
            one
            for one in state.addon_messages(self._db, read.wa_id, chat.id)
            if (one.target.sender == OWNER) == (sender == OWNER)
        ]
        if messages:
            message = min(messages, key=lambda one: one.target.sender != sender)
            state.seen(self._db, message.target.chat, self._reader_address(update.chat, None), message.id, 0)
            self._messages.attribute(update.chat, None, read.wa_id)
        self._messages.touched.update(state.addon_chats(self._db, chat.id))

    def linked(self, received_at: int) -> None:
        """Begin a history sync; messages since the newest one of an earlier linking may be missing."""
        self._db.execute("DELETE FROM meta WHERE key = 'history'")
        newest = value(
            self._db,
            # What a file brought does not show that this device was linked then.
            "SELECT id FROM messages WHERE NOT flags & ? ORDER BY id DESC LIMIT 1",
            (int(Flag.IMPORTED),),
        )
        until = received_at // 1000
        if newest is not None and newest >> ID_BITS < until:
            state.store_gap(self._db, newest >> ID_BITS, until, "this device was not linked")

    def history(self, update: HistoryUpdate, received_at: int) -> None:
        """Store the progress of the history sync."""
        stored = value(self._db, "SELECT value FROM meta WHERE key = 'history'")
        state: dict[str, Any] = json.loads(stored) if stored else {"percent": None, "types": {}}
        if update.sync_type in ("initial_bootstrap", "recent", "full"):
            if update.progress is not None:
                state["percent"] = max(update.progress, state["percent"] or 0)
            seen = state["types"].setdefault(update.sync_type, {"chunks": 0})
            seen["chunks"] += 1
        state["at"] = received_at
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('history', ?)", (json.dumps(state),))


class UpdateWriter:
    """Writes updates inside a write transaction; what is derived of them is up to date after `finish`.

    Args:
        lookups: What an earlier writer has looked up, if nothing was written since.
    """

    def __init__(self, db: sqlite3.Connection, lookups: Lookups | None = None) -> None:
        self._db = db
        db.execute(RAW_GONE)
        self.identities = Identities(db, lookups)
        self.messages = MessageWriter(db, self.identities)
        self._addons = AddOnWriter(db, self.identities, self.messages)
        self._states = StateWriter(db, self.identities, self.messages)

    def write(self, updates: Sequence[Update], received_at: int = 0) -> None:
        """Write updates that came together.

        Args:
            received_at: When the library handed them over, in milliseconds; 0 where it did not.
        """
        for update in updates:
            decoding.bound_update(update)
        history = any(isinstance(update, HistoryUpdate) for update in updates)
        chats: dict[str, list[MessageUpdate]] = {}
        ordered = in_order(updates)
        own = {one.chat: one for one in ordered if isinstance(one, MessageUpdate) and one.sender is None}
        for update in ordered:
            match update:
                case MessageUpdate():
                    self._message(update, newest=own.get(update.chat) is update)
                    if history:
                        chats.setdefault(update.chat, []).append(update)
                case UnreadUpdate():
                    self._states.unread(update, chats.get(update.chat, []))
                case IdentityUpdate():
                    self.identities.learn(update.pn, update.lid, update.at)
                case OwnUpdate():
                    self.identities.owner(update.jid)
                case NameUpdate():
                    self._states.name(update)
                case LinkedUpdate():
                    self._states.linked(received_at)
                case HistoryUpdate():
                    self._states.history(update, received_at)
                case ReceiptUpdate():
                    self._states.receipt(update, received_at // 1000)
                case ChatUpdate():
                    self._states.chat(update)
                case MembersUpdate():
                    self._states.members(update)
                case UndecodedUpdate():
                    pass
                case _:
                    self._addons.write(update, received_at // 1000)
        if history:  # which also says that anybody may be called otherwise now
            state.add_change(self._db, "history")
        else:
            state.add_contact_changes(self._db, self.identities.changed)
        self.identities.changed.clear()

    def _message(self, update: MessageUpdate, newest: bool) -> None:
        self.messages.message(update, newest=newest)
        if update.content.kind is MessageKind.POLL:
            for chat in state.addon_chats(self._db, self.identities.address(update.chat).id):
                state.open_sealed_votes(self._db, chat, update.wa_id)

    def forget(self) -> None:
        """Forget everything that was looked up, since it may have been rolled back."""
        self.identities.forget()
        self.identities.changed.clear()

    def finish(self) -> None:
        """Bring what is derived of the touched chats up to date."""
        if self.identities.merged:
            state.open_waiting_votes(self._db)
        for chat in self.messages.touched:
            identity.refresh_chat(self._db, chat)
        self.messages.touched.clear()


def in_order(updates: Sequence[Update]) -> list[Update]:
    """Sort updates: identities first, then messages by time, then updates about messages."""
    if len(updates) < 3:
        return list(updates)

    def rank(update: Update) -> tuple[int, int]:
        if isinstance(update, IdentityUpdate | OwnUpdate):
            return (0, 0)
        if isinstance(update, MessageUpdate):
            return (2, update.at)
        return (3, 0) if isinstance(update, _LAST) else (1, 0)

    return sorted(updates, key=rank)
