"""What a message says now: its original, the edits of its own sender, a revoke. Whichever comes first."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Literal

from whatsapp_mcp.archive import database
from whatsapp_mcp.archive.database import placeholders
from whatsapp_mcp.archive.state import addons
from whatsapp_mcp.archive.state.addon_kinds import EDITS, REVOKES
from whatsapp_mcp.archive.state.files import drop_file
from whatsapp_mcp.decoding import PLACEHOLDERS, Flag


def apply_versions(db: sqlite3.Connection, message: int) -> Literal["edit", "revoke"] | None:
    """Bring a message's row in line with what is known of its edits and revokes; says what changed."""
    target = addons.target_of(db, message)
    revokes = addons.read_addons(db, REVOKES, [target]).get(target)
    kind, text, original, edited_at, revoked_at = db.execute(
        "SELECT kind, text, original, edited_at, revoked_at FROM messages WHERE id = ?", (message,)
    ).fetchone()
    if revokes:
        erase(db, message, revokes[0].at)
        return "revoke" if revoked_at is None else None
    if kind in PLACEHOLDERS or revoked_at is not None:  # a file said that it was deleted
        return None
    edits = addons.read_addons(db, EDITS, [target]).get(target)
    if not edits:
        return None
    _, at, (newest,) = edits[-1]
    if edited_at == at // 1000 and text == newest:
        return None
    if original is None and edited_at is not None and edited_at >= at // 1000:
        return None  # a file has a later text of it
    db.execute(
        """UPDATE messages SET original = iif(edited_at IS NULL, text, original), text = ?, edited_at = ?
        WHERE id = ?""",
        (newest, at // 1000, message),
    )
    database.reindex_message(db, message)
    return "edit"


def erase(db: sqlite3.Connection, message: int, at: int) -> None:
    """Take the content out of a message that was deleted for everyone, and its add-ons; its row stays.

    Its raw form and its file go too: `Ingest` reads `raw_gone` (`schema.RAW_GONE`). What was seen under a LID
    has shown whose the message is, and that is kept.
    """
    named = addons.erase_addons(db, addons.target_of(db, message))
    db.execute(
        """UPDATE messages SET text = '', original = NULL, details = NULL, flags = flags & ?, revoked_at = ?,
        edited_at = NULL, via = iif(?, NULL, via) WHERE id = ?""",
        (Flag.TWICE | Flag.IMPORTED, at, named, message),
    )
    # What came over the connection stays a placeholder; what files say of it is as deleted as it.
    db.execute(
        """DELETE FROM imported_copies WHERE import_id != 0
        AND ref = (SELECT ref FROM messages WHERE id = ?)""",
        (message,),
    )
    db.execute(
        """INSERT INTO raw_gone VALUES (?1, (SELECT path FROM media WHERE message_id = ?1), NULL)
        ON CONFLICT DO UPDATE SET path = coalesce(excluded.path, path), becomes = NULL""",
        (message,),
    )
    drop_file(db, message)
    database.unindex_message(db, message)


def apply_versions_of(db: sqlite3.Connection, people: Collection[int]) -> None:
    """Apply edits and revokes of every message under the addresses of some people, who have new ones."""
    addresses = f"""SELECT a.id FROM addresses AS a WHERE a.contact_id IN ({placeholders(people)})
        UNION SELECT n.id FROM addresses AS a JOIN number_history AS h ON h.lid = a.jid
        JOIN addresses AS n ON n.jid = h.pn WHERE a.contact_id IN ({placeholders(people)})"""  # noqa: S608
    for kind in (EDITS, REVOKES):
        for wa_id, chat_address in db.execute(
            f"""WITH theirs AS MATERIALIZED ({addresses})
            SELECT DISTINCT wa_id, chat_address FROM {kind.table}
            WHERE chat_address IN theirs OR sender_address IN theirs""",  # noqa: S608
            [*people, *people],
        ).fetchall():
            for message, *_ in addons.addon_messages(db, wa_id, chat_address):
                apply_versions(db, message)
