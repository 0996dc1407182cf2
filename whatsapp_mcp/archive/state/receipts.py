"""Read watermarks: up to where everybody has received, read and played, and the owner has read.

There is one per address, chat and kind, and it covers everything up to its message. That of a number alone is
the number's: it counts for whoever had the number, for what was sent in their time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from typing import Any, Final

from whatsapp_mcp.archive.database import ID_BITS, value
from whatsapp_mcp.archive.state import addons
from whatsapp_mcp.archive.state.addon_kinds import EARLY_RECEIPTS
from whatsapp_mcp.archive.state.number_history import NumberHistory
from whatsapp_mcp.decoding import CAME_SQL, OWNER, ReceiptKind

Watermarks = dict[tuple[int, int], tuple[int, int]]
"""(contact or `EVERYONE`, kind) to (newest message, when)."""
EVERYONE: Final = -1
"""Stands for all members of a group together, where the phone does not say who."""
_OWNER_ADDRESS: Final = 0
_COLUMNS: Final = """SELECT c.id, c.contact_id, a.jid, a.contact_id, a.reassigned AND a.jid NOT LIKE '%@lid',
 r.kind, r.up_to, r.at"""
_WATERMARKS: Final = f"""
{_COLUMNS} FROM chats AS c CROSS JOIN {{table}} AS r ON r.chat_id = c.id
 LEFT JOIN addresses AS a ON a.id = r.address_id WHERE c.id IN ({{chats}}) AND {{kinds}}
UNION ALL {_COLUMNS} FROM chats AS c CROSS JOIN addresses AS a ON a.contact_id = c.contact_id
 CROSS JOIN {{table}} AS r ON r.chat_id = 0 AND r.address_id = a.id WHERE c.id IN ({{chats}}) AND {{kinds}}
UNION {_COLUMNS} FROM chats AS c CROSS JOIN addresses AS l ON l.contact_id = c.contact_id AND l.reassigned
 CROSS JOIN number_history AS h ON h.lid = l.jid CROSS JOIN addresses AS a ON a.jid = h.pn
 CROSS JOIN {{table}} AS r ON r.chat_id = 0 AND r.address_id = a.id WHERE c.id IN ({{chats}}) AND {{kinds}}
"""
"""(chat, with whom, jid, whose it is, whether several people had it, kind, up to, when) of chats' watermarks.

Those of the chat, of the addresses of its person, and of numbers that they had."""


def store_receipt(
    db: sqlite3.Connection, chat_address: int, address: int, wa_id: str, kind: ReceiptKind, receipt_at: int
) -> bool:
    """Take a receipt for one message, or let it wait for its message; whether it said anything new.

    Args:
        db: The archive, in a write transaction.
        chat_address: Address of the chat, as it came.
        address: Of the reader; in a chat with one person, of the chat.
        wa_id: WhatsApp's id of the message.
        kind: What became of it.
        receipt_at: When.
    """
    messages = [
        one
        for one in addons.addon_messages(db, wa_id, chat_address)
        if (one.target.sender == OWNER) != (kind is ReceiptKind.SEEN)
    ]
    # That a file brought a message moves nothing: the file may go again. Its receipt goes on waiting.
    there = [one for one in messages if not one.imported or has_received_copy(db, one.ref)]
    if not there:
        addons.insert_addon(db, EARLY_RECEIPTS, (wa_id, chat_address, address, receipt_at, int(kind)))
        if kind is not ReceiptKind.SEEN:
            moved = [advance_imported(db, one, address, kind, receipt_at) for one in messages]
            return any(moved)
        moved = [seen(db, chat, address, 0, receipt_at) for chat in addons.addon_chats(db, chat_address)]
        return any(moved)
    changed = False
    for one in sorted(there):
        chat, person = one.target.chat, _person(db, one.target.chat)
        if one.via is not None and person is not None:
            _confirm_person(db, one.id, address)
        if kind is ReceiptKind.SEEN:
            receipted(db, chat)
            changed |= seen(db, chat, address, one.id, receipt_at)
        else:
            changed |= _advance(db, chat if person is None else 0, address, kind, one.id, receipt_at)
    return changed


def _person(db: sqlite3.Connection, chat: int) -> int | None:
    """With whom a direct chat is."""
    return value(db, "SELECT contact_id FROM chats WHERE id = ?", (chat,))


def has_received_copy(db: sqlite3.Connection, ref: int) -> bool:
    """Return whether a lesser version of a file's message came over the connection."""
    copy = "SELECT 1 FROM imported_copies WHERE ref = ? AND import_id = 0"
    return db.execute(copy, (ref,)).fetchone() is not None


def advance_imported(
    db: sqlite3.Connection, message: addons.AddOnMessage, address: int, kind: ReceiptKind, receipt_at: int
) -> bool:
    """Take a receipt that came over the connection for a message that a file brought."""
    chat = message.target.chat
    mark = (chat if _person(db, chat) is None else 0, address, int(kind), message.id, receipt_at)
    return store_imported_marks(db, 0, [mark])


def take_early_imported(db: sqlite3.Connection, chat: int, wa_id: str) -> None:
    """Let the waiting receipts of a message that a file brought count; they go on waiting."""
    for chat_address, address, at, kind in db.execute(
        """SELECT chat_address, sender_address, at, kind FROM early_receipts WHERE wa_id = ? AND kind > 0
        AND chat_address IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?)""",
        (wa_id, chat),
    ).fetchall():
        for one in addons.addon_messages(db, wa_id, chat_address):
            if one.imported and one.target.sender == OWNER and not has_received_copy(db, one.ref):
                advance_imported(db, one, address, ReceiptKind(kind), at)


def forget_imported_marks(db: sqlite3.Connection, number: int) -> None:
    """An import is undone: its watermarks go, and those of receipts for its messages."""
    db.execute("DELETE FROM imported_marks WHERE import_id IN (0, ?)", (number,))
    waiting = db.execute(
        """SELECT DISTINCT m.chat_id, m.wa_id FROM early_receipts AS e JOIN chat_addresses AS v
        ON v.address_id = e.chat_address JOIN messages AS m ON (m.chat_id, m.wa_id) = (v.chat_id, e.wa_id)"""
    ).fetchall()
    for chat, wa_id in waiting:
        take_early_imported(db, chat, wa_id)


def store_imported_marks(
    db: sqlite3.Connection, number: int, marks: Collection[tuple[int, int, int, int, int]]
) -> bool:
    """Move the watermarks of an import forward; whether one was moved.

    Args:
        db: The archive, in a write transaction.
        number: Of the import; 0: receipts that came over the connection.
        marks: Rows as of `read_marks`.
    """
    return (
        db.executemany(
            f"""INSERT INTO imported_marks VALUES (?, ?, ?, ?, ?, {number}) ON CONFLICT DO UPDATE
            SET up_to = excluded.up_to, at = excluded.at
            WHERE excluded.up_to > up_to OR (excluded.up_to = up_to AND excluded.at < at)""",  # noqa: S608
            marks,
        ).rowcount
        > 0
    )


def _confirm_person(db: sqlite3.Connection, message: int, address: int) -> None:
    """A receipt under a LID, in the chat with one person, shows whose a message is."""
    db.execute(
        """UPDATE messages SET via = NULL WHERE id = ?
        AND EXISTS (SELECT 1 FROM addresses WHERE id = ? AND jid LIKE '%@lid')""",
        (message, address),
    )


def _advance(
    db: sqlite3.Connection, scope: int, address: int, kind: ReceiptKind, up_to: int, receipt_at: int
) -> bool:
    """Move a watermark forward; it never goes back."""
    return (
        db.execute(
            # Of one watermark the earlier time counts, so that the order of two receipts does not matter.
            """INSERT INTO read_marks VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
        SET up_to = excluded.up_to, at = excluded.at
        WHERE excluded.up_to > up_to OR (excluded.up_to = up_to AND excluded.at < at)""",
            (scope, address, int(kind), up_to, receipt_at),
        ).rowcount
        > 0
    )


def seen(db: sqlite3.Connection, chat: int, address: int | None, up_to: int, read_at: int) -> bool:
    """The owner has read a chat; whether it counts as read further than before.

    Args:
        db: The archive, in a write transaction.
        chat: Which.
        address: Under which it came, in a chat with one person; None: any that they have.
        up_to: The newest message that was read; 0: one that is not here.
        read_at: When it was read; 0: it is not known.
    """
    person = _person(db, chat)
    if person is None:
        scope, address = chat, _OWNER_ADDRESS
    else:
        scope, address = 0, _lasting(db, person) if address is None else address
    db.execute(
        """INSERT INTO read_marks VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET up_to = max(up_to, excluded.up_to), at = max(at, excluded.at)""",
        (scope, address, int(ReceiptKind.SEEN), up_to, read_at),
    )
    forward = "UPDATE chats SET read_id = ?1 WHERE id = ?2 AND read_id < ?1"
    return db.execute(forward, (up_to, chat)).rowcount > 0


def _lasting(db: sqlite3.Connection, person: int) -> int:
    """The address of a person that is the least likely to become somebody else's."""
    lasting = "SELECT id FROM addresses WHERE contact_id = ? ORDER BY jid LIKE '%@lid' DESC, jid LIMIT 1"
    return value(db, lasting, (person,))


def watermarks(
    db: sqlite3.Connection, chats: Collection[int], *, imported: bool = False
) -> dict[int, Watermarks]:
    """Return the newest watermark of each kind for everybody but the owner, by chat.

    Under a number that several people had, it covers for each of them what the owner sent in their time.

    Args:
        db: The archive.
        chats: Which chats.
        imported: Of messages that files brought, for which count also watermarks that files told.
    """
    by_chat: dict[int, Watermarks] = {chat: {} for chat in chats}
    for table in ("read_marks", "imported_marks") if imported else ("read_marks",):
        for chat, contact, kind, up_to, at in _of_others(db, chats, table):
            key = (contact, kind)
            known = by_chat[chat].get(key)
            if known is None or (up_to, -at) > (known[0], -known[1]):
                by_chat[chat][key] = (up_to, at)
    return by_chat


def _of_others(
    db: sqlite3.Connection, chats: Collection[int], table: str
) -> Iterator[tuple[int, int, int, int, int]]:
    for chat, person, jid, contact, shared, kind, up_to, at in _rows(db, chats, table=table):
        if not shared:
            yield chat, EVERYONE if contact is None else contact, kind, up_to, at
            continue
        for holder, since, until in NumberHistory(db, jid).spans():
            if person is None or holder == person:
                newest = _newest(db, chat, up_to, since, until, exactly=person is not None, mine=True)
                if newest:
                    yield chat, holder, kind, newest, at


def _rows(
    db: sqlite3.Connection, chats: Collection[int], *, seen: bool = False, table: str = "read_marks"
) -> list[Any]:
    """Rows of `_WATERMARKS`: what the owner has read, or how far everybody else has come."""
    if not chats:
        return []
    places = ", ".join(f"?{number}" for number in range(1, len(chats) + 1))
    kinds = "r.kind = 0" if seen else "r.kind > 0 AND r.address_id != 0"
    return db.execute(_WATERMARKS.format(chats=places, kinds=kinds, table=table), [*chats]).fetchall()


def _newest(
    db: sqlite3.Connection, chat: int, up_to: int, since: int, until: int, *, exactly: bool, mine: bool
) -> int:
    """The newest message of a chat up to a watermark, of some seconds; 0: there is none.

    Args:
        db: The archive.
        chat: Which chat.
        up_to: The message of the watermark.
        since: The first of the seconds.
        until: The second after the last.
        exactly: Whether that message itself counts, whenever it was.
        mine: Only what the owner sent.
    """
    within = f"""SELECT id FROM messages WHERE chat_id = ? AND id BETWEEN ? AND ?
        {"AND sender_id = 0" if mine else ""} ORDER BY id DESC LIMIT 1"""  # noqa: S608
    spans = [(since << ID_BITS, min(up_to, (until << ID_BITS) - 1)), *([(up_to, up_to)] if exactly else [])]
    return max(value(db, within, (chat, *span)) or 0 for span in spans)


def reread(db: sqlite3.Connection, chat: int) -> None:
    """Derive how far a chat was read: up to what the owner sent, or read on any device."""
    read = _newest_own(db, chat)
    for _, person, jid, _, shared, _, up_to, _ in _rows(db, [chat], seen=True):
        if not shared:
            read = max(read, up_to)
            continue
        for holder, since, until in NumberHistory(db, jid).spans():
            if holder == person:
                read = max(read, _newest(db, chat, up_to, since, until, exactly=True, mine=False))
    db.execute("UPDATE chats SET read_id = ? WHERE id = ?", (read, chat))


def _newest_own(db: sqlite3.Connection, chat: int) -> int:
    """Return the id of the owner's newest message that came over the connection; 0 if none."""
    newest = f"""SELECT id FROM messages AS m WHERE chat_id = ? AND sender_id = 0
        AND {CAME_SQL} ORDER BY id DESC LIMIT 1"""  # noqa: S608
    return value(db, newest, (chat,)) or 0


def is_seen_since(db: sqlite3.Connection, chat: int, since: int) -> bool:
    """Check whether the owner has read a chat, or sent something there, after a time."""
    if _newest_own(db, chat) >> ID_BITS > since:
        return True
    return any(last > since for *_, last in _rows(db, [chat], seen=True))


def unreceipted(db: sqlite3.Connection, chat: int) -> None:
    """Remember from where on no read receipts went out: a send is about to make the chat count as read."""
    db.execute(
        "INSERT OR IGNORE INTO read_marks SELECT id, ?, ?, read_id, 0 FROM chats WHERE id = ? AND unread > 0",
        (_OWNER_ADDRESS, int(ReceiptKind.READ), chat),
    )


def receipted(db: sqlite3.Connection, chat: int) -> None:
    """Read receipts went out for all that a chat holds."""
    db.execute(
        "DELETE FROM read_marks WHERE (chat_id, address_id, kind) = (?, ?, ?)",
        (chat, _OWNER_ADDRESS, int(ReceiptKind.READ)),
    )


def move_unreceipted(db: sqlite3.Connection, keep: int, lose: int) -> None:
    """Move what `unreceipted` remembers of a chat to the one that it was merged into."""
    db.execute(
        """INSERT INTO read_marks SELECT ?, address_id, kind, up_to, at FROM read_marks WHERE chat_id = ?
        ON CONFLICT DO UPDATE SET up_to = max(up_to, excluded.up_to)""",
        (keep, lose),
    )
    db.execute("DELETE FROM read_marks WHERE chat_id = ?", (lose,))


def apply_early(db: sqlite3.Connection, chat: int, wa_id: str | None = None) -> None:
    """Take the waiting receipts of a chat (or of one message in it) that can be taken now."""
    rows = db.execute(
        f"""SELECT * FROM early_receipts WHERE {"1" if wa_id is None else "wa_id = ?2"}
        AND chat_address IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?1)""",  # noqa: S608
        (chat,) if wa_id is None else (chat, wa_id),
    ).fetchall()
    for row in rows:
        waiting, chat_address, address, receipt_at, kind = row
        db.execute(
            # Deleted first: it is stored again if it has to wait on.
            """DELETE FROM early_receipts
            WHERE (wa_id, chat_address, sender_address, at, kind) = (?, ?, ?, ?, ?)""",
            row,
        )
        store_receipt(db, chat_address, address, waiting, ReceiptKind(kind), receipt_at)
