"""Everything that an archive holds, without what depends on the order of arrival: its own numbers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from whatsapp_mcp.archive.read.search_query import IS
from whatsapp_mcp.archive.state import ADDONS, AddOn, Target, current_members, read_addons
from whatsapp_mcp.archive.state.receipts import watermarks
from whatsapp_mcp.decoding.updates import Flag

DUMPED = {"messages", "contacts", "chats", "media", "members", "gaps"}
"""Tables that are dumped, beside those of add-ons."""
SECOND = 20
"""Bits of a message's id below the second: the order of arrival within it."""


def dump(path: Path) -> dict[str, Any]:
    """Every table of `archive.db` in names that any order of the same events gives."""
    with closing(sqlite3.connect(path)) as db:
        return dump_of(db)


def dump_of(db: sqlite3.Connection) -> dict[str, Any]:
    """Every table of an open archive."""
    db.row_factory = sqlite3.Row
    return _Dump(db).whole()


class _Dump:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        addresses: dict[int, list[str]] = {0: [], -1: ["the chat itself"]}
        for row in db.execute("SELECT jid, contact_id FROM addresses ORDER BY jid"):
            addresses.setdefault(row["contact_id"], []).append(row["jid"])
        self._people = {number: "+".join(jids) or "me" for number, jids in addresses.items()}
        self._people[0] = "me"
        self._chats = {row["id"]: row["jid"] for row in db.execute("SELECT id, jid FROM chats")}
        self._messages: dict[int, tuple[str, ...]] = {0: ("none",)}
        for row in db.execute("SELECT id, chat_id, wa_id, sender_id FROM messages"):
            self._messages[row["id"]] = (
                self._chats[row["chat_id"]],
                row["wa_id"],
                self._who(row["sender_id"]),
            )

    def _who(self, number: int) -> str:
        return self._people.get(number, f"nobody {number}")

    def whole(self) -> dict[str, Any]:
        found: dict[str, Any] = {"messages": self._said()}
        for table, columns in (
            ("contacts", "id, pn, lid, saved_name, given_name, business_name, push_name, known"),
            (
                "chats",
                """id, kind, contact_id, name, last_id, read_id, unread, marked_unread, archived,
                pinned, muted_until, expires_in, complete""",
            ),
            ("media", "message_id, media_type, mime_type, direct_path, media_key"),
        ):
            rows = self._db.execute(f"SELECT {columns} FROM {table}").fetchall()
            found[table] = sorted((self._named(table, row) for row in rows), key=repr)
        found["contacts"] = [row for row in found["contacts"] if row]
        found["marks"] = self._marks()
        found["members"] = [
            (self._chats[group], self._who(person), role)
            for group, roles in current_members(self._db, [*self._chats]).items()
            for person, role in sorted(roles.items(), key=lambda one: self._who(one[0]))
        ]
        found["members"].sort()
        for kind in ADDONS:
            found[kind.table] = self._as_told(kind)
            found[f"{kind.table} of messages"] = self._hanging(kind)
            if kind.word is not None:
                sql = f"SELECT m.id FROM messages AS m WHERE {IS[kind.word]}"
                found[f"is:{kind.word}"] = sorted(self._messages[row[0]] for row in self._db.execute(sql))
        found["undecoded"] = self._db.execute("SELECT count(*) FROM undecoded").fetchone()[0]
        found["gaps"] = [tuple(row) for row in self._db.execute("SELECT since, until, reason FROM gaps")]
        return found

    def _as_told(self, kind: AddOn) -> list[tuple[Any, ...]]:
        """The rows of a table; whether a vote is open is no part of what was told."""
        jids = {row["id"]: row["jid"] for row in self._db.execute("SELECT id, jid FROM addresses")}
        rows = self._db.execute(f"SELECT * FROM {kind.table}").fetchall()
        return sorted(
            (
                (row["wa_id"], jids[row["chat_address"]], jids.get(row["sender_address"]), *row[3:])
                for row in rows
            ),
            key=repr,
        )

    def _hanging(self, kind: AddOn) -> list[tuple[Any, ...]]:
        """What hangs on each message, and whose it is."""
        targets = [Target(*row) for row in self._db.execute("SELECT chat_id, wa_id, sender_id FROM messages")]
        return sorted(
            (
                (
                    self._chats[target.chat],
                    target.wa_id,
                    self._who(target.sender),
                    self._who(person),
                    at,
                    says,
                )
                for target, hanging in read_addons(self._db, kind, targets).items()
                for person, at, says in hanging
            ),
            key=repr,
        )

    def _marks(self) -> list[tuple[Any, ...]]:
        return sorted(
            (self._chats[chat], self._who(contact), kind, up_to >> SECOND, at)
            for chat, found in watermarks(self._db, [*self._chats]).items()
            for (contact, kind), (up_to, at) in found.items()
        )

    def _named(self, table: str, row: sqlite3.Row) -> tuple[Any, ...]:
        return tuple(self._value(table, name, row[name]) for name in row.keys())  # noqa: SIM118

    def _value(self, table: str, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in ("contact_id", "sender_id") or (table, name) == ("contacts", "id"):
            return self._who(value)
        if name == "chat_id" or (table, name) == ("chats", "id"):
            return self._chats.get(value, f"no chat {value}")
        if name == "message_id":
            return self._messages.get(value, f"no message {value}")
        if name in ("last_id", "read_id", "up_to"):
            return value >> SECOND
        return value

    def _said(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        held = {key[:2] for key in self._messages.values()}
        indexed = {row[0] for row in self._db.execute("SELECT rowid FROM fts")}
        for row in self._db.execute("SELECT * FROM messages"):
            details = json.loads(row["details"] or "{}")
            if (self._chats[row["chat_id"]], row["reply_wa_id"]) in held:
                details.pop("quote", None)
            found.append(
                (
                    *self._messages[row["id"]],
                    row["id"] >> SECOND,
                    row["flags"] & ~Flag.TWICE,
                    *(row[name] for name in ("kind", "text", "reply_wa_id", "edited_at", "revoked_at")),
                    json.dumps(details, sort_keys=True),
                    row["id"] in indexed,
                )
            )
        return sorted(found, key=repr)


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Iterable[Any], Iterable[Any]]]:
    """Table by table, what only one of two archives holds."""
    return {
        table: (
            [row for row in one[table] if row not in other[table]],
            [row for row in other[table] if row not in one[table]],
        )
        if isinstance(one[table], list)
        else (one[table], other[table])
        for table in one
        if one[table] != other[table]
    }
