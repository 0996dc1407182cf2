"""Rows of other tables that belong to the messages of a page, read by ranges.

A backup comes without the indexes that the app makes, so tables that have several rows to a message are found
by an index of ours (`database.indexed`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from whatsapp_mcp.features.imports.foreign.android.rows import columns, jid_of
from whatsapp_mcp.features.imports.foreign.database import Opened, Schema

Values = tuple[Any, ...]

_ONE: Final[dict[str, tuple[str, ...]]] = {
    "message_media": (
        *("mime_type", "file_path", "file_length", "file_size", "width", "height", "media_duration"),
        *("media_name", "media_key", "file_hash", "enc_file_hash", "direct_path", "message_url"),
        *("media_caption", "page_count", "is_animated_sticker"),
    ),
    "message_quoted": ("key_id", "text_data", "from_me", "sender_jid_row_id"),
    "message_revoked": ("revoked_key_id", "revoke_timestamp"),
    "message_edit_info": ("original_key_id", "sender_timestamp", "edited_timestamp"),
    "message_forwarded": ("forward_score",),
    "message_ephemeral": ("duration",),
    "message_view_once_media": ("state",),
    "message_location": ("latitude", "longitude", "place_name", "place_address"),
    "message_system": ("action_type",),
    "message_system_group": ("is_me_joined",),
    "message_system_number_change": ("old_jid_row_id", "new_jid_row_id"),
    "message_poll": ("selectable_options_count",),
    "message_event": (
        *("name", "description", "location_name", "location_address", "start_time", "end_time"),
        *("join_link", "is_canceled"),
    ),
    "message_album": ("image_count", "video_count", "expected_image_count", "expected_video_count"),
    "message_group_invite": ("group_jid_row_id", "group_name", "invite_code", "expiration"),
    "message_call_log": ("call_log_row_id",),
}
"""Tables with one row to a message, whose number is the message's, and what is read of each."""
_MANY: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "receipt_user": (
        "message_row_id",
        ("receipt_user_jid_row_id", "receipt_timestamp", "read_timestamp", "played_timestamp"),
    ),
    "message_mentions": ("message_row_id", ("jid_row_id",)),
    "message_vcard": ("message_row_id", ("vcard",)),
    "messages_vcards": ("message_row_id", ("vcard",)),
    "message_poll_option": ("message_row_id", ("option_name",)),
    "message_system_chat_participant": ("message_row_id", ("user_jid_row_id",)),
    "missed_call_logs": ("message_row_id", ("video_call",)),
}
"""Tables with any number of rows to a message: the column that names it, and what is read."""
_ADD_ONS: Final = {
    "message_add_on": "parent_message_row_id",
    "message_add_on_poll_vote_selected_option": "message_add_on_row_id",
}
_OF_ADD_ONS: Final = {
    "message_add_on_reaction": ("reaction", "sender_timestamp"),
    "message_add_on_event_response": ("response", "sender_timestamp"),
}
_MOST: Final = 200_000
"""Rows of one table to one page; a group of 1,024 has so many receipts to 195 messages."""


def tables(schema: Schema) -> Iterable[str]:
    """The tables that are read here, as `Source.tables` has them."""
    more = (*_OF_ADD_ONS, "message_add_on_poll_vote")
    yield from (table for table in (*_ONE, *more) if table in schema.tables)
    for table, link in (*((table, link) for table, (link, _) in _MANY.items()), *_ADD_ONS.items()):
        if schema.has(table, link):
            yield f"{table}.{link}"


class Parts:
    """The rows that belong to the messages from one number to another.

    Attributes:
        one: By table and by number of the message, its row.
        many: By table and by number of the message, its rows.
        options: By number of the message, the numbers of a poll's options, in order.
        reactions: By number of the message: (from_me, sender, emoji, time).
        responses: The same of answers to an event: (from_me, sender, answer, time).
        votes: The same of votes: (from_me, sender, numbers of options, time).
    """

    def __init__(self, archive: Opened, first: int, last: int) -> None:
        self._found = archive
        self._between = (first, last)
        schema = archive.schema
        self.one: dict[str, dict[int, Values]] = {
            table: self._one(table, names) if table in schema.tables else {} for table, names in _ONE.items()
        }
        self.options: dict[int, list[int]] = {}
        self.many: dict[str, dict[int, list[Values]]] = {
            table: self._many(table, link, names) if schema.has(table, link) else {}
            for table, (link, names) in _MANY.items()
        }
        self.reactions = self._add_ons("message_add_on_reaction")
        self.responses = self._add_ons("message_add_on_event_response")
        self.votes = self._votes()

    def _one(self, table: str, names: tuple[str, ...]) -> dict[int, Values]:
        rows = self._found.db.execute(
            f"SELECT t.rowid, {self._columns(table, names)} FROM main.{table} AS t"  # noqa: S608
            " WHERE t.rowid BETWEEN ? AND ? LIMIT ?",
            (*self._between, _MOST),
        )
        return {row[0]: row[1:] for row in rows}

    def _many(self, table: str, link: str, names: tuple[str, ...]) -> dict[int, list[Values]]:
        del link  # by which the index was made
        rows = self._found.db.execute(
            f"SELECT x.owner, x.row, {self._columns(table, names)} FROM temp.{table} AS x"  # noqa: S608
            f" CROSS JOIN main.{table} AS t ON t.rowid = x.row WHERE x.owner BETWEEN ? AND ? LIMIT ?",
            (*self._between, _MOST),
        )
        grouped: defaultdict[int, list[Values]] = defaultdict(list)
        numbers: defaultdict[int, list[int]] = defaultdict(list)
        for row in rows:
            grouped[row[0]].append(row[2:])
            numbers[row[0]].append(row[1])
        if table == "message_poll_option":
            self.options = numbers
        return grouped

    def _add_ons(self, table: str) -> dict[int, list[Values]]:
        grouped: defaultdict[int, list[Values]] = defaultdict(list)
        value, time = _OF_ADD_ONS[table]
        if not (self._has_add_ons() and self._found.schema.has(table, value, time)):
            return grouped
        for row in self._found.db.execute(
            f"SELECT x.owner, a.from_me, {jid_of('a.sender_jid_row_id')}, t.{value}, t.{time}"  # noqa: S608
            " FROM temp.message_add_on AS x CROSS JOIN main.message_add_on AS a ON a.rowid = x.row"
            f" CROSS JOIN main.{table} AS t ON t.rowid = a.rowid WHERE x.owner BETWEEN ? AND ? LIMIT ?",
            (*self._between, _MOST),
        ):
            grouped[row[0]].append(row[1:])
        return grouped

    def _votes(self) -> dict[int, list[Values]]:
        grouped: defaultdict[int, list[Values]] = defaultdict(list)
        selected = "message_add_on_poll_vote_selected_option"
        schema = self._found.schema
        if not (
            self._has_add_ons()
            and schema.has("message_add_on_poll_vote", "sender_timestamp")
            and schema.has(selected, "message_add_on_row_id", "message_poll_option_id")
        ):
            return grouped
        last: tuple[int, int] | None = None
        for owner, number, from_me, sender, time, option in self._found.db.execute(
            f"SELECT x.owner, x.row, a.from_me, {jid_of('a.sender_jid_row_id')}, v.sender_timestamp,"  # noqa: S608
            " o.message_poll_option_id FROM temp.message_add_on AS x"
            " CROSS JOIN main.message_add_on AS a ON a.rowid = x.row"
            " CROSS JOIN main.message_add_on_poll_vote AS v ON v.rowid = x.row"
            f" LEFT JOIN temp.{selected} AS y ON y.owner = x.row"
            f" LEFT JOIN main.{selected} AS o ON o.rowid = y.row"
            " WHERE x.owner BETWEEN ? AND ? ORDER BY x.owner, x.row LIMIT ?",
            (*self._between, _MOST),
        ):
            if (owner, number) != last:
                last = owner, number
                grouped[owner].append((from_me, sender, [], time))
            if option is not None:
                grouped[owner][-1][2].append(option)
        return grouped

    def _has_add_ons(self) -> bool:
        return self._found.schema.has(
            "message_add_on", "parent_message_row_id", "from_me", "sender_jid_row_id"
        )

    def _columns(self, table: str, names: tuple[str, ...]) -> str:
        """Return SQL columns as `columns` does, with addresses in place of their numbers."""
        return ", ".join(
            jid_of(f"t.{name}")
            if name.endswith("jid_row_id") and self._found.schema.has(table, name)
            else columns(self._found.schema, table, (name,))
            for name in names
        )
