"""Writing everything that is not a message: reactions, votes, receipts, calls, names, chats, members."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from whatsapp_mcp.archive import feed, receipts, votes
from whatsapp_mcp.archive.facts import (
    OWNER,
    CallFact,
    ChatFact,
    Content,
    HistoryFact,
    MembersFact,
    MessageFact,
    NameFact,
    ReactionFact,
    ReceiptFact,
    SealedFact,
    StarFact,
    UnreadFact,
    VoteFact,
)
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.names import searchable
from whatsapp_mcp.archive.write_messages import MessageWriter
from whatsapp_mcp.models import MessageKind

_FIELDS = ("topic", "archived", "pinned", "muted_until", "marked_unread", "expires_in", "complete")


class StateWriter:
    """Writes the states of one batch."""

    def __init__(self, db: sqlite3.Connection, identities: Identities, messages: MessageWriter) -> None:
        self._db = db
        self._identities = identities
        self._messages = messages
        self._named: dict[str, tuple[int, str]] = {}

    def forget(self) -> None:
        """Drop what is remembered of names, after a roll-back."""
        self._named.clear()

    def reaction(self, fact: ReactionFact) -> None:
        """A person's newest emoji under a message counts."""
        chat, sender = self._identities.chat(fact.chat), self._identities.sender(fact.sender)
        changed = self._db.execute(
            """INSERT INTO reactions VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET emoji = excluded.emoji, at = excluded.at
            WHERE (excluded.at, excluded.emoji) > (at, emoji)""",
            (chat, fact.wa_id, sender, fact.emoji, fact.at_ms),
        ).rowcount
        if changed > 0 and fact.live:
            self._tell("reaction", chat, fact.wa_id, sender, fact.emoji)

    def vote(self, fact: VoteFact) -> None:
        """A person's newest choice in a poll counts; a sealed one is opened as soon as the poll is there."""
        chat, voter = self._identities.chat(fact.chat), self._identities.sender(fact.sender)
        changed = self._db.execute(
            """INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET at = excluded.at, options = excluded.options,
                payload = excluded.payload, iv = excluded.iv, voter_jid = excluded.voter_jid
            WHERE excluded.at > at
                OR (excluded.at = at AND options IS NULL AND excluded.options IS NOT NULL)""",
            (chat, fact.wa_id, voter, fact.at_ms, fact.options, fact.payload, fact.iv, fact.voter_jid),
        ).rowcount
        if changed > 0:
            votes.open_sealed(self._db, chat, fact.wa_id)
            self._tell("vote", chat, fact.wa_id, voter, None)

    def sealed(self, fact: SealedFact) -> None:
        """Keep an add-on that only the secret of its message opens."""
        self._messages.opens_sealed = True
        chat, sender = self._identities.chat(fact.chat), self._identities.sender(fact.sender)
        self._db.execute(
            """INSERT INTO sealed SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
            WHERE NOT EXISTS (SELECT 1 FROM sealed WHERE chat_id = ?1 AND target = ?2 AND wa_id = ?3)""",
            (
                chat,
                fact.target,
                fact.wa_id,
                sender,
                fact.sender_jid,
                fact.at,
                fact.name,
                fact.payload,
                fact.iv,
            ),
        )

    def receipt(self, fact: ReceiptFact) -> None:
        """Move the marks of a person (or of ourselves) forward."""
        chat = self._identities.chat(fact.chat)
        if fact.contact is None:
            contact = OWNER
        else:
            contact = receipts.EVERYONE if fact.everyone else self._identities.contact(fact.contact)
        changed = False
        for wa_id in fact.wa_ids:
            changed |= receipts.record(self._db, chat, contact, wa_id, fact.mark, fact.at)
        if changed:
            self._messages.touched.add(chat)
            if contact != receipts.EVERYONE:
                self._tell("receipt", chat, fact.wa_ids[-1], contact, fact.mark.name.lower())

    def star(self, fact: StarFact) -> None:
        """Set or clear the star of a message."""
        chat = self._identities.chat(fact.chat)
        change = "flags | 4" if fact.starred else "flags & ~4"
        self._db.execute(
            f"UPDATE messages SET flags = {change} WHERE chat_id = ? AND wa_id = ?",  # noqa: S608
            (chat, fact.wa_id),
        )

    def call(self, fact: CallFact) -> None:
        """Keep a step of a call; the offer also makes its message."""
        chat = self._identities.chat(fact.chat)
        self._db.execute(
            "INSERT INTO calls VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)",
            (chat, fact.call_id, fact.step, fact.at, fact.reason),
        )
        if fact.step == "offer":
            content = Content(MessageKind.CALL, details={"call": {"video": fact.video}})
            self._messages.message(
                MessageFact(fact.chat, fact.sender, fact.call_id, fact.at, content, live=True)
            )

    def name(self, fact: NameFact) -> None:
        """Take over names of a person; of push names the newest."""
        if fact.push_name and not (fact.saved_name or fact.business_name):
            stamp = (fact.at, fact.push_name)
            if self._named.get(fact.jid, (-1, "")) >= stamp:
                return
            self._named[fact.jid] = stamp
        contact = self._identities.contact(fact.jid)
        changed = False
        for column in ("saved_name", "business_name"):
            value = getattr(fact, column)
            if value:
                changed |= self._db.execute(
                    f"UPDATE contacts SET {column} = ? WHERE id = ? AND {column} IS NOT ?",  # noqa: S608
                    (value, contact, value),
                ).rowcount
        if fact.push_name:
            changed |= self._push_name(contact, fact.push_name, fact.at)
        if changed:
            self._identities.refresh(contact)

    def _push_name(self, contact: int, name: str, at: int) -> bool:
        """Take over a newer push name; whether it is another one than before."""
        known, known_at = self._db.execute(
            "SELECT push_name, push_at FROM contacts WHERE id = ?", (contact,)
        ).fetchone()
        if known is not None and (at, name) <= (known_at, known):
            return False
        self._db.execute("UPDATE contacts SET push_name = ?, push_at = ? WHERE id = ?", (name, at, contact))
        return name != known

    def chat(self, fact: ChatFact) -> None:
        """Take over what is said of a chat; of its names the newest."""
        chat = self._identities.chat(fact.jid)
        if fact.name:
            self._db.execute(
                """UPDATE chats SET name = ?1, name_at = ?2, name_norm = ?3 WHERE id = ?4
                AND (name IS NULL OR (?2, ?1) > (name_at, name))""",
                (fact.name, fact.name_at, searchable(fact.name), chat),
            )
        for column in _FIELDS:
            value = getattr(fact, column)
            if value is not None:
                self._db.execute(
                    f"UPDATE chats SET {column} = ? WHERE id = ? AND {column} IS NOT ?",  # noqa: S608
                    (value, chat, value),
                )

    def members(self, fact: MembersFact) -> None:
        """Take over who is in a group."""
        chat = self._identities.chat(fact.chat)
        if fact.whole:
            self._db.execute("DELETE FROM members WHERE chat_id = ?", (chat,))
        for jid, role in fact.members:
            contact = self._identities.contact(jid)
            if role is None:
                self._db.execute("DELETE FROM members WHERE chat_id = ? AND contact_id = ?", (chat, contact))
            else:
                self._db.execute(
                    "INSERT OR REPLACE INTO members (chat_id, contact_id, role) VALUES (?, ?, ?)",
                    (chat, contact, role),
                )

    def unread(self, fact: UnreadFact, transferred: list[MessageFact]) -> None:
        """Set the read mark so that the phone's own count comes out.

        Args:
            fact: The phone's count.
            transferred: The messages of this chat that came with it, in any order.
        """
        chat = self._identities.chat(fact.chat)
        newest_first = sorted(transferred, key=lambda message: message.at, reverse=True)
        incoming = [
            message
            for message in newest_first
            if message.sender is not None and message.content.kind is not MessageKind.SYSTEM
        ]
        if fact.count >= len(incoming):
            return
        read = incoming[fact.count] if fact.count else newest_first[0]
        sender = self._identities.sender(read.sender)
        row = self._db.execute(
            "SELECT id FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ?",
            (chat, read.wa_id, sender),
        ).fetchone()
        if row is not None:
            self._db.execute("UPDATE chats SET read_id = ?1 WHERE id = ?2 AND read_id < ?1", (row[0], chat))
        self._messages.touched.add(chat)

    def history(self, fact: HistoryFact, received_at: int) -> None:
        """Remember how far the transfer of the past has come."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'history'").fetchone()
        state: dict[str, Any] = json.loads(row[0]) if row else {"percent": None, "types": {}}
        if fact.sync_type in ("initial_bootstrap", "recent", "full"):
            if fact.progress is not None:
                state["percent"] = max(fact.progress, state["percent"] or 0)
            seen = state["types"].setdefault(fact.sync_type, {"chunks": 0})
            seen["chunks"] += 1
        state["at"] = received_at
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('history', ?)", (json.dumps(state),))

    def _tell(self, kind: str, chat: int, wa_id: str, actor: int, detail: str | None) -> None:
        row = self._db.execute(
            "SELECT ref FROM messages WHERE chat_id = ? AND wa_id = ?", (chat, wa_id)
        ).fetchone()
        feed.tell(
            self._db, kind, chat=chat, wa_id=wa_id, ref=row[0] if row else None, actor=actor, detail=detail
        )
