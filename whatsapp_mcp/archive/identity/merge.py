"""Merging two contacts or two chats: the messages of the one that goes are moved to the one that stays.

Add-ons, and whatever else is stored by address, need no moving. Refs stay valid: two messages that turn out
to be one keep both numbers. Search scopes in the index and the change feed still hold the old
numbers; the alias tables translate.
"""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.archive import database, state
from whatsapp_mcp.archive.database import ID_BITS, column, value
from whatsapp_mcp.decoding import CAME_SQL, PLACEHOLDERS, UNREAD_SQL, Flag

_COUNT_UNREAD = f"""SELECT count(*) FROM (
    SELECT 1 FROM messages AS m WHERE m.chat_id = c.id AND {UNREAD_SQL} LIMIT 999)"""  # noqa: S608
"""Unread messages of a chat (`c`): incoming, younger than the newest read one; 999 at most."""


_ADDS = f"(g.flags & {int(Flag.IMPORTED)} <= s.flags & {int(Flag.IMPORTED)})"
"""SQL condition: the copy that goes (`g`) may add to the one that stays (`s`)."""


def merge_contacts(db: sqlite3.Connection, keep: int, lose: int) -> None:
    """Move the addresses and messages of contact `lose` to contact `keep`; its direct chat stays."""
    db.execute("UPDATE addresses SET contact_id = ? WHERE contact_id = ?", (keep, lose))
    db.execute("DELETE FROM contacts WHERE id = ?", (lose,))
    # Aliases of the one that goes follow it: so one look-up always ends at the person.
    db.execute("UPDATE contact_aliases SET contact_id = ? WHERE contact_id = ?", (keep, lose))
    db.execute("INSERT OR REPLACE INTO contact_aliases (old_id, contact_id) VALUES (?, ?)", (lose, keep))
    _move_messages(db, "sender_id", keep, lose)


def merge_chats(db: sqlite3.Connection, keep: int, lose: int) -> None:
    """Move the messages and sends of chat `lose` to chat `keep` and delete it."""
    old = db.execute("DELETE FROM chats WHERE id = ? RETURNING read_id", (lose,)).fetchall()[0]
    db.execute("UPDATE chats SET read_id = max(read_id, ?) WHERE id = ?", (*old, keep))
    db.execute("UPDATE chat_aliases SET chat_id = ? WHERE chat_id = ?", (keep, lose))
    db.execute("INSERT OR REPLACE INTO chat_aliases (old_id, chat_id) VALUES (?, ?)", (lose, keep))
    _move_messages(db, "chat_id", keep, lose)
    db.execute("UPDATE outbox SET chat_id = ? WHERE chat_id = ?", (keep, lose))
    state.move_unreceipted(db, keep, lose)


def refresh_chat(db: sqlite3.Connection, chat: int) -> None:
    """Bring what is derived from a chat's messages up to date."""
    newest = "SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = ?1"
    db.execute(
        f"UPDATE chats AS c SET last_id = ({newest}), unread = ({_COUNT_UNREAD}) WHERE id = ?1",  # noqa: S608
        (chat,),
    )
    state.refresh_unread_mark(db, chat)


def spoken_in(db: sqlite3.Connection, contact: int) -> list[int]:
    """The chats in which a contact, not the owner, has said something."""
    spoken = "SELECT DISTINCT chat_id FROM messages WHERE sender_id = ? AND sender_id > 0"
    return column(db, spoken, (contact,))


def recount_unread(db: sqlite3.Connection, chat: int) -> None:
    """Count a chat's unread messages again."""
    db.execute(f"UPDATE chats AS c SET unread = ({_COUNT_UNREAD}) WHERE id = ?", (chat,))  # noqa: S608


def _move_messages(db: sqlite3.Connection, column: str, keep: int, lose: int) -> None:
    other = "sender_id" if column == "chat_id" else "chat_id"
    # `> 0` holds for all but the owner, who is never the one that goes; it lets SQLite use the partial index.
    twins = db.execute(
        f"""SELECT k.id, l.id FROM messages AS l CROSS JOIN messages AS k
        ON k.{column} = ? AND k.wa_id = l.wa_id AND k.{other} = l.{other}
        WHERE l.{column} = ? AND l.{column} > 0""",  # noqa: S608
        (keep, lose),
    ).fetchall()
    for kept, lost in twins:
        merge_messages(db, kept, lost)
    db.execute(
        f"UPDATE messages SET {column} = ? WHERE {column} = ? AND {column} > 0",  # noqa: S608
        (keep, lose),
    )


def message_worth(kind: int, flags: int) -> int:
    """Return the worth of a copy of a message; the copy with the higher worth replaces the other."""
    if kind in PLACEHOLDERS:
        return PLACEHOLDERS.index(kind)
    return len(PLACEHOLDERS) + 2 * (not flags & Flag.IMPORTED) + (not flags & Flag.ONLY_EDITED)


def merge_messages(db: sqlite3.Connection, message_id: int, other: int) -> int:
    """Deduplicate two copies of a message: the better content at the earlier time; answers its id."""
    rows: list[tuple[int, int, int]] = db.execute(
        "SELECT id, kind, flags FROM messages WHERE id IN (?, ?)", (message_id, other)
    ).fetchall()
    worths = {
        message: (message_worth(kind, flags), not flags & Flag.IMPORTED) for message, kind, flags in rows
    }
    if all(flags & Flag.IMPORTED for _, _, flags in rows):  # as where one file says more than another
        more = {message: state.shown_copy(db, message, state.CAME).worth for message in worths}
        stays, goes = (other, message_id) if more[other] > more[message_id] else (message_id, other)
    else:
        stays, goes = (other, message_id) if worths[other] > worths[message_id] else (message_id, other)
    # A file does not say when something was that came over the connection.
    came = [message for message, _, flags in rows if not flags & Flag.IMPORTED or _came(db, message)]
    sent_at = min(came or (stays, goes)) >> ID_BITS
    _drop_twin(db, stays, goes)
    return retime_message(db, stays, sent_at) if sent_at != stays >> ID_BITS else stays


def _came(db: sqlite3.Connection, message: int) -> bool:
    return state.has_received_copy(db, value(db, "SELECT ref FROM messages WHERE id = ?", (message,)))


def _drop_twin(db: sqlite3.Connection, stays: int, goes: int) -> None:
    """Delete the second copy of one message; its ref leads to the first from then on."""
    state.merge_copies(db, stays, goes)
    _redirect_refs(db, goes, stays)
    # Of what a file brought nothing is added to what came over the connection.
    db.execute(
        f"""UPDATE messages AS s SET flags = s.flags | iif({_ADDS}, g.flags & ~?, 0) | ?,
            revoked_at = coalesce(s.revoked_at, iif({_ADDS}, g.revoked_at, NULL)),
            via = CASE WHEN NOT {_ADDS} THEN s.via
                WHEN s.via IS NULL OR g.via IS NULL THEN NULL ELSE s.via END
        FROM messages AS g WHERE s.id = ? AND g.id = ?""",  # noqa: S608
        (Flag.ONLY_EDITED | Flag.IMPORTED, int(Flag.TWICE), stays, goes),
    )
    _move_watermarks(db, goes, stays)
    db.execute("DELETE FROM fts WHERE rowid = ?", (goes,))
    state.merge_file(db, stays, goes)
    db.execute(
        "INSERT INTO raw_gone VALUES (?, NULL, NULL) ON CONFLICT DO UPDATE SET becomes = NULL", (goes,)
    )
    chat = db.execute("DELETE FROM messages WHERE id = ? RETURNING chat_id", (goes,)).fetchall()[0][0]
    recount_unread(db, chat)


def retime_message(db: sqlite3.Connection, message: int, sent_at: int) -> int:
    """Move a message to the time that another copy of it had; answers its new id.

    That is one that no message had in this batch: what is noted of an id's raw form is of one message.
    """
    first = sent_at << ID_BITS
    new: int = value(
        db,
        """SELECT coalesce(max(id) + 1, ?1) FROM (SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2
        UNION ALL SELECT message_id FROM raw_gone WHERE message_id BETWEEN ?1 AND ?2)""",
        (first, first + (1 << ID_BITS) - 1),
    )
    _redirect_refs(db, message, new)
    db.execute("UPDATE messages SET id = ? WHERE id = ?", (new, message))
    state.move_file(db, message, new)
    _move_watermarks(db, message, new)
    db.execute(
        f"""UPDATE chats AS c SET read_id = max(read_id, (SELECT coalesce(max(id), 0) FROM messages AS m
        WHERE chat_id = c.id AND sender_id = 0 AND {CAME_SQL}))
        WHERE read_id = ?""",  # noqa: S608
        (new,),
    )
    db.execute(
        """INSERT INTO raw_gone SELECT ?1, NULL, iif(revoked_at IS NULL, id, NULL) FROM messages WHERE id = ?2
        ON CONFLICT DO UPDATE SET becomes = excluded.becomes""",
        (message, new),
    )
    database.unindex_message(db, message)
    database.reindex_message(db, new)
    return new


def _redirect_refs(db: sqlite3.Connection, old: int, new: int) -> None:
    ref, flags = db.execute("SELECT ref, flags FROM messages WHERE id = ?", (old,)).fetchone()
    # Only then several refs lead to it, and there is no index to find them by.
    if flags & Flag.TWICE:
        db.execute("UPDATE refs SET message_id = ? WHERE message_id = ?", (new, old))
    else:
        db.execute("UPDATE refs SET message_id = ? WHERE ref = ?", (new, ref))


def _move_watermarks(db: sqlite3.Connection, old: int, new: int) -> None:
    db.execute("UPDATE read_marks SET up_to = ? WHERE up_to = ?", (new, old))
    db.execute("UPDATE chats SET read_id = ? WHERE read_id = ?", (new, old))
    db.execute("UPDATE chats SET last_id = ? WHERE last_id = ?", (new, old))
