"""A bound on what one sender takes of the disk: beyond it, the long messages of a day are kept cut short.

How many are kept whole follows from what is archived and from the times of the messages, so the same
operations give the same archive. A short message, and one of the owner, costs no look-up.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any, Final

from whatsapp_mcp.archive.database import ID_BITS, value
from whatsapp_mcp.archive.state import Address
from whatsapp_mcp.decoding import Content, EditUpdate, Flag, MessageUpdate

MOST: Final = 500
"""Long messages, and as many long edits, that are kept whole of one sender in one chat and day (UTC)."""
MAX_RAW: Final = 512_000
"""Bytes of a raw form that is kept; a text of the greatest length has half as many."""
MOST_UNDECODED: Final = 256 << 20
"""Bytes that the large ones of the events which cannot be decoded take together."""
_LONG_TEXT: Final = 4_096
"""Characters above which a text is long; `tables.py` has the same number in an index."""
_LONG_RAW: Final = 16_384
"""Bytes as it came above which a message is long, and an event large; that of a file has some thousand."""
_KEPT: Final = 1_000
"""Characters that are kept of a text beyond the bound, and of the details."""
_MARK: Final = (
    "[the first {kept:,} of {length:,} characters: the rest was not kept, because its sender sent"
    " too many long messages that day]"
)
_DAY: Final = 86_400
_LONG_MESSAGES: Final = f"""SELECT count(*) FROM (SELECT 1 FROM messages
 WHERE (chat_id, sender_id) = (?, ?) AND id >= ? AND id < ?
 AND flags & {int(Flag.LONG)} LIMIT ?)"""  # noqa: S608
_LONG_EDITS: Final = f"""SELECT count(*) FROM (SELECT 1 FROM edits
 WHERE (chat_address, sender_address) = (?, ?) AND at >= ? AND at < ?
 AND length(text) > {_LONG_TEXT} LIMIT ?)"""  # noqa: S608
_UNDECODED: Final = f"SELECT sum(length(payload)) FROM undecoded WHERE length(payload) > {_LONG_RAW}"  # noqa: S608


def bound_message(db: sqlite3.Connection, update: MessageUpdate, chat: int, sender: int) -> None:
    """Cut a message, in place, if it is long and its sender has sent too many such that day."""
    content, is_large = update.content, len(update.raw) > MAX_RAW
    if len(content.text) > _LONG_TEXT or len(update.raw) > _LONG_RAW:
        first, end = (second << ID_BITS for second in _day(update.at))
        if update.sender is not None and value(db, _LONG_MESSAGES, (chat, sender, first, end, MOST)) >= MOST:
            _cut(content)
            is_large = True
        else:
            content.flags |= Flag.LONG
    if is_large:
        update.raw = b""
        content.flags |= Flag.CUT_SHORT


def bound_edit(db: sqlite3.Connection, update: EditUpdate, chat: Address, sender: Address) -> bool:
    """Cut the text of an edit in the same way; whether it was cut."""
    text = update.content.text
    if len(text) <= _LONG_TEXT or update.sender is None:
        return False
    first, end = (second * 1000 for second in _day(update.at_ms // 1000))
    if value(db, _LONG_EDITS, (chat.id, sender.id, first, end, MOST)) < MOST:
        return False
    update.content.text = _shortened(text)
    return True


def bound_undecoded(db: sqlite3.Connection, payload: bytes, error: str) -> tuple[bytes, str]:
    """What is kept of an event that cannot be decoded: with many large ones here, only that it was there."""
    if len(payload) <= _LONG_RAW or (value(db, _UNDECODED) or 0) + len(payload) <= MOST_UNDECODED:
        return payload, error
    return b"", f"{error}, not kept: {len(payload)} bytes"


def _day(at: int) -> tuple[int, int]:
    """The seconds at which its day begins and ends."""
    first = at - at % _DAY
    return first, first + _DAY


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


def _shortened(text: str) -> str:
    """The beginning of a text, behind what says that there was more: no list cuts that off."""
    return f"{_MARK.format(kept=_KEPT, length=len(text))} {text[:_KEPT]}…"
