"""Writing add-ons: each is stored as it came, then what is derived of its message is refreshed.

Those that wait for their message are bounded: anybody can send some for messages that never come. What waits
stands in the order in which it came. Beyond so many bytes of one address the oldest goes, and what waited for
a year; how many went is counted in `meta`. An add-on whose message came meanwhile stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.state import (
    ADDONS,
    CALLS,
    EARLY_RECEIPTS,
    EDITS,
    REACTIONS,
    REVOKES,
    SEALED,
    VOTES,
    AddOn,
    AddOnMessage,
    Address,
    People,
)
from whatsapp_mcp.archive.write import floods
from whatsapp_mcp.archive.write.floods import ROW
from whatsapp_mcp.archive.write.message_writer import MessageWriter
from whatsapp_mcp.decoding import OWNER, CallUpdate, Content, MessageUpdate
from whatsapp_mcp.models import MessageKind

MOST: Final = 1 << 20
"""Bytes that what waits of one address takes together, rows included: some 2,000 reactions."""
LONGEST: Final = 366 * 86_400
"""Seconds after which an add-on waits no more."""
_AT_ONCE: Final = 1_000
"""Add-ons that are looked at in one step for how long they have waited."""
_KINDS: Final = {kind.table: kind for kind in ADDONS}
_ROWS: Final = "SELECT id, kind, wa_id, chat_address, sender_address, at FROM waiting_addons"
_OLDEST: Final = f"{_ROWS} WHERE counted_to = ? ORDER BY id LIMIT 1"
_OVERDUE: Final = f"{_ROWS} WHERE came < ? ORDER BY id LIMIT {_AT_ONCE}"
_TOGETHER: Final = "SELECT total(bytes) FROM waiting_addons WHERE counted_to = ?"
_DROPPED: Final = """INSERT INTO meta VALUES ('addons_dropped', ?)
 ON CONFLICT DO UPDATE SET value = value + excluded.value"""


class AddOnWriter:
    """Writes the add-ons of one batch."""

    def __init__(self, db: sqlite3.Connection, identities: Identities, messages: MessageWriter) -> None:
        self._db = db
        self._identities = identities
        self._messages = messages

    def write(self, update: Any, came: int) -> None:
        """Store an add-on, unless its message was deleted for everyone: then it only shows whose that is.

        Args:
            update: What it says.
            came: When it came, in seconds since 1970.
        """
        kind = state.OF_UPDATE[type(update)]
        chat, sender = self._identities.address(update.chat), self._identities.address(update.sender)
        sent_at = kind.values(update)[0] // kind.unit
        place = self._identities.chat(update.chat, sent_at)
        is_cut = kind is EDITS and floods.bound_edit(self._db, update, sender, came)
        messages = self._messages_with(kind, update.wa_id, chat, sender)
        # Of a message that a file brought it is kept: the file may go again, and what came stays.
        if kind.erased and any(one.revoked and not one.imported for one in messages):
            self._confirm_person(kind, chat, sender, messages)
            self._messages.attribute(update.chat, update.sender, update.wa_id)
            return
        before = self._moments(kind, messages)
        if not state.store_addon(self._db, kind, chat.id, sender.id, update):
            return
        self._messages.attribute(update.chat, update.sender, update.wa_id)
        messages = self._messages_with(kind, update.wa_id, chat, sender)
        # The same add-on may have come before under another address of the person.
        repeated = bool(messages) and self._moments(kind, messages) == before
        self._follow(kind, update, messages)
        if is_cut:
            self._messages.mark_cut([one.id for one in messages])
        if kind is SEALED or not (messages or self._messages_with(kind, update.wa_id, chat, sender)):
            row = (update.wa_id, *kind.values(update))
            note_waiting(self._db, kind, row, chat, sender, came)
        if kind in (REACTIONS, VOTES) and not repeated and getattr(update, "live", True):
            first = messages[0] if messages else None
            where = place if first is None else first.target.chat
            who = self._person(where, update, sent_at)
            detail = update.emoji if kind is REACTIONS else None
            self._announce(kind, where, update.wa_id, first and first.ref, who, detail)

    def _messages_with(self, kind: AddOn, wa_id: str, chat: Address, sender: Address) -> list[AddOnMessage]:
        messages = state.addon_messages(self._db, wa_id, chat.id)
        people = People(self._db)
        return [one for one in messages if not kind.by_author or people.may_be(sender, one.target.sender)]

    def _moments(self, kind: AddOn, messages: list[AddOnMessage]) -> set[tuple[int, int]]:
        if kind not in (REACTIONS, VOTES):
            return set()
        addons = state.read_addons(self._db, kind, [one.target for one in messages])
        return {(one.person, one.at) for each in addons.values() for one in each}

    def _confirm_person(
        self, kind: AddOn, chat: Address, sender: Address, messages: list[AddOnMessage]
    ) -> None:
        """Confirm the person of messages by an add-on that came under a LID, though it is not kept."""
        for one in messages:
            contact = value(self._db, "SELECT contact_id FROM chats WHERE id = ?", (one.target.chat,))
            if state.names_person(kind, chat, sender, direct=contact is not None):
                self._db.execute("UPDATE messages SET via = NULL WHERE id = ?", (one.id,))

    def _follow(self, kind: AddOn, update: Any, messages: list[AddOnMessage]) -> None:
        """Bring what is derived up to date."""
        if kind in (EDITS, REVOKES):
            for one in messages:
                if changed := state.apply_versions(self._db, one.id):
                    chat, wa_id, sender = one.target
                    self._messages.touched.add(chat)
                    state.add_change(self._db, changed, chat=chat, wa_id=wa_id, ref=one.ref, actor=sender)
        elif kind is VOTES:
            for chat in {one.target.chat for one in messages}:
                state.open_sealed_votes(self._db, chat, update.wa_id)
        elif kind is SEALED:
            self._messages.opens_sealed = True
        elif kind is CALLS and update.step == "offer":
            self._offer(update)

    def _offer(self, update: CallUpdate) -> None:
        """A call's offer is also its message."""
        content = Content(MessageKind.CALL, details={"call": {"video": update.video}})
        self._messages.message(
            MessageUpdate(update.chat, update.sender, update.wa_id, update.at, content, live=True)
        )

    def _person(self, chat: int, update: Any, sent_at: int) -> int:
        """Return who acted: in a direct chat, that chat's person or the owner."""
        contact: int | None = value(self._db, "SELECT contact_id FROM chats WHERE id = ?", (chat,))
        if contact is not None and update.sender == update.chat:
            return contact
        return self._identities.sender(update.sender, sent_at)

    def _announce(
        self, kind: AddOn, chat: int, wa_id: str, ref: int | None, actor: int, detail: str | None
    ) -> None:
        word = "reaction" if kind is REACTIONS else "vote"
        state.add_change(self._db, word, chat=chat, wa_id=wa_id, ref=ref, actor=actor, detail=detail)


class _Waiting(NamedTuple):
    id: int
    table: str
    wa_id: str
    chat: int
    sender: int
    at: int


def note_waiting(
    db: sqlite3.Connection, kind: AddOn, row: Sequence[Any], chat: Address, sender: Address, came: int
) -> None:
    """Note that an add-on waits; with too much of its sender here, the oldest goes.

    Args:
        row: It, as it is stored: `wa_id`, `at`, and the columns of its kind.
        came: When it came, in seconds since 1970.
    """
    # A revoke may name anybody as the author: what waits of those is counted to the chat.
    counted_to = chat if kind is REVOKES else sender
    if counted_to.contact == OWNER:
        return
    wa_id, moment, *says = row
    size = ROW + sum(len(one) for one in says if isinstance(one, str | bytes))
    db.execute(
        "INSERT INTO waiting_addons VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
        (counted_to.id, size, came, kind.table, wa_id, chat.id, sender.id, moment),
    )
    while value(db, _TOGETHER, (counted_to.id,)) > MOST:
        _drop(db, db.execute(_OLDEST, (counted_to.id,)).fetchone())


def drop_overdue(db: sqlite3.Connection, now: int) -> None:
    """Delete add-ons that have waited for too long."""
    for row in db.execute(_OVERDUE, (now - LONGEST,)).fetchall():
        _drop(db, row)


def waits_no_more(
    db: sqlite3.Connection, table: str, wa_id: str, chat: int, sender: int, moment: int
) -> None:
    """Note that an add-on has met its message."""
    db.execute(
        """DELETE FROM waiting_addons
        WHERE counted_to = ? AND (kind, wa_id, chat_address, sender_address, at) = (?, ?, ?, ?, ?)""",
        (sender, table, wa_id, chat, sender, moment),
    )


def _drop(db: sqlite3.Connection, row: Sequence[Any]) -> None:
    addon = _Waiting._make(row)
    db.execute("DELETE FROM waiting_addons WHERE id = ?", (addon.id,))
    if _has_message(db, addon):
        return
    gone = db.execute(
        f"DELETE FROM {addon.table} WHERE (wa_id, chat_address, sender_address, at) = (?, ?, ?, ?)",  # noqa: S608
        addon[2:],
    ).rowcount
    if gone:
        db.execute(_DROPPED, (gone,))


def _has_message(db: sqlite3.Connection, addon: _Waiting) -> bool:
    """Check whether an add-on has its message; sealed ones and receipts are then stored elsewhere."""
    kind = _KINDS[addon.table]
    if kind in (SEALED, EARLY_RECEIPTS):
        return False
    messages, people = state.addon_messages(db, addon.wa_id, addon.chat), People(db)
    sender = people.address(addon.sender)
    return any(not kind.by_author or people.may_be(sender, each.target.sender) for each in messages)
