"""Making two contacts or two chats one: every row that names the one that goes is led to the one that stays.

Refs stay alive: two messages that turn out to be one keep both numbers. Search scopes in the index still
hold the old numbers; the alias tables translate.
"""

from __future__ import annotations

import sqlite3

from whatsapp_mcp.archive.facts import PLACEHOLDERS, UNREAD_SQL

_NEWER = {"reactions": "at", "votes": "at", "read_marks": "up_to", "early_receipts": "at", "revokes": "at"}
"""Tables of small states: of two rows that become one, the one with more in this column stays."""

_COUNT_UNREAD = f"""SELECT count(*) FROM (
    SELECT 1 FROM messages AS m WHERE m.chat_id = c.id AND {UNREAD_SQL} LIMIT 999)"""  # noqa: S608
"""Unread messages of a chat (`c`): incoming, younger than the newest read one; 999 at most."""


def merge_contacts(db: sqlite3.Connection, keep: int, lose: int) -> None:
    """Lead everything of contact `lose` to contact `keep`, except its direct chat."""
    db.execute("UPDATE addresses SET contact_id = ? WHERE contact_id = ?", (keep, lose))
    db.execute(
        """UPDATE contacts AS k SET
            pn = coalesce(k.pn, l.pn), lid = coalesce(k.lid, l.lid),
            saved_name = coalesce(k.saved_name, l.saved_name),
            business_name = coalesce(k.business_name, l.business_name),
            push_name = CASE WHEN k.push_name IS NULL OR (l.push_name IS NOT NULL
                AND (l.push_at, l.push_name) > (k.push_at, k.push_name))
                THEN l.push_name ELSE k.push_name END,
            push_at = max(k.push_at, l.push_at)
        FROM contacts AS l WHERE k.id = ? AND l.id = ?""",
        (keep, lose),
    )
    db.execute("DELETE FROM contacts WHERE id = ?", (lose,))
    db.execute("UPDATE contact_aliases SET contact_id = ? WHERE contact_id = ?", (keep, lose))
    db.execute("INSERT OR REPLACE INTO contact_aliases (old_id, contact_id) VALUES (?, ?)", (lose, keep))
    _move_messages(db, "sender_id", keep, lose)
    _move_states(db, "reactions", "sender_id", ("chat_id", "wa_id"), keep, lose)
    _move_states(db, "votes", "voter_id", ("chat_id", "wa_id"), keep, lose)
    _move_states(db, "revokes", "sender_id", ("chat_id", "wa_id"), keep, lose)
    _move_states(db, "read_marks", "contact_id", ("chat_id", "kind"), keep, lose)
    _move_states(db, "early_receipts", "contact_id", ("chat_id", "wa_id", "kind"), keep, lose)
    for table, column in (("edits", "sender_id"), ("members", "contact_id")):
        db.execute(f"UPDATE OR REPLACE {table} SET {column} = ? WHERE {column} = ?", (keep, lose))  # noqa: S608
    db.execute("UPDATE events SET actor_id = ? WHERE actor_id = ?", (keep, lose))


def merge_chats(db: sqlite3.Connection, keep: int, lose: int) -> None:
    """Lead everything of chat `lose` to chat `keep` and delete it."""
    row = db.execute("SELECT * FROM chats WHERE id = ?", (lose,)).fetchone()
    columns = [entry[1] for entry in db.execute("PRAGMA table_info(chats)").fetchall()]
    old = dict(zip(columns, row, strict=True))
    db.execute("DELETE FROM chats WHERE id = ?", (lose,))
    db.execute(
        """UPDATE chats SET last_id = max(last_id, :last_id), read_id = max(read_id, :read_id),
            marked_unread = max(marked_unread, :marked_unread), archived = max(archived, :archived),
            pinned = max(pinned, :pinned), muted_until = max(muted_until, :muted_until),
            expires_in = max(expires_in, :expires_in), complete = max(complete, :complete)
        WHERE id = :keep""",
        {**old, "keep": keep},
    )
    db.execute("UPDATE chat_aliases SET chat_id = ? WHERE chat_id = ?", (keep, lose))
    db.execute("INSERT OR REPLACE INTO chat_aliases (old_id, chat_id) VALUES (?, ?)", (lose, keep))
    _move_messages(db, "chat_id", keep, lose)
    _move_states(db, "reactions", "chat_id", ("wa_id", "sender_id"), keep, lose)
    _move_states(db, "votes", "chat_id", ("wa_id", "voter_id"), keep, lose)
    _move_states(db, "revokes", "chat_id", ("wa_id", "sender_id"), keep, lose)
    _move_states(db, "read_marks", "chat_id", ("contact_id", "kind"), keep, lose)
    _move_states(db, "early_receipts", "chat_id", ("wa_id", "contact_id", "kind"), keep, lose)
    for table in ("edits", "members", "calls"):
        db.execute(f"UPDATE OR REPLACE {table} SET chat_id = ? WHERE chat_id = ?", (keep, lose))  # noqa: S608
    for table in ("sealed", "outbox", "events"):
        db.execute(f"UPDATE {table} SET chat_id = ? WHERE chat_id = ?", (keep, lose))  # noqa: S608
    refresh_chat(db, keep)


def refresh_chat(db: sqlite3.Connection, chat: int) -> None:
    """Bring what is derived from a chat's messages up to date."""
    newest = "SELECT coalesce(max(id), 0) FROM messages WHERE chat_id = ?1"
    db.execute(
        f"UPDATE chats AS c SET last_id = ({newest}), unread = ({_COUNT_UNREAD}) WHERE id = ?1",  # noqa: S608
        (chat,),
    )


def recount_unread(db: sqlite3.Connection, chat: int) -> None:
    """Count a chat's unread messages anew."""
    db.execute(f"UPDATE chats AS c SET unread = ({_COUNT_UNREAD}) WHERE id = ?", (chat,))  # noqa: S608


def _move_states(
    db: sqlite3.Connection, table: str, column: str, rest: tuple[str, ...], keep: int, lose: int
) -> None:
    same = " AND ".join(f"o.{name} = {table}.{name}" for name in rest)
    newer = _NEWER[table]
    for one, other, strict in ((keep, lose, ""), (lose, keep, "=")):
        db.execute(
            f"""DELETE FROM {table} WHERE {column} = ? AND EXISTS (SELECT 1 FROM {table} AS o
            WHERE o.{column} = ? AND {same} AND o.{newer} >{strict} {table}.{newer})""",  # noqa: S608
            (one, other),
        )
    db.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (keep, lose))  # noqa: S608


def _move_messages(db: sqlite3.Connection, column: str, keep: int, lose: int) -> None:
    other = "sender_id" if column == "chat_id" else "chat_id"
    twins = db.execute(
        f"""SELECT k.id, k.kind, l.id, l.kind FROM messages AS l JOIN messages AS k
        ON k.{column} = ? AND k.wa_id = l.wa_id AND k.{other} = l.{other} WHERE l.{column} = ?""",  # noqa: S608
        (keep, lose),
    ).fetchall()
    for kept, kept_kind, lost, lost_kind in twins:
        lost_is_better = kept_kind in PLACEHOLDERS and lost_kind not in PLACEHOLDERS
        drop_twin(db, *((lost, kept) if lost_is_better else (kept, lost)))
    db.execute(f"UPDATE messages SET {column} = ? WHERE {column} = ?", (keep, lose))  # noqa: S608


def drop_twin(db: sqlite3.Connection, stays: int, goes: int) -> None:
    """Delete the second copy of one message; its ref leads to the first."""
    db.execute(
        """UPDATE messages AS s SET flags = s.flags | g.flags,
            revoked_at = coalesce(s.revoked_at, g.revoked_at)
        FROM messages AS g WHERE s.id = ? AND g.id = ?""",
        (stays, goes),
    )
    db.execute("UPDATE refs SET message_id = ? WHERE message_id = ?", (stays, goes))
    db.execute("UPDATE read_marks SET up_to = ? WHERE up_to = ?", (stays, goes))
    db.execute("UPDATE chats SET read_id = ? WHERE read_id = ?", (stays, goes))
    db.execute("UPDATE chats SET last_id = ? WHERE last_id = ?", (stays, goes))
    db.execute("DELETE FROM fts WHERE rowid = ?", (goes,))
    db.execute("DELETE FROM media WHERE message_id = ?", (goes,))
    chat = db.execute("DELETE FROM messages WHERE id = ? RETURNING chat_id", (goes,)).fetchall()[0][0]
    recount_unread(db, chat)
