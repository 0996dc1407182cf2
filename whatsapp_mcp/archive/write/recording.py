"""Records of what the device looked up or did: names, groups, settings, gaps, files, small values.

Each function applies the operation of its name and takes its values; see the same method of `Archive`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from whatsapp_mcp.archive import database, identity, read, state
from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.archive.identity import Identities
from whatsapp_mcp.archive.write.applying import WriteContext
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
from whatsapp_mcp.models import ContactUpdate, FileReading, FileStep, GroupUpdate, MessageKey


def meta_set(context: WriteContext, key: str, value: str | None) -> None:
    """Keep a small value for the account; None forgets it."""
    # The prefix keeps callers' keys apart from those of the archive itself.
    if value is None:
        context.db.execute("DELETE FROM meta WHERE key = ?", (f"user.{key}",))
    else:
        context.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"user.{key}", value))


def set_own(context: WriteContext, jid: str | None, lid: str | None, name: str | None) -> None:
    """Say who the account's owner is."""
    updates: list[Update] = [OwnUpdate(own) for own in (jid, lid) if own]
    if jid and lid:
        updates.append(IdentityUpdate(jid, lid, context.seconds))
    if jid and name:
        updates.append(NameUpdate(jid, push_name=name, at=context.seconds))
    write_updates(context, updates)


def record_contacts(context: WriteContext, contacts: Sequence[ContactUpdate]) -> None:
    """Take over names from the device's contact store."""
    updates = [
        NameUpdate(
            one.jid, one.push_name, one.business_name, one.saved_name, context.seconds, True, one.given_name
        )
        for one in contacts
    ]
    write_updates(context, updates)


def confirm_person(context: WriteContext, jid: str, known: bool) -> None:
    """Remember that a person has confirmed somebody, or (`known` False) does so no more.

    Who is in the address book stays known.
    """
    identities = Identities(context.db)
    contact = identities.contact(jid)
    context.db.execute(
        "DELETE FROM confirmed WHERE jid IN (SELECT jid FROM addresses WHERE contact_id = ?)", (contact,)
    )
    if known:
        context.db.execute(
            "INSERT INTO confirmed SELECT coalesce(lid, pn), ? FROM contacts WHERE id = ?",
            (context.seconds, contact),
        )
    identities.refresh(contact)
    state.add_contact_changes(context.db, {contact})


def record_identities(context: WriteContext, pairs: Sequence[tuple[str, str]]) -> None:
    """Learn that a PN jid and a LID jid are one person; what was two chats becomes one."""
    write_updates(context, [IdentityUpdate(pn, lid, context.seconds) for pn, lid in pairs])


def record_groups(context: WriteContext, groups: Sequence[GroupUpdate]) -> None:
    """Take over names and participants of groups."""
    updates: list[Update] = []
    now = context.seconds
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
    write_updates(context, updates)


def record_departure(context: WriteContext, group: str) -> None:
    """Learn that the account's owner has left a group."""
    pn, lid, _ = read.own(context.db)
    own = pn or lid
    if own is not None:
        write_updates(context, [MembersUpdate(group, ((own, None),), context.seconds, looked_up=True)])


def record_channels(context: WriteContext, names: Mapping[str, str]) -> None:
    """Take over names of channels, by jid."""
    write_updates(
        context, [ChatUpdate(jid, context.seconds, name=name, looked_up=True) for jid, name in names.items()]
    )


def record_chat_settings(
    context: WriteContext, chat: str, *, archived: bool, pinned: bool, muted_until: datetime | None
) -> None:
    """Take over a chat's settings from the device."""
    muted = int(muted_until.timestamp()) if muted_until else 0
    settings = ChatUpdate(
        chat, context.seconds, archived=archived, pinned=pinned, muted_until=muted, looked_up=True
    )
    write_updates(context, [settings])


def record_timer(context: WriteContext, chat: str, seconds: int) -> None:
    """Take over after how many seconds new messages of a chat disappear; 0: never."""
    write_updates(context, [ChatUpdate(chat, context.seconds, expires_in=seconds, looked_up=True)])


def record_read(context: WriteContext, chat: str, up_to: MessageKey) -> None:
    """Remember that the chat was read up to a message."""
    number = read.chat_id(context.db, chat)
    if number is None:
        raise ChatNotFound("There is no such chat.")
    message = read.find(context.db, up_to, chat)
    state.seen(context.db, number, None, message, context.seconds)
    state.receipted(context.db, number)
    identity.refresh_chat(context.db, number)


def record_aside(context: WriteContext, chat: str, until: datetime | None, aside: bool = True) -> None:
    """Remember that a chat was put off, or (`until` None) dealt with; `aside` False: that it is neither.

    Raises:
        ChatNotFound: There is no such chat.
    """
    number = read.chat_id(context.db, chat)
    if number is None:
        raise ChatNotFound("There is no such chat.")
    addresses = "SELECT address_id FROM chat_addresses WHERE chat_id = ?"
    context.db.execute(f"DELETE FROM set_aside WHERE address_id IN ({addresses})", (number,))  # noqa: S608
    if aside:
        context.db.execute(
            """INSERT OR REPLACE INTO set_aside SELECT a.id, ?, iif(?, 0, max(c.last_id >> ?, 1)), ?
            FROM chats AS c LEFT JOIN contacts AS p ON p.id = c.contact_id
            JOIN addresses AS a ON a.jid = coalesce(p.lid, p.pn, c.jid) WHERE c.id = ?""",
            (context.at, until is not None, ID_BITS, int(until.timestamp()) if until else 0, number),
        )


def record_gap(context: WriteContext, since: datetime, until: datetime | None, reason: str) -> None:
    """Remember a stretch in which messages may be missing from every chat."""
    state.store_gap(
        context.db, int(since.timestamp()), None if until is None else int(until.timestamp()), reason
    )


def record_media_path(
    context: WriteContext, key: MessageKey, path: str | None, kept: int | None = None
) -> bool:
    """Remember where a file was downloaded to, and that there is no problem with that any more.

    False: the message carries no file any more, since it was deleted for everyone in the meantime.

    Args:
        context: The operation.
        key: The message.
        path: Under `media`; None: the file was dropped to make room.
        kept: How many bytes it takes, if it was fetched without being asked for: it may be dropped again.
    """
    db, message = context.db, read.find(context.db, key)
    count = db.execute("UPDATE media SET path = ? WHERE message_id = ?", (path, message)).rowcount
    if path is None or not count:
        return bool(count)
    state.add_file_change(db, message)
    fetch = state.FILE_STEPS.index(FileStep.FETCH)
    db.execute("DELETE FROM file_problems WHERE message_id = ? AND step = ?", (message, fetch))
    if kept is None:
        db.execute("DELETE FROM kept_files WHERE message_id = ?", (message,))
    else:
        db.execute(
            "INSERT OR REPLACE INTO kept_files SELECT message_id, ? FROM media WHERE message_id = ?",
            (kept, message),
        )
    return True


def record_imported_file(context: WriteContext, number: int, key: MessageKey, path: str, size: int) -> bool:
    """Note where a file lies that an import has stored, of a message that waits for one.

    Undoing the import takes the file away again. False: it does not wait for one any more.

    Args:
        context: The operation.
        number: Of the import.
        key: The message.
        path: Under `media`.
        size: Bytes.

    Raises:
        MessageNotFound: No such message.
    """
    db, message = context.db, read.find(context.db, key)
    count = db.execute(
        "UPDATE media SET path = ?, size = coalesce(size, ?) WHERE message_id = ? AND path IS NULL",
        (path, size, message),
    ).rowcount
    if count <= 0:
        return False
    db.execute("INSERT OR REPLACE INTO imported_files VALUES (?, ?)", (message, number))
    db.execute("DELETE FROM file_problems WHERE message_id = ?", (message,))
    state.add_file_change(db, message)
    return True


def record_reading(context: WriteContext, key: MessageKey, reading: FileReading) -> None:
    """Store what was read in a message's file, in place of what was read before, and index its words.

    A message that was deleted for everyone in the meantime has no file, and gets no reading.
    """
    db, message = context.db, read.find(context.db, key)
    marks = [[one.title, one.start] for one in reading.passages]
    # A form feed of the file's own would make two passages of one.
    text = state.BETWEEN.join(one.text.replace(state.BETWEEN, " ") for one in reading.passages)
    stored = db.execute(
        """INSERT OR REPLACE INTO readings (message_id, kind, language, engine, at, in_file, cut, marks, text)
        SELECT message_id, ?, ?, ?, ?, ?, ?, ?, ? FROM media WHERE message_id = ?""",
        (
            state.READING_KINDS.index(reading.kind),
            reading.language,
            reading.engine,
            context.at,
            reading.passages_in_file,
            reading.cut,
            json.dumps(marks, ensure_ascii=False) if any(mark != [None, None] for mark in marks) else None,
            text,
            message,
        ),
    ).rowcount
    if stored:
        state.add_file_change(db, message)
        db.execute("DELETE FROM file_problems WHERE message_id = ?", (message,))
        database.reindex_message(db, message)


def record_file_problem(
    context: WriteContext, key: MessageKey, step: FileStep, code: str, sentence: str, final: bool
) -> None:
    """Remember that a file could not be fetched or read, and how often in a row.

    Args:
        context: The operation.
        key: The message.
        step: What failed.
        code: Of the error.
        sentence: What it said; of our own words alone.
        final: Trying again would not help.
    """
    context.db.execute(
        """INSERT INTO file_problems SELECT message_id, ?, ?, ?, 1, ?, ? FROM media WHERE message_id = ?
        ON CONFLICT DO UPDATE SET attempts = iif(step = excluded.step, attempts + 1, 1), step = excluded.step,
        code = excluded.code, sentence = excluded.sentence, at = excluded.at, final = excluded.final""",
        (state.FILE_STEPS.index(step), code, sentence, context.at, final, read.find(context.db, key)),
    )
