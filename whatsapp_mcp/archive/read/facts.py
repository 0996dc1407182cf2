"""What the rules of the policy ask about a chat."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.read import chat_queries
from whatsapp_mcp.archive.read.lookup import chat_id
from whatsapp_mcp.archive.read.outbox_entries import repeated_sources
from whatsapp_mcp.archive.read.reports import own
from whatsapp_mcp.archive.state import LEFT, STRANGER_SQL
from whatsapp_mcp.decoding import ADDED, CALL, JOINED, OWNER, SYSTEM, UNDECRYPTABLE, UNKNOWN, Flag
from whatsapp_mcp.jid import Jid, number_of
from whatsapp_mcp.models import ChatFacts, ChatKind

_KINDS: Final = {"g.us": ChatKind.GROUP, "newsletter": ChatKind.CHANNEL}
# What this companion sent is in the outbox; what a file says the owner wrote proves nothing, and neither does
# a notice of what somebody did: leaving a group, or changing its timer, is no sign of trust. Nor is what was
# written before the owner left, since whoever brought the owner back may have made it another group.
_OWNER_WROTE: Final = f"""SELECT EXISTS (SELECT 1 FROM messages AS m
 WHERE m.chat_id = :chat AND m.sender_id = {OWNER} AND NOT m.flags & {int(Flag.IMPORTED)}
 AND m.kind NOT IN ({SYSTEM}, {CALL}, {UNDECRYPTABLE}, {UNKNOWN})
 AND m.id > ifnull((SELECT max(j.id) FROM messages AS j INDEXED BY messages_notices
  WHERE j.chat_id = :chat AND j.kind = {SYSTEM} AND j.text IN ('{JOINED}', '{ADDED}')), 0)
 AND m.id >> 20 > ifnull((SELECT max(g.at) FROM members AS g JOIN addresses AS a ON a.id = g.address_id
  WHERE g.chat_id = :chat AND g.role = {LEFT} AND a.contact_id = {OWNER}), 0)
 AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.message_id = m.wa_id))"""  # noqa: S608


def chat_facts(db: sqlite3.Connection, jid: str) -> ChatFacts:
    """What is known of a chat or a person; one that nothing is known of is a stranger."""
    address = Jid.parse(jid)
    if address.is_person:
        return _of_person(db, jid)
    if address.server == "broadcast":
        kind = ChatKind.STATUS if address.user == "status" else ChatKind.BROADCAST
        return ChatFacts(jid, kind, has_strangers=True)
    known = chat_queries.chat(db, jid)
    kind = _KINDS.get(address.server, ChatKind.BROADCAST)
    members = chat_queries.members(db, jid, imported=False) if kind is ChatKind.GROUP else ()
    # A list that nobody was ever seen in is one that is not known; what a file says of it proves nothing.
    strangers = not members or any(not each.contact.known for each in members)
    wrote = bool(value(db, _OWNER_WROTE, {"chat": chat_id(db, jid)}))
    return ChatFacts(
        jid,
        kind,
        name=known.name if known else None,
        has_strangers=strangers,
        members=tuple(sorted(each.contact.jid for each in members)),
        owner_wrote=wrote,
    )


_STRANGER_IN: Final = f"""EXISTS (SELECT 1 FROM members AS m JOIN addresses AS a ON a.id = m.address_id
 JOIN contacts AS s ON s.id = a.contact_id WHERE m.chat_id = c.id AND m.role <> {LEFT}
 AND {STRANGER_SQL.format(c="s")}) OR NOT EXISTS (SELECT 1 FROM members WHERE chat_id = c.id)"""  # noqa: S608
# One statement for all groups of a list: it is asked before each list is shown. Who is in a group comes last,
# since there may be a thousand.
_FAMILIAR: Final = f"""SELECT c.jid FROM json_each(?) AS wanted JOIN chats AS c ON c.jid = wanted.value
 WHERE ({_OWNER_WROTE.replace(":chat", "c.id")}) OR NOT ({_STRANGER_IN})"""  # noqa: S608


def familiar_groups(db: sqlite3.Connection, jids: Collection[str]) -> frozenset[str]:
    """The groups whose names the owner can be taken to know: all in them are known, or the owner wrote there.

    Who was in a group and has left counts as in it: this is asked for every group of a list.
    """
    return frozenset(jid for (jid,) in db.execute(_FAMILIAR, (json.dumps(list(jids)),)))


def distrust(
    db: sqlite3.Connection, wa_ids: Collection[str], groups: Collection[str]
) -> tuple[Mapping[str, frozenset[str]], frozenset[str]]:
    """What each list is asked before it is shown, in one read: `repeated_sources` and `familiar_groups`."""
    return repeated_sources(db, wa_ids), familiar_groups(db, groups) if groups else frozenset()


def reassigned_since(db: sqlite3.Connection, jid: str, at: datetime) -> bool:
    """Whether a number has passed to somebody else since then: it is seen with another LID than before."""
    count, newest = db.execute(
        "SELECT count(*), max(since) FROM number_history WHERE pn = ?", (jid,)
    ).fetchone()
    return count > 1 and newest >= int(at.timestamp())


def is_new_chat(db: sqlite3.Connection, jid: str) -> bool:
    """Whether nobody has written in a chat yet, neither its people nor the account; a file proves nothing."""
    wrote = f"SELECT EXISTS (SELECT 1 FROM messages WHERE chat_id = ? AND NOT flags & {int(Flag.IMPORTED)})"  # noqa: S608
    return not value(db, wrote, (chat_id(db, jid),))


def _of_person(db: sqlite3.Connection, jid: str) -> ChatFacts:
    person = chat_queries.contact(db, jid)
    if person is None:
        return ChatFacts(jid, number=number_of(jid), is_own=jid in own(db)[:2])
    is_own = not {person.jid, person.lid, jid}.isdisjoint(filter(None, own(db)[:2]))
    number = person.number or number_of(jid)
    return ChatFacts(
        person.jid,
        number=number,
        lid=person.lid,
        name=person.name if person.known else None,
        is_own=is_own,
        is_known=person.known,
    )
