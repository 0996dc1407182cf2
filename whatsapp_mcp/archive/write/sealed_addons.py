"""Add-ons sealed with a message's secret: edits, reactions, comments of newer clients, opened where we can.

Keys are made as for poll votes (`state/current_messages.py`), with another use in the derivation (whatsmeow,
`msgsecret.go`).
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from itertools import product
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsapp_mcp import protobufs
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.state import address_forms, contact_addresses, secret_key
from whatsapp_mcp.decoding import (
    ADDON_FIELDS,
    HISTORY_CODE,
    UNDECODABLE,
    EditUpdate,
    MessageUpdate,
    OpenedAddon,
    Origin,
    ReactionUpdate,
    Update,
    content_of,
    decode_addon,
    event_answer,
    make_legible,
    message_parts,
    millis,
)
from whatsapp_mcp.protobufs.bounded import parsed

_USES: Final = {
    "encReactionMessage": ("Enc Reaction",),
    "encCommentMessage": ("Enc Comment",),
    "encEventResponseMessage": ("Event Response",),
    "secretEncryptedMessage": ("Message Edit", "Event Edit"),
}
"""Field of `E2E.Message` to what its key may be made for."""
_PLAIN: Final = {"encReactionMessage": "ReactionMessage", "encEventResponseMessage": "EventResponseMessage"}
"""Field of `E2E.Message` to the protobuf sealed in it, where that is not a whole `Message`."""

_WAITING: Final = """SELECT s.wa_id, s.chat_address, s.sender_address, s.at, s.own_id, s.name, s.payload,
 s.iv, s.sender_jid, m.id, m.sender_id, c.jid, p.jid
 FROM sealed AS s JOIN chat_addresses AS v ON v.address_id = s.chat_address
 JOIN messages AS m ON m.chat_id = v.chat_id AND m.wa_id = s.wa_id
 JOIN addresses AS c ON c.id = s.chat_address LEFT JOIN addresses AS p ON p.id = s.sender_address"""
"""SQL for sealed add-ons whose message is here; the last two columns are chat and sender, by the addresses as
they came."""


def open_waiting_addons(db: sqlite3.Connection, raw: sqlite3.Connection) -> list[OpenedAddon]:
    """Open what waits for messages that are here; what cannot be read goes on waiting.

    Args:
        db: The archive.
        raw: Raw protobufs, which hold the secrets.
    """
    opened: list[OpenedAddon] = []
    for row in db.execute(_WAITING).fetchall():
        target, place, sender, moment, own_id, name, payload, iv, sender_jid, message, author, chat, who = row
        secret = _secret_of(db, raw, message)
        if secret is None:
            continue
        given: list[str] = [sender_jid] if sender_jid else []
        senders = list(dict.fromkeys(given + address_forms(db, sender)))
        plain = _open(secret, target, contact_addresses(db, author), senders, _USES[name], payload, iv)
        if plain is None:
            continue
        origin = Origin(chat, who, sender_jid, own_id, moment, live=True)
        with suppress(*UNDECODABLE):
            key = (target, place, sender, moment, own_id)
            opened.append(OpenedAddon(key, tuple(_updates(name, plain, origin, target))))
    return opened


def _secret_of(db: sqlite3.Connection, raw: sqlite3.Connection, message: int) -> bytes | None:
    """The secret of a message: of what we sent it stands in the details, of others in the raw protobuf."""
    own = "SELECT details ->> 'secret' FROM messages WHERE id = ? AND details IS NOT NULL"
    if secret := value(db, own, (message,)):
        return bytes.fromhex(secret)
    row = raw.execute("SELECT code, payload FROM raw WHERE message_id = ?", (message,)).fetchone()
    return _secret(*row) if row else None


def _secret(code: int, payload: bytes) -> bytes | None:
    """The secret that a message carries."""
    if code == HISTORY_CODE:
        value = parsed(protobufs.Web.WebMessageInfo, payload)
        return value.messageSecret or message_parts(value.message).secret
    event = parsed(protobufs.Neonize.Message, payload)
    return message_parts(event.Message).secret or message_parts(event.Raw).secret


def _open(
    secret: bytes,
    target: str,
    authors: list[str],
    senders: list[str],
    uses: tuple[str, ...],
    payload: bytes,
    iv: bytes,
) -> bytes | None:
    for author, sender, use in product(authors, senders, uses):
        key = secret_key(secret, target, author, sender, use)
        # Some uses are sealed with additional data and others without: which one shows only by trying.
        for data in (b"", f"{target}\x00{sender}".encode()):
            try:
                return AESGCM(key).decrypt(iv, payload, data)
            except (InvalidTag, ValueError):
                continue
    return None


def _updates(name: str, plain: bytes, origin: Origin, target: str) -> list[Update]:
    value: Any = parsed(getattr(protobufs.E2E, _PLAIN.get(name, "Message")), plain)
    make_legible(value)
    if name == "encReactionMessage":
        at_ms = millis(value.senderTimestampMS, origin.at)
        return [ReactionUpdate(origin.chat, origin.author, target, value.text, at_ms)]
    if name == "encEventResponseMessage":
        return event_answer(value, origin.chat, origin.author, target, origin.at)
    parts = message_parts(value)
    for part, change in parts.found:
        if part in ADDON_FIELDS:
            return decode_addon(part, change, origin)
    content = content_of(*parts)
    if content is None:
        return []
    if name == "secretEncryptedMessage":
        return [EditUpdate(origin.chat, origin.author, target, origin.at * 1000, content)]
    content.reply_to = content.reply_to or target
    return [MessageUpdate(origin.chat, origin.author, origin.wa_id, origin.at, content, live=True)]
