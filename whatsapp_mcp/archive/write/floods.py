"""A bound on what one sender takes of the disk: beyond so many bytes a day, all that they write is cut short.

How many there were is a row in `intake`, which grows with each message and edit, by times that are values of
the operation: the same operations give the same archive. What the owner wrote is not counted.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.state import Address
from whatsapp_mcp.decoding import OWNER, Content, EditUpdate, Flag, MessageUpdate

MOST: Final = 8 << 20
"""Bytes of one sender and day (UTC) that are kept whole, in all chats: a person writes a hundredth of it."""
MAX_RAW: Final = 512_000
"""Bytes of a raw form that is kept; a text of the greatest length has half as many."""
MOST_UNDECODED: Final = 256 << 20
"""Bytes that the large ones of the events which cannot be decoded take together."""
ROW: Final = 512
"""Bytes that each counts for beside what it says: about what its rows take, with their indexes."""
_LARGE: Final = 16_384
"""Bytes above which an event is large."""
_KEPT: Final = 100
"""Characters that are kept of a text beyond the bound, and of the details."""
_PATH: Final = 1_024
"""Characters of a place to fetch a file from beyond the bound; WhatsApp's have some hundred."""
_MARK: Final = (
    "[the first {kept:,} of {length:,} characters: the rest was not kept, because its sender sent"
    " too much that day]"
)
_DAY: Final = 86_400
_DAYS_COUNTED: Final = 40
"""Days after which nothing that was sent live still comes: WhatsApp keeps it for 30 at most."""
_COUNT: Final = "INSERT INTO intake VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes"
_COUNTED: Final = "SELECT bytes FROM intake WHERE (day, address_id) = (?, ?)"
_UNDECODED: Final = f"SELECT sum(length(payload)) FROM undecoded WHERE length(payload) > {_LARGE}"  # noqa: S608


def bound_message(db: sqlite3.Connection, update: MessageUpdate, sender: Address) -> None:
    """Cut a message, in place, if its sender has sent too much that day."""
    content = update.content
    size = len(update.raw) or _size(content.text) + len(json.dumps(content.details))
    is_over = _is_over(db, sender, update.at, size)
    if is_over:
        _cut(content)
    if is_over or size > MAX_RAW:
        update.raw = b""
        content.flags |= Flag.CUT_SHORT


def bound_edit(db: sqlite3.Connection, update: EditUpdate, sender: Address, came: int) -> bool:
    """Cut the text of an edit in the same way; whether it was cut.

    Args:
        came: When it came, in seconds since 1970: its own time is of its sender's choice.
    """
    text = update.content.text
    if not _is_over(db, sender, came, _size(text)) or len(text) <= _KEPT:
        return False
    update.content.text = _shortened(text)
    return True


def forget_days(db: sqlite3.Connection, now: int) -> None:
    """Delete what was counted of days of which nothing comes any more."""
    db.execute("DELETE FROM intake WHERE day < ?", (now // _DAY - _DAYS_COUNTED,))


def bound_undecoded(db: sqlite3.Connection, payload: bytes, error: str) -> tuple[bytes, str]:
    """Bound what is kept of an undecodable event: a large one among many leaves its error and size."""
    if len(payload) <= _LARGE or (value(db, _UNDECODED) or 0) + len(payload) <= MOST_UNDECODED:
        return payload, error
    return b"", f"{error}, not kept: {len(payload)} bytes"


def _is_over(db: sqlite3.Connection, sender: Address, moment: int, size: int) -> bool:
    """Count what came; whether it is more than is kept whole of its sender and day."""
    if sender.contact == OWNER:
        return False
    # Two statements: RETURNING makes SQLite open a savepoint, at which the search index is written.
    db.execute(_COUNT, (moment // _DAY, sender.id, size + ROW))
    return value(db, _COUNTED, (moment // _DAY, sender.id)) > MOST


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _cut(content: Content) -> None:
    if len(content.text) > _KEPT:
        content.text = _shortened(content.text)
    room, kept = _KEPT, dict[str, Any]()
    for key, found in sorted(content.details.items(), key=lambda one: len(json.dumps(one[1]))):
        room -= len(json.dumps(found))
        if room >= 0:
            kept[key] = found
    if missing := len(content.details) - len(kept):
        kept["left_out"] = {**kept.get("left_out", {}), "details": missing}
    content.details = kept
    if media := content.media:
        media.url, media.direct_path = (
            None if path is None or len(path) > _PATH else path for path in (media.url, media.direct_path)
        )


def _shortened(text: str) -> str:
    """The beginning of a text, behind what says that there was more: no list cuts that off."""
    return f"{_MARK.format(kept=_KEPT, length=len(text))} {text[:_KEPT]}…"
