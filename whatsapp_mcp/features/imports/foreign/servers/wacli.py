"""The store of wacli (steipete/wacli, later openclaw/wacli), `wacli.db`.

Its tables are those of its schema and migrations (`internal/store`). The first version, 0.1, has messages,
chats, contacts and groups; each later one added columns and tables, up to 28 migrations in 0.16.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, blob_of, number_of, text_of
from whatsapp_mcp.features.imports.foreign.servers.pages import BEFORE_ALL, messages_after, page_of, place_of
from whatsapp_mcp.features.imports.foreign.servers.wacli_addons import ADDONS, Addons
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ImportSource,
    MessageKind,
    Unreadable,
)

SOURCE: Final = ImportSource.WACLI

_COLUMNS: Final = (
    *("msg_id", "chat_jid", "sender_jid", "ts", "from_me", "text", "media_type", "media_caption", "filename"),
    *("mime_type", "direct_path", "media_key", "file_sha256", "file_enc_sha256", "file_length", "local_path"),
)
_LATER: Final = (
    *("quoted_msg_id", "is_forwarded", "reaction_to_id", "revoked", "deleted_for_me", "deleted_at"),
    *("edited", "edited_ts"),
)
"""Columns of `messages` that versions added."""
_PEOPLE: Final = ("contacts", "contact_aliases")
_GROUPS: Final = ("groups", "group_participants")
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "gif": (MessageKind.GIF, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
    "document": (MessageKind.DOCUMENT, "document"),
    "sticker": (MessageKind.STICKER, "sticker"),
}
_PLACES: Final = {"location": MessageKind.LOCATION, "live_location": MessageKind.LIVE_LOCATION}
_NO_TEXT: Final = "[Audio]"
"""Text that wacli writes for a recording without one."""
_NO_MESSAGE: Final = frozenset({"Poll vote", "Poll option added"})
"""Texts that wacli writes into the rows of what belongs to a poll."""
_POLL: Final = "Poll: "
"""Before the question of a poll, in its text."""
_ROLES: Final = {"admin": 1, "superadmin": 2}
_MEDIA: Final = "/media/"
"""In the path of a file that was downloaded: what follows lies in the folder `media` beside the database."""
_CONTACTS: Final = 100_000
_MEMBERS: Final = 1_000_000


class _Row(NamedTuple):
    """A row of `messages`, in the order of `_COLUMNS` and `_LATER`; its values may be of any type."""

    rowid: int
    id: Any
    chat: Any
    sender: Any
    at: Any
    from_me: Any
    text: Any
    media_type: Any
    caption: Any
    file_name: Any
    mime_type: Any
    direct_path: Any
    media_key: Any
    sha256: Any
    enc_sha256: Any
    size: Any
    local_path: Any
    reply_to: Any
    forwarded: Any
    reaction_to: Any
    revoked: Any
    deleted_for_me: Any
    deleted_at: Any
    edited: Any
    edited_at: Any


def fits(schema: Schema) -> bool:
    """Return whether a database has the tables of wacli."""
    return (
        schema.has("messages", *_COLUMNS)
        and schema.has("chats", "jid", "kind", "name")
        and schema.has("contacts", "jid", "push_name", "full_name", "first_name", "business_name")
    )


def tables(schema: Schema) -> tuple[str, ...]:
    """The tables that are read of it."""
    later = (name for name in (*_PEOPLE[1:], *_GROUPS, *ADDONS) if name in schema.tables)
    # Reactions are messages that are found by the one that they are under.
    messages = "messages.reaction_to_id" if schema.has("messages", "reaction_to_id") else "messages"
    return ("chats", "contacts", messages, *later)


def total(archive: Opened) -> int:
    """Return the number of rows of messages; reactions and votes are some of them."""
    return archive.db.execute("SELECT count(*) FROM main.messages").fetchone()[0]


def page(archive: Opened, after: int | None, rows: int) -> ForeignPage:
    """Messages in the order in which it stored them."""
    first = BEFORE_ALL if after is None else after
    taken = [_Row._make(row) for row in messages_after(archive, first, rows, _COLUMNS, _LATER)]
    last = taken[-1].rowid if taken else first
    addons = Addons(archive, first, last, len(taken))
    read = [_message(row, addons) for row in taken]
    people, chats = (_people(archive), _chats(archive)) if after is None else ([], [])
    return page_of(read, last if len(taken) == rows else None, people, chats)


def _people(archive: Opened) -> list[ForeignPerson]:
    """Contacts, with the first name that the owner gave them: in wacli, in an address book, on WhatsApp."""
    system = "c.system_name" if archive.schema.has("contacts", "system_name") else "NULL"
    has_aliases = archive.schema.has("contact_aliases", "jid", "alias")
    alias = "(SELECT alias FROM main.contact_aliases AS a WHERE a.jid = c.jid)" if has_aliases else "NULL"
    people: list[ForeignPerson] = []
    for jid, push_name, business_name, *own in archive.db.execute(
        f"""SELECT c.jid, c.push_name, c.business_name, {alias}, {system}, c.full_name, c.first_name
        FROM main.contacts AS c LIMIT ?""",  # noqa: S608
        (_CONTACTS,),
    ):
        saved = next(filter(None, map(text_of, own)), None)
        if isinstance(jid, str):
            people.append(
                ForeignPerson(
                    jid, None, saved, business_name=text_of(business_name), push_name=text_of(push_name)
                )
            )
    return people


def _chats(archive: Opened) -> list[ForeignChat]:
    """Groups and channels; the members of a group that the owner has left are old."""
    members: dict[str, list[tuple[str, int]]] = {}
    if archive.schema.has("group_participants", "group_jid", "user_jid", "role"):
        for group, user, role in archive.db.execute(
            "SELECT group_jid, user_jid, role FROM main.group_participants LIMIT ?", (_MEMBERS,)
        ):
            if isinstance(group, str) and isinstance(user, str):
                members.setdefault(group, []).append((user, _ROLES.get(role, 0)))
    left = set[str]()
    names: dict[str, str | None] = {
        jid: text_of(name)
        for jid, name in archive.db.execute("SELECT jid, name FROM main.chats LIMIT ?", (_CONTACTS,))
        if isinstance(jid, str) and jid.endswith(("@g.us", "@newsletter"))
    }
    if archive.schema.has("groups", "jid", "name"):
        gone = "left_at" if archive.schema.has("groups", "left_at") else "NULL"
        for jid, name, left_at in archive.db.execute(
            f"SELECT jid, name, {gone} FROM main.groups LIMIT ?",  # noqa: S608
            (_CONTACTS,),
        ):
            if isinstance(jid, str):
                names[jid] = text_of(name) or names.get(jid)
                left |= {jid} if left_at else set()
    return [
        ForeignChat(jid, name, () if jid in left else tuple(members.get(jid, ())))
        for jid, name in names.items()
    ]


def _message(row: _Row, addons: Addons) -> ForeignMessage | Unreadable | None:
    """A row whose types are right; None for one that belongs to another message."""
    place = place_of(row.id, row.chat)
    if isinstance(place, Unreadable):
        return place
    if row.from_me not in (0, 1):
        return Unreadable.DAMAGED
    if not isinstance(row.at, int):
        return Unreadable.NO_TIME
    if text_of(row.reaction_to):
        return None
    if row.deleted_for_me:
        return Unreadable.DELETED
    said = _content(row, addons)
    if said is None:
        return Unreadable.EMPTY
    kind, text, details, file = said
    key = (row.chat, row.id)
    return ForeignMessage(
        row.id,
        row.chat,
        None if row.from_me else text_of(row.sender) or row.chat,
        row.at,
        kind,
        text,
        text_of(row.reply_to),
        starred=key in addons.starred,
        forwarded=bool(row.forwarded),
        details=details,
        file=file,
        edited_at_ms=1000 * (number_of(row.edited_at) or row.at) if row.edited else None,
        revoked_at=(number_of(row.deleted_at) or row.at) if row.revoked else None,
        reactions=tuple(addons.reactions.get(key, ())),
        votes=tuple(addons.votes.get(key, ())),
    )


def _content(row: _Row, addons: Addons) -> tuple[MessageKind, str, dict[str, Any], ForeignFile | None] | None:
    """Return the content of a message; None where nothing of it is kept."""
    key = (row.chat, row.id)
    text = text_of(row.text) or text_of(row.caption) or ""
    media_type = text_of(row.media_type)
    if key in addons.calls:
        return MessageKind.CALL, "", {"call": addons.calls[key]}, None
    if key in addons.polls:
        options, choose = addons.polls[key]
        details: dict[str, Any] = {"options": list(options), "choose": choose}
        return MessageKind.POLL, text.removeprefix(_POLL), details, None
    if media_type in _PLACES:
        details, place = addons.places.get(key, ({}, text))
        return _PLACES[media_type], place, details, None
    if media_type is not None:
        kind, file = _file(row, media_type)
        return kind, "" if text == _NO_TEXT else text, {}, file
    if not text and row.revoked:
        return MessageKind.UNKNOWN, "", {}, None
    return None if not text or text in _NO_MESSAGE else (MessageKind.TEXT, text, {}, None)


def _file(row: _Row, media_type: str) -> tuple[MessageKind, ForeignFile]:
    kind, described = _KINDS.get(media_type, (MessageKind.DOCUMENT, "document"))
    mime_type = text_of(row.mime_type)
    if kind is MessageKind.AUDIO and mime_type is not None and "opus" in mime_type:
        kind = MessageKind.VOICE  # it keeps nothing else of it: phones send no other recording so
    _, _, path = (text_of(row.local_path) or "").rpartition(_MEDIA)
    return kind, ForeignFile(
        described,
        mime_type,
        text_of(row.file_name),
        number_of(row.size),
        direct_path=text_of(row.direct_path),
        media_key=blob_of(row.media_key),
        sha256=blob_of(row.sha256),
        enc_sha256=blob_of(row.enc_sha256),
        path=f"media/{path}" if path else None,
    )
