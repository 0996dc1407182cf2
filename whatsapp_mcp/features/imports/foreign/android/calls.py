"""The list of calls, `call_log`: of calls that are messages too, and of those that are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from whatsapp_mcp.features.imports.foreign.android import kinds
from whatsapp_mcp.features.imports.foreign.android.parts import Values
from whatsapp_mcp.features.imports.foreign.android.rows import (
    CALLS,
    LOWEST,
    address,
    columns,
    is_own,
    jid_of,
    seconds,
)
from whatsapp_mcp.features.imports.foreign.database import Opened, Schema, text_of
from whatsapp_mcp.models import ForeignMessage, MessageKind, Unreadable

_TABLE: Final = "call_log"
_LINKS: Final = "message_call_log"
_VALUES: Final = ("call_id", "video_call", "duration", "call_result")
_NEEDED: Final = ("jid_row_id", "from_me", "call_id", "timestamp")
_ID: Final = 128


def tables(schema: Schema) -> Iterable[str]:
    """The tables that are read here, as `Source.tables` has them."""
    if has_calls(schema):
        yield _TABLE
        if schema.has(_LINKS, "call_log_row_id"):
            yield f"{_LINKS}.call_log_row_id"


def has_calls(schema: Schema) -> bool:
    """Return whether there is a list of calls that can be read."""
    return schema.has(_TABLE, *_NEEDED) and schema.has("jid", "raw_string", "user", "server")


def by_number(archive: Opened, numbers: Iterable[object]) -> dict[int, Values]:
    """These rows of the list: id, video, duration, result."""
    wanted = [number for number in numbers if isinstance(number, int)]
    if not wanted or not has_calls(archive.schema):
        return {}
    marks = ", ".join("?" * len(wanted))
    values = columns(archive.schema, _TABLE, _VALUES)
    query = f"SELECT t.rowid, {values} FROM main.{_TABLE} AS t WHERE t.rowid IN ({marks})"  # noqa: S608
    rows = archive.db.execute(query, wanted)
    return {row[0]: row[1:] for row in rows}


def read_calls(
    archive: Opened, after: int, rows: int
) -> tuple[list[ForeignMessage | Unreadable], int | None]:
    """Calls that are no messages, after this place; and where the next ones begin."""
    linked = _LINKS in archive.schema.tables and archive.schema.has(_LINKS, "call_log_row_id")
    is_message = f"EXISTS (SELECT 1 FROM temp.{_LINKS} AS x WHERE x.owner = t.rowid)" if linked else "0"  # noqa: S608
    group, creator = (
        jid_of(f"t.{name}") if archive.schema.has(_TABLE, name) else "NULL"
        for name in ("group_jid_row_id", "call_creator_device_jid_row_id")
    )
    taken = archive.db.execute(
        f"SELECT t.rowid, {jid_of('t.jid_row_id')}, {group}, {creator}, t.from_me, t.timestamp,"  # noqa: S608
        f" {columns(archive.schema, _TABLE, _VALUES)} FROM main.{_TABLE} AS t"
        f" WHERE t.rowid > ? AND t.rowid < ? AND NOT {is_message} ORDER BY t.rowid LIMIT ?",
        (LOWEST if after == CALLS else after - CALLS, CALLS, rows),
    ).fetchall()
    following = CALLS + taken[-1][0] if len(taken) == rows else None
    # A row before the first one would be a page that never ends.
    return [_call(row[1:]) for row in taken], following if following is None or following > after else None


def _call(row: Values) -> ForeignMessage | Unreadable:
    other, group, creator, from_me, at_ms, wa_id, *values = row
    person, called_at, call_id = address(other), seconds(at_ms), text_of(wa_id)
    chat = address(group) or person
    if call_id is None:
        return Unreadable.NO_ID
    if chat is None:
        return Unreadable.NO_CHAT
    if called_at is None:
        return Unreadable.NO_TIME
    # In a group the address beside it may be the group's.
    caller = next((each for each in (address(creator), person) if each and not each.endswith("@g.us")), None)
    sender = None if from_me == 1 or is_own(creator) else caller
    if sender is None and from_me != 1 and not is_own(creator):
        return Unreadable.NO_SENDER
    details = kinds.call(*values)
    return ForeignMessage(
        call_id.removeprefix("call:")[:_ID], chat, sender, called_at, MessageKind.CALL, details=details
    )
