"""The chat storage of go-whatsapp-web-multidevice (GOWA), `chatstorage.db`.

Its tables are those of its migrations (`src/infrastructure/chatstorage`): until version 7 of the program one
account without `device_id`; then rows of several accounts, and later reactions, edits and `direct_path`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, blob_of, number_of, text_of
from whatsapp_mcp.features.imports.foreign.servers.go_times import millis_of, seconds_of
from whatsapp_mcp.features.imports.foreign.servers.pages import BEFORE_ALL, messages_after, page_of, place_of
from whatsapp_mcp.models import (
    ForeignChat,
    ForeignFile,
    ForeignMessage,
    ForeignPage,
    ForeignPerson,
    ForeignReaction,
    ImportSource,
    MessageKind,
    Unreadable,
)

SOURCE: Final = ImportSource.GOWA

_COLUMNS: Final = (
    *("id", "chat_jid", "timestamp", "is_from_me", "sender", "content", "media_type", "filename", "url"),
    *("media_key", "file_sha256", "file_enc_sha256", "file_length"),
)
_LATER: Final = ("device_id", "direct_path", "call_metadata")
"""Columns of `messages` that versions added."""
_REACTIONS: Final = "message_reactions"
_EDITS: Final = "message_edits"
_DEVICES: Final = "devices"
_KINDS: Final = {
    "image": (MessageKind.IMAGE, "image"),
    "video": (MessageKind.VIDEO, "video"),
    "video_note": (MessageKind.VIDEO, "video"),
    "audio": (MessageKind.AUDIO, "audio"),
    "ptt": (MessageKind.VOICE, "audio"),
    "document": (MessageKind.DOCUMENT, "document"),
    "sticker": (MessageKind.STICKER, "sticker"),
}
_CALL: Final = "call:"
"""Begins the id of a row that stands for a call, before the call's own."""
_REJECTED: Final = '"auto_rejected":true'
"""In the JSON that tells of a call."""
_MADE_NAMES: Final = ("Group ", "Newsletter ")
"""With the address behind them: what it calls a chat whose name it does not know."""
_CHATS: Final = 100_000
_ADDONS: Final = 50
"""Reactions that one message of a page may have on average; a real one has far fewer."""
_ACCOUNTS: Final = 1_000

_Key = tuple[Any, Any, Any]
"""Id of a message, its chat, its device: as they stand in the rows, of whatever type."""


class _Row(NamedTuple):
    """A row of `messages`, in the order of `_COLUMNS` and `_LATER`; its values may be of any type."""

    rowid: int
    id: Any
    chat: Any
    timestamp: Any
    from_me: Any
    sender: Any
    content: Any
    media_type: Any
    file_name: Any
    url: Any
    media_key: Any
    sha256: Any
    enc_sha256: Any
    size: Any
    device: Any
    direct_path: Any
    call: Any


def fits(schema: Schema) -> bool:
    """Return whether a database has GOWA's tables; `created_at` tells them from lharries' bridge's."""
    return schema.has("chats", "jid", "name", "ephemeral_expiration") and schema.has(
        "messages", *_COLUMNS, "created_at"
    )


def tables(schema: Schema) -> tuple[str, ...]:
    """The tables that are read of it."""
    later = (name for name in (_REACTIONS, _EDITS, _DEVICES) if name in schema.tables)
    return ("chats", "messages", *later)


def total(archive: Opened) -> int:
    """Return the number of messages, of all accounts.

    Raises:
        InvalidArgument: They are several accounts', and it is not known which of them is meant.
    """
    if archive.owner is None and archive.schema.has("messages", "device_id"):
        devices = archive.db.execute(
            "SELECT DISTINCT device_id FROM main.messages LIMIT ?", (_ACCOUNTS,)
        ).fetchall()
        accounts = _accounts(archive)
        if len({account for (one,) in devices if (account := _account(one, accounts))}) > 1:
            raise InvalidArgument("The database holds several accounts.", "Link a phone first.")
    return archive.db.execute("SELECT count(*) FROM main.messages").fetchone()[0]


def page(archive: Opened, after: int | None, rows: int) -> ForeignPage:
    """Messages in the order in which it stored them."""
    first = BEFORE_ALL if after is None else after
    taken = [_Row._make(row) for row in messages_after(archive, first, rows, _COLUMNS, _LATER)]
    last = taken[-1].rowid if taken else first
    ours = _Ours(archive.owner, _accounts(archive))
    addons = _Addons(archive, first, last, len(taken))
    people, chats = _chats(archive, ours) if after is None else ([], [])
    read = [_message(row, ours, addons) for row in taken]
    return page_of(read, last if len(taken) == rows else None, people, chats)


@dataclass(frozen=True, slots=True)
class _Ours:
    """The account whose rows are imported.

    Attributes:
        owner: Jid of the owner's number; None: not known.
        accounts: As `_accounts`.
    """

    owner: str | None
    accounts: Mapping[str, str]

    def has(self, device: Any) -> bool:
        """Check whether a row of this device is of the account that it is imported into.

        A device without an account is, unless the database knows of another account.
        """
        if self.owner is None:
            return True
        user = self.owner.partition("@")[0]
        account = _account(device, self.accounts)
        return account == user if account else {*self.accounts.values()} <= {user}


class _Addons:
    """The add-ons of the messages of a page.

    Attributes:
        reactions, edited: By message.
    """

    def __init__(self, archive: Opened, first: int, last: int, count: int) -> None:
        self.reactions: dict[_Key, list[ForeignReaction]] = {}
        self.edited: dict[_Key, int] = {}
        limit = count * _ADDONS
        if archive.schema.has(_REACTIONS, "message_id", "reactor_jid", "emoji", "reaction_timestamp"):
            for *key, who, emoji, own, at in archive.db.execute(
                """SELECT m.id, m.chat_jid, m.device_id,
                r.reactor_jid, r.emoji, r.is_from_me, r.reaction_timestamp
                FROM main.messages AS m JOIN main.message_reactions AS r ON r.message_id = m.id
                AND r.chat_jid = m.chat_jid AND r.device_id = m.device_id
                WHERE m.rowid > ? AND m.rowid <= ? LIMIT ?""",
                (first, last, limit),
            ):
                at_ms = millis_of(at)
                sender, said = text_of(who), text_of(emoji)
                if said and at_ms is not None and (own or sender):
                    reaction = ForeignReaction(None if own else sender, said, at_ms)
                    self.reactions.setdefault(_key(key), []).append(reaction)
        if archive.schema.has(_EDITS, "original_message_id", "chat_jid", "device_id", "edited_at"):
            for *key, at in archive.db.execute(
                """SELECT m.id, m.chat_jid, m.device_id, e.edited_at FROM main.messages AS m
                JOIN main.message_edits AS e ON e.original_message_id = m.id
                AND e.chat_jid = m.chat_jid AND e.device_id = m.device_id
                WHERE m.rowid > ? AND m.rowid <= ? LIMIT ?""",
                (first, last, limit),
            ):
                at_ms = millis_of(at)
                if at_ms is not None:
                    self.edited[_key(key)] = max(at_ms, self.edited.get(_key(key), at_ms))


def _key(values: list[Any]) -> _Key:
    return values[0], values[1], values[2]


def _accounts(archive: Opened) -> dict[str, str]:
    """The numbers of the accounts that it knows, by the name of their device."""
    if not archive.schema.has(_DEVICES, "device_id", "jid"):
        return {}
    rows = archive.db.execute("SELECT device_id, jid FROM main.devices LIMIT ?", (_ACCOUNTS,)).fetchall()
    return {name: user for name, jid in rows if isinstance(name, str) and (user := _user(jid))}


def _account(device: Any, accounts: Mapping[str, str]) -> str | None:
    """The number of a row's account; None where it is not told."""
    return accounts.get(device) or _user(device) if isinstance(device, str) else None


def _user(jid: Any) -> str | None:
    """The digits of a number's jid, without the device; None for what is none."""
    user, _, server = jid.partition("@") if isinstance(jid, str) else ("", "", "")
    return user.partition(":")[0] if server == "s.whatsapp.net" else None


def _chats(archive: Opened, ours: _Ours) -> tuple[list[ForeignPerson], list[ForeignChat]]:
    """People and groups with their names: it keeps both as chats."""
    device = "device_id" if archive.schema.has("chats", "device_id") else "NULL"
    rows = archive.db.execute(
        f"SELECT jid, name, {device} FROM main.chats LIMIT ?",  # noqa: S608
        (_CHATS,),
    ).fetchall()
    people: list[ForeignPerson] = []
    chats: list[ForeignChat] = []
    for jid, name, device in rows:
        if not isinstance(jid, str) or not ours.has(device):
            continue
        user, _, server = jid.partition("@")
        called = text_of(name)
        if called in {user, *(f"{made}{user}" for made in _MADE_NAMES)}:
            called = None
        if server in {"s.whatsapp.net", "lid"}:
            people.append(ForeignPerson(jid, push_name=called))
        elif server in {"g.us", "newsletter"}:
            chats.append(ForeignChat(jid, called))
    return people, chats


def _message(row: _Row, ours: _Ours, addons: _Addons) -> ForeignMessage | Unreadable:
    """A row whose types are right: what must be there is, and what may be there is left out if it is not."""
    if not ours.has(row.device):
        return Unreadable.OTHER_ACCOUNT
    place = place_of(row.id, row.chat)
    if isinstance(place, Unreadable):
        return place
    if row.from_me not in (0, 1, None) or not isinstance(row.content, str | None):
        return Unreadable.DAMAGED
    sent_at = seconds_of(row.timestamp)
    if sent_at is None:
        return Unreadable.NO_TIME
    sender = None if row.from_me else text_of(row.sender) or row.chat
    media_type = text_of(row.media_type)
    if media_type == "call":
        return _call(row, sender, sent_at)
    text = text_of(row.content) or ""
    if not text and media_type is None:
        return Unreadable.EMPTY
    kind, file = (MessageKind.TEXT, None) if media_type is None else _file(row, media_type)
    key = (row.id, row.chat, row.device)
    return ForeignMessage(
        row.id,
        row.chat,
        sender,
        sent_at,
        kind,
        text,
        details={"round": True} if media_type == "video_note" else {},
        file=file,
        edited_at_ms=addons.edited.get(key),
        reactions=tuple(addons.reactions.get(key, ())),
    )


def _call(row: _Row, sender: str | None, sent_at: int) -> ForeignMessage | Unreadable:
    call = row.id.removeprefix(_CALL)
    if not call or call.isdecimal():  # a call without an id is given its time
        return Unreadable.NO_ID
    details: dict[str, Any] = {"video": False}
    if isinstance(row.call, str) and _REJECTED in row.call:
        details["outcome"] = "rejected"
    return ForeignMessage(call, row.chat, sender, sent_at, MessageKind.CALL, details={"call": details})


def _file(row: _Row, media_type: str) -> tuple[MessageKind, ForeignFile]:
    kind, described = _KINDS.get(media_type, (MessageKind.DOCUMENT, "document"))
    return kind, ForeignFile(
        described,
        # It makes names up for all but documents.
        name=text_of(row.file_name) if kind is MessageKind.DOCUMENT else None,
        size=number_of(row.size),
        direct_path=text_of(row.direct_path),
        url=text_of(row.url),
        media_key=blob_of(row.media_key),
        sha256=blob_of(row.sha256),
        enc_sha256=blob_of(row.enc_sha256),
    )
