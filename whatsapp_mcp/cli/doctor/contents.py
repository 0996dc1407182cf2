"""Checks of what an account's databases hold, beside each other: whether something of it was lost."""

from __future__ import annotations

import sqlite3
from typing import Final

from whatsapp_mcp.cli.doctor.databases import Unread, read_only
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import AccountFolder

_DEVICES: Final = "SELECT jid FROM whatsmeow_device"
_OTHERS: Final = """SELECT EXISTS (
    SELECT 1 FROM whatsmeow_sessions AS s, whatsmeow_device AS d
    WHERE substr(s.their_id, 1, instr(s.their_id || ':', ':') - 1) NOT IN (
        substr(d.jid, 1, instr(d.jid, ':') - 1),
        coalesce(substr(d.lid, 1, instr(d.lid, ':') - 1), '') || '_1'))"""
"""Whether keys for others than the account itself were ever used: a message to or from them was."""
_EVER: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'refs'"
"""The last number that was given to a message, which a purge leaves."""
_AGAIN: Final = (
    "Restore it from a backup (docs/backup.md). Without one, run `whatsapp-mcp unlink`, then"
    " `whatsapp-mcp link`: the phone hands its history over again."
)


def linked_devices(folder: AccountFolder) -> list[str]:
    """The jids of the devices whose keys are here; none where they cannot be read at all.

    Raises:
        Unread: They cannot be read now.
    """
    if not folder.client_db.exists():
        return []
    try:
        with read_only(folder, folder.client_db) as db:
            return [str(row[0]) for row in db.execute(_DEVICES)]
    except sqlite3.DatabaseError:  # `integrity` tells of it, and a new one has no table yet
        return []


def has_held_messages(folder: AccountFolder) -> bool:
    """Whether the archive has ever held a message, as far as it can be read."""
    try:
        with read_only(folder, folder.archive_db) as db:
            return bool(db.execute(_EVER).fetchone()[0])
    except Unread as reason:
        return "no such table" not in str(reason.__cause__)
    except (WhatsAppError, sqlite3.DatabaseError):  # `encryption` or `integrity` tells of it
        return True


def archive(folder: AccountFolder) -> Finding:
    """Whether a linked account has what it must have received by now."""
    name = "archive"
    if folder.in_database:
        return Finding(name, True, "a copy of what the database holds")
    is_there = folder.archive_db.exists() and folder.archive_db.stat().st_size > 0
    if is_there and has_held_messages(folder):
        return _beside(name, folder)
    try:
        is_linked, has_talked = bool(linked_devices(folder)), _has_talked(folder)
    except Unread as reason:
        return Finding(name, True, f"client.db {reason}")
    if is_linked and not is_there:
        said = "archive.db is missing or empty, although a phone is linked: every message is gone"
        return Finding(name, False, said, _AGAIN)
    if is_linked and has_talked:
        said = "archive.db has never held a message, although keys for chats with others are here"
        return Finding(name, False, said, _AGAIN)
    return Finding(name, True, "no message has come yet" if is_linked else "no phone is linked")


def _has_talked(folder: AccountFolder) -> bool:
    if not folder.client_db.exists():
        return False
    try:
        with read_only(folder, folder.client_db) as db:
            return bool(db.execute(_OTHERS).fetchone()[0])
    except sqlite3.DatabaseError:
        return False


def _beside(name: str, folder: AccountFolder) -> Finding:
    """Whether what belongs to an archive with messages lies beside it."""
    if not folder.raw_db.exists():
        said = "raw.db is missing: earlier messages cannot be decoded again by a later version"
        action = (
            "End this account's servers and restore raw.db from a backup (docs/backup.md). Without one, run"
            " `whatsapp-mcp status --wait`, which makes an empty one."
        )
        return Finding(name, False, said, action)
    if folder.approval_key.exists() and not folder.ledger_db.exists():
        said = "ledger.db is missing: the record of what agents did"
        action = (
            "End this account's servers and restore ledger.db from a backup (docs/backup.md). Without one,"
            " run `whatsapp-mcp status --wait`, which begins a new record."
        )
        return Finding(name, False, said, action)
    return Finding(name, True, "holds messages, with what belongs to them")
