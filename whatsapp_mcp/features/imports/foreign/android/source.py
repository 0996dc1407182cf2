"""The source: rows of `message` (since 2021) or of `messages` (before), page by page, then calls.

For a while both tables were there: rows were copied from the old one into the new one, and the app used the
one that was complete. That is the one with the later rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.android import calls, kinds, parts, people
from whatsapp_mcp.features.imports.foreign.android.messages import message_of
from whatsapp_mcp.features.imports.foreign.android.parts import Parts
from whatsapp_mcp.features.imports.foreign.android.rows import CALLS, LOWEST, Row, columns, jid_of
from whatsapp_mcp.features.imports.foreign.database import TEXT, Opened, Schema
from whatsapp_mcp.models import ForeignMessage, ForeignPage, ImportSource, MessageKind, Unreadable

SOURCE: Final = ImportSource.ANDROID

_JID: Final = ("user", "server", "raw_string")
_NEW: Final = {
    "message": (
        "chat_row_id",
        "from_me",
        "key_id",
        "sender_jid_row_id",
        "timestamp",
        "message_type",
        "text_data",
    ),
    "chat": ("jid_row_id", "subject"),
    "jid": _JID,
}
_OLD: Final = (
    "key_remote_jid",
    "key_from_me",
    "key_id",
    "status",
    "data",
    "timestamp",
    "media_wa_type",
    "remote_resource",
)
_NOTICE: Final = 6
_NEW_ROOT: Final = "m.chat_row_id IS NOT -1"
_OLD_ROOT: Final = "m.key_remote_jid IS NOT '-1'"
"""SQL: that it is not the row with which the app begins the table."""
_OLD_ROW: Final = (
    *("mentioned_jids", "latitude", "longitude"),
    *("receipt_device_timestamp", "read_device_timestamp", "played_device_timestamp"),
)
"""Columns of `messages` for the last of a `Row`."""
_OLD_MEDIA: Final = (
    *(
        "media_mime_type",
        "NULL",
        "media_size",
        "NULL",
        "NULL",
        "NULL",
        "media_duration",
        "media_name",
        "NULL",
    ),
    *("media_hash", "media_enc_hash", "NULL", "media_url", "media_caption", "NULL", "NULL"),
)
"""Columns of `messages` in the order of `kinds.Media`."""


def fits(schema: Schema) -> bool:
    """Return whether a database is a `msgstore.db` of a known version."""
    return _has_new(schema) or _has_old(schema)


def tables(schema: Schema) -> tuple[str, ...]:
    """The tables that are read."""
    own = [table for table in ("message", "messages", "messages_quotes") if table in schema.tables]
    every = (*own, *parts.tables(schema), *calls.tables(schema), *people.tables(schema))
    return tuple(dict.fromkeys(every))


def total(archive: Opened) -> int:
    """Return the number of messages; calls come on top."""
    table, root = ("message", _NEW_ROOT) if _is_new(archive) else ("messages", _OLD_ROOT)
    return archive.db.execute(f"SELECT count(*) FROM main.{table} AS m WHERE {root}").fetchone()[0]  # noqa: S608


def page(archive: Opened, after: int | None, rows: int) -> ForeignPage:
    """Messages in the order of their rows, and after the last one the calls that are not among them."""
    if after is not None and after >= CALLS:
        read, following = calls.read_calls(archive, after, rows)
        return _page(read, following, 0)
    first = LOWEST if after is None else after
    taken = _new(archive, first, rows) if _is_new(archive) else _old(archive, first, rows)
    read = _messages(archive, taken)
    following = (
        taken[-1][0].number if len(taken) == rows else CALLS if calls.has_calls(archive.schema) else None
    )
    made = _page(read, following, len(taken))
    if after is not None:
        return made
    return ForeignPage(
        made.messages,
        people.people(archive),
        people.chats(archive),
        made.unreadable,
        made.following,
        made.read,
    )


def _page(
    read: Iterable[ForeignMessage | Unreadable | None], following: int | None, count: int
) -> ForeignPage:
    messages: list[ForeignMessage] = []
    unreadable: Counter[Unreadable] = Counter()
    for each in read:
        if isinstance(each, ForeignMessage):
            messages.append(each)
            if each.kind is MessageKind.UNKNOWN:
                unreadable[Unreadable.UNKNOWN_KIND] += 1
        elif each is not None:
            unreadable[each] += 1
    return ForeignPage(tuple(messages), unreadable=dict(unreadable), following=following, read=count)


def _messages(
    archive: Opened, taken: list[tuple[Row, kinds.Media | None]]
) -> list[ForeignMessage | Unreadable | None]:
    if not taken:
        return []
    around = Parts(archive, taken[0][0].number, taken[-1][0].number)
    links = (link for (link,) in around.one["message_call_log"].values())
    known = calls.by_number(archive, links)
    return [message_of(row, around, known, media) for row, media in taken]


def _has_new(schema: Schema) -> bool:
    return all(schema.has(table, *names) for table, names in _NEW.items())


def _has_old(schema: Schema) -> bool:
    return schema.has("messages", *_OLD)


def _is_new(archive: Opened) -> bool:
    if not (_has_new(archive.schema) and _has_old(archive.schema)):
        return _has_new(archive.schema)
    new, old = (
        archive.db.execute(f"SELECT coalesce(max(rowid), 0) FROM main.{table}").fetchone()[0]  # noqa: S608
        for table in ("message", "messages")
    )
    return new >= old


def _new(archive: Opened, after: int, rows: int) -> list[tuple[Row, kinds.Media | None]]:
    more = columns(archive.schema, "message", ("starred", "origin", "origination_flags", "status"), "m")
    chat = f"(SELECT {jid_of('c.jid_row_id')} FROM main.chat AS c WHERE c.rowid = m.chat_row_id)"  # noqa: S608
    taken = archive.db.execute(
        f"""SELECT m.rowid, {chat}, m.from_me, m.key_id, {jid_of("m.sender_jid_row_id")}, m.timestamp,
        m.message_type, substr(m.text_data, 1, {TEXT}), {more} FROM main.message AS m
        WHERE m.rowid > ? AND m.rowid < ? AND {_NEW_ROOT} ORDER BY m.rowid LIMIT ?""",  # noqa: S608
        (after, CALLS, rows),
    )
    return [(Row(*row), None) for row in taken]


def _old(archive: Opened, after: int, rows: int) -> list[tuple[Row, kinds.Media | None]]:
    schema = archive.schema

    def column(name: str) -> str:
        return "NULL" if name == "NULL" else columns(schema, "messages", (name,), "m")

    quoted = "NULL"
    if schema.has("messages", "quoted_row_id") and schema.has("messages_quotes", "key_id"):
        quoted = "(SELECT q.key_id FROM main.messages_quotes AS q WHERE q.rowid = m.quoted_row_id)"
    action = f"CASE m.status WHEN {_NOTICE} THEN coalesce({column('media_size')}, 0) END"
    more = ", ".join(map(column, (*_OLD_ROW, *_OLD_MEDIA)))
    taken = archive.db.execute(
        f"""SELECT m.rowid, m.key_remote_jid, m.key_from_me, m.key_id, m.remote_resource, m.timestamp,
        m.media_wa_type, substr(m.data, 1, {TEXT}), {column("starred")}, {column("origin")},
        {column("forwarded")}, m.status, {quoted}, {action}, {more}
        FROM main.messages AS m WHERE m.rowid > ? AND m.rowid < ? AND {_OLD_ROOT}
        ORDER BY m.rowid LIMIT ?""",  # noqa: S608
        (after, CALLS, rows),
    )
    width = len(Row._fields)
    return [(_older(Row(*row[:width])), kinds.Media(*row[width:])) for row in taken]


def _older(row: Row) -> Row:
    """A row of the old table, whose kinds are texts; an empty one is a text message's."""
    kind: Any = row.kind
    if kind is None or kind == "":
        kind = 0
    elif isinstance(kind, str) and kind.isascii() and kind.isdigit() and len(kind) < 4:
        kind = int(kind)
    return row._replace(kind=kind, starred=row.starred, flags=1 if row.flags else 0)
