"""What the device has looked up or done, written down: names, groups, settings, gaps, files, small values.

Each function applies the operation of its name and takes its values; see the same method of `Archive`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from whatsapp_mcp.archive import identity, read, state
from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write.applying import Applying
from whatsapp_mcp.archive.write.ingestion import write_updates
from whatsapp_mcp.decoding import (
    ChatUpdate,
    IdentityUpdate,
    MembersUpdate,
    NameUpdate,
    OwnUpdate,
    Update,
)
from whatsapp_mcp.errors import ChatNotFound
from whatsapp_mcp.models import ContactUpdate, GroupUpdate, MessageKey


def meta_set(on: Applying, key: str, value: str | None) -> None:
    """Keep a small value for the account; None forgets it."""
    if value is None:
        on.db.execute("DELETE FROM meta WHERE key = ?", (f"user.{key}",))
    else:
        on.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"user.{key}", value))


def set_own(on: Applying, jid: str | None, lid: str | None, name: str | None) -> None:
    """Say who the account's owner is."""
    updates: list[Update] = [OwnUpdate(own) for own in (jid, lid) if own]
    if jid and lid:
        updates.append(IdentityUpdate(jid, lid, on.seconds))
    if jid and name:
        updates.append(NameUpdate(jid, push_name=name, at=on.seconds))
    write_updates(on, updates)


def record_contacts(on: Applying, contacts: Sequence[ContactUpdate]) -> None:
    """Take over names from the device's contact store."""
    updates = [
        NameUpdate(
            one.jid, one.push_name, one.business_name, one.saved_name, on.seconds, True, one.given_name
        )
        for one in contacts
    ]
    write_updates(on, updates)


def confirm_person(on: Applying, jid: str, known: bool) -> None:
    """Remember that a person has confirmed somebody, or (`known` False) does so no more.

    Who is in the address book stays known.
    """
    found = Identities(on.db)
    contact = found.contact(jid)
    on.db.execute(
        "DELETE FROM confirmed WHERE jid IN (SELECT jid FROM addresses WHERE contact_id = ?)", (contact,)
    )
    if known:
        on.db.execute(
            "INSERT INTO confirmed SELECT coalesce(lid, pn), ? FROM contacts WHERE id = ?",
            (on.seconds, contact),
        )
    found.refresh(contact)
    state.add_contact_changes(on.db, {contact})


def record_identities(on: Applying, pairs: Sequence[tuple[str, str]]) -> None:
    """Learn that a PN jid and a LID jid are one person; what was two chats becomes one."""
    write_updates(on, [IdentityUpdate(pn, lid, on.seconds) for pn, lid in pairs])


def record_groups(on: Applying, groups: Sequence[GroupUpdate]) -> None:
    """Take over names and participants of groups."""
    updates: list[Update] = []
    now = on.seconds
    for group in groups:
        updates.append(
            ChatUpdate(
                group.jid,
                now,
                name=group.name or None,
                expires_in=group.expires_in,
                looked_up=True,
                community=group.community,
            )
        )
        members: list[tuple[str, int | None]] = []
        for jid, other, admin, superadmin in group.participants:
            if other:
                pn, lid = (other, jid) if jid.endswith("@lid") else (jid, other)
                updates.append(IdentityUpdate(pn, lid, now))
            members.append((jid, 2 if superadmin else int(admin)))
        updates.append(MembersUpdate(group.jid, tuple(members), now, whole=True, looked_up=True))
    write_updates(on, updates)


def record_departure(on: Applying, group: str) -> None:
    """Learn that the account's owner has left a group."""
    pn, lid, _ = read.own(on.db)
    own = pn or lid
    if own is not None:
        write_updates(on, [MembersUpdate(group, ((own, None),), on.seconds, looked_up=True)])


def record_channels(on: Applying, names: Mapping[str, str]) -> None:
    """Take over names of channels, by jid."""
    write_updates(on, [ChatUpdate(jid, on.seconds, name=name, looked_up=True) for jid, name in names.items()])


def record_chat_settings(
    on: Applying, chat: str, *, archived: bool, pinned: bool, muted_until: datetime | None
) -> None:
    """Take over a chat's settings from the device."""
    muted = int(muted_until.timestamp()) if muted_until else 0
    settings = ChatUpdate(
        chat, on.seconds, archived=archived, pinned=pinned, muted_until=muted, looked_up=True
    )
    write_updates(on, [settings])


def record_timer(on: Applying, chat: str, seconds: int) -> None:
    """Take over after how many seconds new messages of a chat disappear; 0: never."""
    write_updates(on, [ChatUpdate(chat, on.seconds, expires_in=seconds, looked_up=True)])


def record_read(on: Applying, chat: str, up_to: MessageKey) -> None:
    """Remember that the chat was read up to a message."""
    number = read.chat_id(on.db, chat)
    if number is None:
        raise ChatNotFound("There is no such chat.")
    message = read.find(on.db, up_to, chat)
    state.seen(on.db, number, None, message, on.seconds)
    state.receipted(on.db, number)
    identity.refresh_chat(on.db, number)


def record_aside(on: Applying, chat: str, until: datetime | None, aside: bool = True) -> None:
    """Remember that a chat was put off, or (`until` None) dealt with; `aside` False: that it is neither.

    Raises:
        ChatNotFound: There is no such chat.
    """
    number = read.chat_id(on.db, chat)
    if number is None:
        raise ChatNotFound("There is no such chat.")
    addresses = "SELECT address_id FROM chat_addresses WHERE chat_id = ?"
    on.db.execute(f"DELETE FROM set_aside WHERE address_id IN ({addresses})", (number,))  # noqa: S608
    if aside:
        on.db.execute(
            """INSERT OR REPLACE INTO set_aside SELECT a.id, ?, iif(?, 0, max(c.last_id >> ?, 1)), ?
            FROM chats AS c LEFT JOIN contacts AS p ON p.id = c.contact_id
            JOIN addresses AS a ON a.jid = coalesce(p.lid, p.pn, c.jid) WHERE c.id = ?""",
            (on.at, until is not None, ID_BITS, int(until.timestamp()) if until else 0, number),
        )


def record_gap(on: Applying, since: datetime, until: datetime | None, reason: str) -> None:
    """Remember a stretch in which messages may be missing from every chat."""
    state.store_gap(on.db, int(since.timestamp()), None if until is None else int(until.timestamp()), reason)
