"""Taking over messages from elsewhere: WhatsApp's chat export, and the `messages.db` of lharries' bridge.

The files are read in the decoding process; here stands what it found, and anybody may have made it up: every
message says that it was imported, a copy that comes over the connection takes its place, and what an import
lets the owner say counts for nothing. An export has no message ids, so a message counts as there already when
the chat holds the same text from the same side within a minute; ids are made of what was said, so that a
second import adds nothing.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import ID_BITS, fold
from whatsapp_mcp.archive.exchange.prepared_imports import MADE, DatedMessage, DatedRow
from whatsapp_mcp.archive.identity import Identities, chat_kind, refresh_chat
from whatsapp_mcp.archive.write import Applying, Ingest, write_updates
from whatsapp_mcp.decoding import (
    ChatUpdate,
    Content,
    Flag,
    MediaInfo,
    MessageUpdate,
    NameUpdate,
    Update,
)
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, looks_like_number, parse_number
from whatsapp_mcp.models import ChatKind, ExportedMessage, ImportedChat, ImportResult, MessageKind

_NEAR: Final = 61
"""Seconds within which an exported message may be one that is here: Android writes whole minutes."""
_FIRST: Final = 1_230_768_000
"""The first second of 2009, when WhatsApp began: nothing was said before."""
_AHEAD: Final = 86_400
"""Seconds. How far ahead a message may be: clocks and zones differ."""
_MENTION: Final = re.compile(r"@?\u2068[^\u2069]*\u2069|@\d{5,}")
_ID: Final = re.compile(r"[\x21-\x7e]+")
_SENDER: Final = re.compile(r"[0-9A-Za-z_.-]+(?:@[a-z.]+)?")
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
}


def _possible(on: Applying, at: int | None) -> bool:
    """Whether a message may have this time."""
    return at is not None and _FIRST <= at <= on.seconds + _AHEAD


def import_chat_export(
    on: Applying, messages: Sequence[DatedMessage], chat: str, *, title: str, me: str | None
) -> ImportedChat:
    """See `Archive.import_chat_export`."""
    db = on.db
    jid = str(Jid.parse(chat).bare)
    people = _people(on, jid, [one.message for one in messages], me, title)
    identities = Identities(db)
    number = identities.chat(jid)
    new = duplicates = skipped = 0
    seen: dict[str, int] = {}
    taken: set[int] = set()
    updates: list[Update] = []
    files: dict[str, str] = {}
    for one in messages:
        message, at = one.message, one.at
        if at is None or not _possible(on, at):
            skipped += 1
            continue
        sender = people.get(message.name, jid) if message.name else jid
        wa_id = _made_id(jid, message, at, seen)
        if _is_here(db, number, identities.sender(sender), message, at, wa_id, taken):
            duplicates += 1
            continue
        new += 1
        if message.file and message.packed:
            files[wa_id] = message.file
        updates.append(MessageUpdate(jid, sender, wa_id, at, _content(message, one.mime_type), live=False))
    write_updates(on, updates)
    _mark_read(db, jid)
    return ImportedChat(ImportResult(new, duplicates, skipped), files)


def _content(message: ExportedMessage, mime_type: str | None) -> Content:
    text = _clean(message.text)
    flags = int(Flag.IMPORTED)
    if message.name is None:
        return Content(MessageKind.SYSTEM, text, flags=flags)
    if message.file is None or mime_type is None:
        return Content(MessageKind.TEXT, text, flags=flags)
    kind, media_type = _KINDS.get(mime_type.partition("/")[0], (MessageKind.DOCUMENT, "document"))
    if message.file.endswith(".webp"):
        kind, media_type = MessageKind.STICKER, "sticker"
    elif message.file.endswith(".opus"):
        kind, media_type = MessageKind.VOICE, "audio"
    return Content(kind, text, MediaInfo(media_type, mime_type, message.file), flags)


def _clean(text: str) -> str:
    """Without NUL, at which SQLite's functions end a text."""
    return text.replace("\0", "\ufffd")


def _made_id(chat: str, message: ExportedMessage, at: int, seen: dict[str, int]) -> str:
    text = f"{chat}\0{at}\0{message.name}\0{message.text}\0{message.file}"
    turn = seen[text] = seen.get(text, -1) + 1
    return MADE + hashlib.sha256(f"{text}\0{turn}".encode()).hexdigest()[:24].upper()


def _is_here(
    db: sqlite3.Connection,
    number: int,
    who: int,
    message: ExportedMessage,
    at: int,
    wa_id: str,
    taken: set[int],
) -> bool:
    if db.execute("SELECT 1 FROM messages WHERE chat_id = ? AND wa_id = ?", (number, wa_id)).fetchone():
        return True
    rows = db.execute(
        """SELECT m.id, m.text, d.message_id IS NOT NULL FROM messages AS m
        LEFT JOIN media AS d ON d.message_id = m.id
        WHERE m.chat_id = ? AND m.id BETWEEN ? AND ? AND (m.sender_id = 0) = ?""",
        (number, (at - _NEAR) << ID_BITS, (at + _NEAR) << ID_BITS, who == 0),
    ).fetchall()
    wanted = _comparable(message.text)
    for found, text, has_file in rows:
        same = bool(has_file) == (message.file is not None) and _comparable(text) == wanted
        if found not in taken and (same or (message.omitted and has_file)):
            taken.add(found)
            return True
    return False


def _comparable(text: str) -> str:
    """A text without its mentions: an export shows names there, a message holds numbers."""
    return _MENTION.sub("@", text).strip()


def _people(
    on: Applying, chat: str, found: Sequence[ExportedMessage], me: str | None, title: str
) -> dict[str, str | None]:
    """Names of the export to jids; None is the owner.

    Raises:
        InvalidArgument: Which of two is the owner is not known.
    """
    db = on.db
    names = list(dict.fromkeys(message.name for message in found if message.name))
    row = db.execute("SELECT name_norm FROM contacts WHERE id = 0").fetchone()
    ours = {fold(me)} if me else {*row[0].split("\n"), "you"}
    people: dict[str, str | None] = {name: None for name in names if fold(name) in ours}
    others = [name for name in names if name not in people]
    if chat_kind(chat) is ChatKind.DIRECT:
        theirs = _theirs(db, chat, others, title)
        if len(others) > 1 and not theirs and not people:
            raise InvalidArgument(
                f"It is not clear which of {' and '.join(others[:3])} you are.",
                "Give your own name in the export with --me.",
            )
        return people | {name: chat if name in (theirs or others) else None for name in others}
    return people | {name: _number(name) or _by_name(on, name) for name in others}


def _theirs(db: sqlite3.Connection, chat: str, names: list[str], title: str) -> list[str]:
    """The names that the other one of a direct chat is known to have: here, by number, in the file's name."""
    contact = Identities(db).contact(chat)
    known = db.execute("SELECT name_norm FROM contacts WHERE id = ?", (contact,)).fetchone()[0].split("\n")
    found = [name for name in names if fold(name) in known or _number(name) == chat]
    return found or [name for name in names if fold(name) in fold(title)]


def _number(name: str) -> str | None:
    if not looks_like_number(name):
        return None
    try:
        return str(parse_number(name))
    except InvalidArgument:
        return None


def _by_name(on: Applying, name: str) -> str:
    """The jid of the one person with this name, else an address that stands for the name alone."""
    found = [
        row[0]
        for row in on.db.execute(
            "SELECT coalesce(pn, lid), name_norm FROM contacts WHERE id != 0 AND name_norm LIKE ?",
            (f"%{fold(name)}%",),
        ).fetchall()
        if row[0] and fold(name) in row[1].split("\n")
    ]
    if len(found) == 1:
        return found[0]
    made = f"{hashlib.sha256(fold(name).encode()).hexdigest()[:16]}@import"
    if on.db.execute("SELECT 1 FROM addresses WHERE jid = ?", (made,)).fetchone() is None:
        write_updates(on, [NameUpdate(made, push_name=name)])
    return made


def _mark_read(db: sqlite3.Connection, chat: str) -> None:
    """What was imported has been read: the chat's newest imported message and all before it."""
    number = Identities(db).chat(chat)
    imported = "SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = ? AND flags & ?"
    newest = db.execute(imported, (number, int(Flag.IMPORTED))).fetchone()[0]
    state.seen(db, number, None, newest, 0)
    refresh_chat(db, number)


def import_bridge(
    on: Applying,
    named: Sequence[tuple[str, str | None]],
    rows: Sequence[DatedRow],
    skipped: int,
    chats: Sequence[str],
) -> ImportResult:
    """See `Archive.import_bridge`.

    Args:
        on: The operation.
        named: (jid, name) of chats.
        rows: The messages.
        skipped: Rows that could not be read.
        chats: Jids of all chats of the bridge.
    """
    known = {*chats, *(jid for (jid,) in on.db.execute("SELECT jid FROM addresses"))}
    updates: list[Update] = [
        ChatUpdate(jid, name=name)
        for text, name in named
        if name and (jid := _jid(text)) is not None and chat_kind(jid) is not ChatKind.DIRECT
    ]
    messages = [_bridge_message(on, row, known) for row in rows]
    taken_over = [message for message in messages if message is not None]
    batch = Ingest(on)
    batch.apply([*updates, *taken_over])
    batch.finish()
    for chat in dict.fromkeys(message.chat for message in taken_over):
        _mark_read(on.db, chat)
    return ImportResult(batch.new, batch.duplicates, skipped + len(messages) - len(taken_over))


def _jid(text: str) -> str | None:
    """A jid without its device; None for what is none."""
    try:
        return str(Jid.parse(text).bare) if len(text) <= decoding.MAX_JID else None
    except InvalidArgument:
        return None


def _bridge_sender(user: str, server: str, known: Collection[str]) -> str:
    """The jid of a sender: the bridge keeps what stands before the `@`, of numbers and LIDs alike."""
    if server:
        return f"{user}@{server}"
    number, lid = f"{user}@s.whatsapp.net", f"{user}@lid"
    if number in known or lid in known:
        return number if number in known else lid
    return number if _may_be_number(user) else lid


@lru_cache(maxsize=10_000)
def _may_be_number(user: str) -> bool:
    """Whether digits may be a phone number; Mexican ones have a 1 on WhatsApp that they lost elsewhere."""
    return _number(f"+{user}") == f"{user}@s.whatsapp.net" or (user.startswith("521") and len(user) == 13)


def _bridge_message(on: Applying, dated_row: DatedRow, known: Collection[str]) -> MessageUpdate | None:
    """One row; None when it has no id, chat, sender or time that WhatsApp can have given."""
    row, at = dated_row.message, dated_row.at
    jid = _jid(row.chat_jid)
    if jid is None or at is None or not _possible(on, at):
        return None
    if len(row.id) > decoding.MAX_ID or not _ID.fullmatch(row.id):
        return None
    user, _, server = row.sender.partition("@")
    if row.from_me:
        author = None
    elif user in ("", jid.partition("@")[0]):
        author = jid
    elif len(row.sender) <= decoding.MAX_JID and _SENDER.fullmatch(row.sender):
        author = _bridge_sender(user, server, known)
    else:
        return None
    kind, media = MessageKind.TEXT, None
    if row.media_type:
        kind = _KINDS.get(row.media_type, (MessageKind.DOCUMENT, ""))[0]
        media = MediaInfo(
            row.media_type,
            None,
            row.file_name,
            row.size if row.size is not None and 0 < row.size < decoding.MAX_FILE_BYTES else None,
            url=row.url,
            media_key=row.media_key,
            sha256=row.sha256,
            enc_sha256=row.enc_sha256,
        )
    content = Content(kind, _clean(row.text), media, int(Flag.IMPORTED))
    return MessageUpdate(jid, author, row.id, at, content, live=False)
