"""People and their addresses: one contact and one chat per person, whenever the pair becomes known.

A person has a LID, for ever, and a phone number (PN), which may change or be reassigned. Either may
be seen first, in a chat, a group or a receipt. When a pair becomes known, the two contacts become one, their
chats too (`merge.py`).

A reassigned number is resolved by time: what came under the number alone belongs to the person who held it
then, whatever was learned first (`number_history.py`, `attribution.py`).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from functools import lru_cache

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import column, value
from whatsapp_mcp.archive.identity import attribution, merge
from whatsapp_mcp.archive.identity.merge import merge_chats, merge_contacts
from whatsapp_mcp.archive.state import OWNER_ADDRESS, Address, NumberHistory, is_name, searchable
from whatsapp_mcp.decoding import CHAT_ITSELF, CHAT_KIND_NUMBER, OWNER, Flag, NameKind
from whatsapp_mcp.jid import number_of
from whatsapp_mcp.models import ChatKind


@lru_cache(maxsize=4096)
def chat_kind(jid: str) -> ChatKind:
    """Return the kind of chat that a jid names."""
    server = jid.partition("@")[2]
    if server == "g.us":
        return ChatKind.GROUP
    if server == "newsletter":
        return ChatKind.CHANNEL
    if jid == "status@broadcast":
        return ChatKind.STATUS
    return ChatKind.BROADCAST if server == "broadcast" else ChatKind.DIRECT


@dataclass(slots=True)
class Lookups:
    """Cache of people, chats and names; it is valid until somebody else writes.

    Attributes:
        addresses: By jid.
        chats: Their numbers by jid.
        since: Since when a number and a LID were seen together.
        names: The newest name of each kind by jid, with its time.
    """

    addresses: dict[str, Address] = field(default_factory=dict[str, Address])
    chats: dict[str, int] = field(default_factory=dict[str, int])
    since: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    names: dict[tuple[str, NameKind], tuple[int, str]] = field(
        default_factory=dict[tuple[str, NameKind], tuple[int, str]]
    )

    def forget(self) -> None:
        """Drop it all."""
        for one in (self.addresses, self.chats, self.since, self.names):
            one.clear()


class Identities:
    """Numbers of contacts and chats for jids, made at first sight.

    Attributes:
        merged: Two contacts became one, so what waited for the other address may be opened now.
        names: See `Lookups`.
        changed: Contacts of whom something else is known now; whoever writes tells of them and clears it.
    """

    def __init__(self, db: sqlite3.Connection, lookups: Lookups | None = None) -> None:
        self._db = db
        self._lookups = lookups or Lookups()
        self._addresses, self._chats = self._lookups.addresses, self._lookups.chats
        self._since, self.names = self._lookups.since, self._lookups.names
        self.merged = False
        self.changed: set[int] = set()

    def forget(self) -> None:
        """Drop what is remembered, after a roll-back or a merge."""
        self._lookups.forget()

    def known(self, jid: str) -> Address | None:
        """The address, if it was ever seen."""
        address = self._addresses.get(jid)
        if address is None:
            row = self._db.execute(
                "SELECT id, contact_id, reassigned FROM addresses WHERE jid = ?", (jid,)
            ).fetchone()
            if row is None:
                return None
            address = self._addresses[jid] = Address(row[0], jid, row[1], bool(row[2]))
        return address

    def known_contact(self, jid: str) -> int | None:
        """The contact who has this address now, if there is one."""
        address = self.known(jid)
        return address.contact if address else None

    def address(self, jid: str | None) -> Address:
        """The address, made at first sight; None is the owner's."""
        if jid is None:
            return OWNER_ADDRESS
        address = self._addresses.get(jid) or self.known(jid)
        if address is None:
            if chat_kind(jid) is ChatKind.DIRECT:
                contact = attribution.free_number(self._db, "contacts", "contact_aliases")
                self._db.execute("INSERT INTO contacts (id) VALUES (?)", (contact,))
                self._attach(contact, jid)
            else:
                self._db.execute("INSERT INTO addresses (jid, contact_id) VALUES (?, ?)", (jid, CHAT_ITSELF))
            address = self.known(jid)
            assert address is not None
        return address

    def contact(self, jid: str, moment: int | None = None) -> int:
        """The contact with this address: now, or the one who held the number at a time."""
        address = self.address(jid)
        if address.reassigned and moment is not None and address.is_number:
            return NumberHistory(self._db, jid).at(moment)
        return address.contact

    def sender(self, jid: str | None, moment: int | None = None) -> int:
        """The number that stands for a sender: None is the owner, a group or channel speaks for itself."""
        if jid is None:
            return OWNER
        return self.contact(jid, moment) if chat_kind(jid) is ChatKind.DIRECT else CHAT_ITSELF

    def chat(self, jid: str, moment: int | None = None) -> int:
        """The chat with this jid, in either form; `moment` is for a number that was two people's."""
        chat = self._chats.get(jid)
        if chat is not None:
            return chat
        if chat_kind(jid) is not ChatKind.DIRECT:
            chat = self._chats[jid] = self._find_chat(jid)
            return chat
        address = self.address(jid)
        if address.reassigned and address.is_number:
            # Each of them has a chat, whatever was learned first.
            history = NumberHistory(self._db, jid)
            attribution.chats_of(self._db, history)
            return attribution.chat_of(self._db, address.contact if moment is None else history.at(moment))
        chat = attribution.chat_of(self._db, address.contact)
        # Not remembered for a reassigned number: whose chat it is depends on the moment.
        if not address.reassigned:
            self._chats[jid] = chat
        return chat

    def via(self, chat: str, sender: str | None) -> int | None:
        """The id of the address under which a message came, when it is a phone number alone."""
        address = self.address(
            sender if sender is not None and chat_kind(chat) is not ChatKind.DIRECT else chat
        )
        return address.id if address.is_number else None

    def is_reassigned(self, chat: str, sender: str | None) -> bool:
        """Return whether content under these addresses may belong to one of several people."""
        return self.address(chat).reassigned or self.address(sender).reassigned

    def _find_chat(self, jid: str) -> int:
        number: int | None = value(self._db, "SELECT id FROM chats WHERE jid = ?", (jid,))
        if number is not None:
            return number
        number = attribution.free_number(self._db, "chats", "chat_aliases")
        kind = CHAT_KIND_NUMBER[chat_kind(jid)]
        self._db.execute("INSERT INTO chats (id, jid, kind) VALUES (?, ?, ?)", (number, jid, kind))
        return number

    def refresh(self, contact: int) -> None:
        """Bring what is derived from a contact's addresses and names up to date."""
        db = self._db
        pn, lid = db.execute(
            """SELECT (SELECT a.jid FROM addresses AS a LEFT JOIN number_history AS h
                ON h.pn = a.jid AND h.lid IN (SELECT jid FROM addresses WHERE contact_id = ?1)
                WHERE a.contact_id = ?1 AND a.jid NOT LIKE '%@lid' AND a.jid NOT LIKE '%@import'
                ORDER BY h.since DESC, a.jid DESC LIMIT 1),
            (SELECT max(jid) FROM addresses WHERE contact_id = ?1 AND jid LIKE '%@lid')""",
            (contact,),
        ).fetchone()
        names: dict[int, str] = dict(
            db.execute(
                """SELECT n.kind, n.name FROM addresses AS a JOIN names AS n ON n.jid = a.jid
                WHERE a.contact_id = ? ORDER BY n.at, n.name""",
                (contact,),
            ).fetchall()
        )
        imported: dict[int, str] = dict(
            db.execute(
                """SELECT n.kind, n.name FROM addresses AS a JOIN imported_names AS n ON n.jid = a.jid
                WHERE a.contact_id = ? ORDER BY n.import_id DESC, n.jid""",
                (contact,),
            ).fetchall()
        )
        names = imported | names  # a file's counts where nothing else tells one of its kind
        saved = names.get(NameKind.SAVED)
        # What reads as an address would pass for somebody's number: it is theirs that is shown.
        others = [
            name if is_name(name := names.get(kind)) else None
            for kind in (NameKind.GIVEN, NameKind.BUSINESS, NameKind.PUSH)
        ]
        known = saved is not None or value(
            db,
            "SELECT 1 FROM addresses AS a JOIN confirmed AS f ON f.jid = a.jid WHERE a.contact_id = ?",
            (contact,),
        )
        db.execute(
            """UPDATE contacts SET pn = ?, lid = ?, saved_name = ?, given_name = ?, business_name = ?,
            push_name = ?, known = ?, name_norm = ? WHERE id = ?""",
            (pn, lid, saved, *others, bool(known), searchable(saved, *others, number_of(pn)), contact),
        )
        if pn or lid:
            db.execute(
                "UPDATE chats SET jid = ? WHERE contact_id = ? AND jid != ?", (pn or lid, contact, pn or lid)
            )

    def owner(self, jid: str) -> None:
        """Learn an address of the account's owner.

        A number of somebody who is known not to be the owner was theirs before. It becomes the owner's when
        it is seen with the owner's LID (`learn`), and what they said stays theirs.
        """
        contact = self.known_contact(jid)
        if contact is None:
            self._attach(OWNER, jid)
        elif contact != OWNER and (jid.endswith("@lid") or not (self._lid(contact) and self._lid(OWNER))):
            self._merge(OWNER, contact)

    def _lid(self, contact: int) -> str | None:
        return value(self._db, "SELECT lid FROM contacts WHERE id = ?", (contact,))

    def _mark_mentions(self) -> None:
        """Mark the messages that mention the owner under any address."""
        for jid in column(self._db, "SELECT jid FROM addresses WHERE contact_id = 0"):
            self._db.execute(
                # LIKE rules out most rows before their JSON is parsed.
                """UPDATE messages SET flags = flags | ?1 WHERE details LIKE '%"mentions":[%'
                AND details LIKE ?2
                AND EXISTS (SELECT 1 FROM json_each(details, '$.mentions') WHERE value = ?3)""",
                (int(Flag.MENTIONS_ME), f'%"{jid}"%', jid),
            )

    def learn(self, pn: str, lid: str, seen_at: int) -> None:
        """Learn that two addresses are one person.

        Args:
            pn: The number, which may have been somebody else's before or be later.
            lid: The LID, which belongs to one account for ever.
            seen_at: Seconds since 1970; when they were seen together.
        """
        known = self._since.get((pn, lid))
        if known is None:
            known = value(self._db, "SELECT since FROM number_history WHERE (pn, lid) = (?, ?)", (pn, lid))
        # Remembered, since the pair comes with each message and mostly says nothing new.
        self._since[pn, lid] = seen_at if known is None else min(seen_at, known)
        if (known is not None and known <= seen_at) or self._is_foreign(pn, lid):
            return
        self._db.execute(
            "INSERT INTO number_history VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET since = excluded.since",
            (pn, lid, seen_at),
        )
        if self._is_contested(pn):
            self._reassign(pn)
        elif known is None:
            self._join(pn, lid)
        else:
            self.refresh(self.contact(lid))
        self.changed.add(self.contact(lid))

    def _is_foreign(self, pn: str, lid: str) -> bool:
        """Check whether the owner's number comes with a stranger's LID: the owner's known LID counts more."""
        if self.known_contact(pn) != OWNER or self.known_contact(lid) == OWNER:
            return False
        return self._lid(OWNER) is not None

    def _is_contested(self, pn: str) -> bool:
        return value(self._db, "SELECT count(*) > 1 FROM number_history WHERE pn = ?", (pn,))

    def _join(self, pn: str, lid: str) -> None:
        self.merged = True
        by_pn, by_lid = self.known_contact(pn), self.known_contact(lid)
        if by_pn is None or by_lid is None:
            known = self.contact(lid if by_pn is None else pn)
            self._attach(known, pn if by_pn is None else lid)
        elif by_pn != by_lid:
            # The owner is contact 0 in every query, so it is always the other one that goes.
            keep, lose = (by_lid, by_pn) if by_lid == OWNER else (by_pn, by_lid)
            self._merge(keep, lose)
        person = self.contact(lid)
        if self._db.execute(
            "SELECT 1 FROM addresses WHERE contact_id = ? AND reassigned", (person,)
        ).fetchone():
            self._mark_reassigned(person)
            self.forget()
            self._attribute_all(lid)

    def _reassign(self, pn: str) -> None:
        """Attribute everything that came under a reassigned number alone to the person who held it then."""
        db = self._db
        # The history joins the addresses of LIDs: whoever had none would be missing there.
        for lid in column(db, "SELECT lid FROM number_history WHERE pn = ?", (pn,)):
            self.address(lid)
        persons = NumberHistory(db, pn).people
        db.execute("UPDATE addresses SET contact_id = ?, reassigned = 1 WHERE jid = ?", (persons[-1], pn))
        for person in persons:
            self._mark_reassigned(person)
        self.forget()
        for person in persons:
            self.refresh(person)
        self._attribute_all(pn)

    def _mark_reassigned(self, person: int) -> None:
        """Mark every address of one who had a number that was somebody else's too."""
        self._db.execute(
            """UPDATE addresses SET reassigned = 1
            WHERE contact_id = ? AND (jid LIKE '%@lid' OR jid IN (SELECT pn FROM number_history))""",
            (person,),
        )

    def _attribute_all(self, jid: str) -> None:
        """Attribute what came under any number that somebody with this address had."""
        db = self._db
        for chat in attribution.attribute_all(db, attribution.numbers_of(db, jid)):
            merge.refresh_chat(db, chat)
        self.merged = True

    def _attach(self, contact: int, jid: str) -> None:
        self._db.execute(
            """INSERT INTO addresses (jid, contact_id) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET contact_id = excluded.contact_id""",
            (jid, contact),
        )
        self._addresses.pop(jid, None)
        self.refresh(contact)
        if contact == OWNER:
            self._mark_mentions()

    def _merge(self, keep: int, lose: int) -> None:
        db = self._db
        ours = merge.spoken_in(db, lose) if keep == OWNER else []
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
        self._apply_waiting(keep)
        if keep == OWNER:
            self._mark_mentions()
            for chat in ours:
                state.reread(db, chat)
                merge.refresh_chat(db, chat)

    def _apply_waiting(self, contact: int) -> None:
        """Apply what waited because it came under the other address."""
        db = self._db
        state.apply_versions_of(db, [contact])
        for chat in column(db, "SELECT id FROM chats WHERE contact_id = ?", (contact,)):
            state.refresh_chat_settings(db, chat)
            state.apply_early(db, chat)
            merge.refresh_chat(db, chat)
