"""Writing everything that is not a message: reactions, votes, receipts, calls, names, chats, members."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from whatsapp_mcp.archive import feed, gaps, limits, merge, moved, receipts, versions, votes
from whatsapp_mcp.archive.facts import (
    MEMBERS,
    NEVER_UNREAD,
    OWNER,
    CallFact,
    ChatFact,
    Content,
    HistoryFact,
    Mark,
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
from whatsapp_mcp.archive.identity import Identities, chat_kind
from whatsapp_mcp.archive.schema import ID_BITS
from whatsapp_mcp.archive.write_messages import MessageWriter
from whatsapp_mcp.models import ChatKind, MessageKind

_SHOWN = {NameKind.SAVED: "saved_name", NameKind.BUSINESS: "business_name", NameKind.PUSH: "push_name"}


class StateWriter:
    """Writes the states of one batch."""

    def __init__(self, db: sqlite3.Connection, identities: Identities, messages: MessageWriter) -> None:
        self._db = db
        self._identities = identities
        self._messages = messages

    def reaction(self, fact: ReactionFact) -> None:
        """A person's newest emoji under a message counts."""
        chat, sender = self._identities.act(fact.chat, fact.sender, fact.at_ms // 1000, fact.wa_id)
        via = self._identities.via(fact.chat, fact.sender)
        if versions.is_revoked(self._db, chat, fact.wa_id, via):
            return
        changed = self._db.execute(
            """INSERT INTO reactions VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET emoji = excluded.emoji, via = excluded.via
            WHERE (excluded.via IS NULL, excluded.emoji) > (via IS NULL, emoji)""",
            (chat, fact.wa_id, sender, fact.at_ms, fact.emoji, via),
        ).rowcount
        limits.keep_newest(self._db, "reactions", "sender_id", chat, fact.wa_id, limits.ADDONS)
        self._messages.place(fact.chat, fact.sender, fact.wa_id)
        if changed > 0 and fact.live:
            self._tell("reaction", chat, fact.wa_id, sender, fact.emoji)

    def vote(self, fact: VoteFact) -> None:
        """A person's newest choice in a poll counts; a sealed one is opened as soon as the poll is there."""
        chat, voter = self._identities.act(fact.chat, fact.sender, fact.at_ms // 1000, fact.wa_id)
        via = self._identities.via(fact.chat, fact.sender)
        if versions.is_revoked(self._db, chat, fact.wa_id, via):
            return
        changed = self._db.execute(
            """INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET options = excluded.options, via = excluded.via,
                payload = excluded.payload, iv = excluded.iv, voter_jid = excluded.voter_jid
            WHERE (excluded.via IS NULL, excluded.options IS NOT NULL)
                > (via IS NULL, options IS NOT NULL)""",
            (chat, fact.wa_id, voter, fact.at_ms, fact.options, fact.payload, fact.iv, fact.voter_jid, via),
        ).rowcount
        limits.keep_newest(self._db, "votes", "voter_id", chat, fact.wa_id, limits.ADDONS)
        self._messages.place(fact.chat, fact.sender, fact.wa_id)
        if changed > 0:
            votes.open_sealed(self._db, chat, fact.wa_id)
            self._tell("vote", chat, fact.wa_id, voter, None)

    def sealed(self, fact: SealedFact) -> None:
        """Keep an add-on that only the secret of its message opens."""
        self._messages.opens_sealed = True
        chat, sender = self._identities.act(fact.chat, fact.sender, fact.at, fact.target)
        via = self._identities.via(fact.chat, fact.sender)
        if versions.is_revoked(self._db, chat, fact.target, via):
            return
        self._db.execute(
            """INSERT INTO sealed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET via = NULL WHERE excluded.via IS NULL""",
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
                via,
            ),
        )
        self._messages.place(fact.chat, fact.sender, fact.target)

    def receipt(self, fact: ReceiptFact) -> None:
        """Move the marks of a person (or of ourselves) forward."""
        mark = Mark.SEEN if fact.contact is None else fact.mark
        teller = receipts.EVERYONE if fact.everyone else self._teller(fact.chat, fact.contact)
        changed = False
        chat = 0
        for wa_id in fact.wa_ids:
            chat = self._identities.chat(fact.chat, fact.at, wa_id)
            changed |= receipts.record(self._db, chat, teller, wa_id, mark, fact.at)
            self._messages.place(fact.chat, None, wa_id)
        if changed or (fact.contact is None and fact.wa_ids):
            self._messages.touched.add(chat)
        if changed and not fact.everyone:
            contact = OWNER if fact.contact is None else self._identities.contact(fact.contact, fact.at)
            self._tell("receipt", chat, fact.wa_ids[-1], contact, fact.mark.name.lower())

    def _teller(self, chat: str, contact: str | None) -> int:
        """The number of the address whose mark it is: in a chat with one person, of the chat's."""
        if chat_kind(chat) is ChatKind.DIRECT:
            return self._identities.address(chat).id
        return 0 if contact is None else self._identities.address(contact).id

    def call(self, fact: CallFact) -> None:
        """Keep a step of a call; the offer also makes its message."""
        chat = self._identities.chat(fact.chat, fact.at, fact.call_id)
        via = self._identities.via(fact.chat, fact.sender)
        self._db.execute(
            """INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET via = NULL WHERE excluded.via IS NULL""",
            (chat, fact.call_id, fact.step, fact.at, fact.reason, via),
        )
        self._messages.place(fact.chat, fact.sender, fact.call_id)
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
        chat = self._identities.chat(fact.jid, fact.at)
        via = self._identities.number(fact.jid)
        for field in merge.SETTINGS:
            value = getattr(fact, field)
            if value is not None:
                merge.tell_word(self._db, chat, field, value, fact.at, via, looked_up=fact.looked_up)

    def members(self, fact: MembersFact) -> None:
        """Take over who is in a group: what is older than the newest whole list says nothing."""
        chat = self._identities.chat(fact.chat)
        row = self._db.execute(
            "SELECT max(at) FROM chat_words WHERE chat_id = ? AND field = ?", (chat, MEMBERS)
        ).fetchone()
        persons = [(self._identities.contact(jid, fact.at), jid, role) for jid, role in fact.members]
        listed = row[0] or 0
        at = max(fact.at, listed + 1) if fact.looked_up else fact.at
        if at < listed:
            return
        if fact.whole:
            merge.tell_word(self._db, chat, MEMBERS, 1, at)
            self._db.execute("DELETE FROM members WHERE chat_id = ? AND at < ?", (chat, at))
        for person, jid, role in persons:
            self._db.execute(
                """INSERT INTO members VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET role = excluded.role, via = excluded.via
                WHERE (excluded.via IS NULL, ifnull(excluded.role, -1)) > (via IS NULL, ifnull(role, -1))""",
                (chat, person, at, role, self._identities.number(jid)),
            )
            if self._identities.is_moved(jid, None):
                for pn in moved.numbers_of(self._db, jid):
                    moved.place_members(self._db, pn)

    def unread(self, fact: UnreadFact, transferred: list[MessageFact]) -> None:
        """Set the read mark so that the phone's own count comes out.

        Args:
            fact: The phone's count.
            transferred: The messages of this chat that came with it, in any order.
        """
        newest_first = sorted(transferred, key=lambda message: message.at, reverse=True)
        incoming = [
            message
            for message in newest_first
            if message.sender is not None and message.content.kind not in NEVER_UNREAD
        ]
        if fact.count >= len(incoming):
            return
        read = incoming[fact.count] if fact.count else newest_first[0]
        chat, sender = self._identities.act(fact.chat, read.sender, read.at, read.wa_id)
        row = self._db.execute(
            """SELECT id FROM messages WHERE (chat_id, wa_id) = (?1, ?2) AND (sender_id = 0) = (?3 = 0)
            ORDER BY sender_id != ?3 LIMIT 1""",
            (chat, read.wa_id, sender),
        ).fetchone()
        if row is not None:
            receipts.seen(self._db, chat, self._teller(fact.chat, None), row[0], 0)
            self._messages.place(fact.chat, None, read.wa_id)
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
