"""Writing everything that is not a message: reactions, votes, receipts, calls, names, chats, members."""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Literal

from whatsapp_mcp.archive import feed, gaps, merge, receipts, votes
from whatsapp_mcp.archive.facts import (
    MEMBERS,
    NEVER_UNREAD,
    OWNER,
    CallFact,
    ChatFact,
    Content,
    HistoryFact,
    MembersFact,
    MessageFact,
    NameFact,
    NameKind,
    ReactionFact,
    ReceiptFact,
    SealedFact,
    UnreadFact,
    VoteFact,
)
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.archive.write_messages import MessageWriter
from whatsapp_mcp.models import MessageKind

_FIELDS = ("name", "archived", "pinned", "muted_until", "marked_unread", "expires_in")
_SHOWN = {NameKind.SAVED: "saved_name", NameKind.BUSINESS: "business_name", NameKind.PUSH: "push_name"}


class StateWriter:
    """Writes the states of one batch."""

    def __init__(self, db: sqlite3.Connection, identities: Identities, messages: MessageWriter) -> None:
        self._db = db
        self._identities = identities
        self._messages = messages

    def reaction(self, fact: ReactionFact) -> None:
        """A person's newest emoji under a message counts."""
        at = fact.at_ms // 1000
        chat = self._identities.chat(fact.chat, at, fact.wa_id)
        sender = self._identities.sender(fact.sender, at)
        via = self._identities.number(fact.sender)
        changed = self._db.execute(
            """INSERT INTO reactions VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET emoji = excluded.emoji, at = excluded.at, via = excluded.via
            WHERE (excluded.at, excluded.emoji) > (at, emoji)""",
            (chat, fact.wa_id, sender, fact.emoji, fact.at_ms, via),
        ).rowcount
        if via is None:
            self._told("reactions", chat, fact.wa_id, sender, fact.at_ms)
        self._messages.place(fact)
        if changed > 0 and fact.live:
            self._tell("reaction", chat, fact.wa_id, sender, fact.emoji)

    def vote(self, fact: VoteFact) -> None:
        """A person's newest choice in a poll counts; a sealed one is opened as soon as the poll is there."""
        at = fact.at_ms // 1000
        chat = self._identities.chat(fact.chat, at, fact.wa_id)
        voter = self._identities.sender(fact.sender, at)
        via = self._identities.number(fact.sender)
        changed = self._db.execute(
            """INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET at = excluded.at, options = excluded.options, via = excluded.via,
                payload = excluded.payload, iv = excluded.iv, voter_jid = excluded.voter_jid
            WHERE excluded.at > at
                OR (excluded.at = at AND options IS NULL AND excluded.options IS NOT NULL)""",
            (chat, fact.wa_id, voter, fact.at_ms, fact.options, fact.payload, fact.iv, fact.voter_jid, via),
        ).rowcount
        if via is None:
            self._told("votes", chat, fact.wa_id, voter, fact.at_ms)
        self._messages.place(fact)
        if changed > 0:
            votes.open_sealed(self._db, chat, fact.wa_id)
            self._tell("vote", chat, fact.wa_id, voter, None)

    def _told(
        self, table: Literal["reactions", "votes"], chat: int, wa_id: str, person: int, at: int
    ) -> None:
        """The same was told under a hidden jid now, so whose it is no longer depends on a number."""
        column = "sender_id" if table == "reactions" else "voter_id"
        self._db.execute(
            f"UPDATE {table} SET via = NULL WHERE (chat_id, wa_id, {column}) = (?, ?, ?) AND at = ?",  # noqa: S608
            (chat, wa_id, person, at),
        )

    def sealed(self, fact: SealedFact) -> None:
        """Keep an add-on that only the secret of its message opens."""
        self._messages.opens_sealed = True
        chat = self._identities.chat(fact.chat, fact.at, fact.target)
        sender = self._identities.sender(fact.sender, fact.at)
        self._db.execute(
            "INSERT OR IGNORE INTO sealed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        if fact.contact is None:
            contact = OWNER
        else:
            contact = receipts.EVERYONE if fact.everyone else self._identities.contact(fact.contact, fact.at)
        changed = False
        chat = 0
        for wa_id in fact.wa_ids:
            chat = self._identities.chat(fact.chat, fact.at, wa_id)
            changed |= receipts.record(self._db, chat, contact, wa_id, fact.mark, fact.at)
        if contact == OWNER and fact.wa_ids:
            merge.tell_word(self._db, chat, "marked_unread", 0, fact.at)
        if changed:
            self._messages.touched.add(chat)
            if contact != receipts.EVERYONE:
                self._tell("receipt", chat, fact.wa_ids[-1], contact, fact.mark.name.lower())

    def call(self, fact: CallFact) -> None:
        """Keep a step of a call; the offer also makes its message."""
        chat = self._identities.chat(fact.chat, fact.at, fact.call_id)
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
        """Take over names of a person, as they are told of one address; of each kind the newest."""
        for kind, name in (
            (NameKind.SAVED, fact.saved_name),
            (NameKind.BUSINESS, fact.business_name),
            (NameKind.PUSH, fact.push_name),
        ):
            if name:
                self._name(fact.jid, kind, name, fact.at, fact.looked_up)

    def _name(self, jid: str, kind: NameKind, name: str, at: int, looked_up: bool) -> None:
        known = self._identities.names.get((jid, kind))
        if known is None:
            row = self._db.execute(
                "SELECT at, name FROM names WHERE (jid, kind) = (?, ?)", (jid, int(kind))
            ).fetchone()
            known = (row[0], row[1]) if row else (-1, "")
        if looked_up and name != known[1]:
            at = max(at, known[0] + 1)
        self._identities.names[jid, kind] = max(known, (at, name))
        if (at, name) <= known:
            return
        contact = self._identities.contact(jid)
        self._db.execute(
            """INSERT INTO names VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET name = excluded.name, at = excluded.at""",
            (jid, int(kind), name, at),
        )
        shown = f"SELECT {_SHOWN[kind]} FROM contacts WHERE id = ?"  # noqa: S608
        if self._db.execute(shown, (contact,)).fetchone()[0] != name:
            self._identities.refresh(contact)

    def chat(self, fact: ChatFact) -> None:
        """Take over what is said of a chat; of each property the newest word counts."""
        chat = self._identities.chat(fact.jid)
        if fact.complete:
            self._db.execute("UPDATE chats SET complete = 1 WHERE id = ?", (chat,))
        for field in _FIELDS:
            value = getattr(fact, field)
            if value is not None:
                merge.tell_word(self._db, chat, field, value, fact.at, looked_up=fact.looked_up)

    def members(self, fact: MembersFact) -> None:
        """Take over who is in a group: what is older than the newest whole list says nothing."""
        chat = self._identities.chat(fact.chat)
        row = self._db.execute(
            "SELECT at FROM chat_words WHERE chat_id = ? AND field = ?", (chat, MEMBERS)
        ).fetchone()
        at = max(fact.at, row[0]) if row is not None and fact.looked_up else fact.at
        if row is not None and (at < row[0] or (at == row[0] and not fact.whole)):
            return
        if fact.whole:
            merge.tell_word(self._db, chat, MEMBERS, 1, at)
            self._db.execute("DELETE FROM members WHERE chat_id = ? AND at <= ?", (chat, at))
        for jid, role in fact.members:
            self._db.execute(
                """INSERT INTO members VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET role = excluded.role, at = excluded.at, via = excluded.via
                WHERE (excluded.at, ifnull(excluded.role, -1)) > (at, ifnull(role, -1))""",
                (chat, self._identities.contact(jid, at), role, at, self._identities.number(jid)),
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
            if message.sender is not None and message.content.kind not in NEVER_UNREAD
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

    def linked(self, received_at: int) -> None:
        """Begin a transfer of the past; since the newest message of an earlier link some may be missing."""
        self._db.execute("DELETE FROM meta WHERE key = 'history'")
        newest = self._db.execute("SELECT max(id) FROM messages").fetchone()[0]
        until = received_at // 1000
        if newest is not None and newest >> ID_BITS < until:
            gaps.record(self._db, newest >> ID_BITS, until, "this device was not linked")

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
