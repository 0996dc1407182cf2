"""One row of messages, of either schema, and how addresses stand beside it.

Nothing of this is published by WhatsApp; docs/importing.md says what is known and from where. Rows are found
by `rowid`, which is always an index; in a real file it is the same number as `_id` or `message_row_id`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from whatsapp_mcp.features.imports.foreign.database import Schema

LOWEST: Final = -(1 << 63)
"""Before the number of any row."""
CALLS: Final = 1 << 62
"""First number of the rows of calls, which no message has."""
_MOST: Final = 1 << 62
_OWN_SERVERS: Final = frozenset({"lid_me", "status_me"})
_PERSONS: Final = {
    "s.whatsapp.net": "s.whatsapp.net",
    "c.us": "s.whatsapp.net",
    "lid": "lid",
    "hosted": "s.whatsapp.net",
    "hosted.lid": "lid",
}
_JID: Final = 128


class Row(NamedTuple):
    """A row of `message` or `messages`; of any type but the number.

    Attributes:
        number: Of the row.
        chat, sender: Addresses.
        at: Milliseconds since 1970.
        kind: Number of what it is.
        origin: How it was made: 1 is recorded in the app.
        flags: Bits; the lowest is a forwarded one.
        status: How far it got; 6 is a notice.
        reply_to: Id of the message that it answers, where the row says it.
        action: What a notice is about, where the row says it.
        mentions: People whom it mentions, where the row says it, with `,` between them.
        latitude, longitude: Of a place, where the row says it.
        delivered, read, played: When the other one got, read or played it, where the row says it.
    """

    number: int
    chat: Any
    from_me: Any
    id: Any
    sender: Any
    at: Any
    kind: Any
    text: Any
    starred: Any
    origin: Any
    flags: Any
    status: Any
    reply_to: Any = None
    action: Any = None
    mentions: Any = None
    latitude: Any = None
    longitude: Any = None
    delivered: Any = None
    read: Any = None
    played: Any = None


@lru_cache(maxsize=50_000)
def bare(jid: str) -> str | None:
    """An address without device and agent; None for what is none."""
    user, _, server = jid.partition("@")
    person = _PERSONS.get(server)
    if person is not None:
        user, server = user.partition(":")[0].partition(".")[0], person
    return f"{user}@{server}" if user and server and len(jid) <= _JID else None


def address(value: Any) -> str | None:
    """Return the address in a column, as `bare` does; None if it is not text."""
    return bare(value) if isinstance(value, str) else None


def is_own(value: Any) -> bool:
    """Return whether an address stands for the owner."""
    return isinstance(value, str) and value.partition("@")[2] in _OWN_SERVERS


def jid_of(number: str) -> str:
    """SQL: the address with this number in `jid`."""
    text = "coalesce(j.raw_string, j.user || '@' || j.server)"
    return f"(SELECT {text} FROM main.jid AS j WHERE j.rowid = {number})"  # noqa: S608


def columns(schema: Schema, table: str, names: Iterable[str], alias: str = "t") -> str:
    """SQL: these columns, NULL for those that this version does not have."""
    return ", ".join(f"{alias}.{name}" if schema.has(table, name) else "NULL" for name in names)


def seconds(value: Any) -> int | None:
    """Seconds of a time in milliseconds; None where there is none."""
    return value // 1000 if isinstance(value, int) and 0 < value < _MOST else None


def milliseconds(value: Any) -> int | None:
    """A time in milliseconds; None where there is none."""
    return value if isinstance(value, int) and 0 < value < _MOST else None
