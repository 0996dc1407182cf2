"""Taking over rows of the `messages.db` of lharries' bridge."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Final

from whatsapp_mcp import decoding
from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.exchange.foreign_reading import clean_text, number_jid, possible_time
from whatsapp_mcp.archive.exchange.prepared_imports import DatedRow
from whatsapp_mcp.archive.identity import Identities, chat_kind, refresh_chat
from whatsapp_mcp.archive.write import Applying, Ingest
from whatsapp_mcp.decoding import ChatUpdate, Content, Flag, MediaInfo, MessageUpdate, Update
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import ChatKind, ImportResult, MessageKind

_ID: Final = re.compile(r"[\x21-\x7e]+")
_SENDER: Final = re.compile(r"[0-9A-Za-z_.-]+(?:@[a-z.]+)?")
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
}


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


def _mark_read(db: sqlite3.Connection, chat: str) -> None:
    """What was imported has been read: the chat's newest imported message and all before it."""
    number = Identities(db).chat(chat)
    imported = "SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = ? AND flags & ?"
    newest = db.execute(imported, (number, int(Flag.IMPORTED))).fetchone()[0]
    state.seen(db, number, None, newest, 0)
    refresh_chat(db, number)


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
    return number_jid(f"+{user}") == f"{user}@s.whatsapp.net" or (user.startswith("521") and len(user) == 13)


def _bridge_message(on: Applying, dated_row: DatedRow, known: Collection[str]) -> MessageUpdate | None:
    """One row; None when it has no id, chat, sender or time that WhatsApp can have given."""
    row, at = dated_row.message, dated_row.at
    jid = _jid(row.chat_jid)
    if jid is None or at is None or not possible_time(on, at):
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
    content = Content(kind, clean_text(row.text), media, int(Flag.IMPORTED))
    return MessageUpdate(jid, author, row.id, at, content, live=False)
