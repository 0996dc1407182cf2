"""The `messages.db` of lharries' bridge, as `ForeignPage`s."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, blob_of, number_of, text_of
from whatsapp_mcp.features.imports.foreign.servers.go_times import seconds_of
from whatsapp_mcp.features.imports.foreign.servers.pages import BEFORE_ALL, page_of, place_of
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ImportSource,
    MessageKind,
    Unreadable,
)

SOURCE: Final = ImportSource.LHARRIES

_CHATS: Final = 100_000
_COLUMNS: Final = (
    *("id", "chat_jid", "timestamp", "is_from_me", "sender", "content", "media_type", "filename", "url"),
    *("media_key", "file_sha256", "file_enc_sha256", "file_length"),
)
_KINDS: Final = {"image": MessageKind.IMAGE, "video": MessageKind.VIDEO, "audio": MessageKind.AUDIO}


def fits(schema: Schema) -> bool:
    """Return whether a database has the tables of lharries' bridge."""
    return schema.has("chats", "jid", "name") and schema.has("messages", *_COLUMNS)


def tables(schema: Schema) -> tuple[str, ...]:
    """Return the names of the tables that are read."""
    del schema
    return ("chats", "messages")


def total(archive: Opened) -> int:
    """Return the number of messages."""
    return archive.db.execute("SELECT count(*) FROM main.messages").fetchone()[0]


def page(archive: Opened, after: int | None, rows: int) -> ForeignPage:
    """Messages in the order in which they came to the bridge."""
    chats = archive.db.execute("SELECT jid, name FROM main.chats LIMIT ?", (_CHATS,)).fetchall()
    known = {jid for jid, _ in chats if isinstance(jid, str)}
    taken = archive.db.execute(
        f"SELECT rowid, {', '.join(_COLUMNS)} FROM main.messages WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608
        (BEFORE_ALL if after is None else after, rows),
    ).fetchall()
    named = [ForeignChat(jid, text_of(name)) for jid, name in chats if jid in known and _has_name(jid)]
    read = [_message(row, known) for row in taken]
    following = taken[-1][0] if len(taken) == rows else None
    return page_of(read, following, chats=named if after is None else ())


def _has_name(jid: str) -> bool:
    """Return whether a chat has a name of its own; a direct chat has that of its person."""
    return jid.endswith(("@g.us", "@newsletter"))


def _message(row: tuple[Any, ...], known: Collection[str]) -> ForeignMessage | Unreadable:
    """A row whose types are right: what must be there is, and what may be there is left out if it is not."""
    _, wa_id, chat, timestamp, from_me, sender, text, media_type, file_name, url, *blobs, size = row
    place = place_of(wa_id, chat)
    if isinstance(place, Unreadable):
        return place
    if from_me not in (0, 1) or not isinstance(timestamp, str) or not isinstance(text, str | None):
        return Unreadable.DAMAGED
    sent_at = seconds_of(timestamp)
    if sent_at is None:
        return Unreadable.NO_TIME
    kind, file = MessageKind.TEXT, None
    if isinstance(media_type, str) and media_type:
        kind = _KINDS.get(media_type, MessageKind.DOCUMENT)
        media_key, sha256, enc_sha256 = map(blob_of, blobs)
        file = ForeignFile(
            media_type,
            name=text_of(file_name),
            size=number_of(size),
            url=text_of(url),
            media_key=media_key,
            sha256=sha256,
            enc_sha256=enc_sha256,
            path=_path(chat, text_of(file_name)),
        )
    return ForeignMessage(
        wa_id,
        chat,
        None if from_me else _sender(text_of(sender) or "", chat, known),
        sent_at,
        kind,
        text_of(text) or "",
        file=file,
    )


def _sender(sender: str, chat: str, known: Collection[str]) -> str:
    """The jid of a sender: the bridge keeps what stands before the `@`, of numbers and LIDs alike.

    Where no chat of the bridge tells which of them it is, it stays without a server.
    """
    user, _, server = sender.partition("@")
    if user in ("", chat.partition("@")[0]):
        return chat
    if server:
        return sender
    forms = (f"{user}@s.whatsapp.net", f"{user}@lid")
    return next((jid for jid in forms if jid in known), user)


def _path(chat: str, file_name: str | None) -> str | None:
    """Return the path of a downloaded file beside the database; None without a usable name."""
    return f"{chat.replace(':', '_')}/{file_name}" if file_name and "/" not in file_name else None
