"""The add-ons that wacli keeps in other rows and tables: reactions, stars, polls, places, calls."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any, Final, cast

from whatsapp_mcp.features.imports.foreign.database import TEXT, Opened, number_of, text_of
from whatsapp_mcp.models import ForeignReaction, ForeignVote

ADDONS: Final = ("starred", "polls", "poll_votes", "message_locations", "call_events")
"""Tables that are read where a version has them."""
_EACH: Final = 50
"""Rows of another table that one message of a page may have on average; a real one has far fewer."""
_OPTIONS: Final = 1_000
_CALL_ID: Final = "call_id"

Key = tuple[Any, Any]
"""Chat and id of a message, as they stand there: of whatever type."""


class Addons:
    """The add-ons of the messages of a page, by chat and id of the message.

    Args:
        archive: The database.
        first: The row after which the page begins.
        last: Its last row.
        count: How many rows it has.

    Attributes:
        starred: Messages with a star.
        reactions, votes: Newest of each person.
        polls: Options, and how many of them may be chosen.
        places: Details and text of a location.
        calls: What the details say of a call.
    """

    def __init__(self, archive: Opened, first: int, last: int, count: int) -> None:
        self._found = archive
        self._range = (first, last)
        self._limit = count * _EACH
        self.starred: set[Key] = {key for key, *_ in self._joined("starred", "msg_id")}
        self.reactions = self._reactions()
        self.polls = self._polls()
        self.votes = self._votes() if self.polls else {}
        self.places = self._places()
        self.calls = self._calls()

    def _joined(self, table: str, column: str, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a table that belong to messages of the page: the message, and these columns."""
        if not self._found.schema.has(table, "chat_jid", column, *columns):
            return
        names = "".join(f", t.{name}" for name in columns)
        for chat, wa_id, *rest in self._found.db.execute(
            f"""SELECT m.chat_jid, m.msg_id{names} FROM main.messages AS m JOIN main.{table} AS t
            ON t.chat_jid = m.chat_jid AND t.{column} = m.msg_id
            WHERE m.rowid > ? AND m.rowid <= ? LIMIT ?""",  # noqa: S608
            (*self._range, self._limit),
        ):
            yield (chat, wa_id), *rest

    def _sender(self, jid: Any, *, own: bool = False) -> str | None:
        """Return the sender of an add-on; None for the owner."""
        text = text_of(jid) or ""
        bare = f"{text.partition('@')[0].partition(':')[0]}@{text.partition('@')[2]}"
        return None if own or bare == self._found.owner else text

    def _reactions(self) -> dict[Key, list[ForeignReaction]]:
        """Reactions are rows of messages; who reacts again has several, and an empty emoji takes one back."""
        if not self._found.schema.has("messages", "reaction_to_id", "reaction_emoji"):
            return {}
        newest: dict[Key, dict[str | None, ForeignReaction]] = {}
        for chat, wa_id, who, own, emoji, at in self._found.db.execute(
            """SELECT m.chat_jid, m.msg_id, r.sender_jid, r.from_me, r.reaction_emoji, r.ts
            FROM main.messages AS m JOIN temp.messages AS f ON f.owner = m.msg_id
            JOIN main.messages AS r ON r.rowid = f.row AND r.chat_jid = m.chat_jid
            WHERE m.rowid > ? AND m.rowid <= ?
            ORDER BY r.ts, r.rowid LIMIT ?""",
            (*self._range, self._limit),
        ):
            sender = self._sender(who, own=bool(own))
            if isinstance(at, int) and sender != "":
                of_message = newest.setdefault((chat, wa_id), {})
                of_message[sender] = ForeignReaction(sender, text_of(emoji) or "", at * 1000)
        return {key: [one for one in found.values() if one.emoji] for key, found in newest.items()}

    def _polls(self) -> dict[Key, tuple[tuple[str, ...], int]]:
        polls: dict[Key, tuple[tuple[str, ...], int]] = {}
        for key, options, choose in self._joined("polls", "msg_id", "options_json", "selectable_count"):
            polls[key] = (_texts(options), number_of(choose) or 0)
        return polls

    def _votes(self) -> dict[Key, list[ForeignVote]]:
        votes: dict[Key, list[ForeignVote]] = {}
        columns = ("voter_jid", "selected_options_json", "ts")
        for key, who, chosen, at in self._joined("poll_votes", "poll_msg_id", *columns):
            options, _ = self.polls.get(key, ((), 0))
            places = tuple(options.index(one) for one in _texts(chosen) if one in options)
            sender = self._sender(who)
            if isinstance(at, int) and sender != "":
                votes.setdefault(key, []).append(ForeignVote(sender, places, at * 1000))
        return votes

    def _places(self) -> dict[Key, tuple[dict[str, Any], str]]:
        places: dict[Key, tuple[dict[str, Any], str]] = {}
        columns = ("latitude", "longitude", "name", "address")
        for key, latitude, longitude, *texts in self._joined("message_locations", "msg_id", *columns):
            text = ", ".join(filter(None, map(text_of, texts)))
            places[key] = (_place(latitude, longitude), text)
        return places

    def _calls(self) -> dict[Key, dict[str, Any]]:
        calls: dict[Key, dict[str, Any]] = {}
        for key, event, media, outcome, duration in self._joined(
            "call_events", _CALL_ID, "event_type", "media", "outcome", "duration_secs"
        ):
            if event == "call_log":
                call: dict[str, Any] = {"video": media == "video"}
                if text_of(outcome):
                    call["outcome"] = text_of(outcome)
                if number_of(duration):
                    call["duration"] = duration
                calls[key] = call
        return calls


def _texts(value: Any) -> tuple[str, ...]:
    """Texts in a JSON list; a vote may be an object, with those whose option it does not know beside."""
    try:
        listed: Any = json.loads(value) if isinstance(value, str) and len(value) <= TEXT else None
    except (ValueError, RecursionError):
        return ()
    if isinstance(listed, dict):
        listed = cast(dict[str, Any], listed).get("selected")
    items = cast(list[Any], listed)[:_OPTIONS] if isinstance(listed, list) else []
    return tuple(one for one in items if isinstance(one, str))


def _place(latitude: Any, longitude: Any) -> dict[str, Any]:
    numbers = (latitude, longitude)
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
        return {}
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return {}
    return {"latitude": round(float(latitude), 6), "longitude": round(float(longitude), 6)}
