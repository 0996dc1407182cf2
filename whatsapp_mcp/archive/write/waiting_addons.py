"""Bounds on add-ons that wait for their message: anybody can send some for messages that never come.

What waits stands in the order in which it came. Beyond so many bytes of one address the oldest goes, and what
waited for a year; how many went is counted in `meta`. An add-on whose message came meanwhile stays.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.state import ADDONS, EARLY_RECEIPTS, REVOKES, SEALED, AddOn, Address, People
from whatsapp_mcp.archive.write.floods import ROW
from whatsapp_mcp.decoding import OWNER

MOST: Final = 1 << 20
"""Bytes that what waits of one address takes together, rows included: some 2,000 reactions."""
LONGEST: Final = 366 * 86_400
"""Seconds after which an add-on waits no more."""
_AT_ONCE: Final = 1_000
"""Add-ons that are looked at in one step for how long they have waited."""
_KINDS: Final = {kind.table: kind for kind in ADDONS}
_ROWS: Final = "SELECT id, kind, wa_id, chat_address, sender_address, at FROM waiting_addons"
_OLDEST: Final = f"{_ROWS} WHERE counted_to = ? ORDER BY id LIMIT 1"
_OVERDUE: Final = f"{_ROWS} WHERE came < ? ORDER BY id LIMIT {_AT_ONCE}"
_TOGETHER: Final = "SELECT total(bytes) FROM waiting_addons WHERE counted_to = ?"
_DROPPED: Final = """INSERT INTO meta VALUES ('addons_dropped', ?)
 ON CONFLICT DO UPDATE SET value = value + excluded.value"""


class _Waiting(NamedTuple):
    id: int
    table: str
    wa_id: str
    chat: int
    sender: int
    at: int


def note_waiting(
    db: sqlite3.Connection, kind: AddOn, row: Sequence[Any], chat: Address, sender: Address, came: int
) -> None:
    """Note that an add-on waits; with too much of its sender here, the oldest goes.

    Args:
        row: It, as it is stored: `wa_id`, `at`, and the columns of its kind.
        came: When it came, in seconds since 1970.
    """
    # A revoke may name anybody as the author: what waits of those is counted to the chat.
    counted_to = chat if kind is REVOKES else sender
    if counted_to.contact == OWNER:
        return
    wa_id, at, *says = row
    size = ROW + sum(len(one) for one in says if isinstance(one, str | bytes))
    db.execute(
        "INSERT INTO waiting_addons VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
        (counted_to.id, size, came, kind.table, wa_id, chat.id, sender.id, at),
    )
    while value(db, _TOGETHER, (counted_to.id,)) > MOST:
        _drop(db, db.execute(_OLDEST, (counted_to.id,)).fetchone())


def drop_overdue(db: sqlite3.Connection, now: int) -> None:
    """Delete add-ons that have waited for too long."""
    for row in db.execute(_OVERDUE, (now - LONGEST,)).fetchall():
        _drop(db, row)


def waits_no_more(db: sqlite3.Connection, table: str, wa_id: str, chat: int, sender: int, at: int) -> None:
    """Note that an add-on has met its message."""
    db.execute(
        """DELETE FROM waiting_addons
        WHERE counted_to = ? AND (kind, wa_id, chat_address, sender_address, at) = (?, ?, ?, ?, ?)""",
        (sender, table, wa_id, chat, sender, at),
    )


def _drop(db: sqlite3.Connection, row: Sequence[Any]) -> None:
    one = _Waiting._make(row)
    db.execute("DELETE FROM waiting_addons WHERE id = ?", (one.id,))
    if _has_message(db, one):
        return
    gone = db.execute(
        f"DELETE FROM {one.table} WHERE (wa_id, chat_address, sender_address, at) = (?, ?, ?, ?)",  # noqa: S608
        one[2:],
    ).rowcount
    if gone:
        db.execute(_DROPPED, (gone,))


def _has_message(db: sqlite3.Connection, one: _Waiting) -> bool:
    """Whether it has found its message; what is sealed, or a receipt, is stored elsewhere then."""
    kind = _KINDS[one.table]
    if kind in (SEALED, EARLY_RECEIPTS):
        return False
    found, people = state.addon_messages(db, one.wa_id, one.chat), People(db)
    sender = people.address(one.sender)
    return any(not kind.by_author or people.may_be(sender, each.target.sender) for each in found)
