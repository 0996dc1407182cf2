"""Albums: pictures and videos that were sent as one, each of which names the message of its album.

Who belongs to an album is resolved when it is read, since its files come in any order, and some never.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from contextlib import closing
from typing import Final

from whatsapp_mcp.archive.database import ID_BITS
from whatsapp_mcp.archive.state.addons import Target

_EARLIER: Final = 60
"""Seconds before an album in which a file of it may be dated."""
_WITHIN: Final = 1_000
"""Messages of the chat among which the files of an album are looked for."""
MOST_FILES: Final = 100
"""As many as WhatsApp's apps put into one."""


def album_files(db: sqlite3.Connection, message: int, album: Target, expected: int) -> tuple[int, ...]:
    """The refs of the files of an album that are here, oldest first.

    Args:
        message: The album's id in the archive.
        album: What names it; only its own sender adds to it.
        expected: How many it has: no more are looked for.
    """
    found: list[int] = []
    most = min(expected, MOST_FILES)
    rows = db.execute(
        "SELECT ref, sender_id, details FROM messages WHERE chat_id = ? AND id >= ? ORDER BY id LIMIT ?",
        (album.chat, message - (_EARLIER << ID_BITS), _WITHIN),
    )
    with closing(rows):
        for ref, sender, details in rows:
            if len(found) >= most:
                break
            if sender == album.sender and details and '"album_of"' in details:
                found += [ref] if json.loads(details).get("album_of") == album.wa_id else []
    return tuple(found)


def album_refs(db: sqlite3.Connection, albums: Collection[Target]) -> dict[Target, int]:
    """The refs of those albums that are here."""
    look_up = "SELECT ref FROM messages WHERE chat_id = ? AND wa_id = ? AND sender_id = ?"
    found = {album: db.execute(look_up, album).fetchone() for album in albums}
    return {album: row[0] for album, row in found.items() if row is not None}
