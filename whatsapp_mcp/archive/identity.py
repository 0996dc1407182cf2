"""People and their addresses: one contact and one chat a person, whenever it is learned who is who.

A person has a phone-number jid (PN) and a hidden one (LID). Either may be seen first, in a chat, a group or a
receipt. When a pair becomes known, the two contacts become one, their chats too, and whatever pointed at
the one that goes is led to the one that stays.
"""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.archive import receipts, versions, votes
from whatsapp_mcp.archive.facts import CHAT_ITSELF, CHAT_KIND_NUMBER, OWNER, Flag
from whatsapp_mcp.archive.merge import merge_chats, merge_contacts
from whatsapp_mcp.archive.names import number_of, searchable
from whatsapp_mcp.models import ChatKind


def chat_kind(jid: str) -> ChatKind:
    """What kind of chat a jid names."""
    server = jid.partition("@")[2]
    if server == "g.us":
        return ChatKind.GROUP
    if server == "newsletter":
        return ChatKind.CHANNEL
    if jid == "status@broadcast":
        return ChatKind.STATUS
    return ChatKind.BROADCAST if server == "broadcast" else ChatKind.DIRECT


class Identities:
    """Numbers of contacts and chats for jids, made at first sight, kept in memory for one batch."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._contacts: dict[str, int] = {}
        self._chats: dict[str, int] = {}
        self._pairs: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """Drop what is remembered, after a roll-back or a merge."""
        self._contacts.clear()
        self._chats.clear()
        self._pairs.clear()

    def known_contact(self, jid: str) -> int | None:
        """The contact with this address, if there is one."""
        found = self._contacts.get(jid)
        if found is None:
            row = self._db.execute("SELECT contact_id FROM addresses WHERE jid = ?", (jid,)).fetchone()
            if row is None:
                return None
            found = self._contacts[jid] = int(row[0])
        return found

    def contact(self, jid: str) -> int:
        """The contact with this address."""
        found = self.known_contact(jid)
        if found is None:
            pn, lid = (None, jid) if jid.endswith("@lid") else (jid, None)
            cursor = self._db.execute("INSERT INTO contacts (pn, lid) VALUES (?, ?)", (pn, lid))
            found = self._contacts[jid] = int(cursor.lastrowid or 0)
            self._db.execute("INSERT INTO addresses (jid, contact_id) VALUES (?, ?)", (jid, found))
            self.refresh(found)
        return found

    def sender(self, jid: str | None) -> int:
        """The number that stands for a sender: None is the owner, a group or channel speaks for itself."""
        if jid is None:
            return OWNER
        return self.contact(jid) if chat_kind(jid) is ChatKind.DIRECT else CHAT_ITSELF

    def chat(self, jid: str) -> int:
        """The chat with this jid, in either form of a person's."""
        found = self._chats.get(jid)
        if found is None:
            found = self._chats[jid] = self._find_chat(jid)
        return found

    def _find_chat(self, jid: str) -> int:
        kind = chat_kind(jid)
        contact = self.contact(jid) if kind is ChatKind.DIRECT else None
        column, value = ("jid", jid) if contact is None else ("contact_id", contact)
        row = self._db.execute(f"SELECT id FROM chats WHERE {column} = ?", (value,)).fetchone()  # noqa: S608
        if row is not None:
            return int(row[0])
        cursor = self._db.execute(
            "INSERT INTO chats (jid, kind, contact_id) VALUES (?, ?, ?)",
            (self._shown_jid(contact) or jid, CHAT_KIND_NUMBER[kind], contact),
        )
        return int(cursor.lastrowid or 0)

    def _shown_jid(self, contact: int | None) -> str | None:
        row = self._db.execute("SELECT coalesce(pn, lid) FROM contacts WHERE id = ?", (contact,)).fetchone()
        return row[0] if row else None

    def refresh(self, contact: int) -> None:
        """Bring what is derived from a contact's addresses and names up to date."""
        db = self._db
        pn, lid, *names = db.execute(
            "SELECT pn, lid, saved_name, business_name, push_name FROM contacts WHERE id = ?", (contact,)
        ).fetchone()
        db.execute(
            "UPDATE contacts SET name_norm = ? WHERE id = ?", (searchable(*names, number_of(pn)), contact)
        )
        if pn or lid:
            db.execute(
                "UPDATE chats SET jid = ? WHERE contact_id = ? AND jid != ?", (pn or lid, contact, pn or lid)
            )

    def owner(self, jid: str) -> None:
        """Learn an address of the account's owner."""
        found = self.known_contact(jid)
        if found == OWNER:
            return
        if found is not None:
            self._merge(OWNER, found)
        self._attach(OWNER, jid)
        self._db.execute(
            """UPDATE messages SET flags = flags | ?
            WHERE details LIKE '%"mentions":[%' AND details LIKE ?""",
            (int(Flag.MENTIONS_ME), f'%"{jid}"%'),
        )

    def learn(self, pn: str, lid: str) -> None:
        """Learn that two addresses are one person.

        A LID belongs to one account for ever, a number may move on: when the number's contact has another
        LID already, the number goes over to this one and nothing is merged.
        """
        if (pn, lid) in self._pairs:
            return
        by_pn, by_lid = self.known_contact(pn), self.known_contact(lid)
        if by_pn is None and by_lid is None:
            self._attach(self.contact(pn), lid)
        elif by_pn is None:
            self._attach(by_lid or OWNER, pn)
        elif by_pn != by_lid:
            self._join(by_pn, by_lid, pn, lid)
        self._pairs.add((pn, lid))

    def _join(self, by_pn: int, by_lid: int | None, pn: str, lid: str) -> None:
        other = self._db.execute("SELECT lid FROM contacts WHERE id = ?", (by_pn,)).fetchone()[0]
        if other is not None and other != lid:
            person = self.contact(lid)
            self._detach(by_pn, pn)
            self._attach(person, pn)
        elif by_lid is None:
            self._attach(by_pn, lid)
        else:
            keep, lose = (by_lid, by_pn) if by_lid == OWNER else (by_pn, by_lid)
            self._merge(keep, lose)
            self._attach(keep, pn)
            self._attach(keep, lid)

    def _attach(self, contact: int, jid: str) -> None:
        column = "lid" if jid.endswith("@lid") else "pn"
        self._db.execute("INSERT OR REPLACE INTO addresses (jid, contact_id) VALUES (?, ?)", (jid, contact))
        self._db.execute(f"UPDATE contacts SET {column} = ? WHERE id = ?", (jid, contact))  # noqa: S608
        self._contacts[jid] = contact
        self.refresh(contact)

    def _detach(self, contact: int, pn: str) -> None:
        left = self._db.execute(
            "SELECT jid FROM addresses WHERE contact_id = ? AND jid != ? AND jid NOT LIKE '%@lid'",
            (contact, pn),
        ).fetchone()
        self._db.execute("UPDATE contacts SET pn = ? WHERE id = ?", (left[0] if left else None, contact))
        self.refresh(contact)
        self.forget()

    def _merge(self, keep: int, lose: int) -> None:
        db = self._db
        merge_contacts(db, keep, lose)
        chats: dict[int, int] = dict(
            db.execute("SELECT contact_id, id FROM chats WHERE contact_id IN (?, ?)", (keep, lose)).fetchall()
        )
        if len(chats) == 2:
            merge_chats(db, chats[keep], chats[lose])
        elif lose in chats:
            db.execute("UPDATE chats SET contact_id = ? WHERE id = ?", (keep, chats[lose]))
        self.forget()
        self.refresh(keep)
        self._catch_up(keep)

    def _catch_up(self, contact: int) -> None:
        """Take what had waited because it was under the other address."""
        db = self._db
        versions.settle_where(db, "sender_id", contact)
        chat = db.execute("SELECT id FROM chats WHERE contact_id = ?", (contact,)).fetchone()
        if chat is not None:
            versions.settle_where(db, "chat_id", chat[0])
            receipts.apply_early(db, chat[0])
        for where, poll in db.execute(
            """SELECT DISTINCT chat_id, wa_id FROM votes
            WHERE options IS NULL AND (voter_id = ? OR chat_id = ?)""",
            (contact, chat[0] if chat else 0),
        ).fetchall():
            votes.open_sealed(db, where, poll)
