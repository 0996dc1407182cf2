"""Backups of WhatsApp on Android, row by row or very many rows at once."""

from __future__ import annotations

import base64
import hashlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.features.imports.backups.android_schemas import CONTACTS, V2025, VERSIONS, VIEWS, Version

__all__ = ["VERSIONS", "Backup", "contacts", "digest", "many"]

ROOT: Final = {"chat_row_id": -1, "from_me": 0, "key_id": "-1"}
"""The row with which the app begins the table."""
AT: Final = 1_560_000_000_000
"""Milliseconds: in June 2019."""
GROUPS: Final = 20
PEOPLE: Final = 300


def digest(text: str) -> str:
    """A SHA-256 as the databases have it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class Backup:
    """A `msgstore.db` that is written while the body runs.

    Args:
        path: The file.
        version: Of which time.
    """

    def __init__(self, path: Path, version: Version = V2025) -> None:
        self.path = path
        self.version = version
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA page_size = 4096")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        for table, columns in version.tables.items():
            self._db.execute(f"CREATE TABLE {table} ({columns})")
        if version.is_new:
            for statement in VIEWS:
                self._db.execute(statement)
            self.insert("message", **ROOT)
        else:
            self.insert("messages", key_remote_jid="-1", key_from_me=0, key_id="-1")
        self._db.execute("PRAGMA user_version = 1")
        self._jids: dict[str, int] = {}
        self._chats: dict[str, int] = {}
        self._at = AT

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.commit()
        self._db.close()

    def insert(self, table: str, **values: Any) -> int:
        """A row; its number."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        done = self._db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
        return done.lastrowid or 0

    def insert_all(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        """Rows of these columns."""
        marks = ", ".join("?" * (columns.count(",") + 1))
        self._db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    def execute(self, statement: str, *values: Any) -> None:
        """Anything else."""
        self._db.execute(statement, values)

    def jid(self, address: str | None) -> int:
        """The number of an address; 0 of none."""
        if address is None:
            return 0
        if address not in self._jids:
            user, _, server = address.partition("@")
            self._jids[address] = self.insert("jid", user=user, server=server, type=0, raw_string=address)
        return self._jids[address]

    def chat(self, address: str, subject: str | None = None) -> int:
        """The number of a chat."""
        if address not in self._chats:
            self._chats[address] = self.insert("chat", jid_row_id=self.jid(address), subject=subject)
        return self._chats[address]

    def message(
        self,
        chat: str,
        key: str,
        text: Any = None,
        *,
        kind: Any = 0,
        sender: str | None = None,
        from_me: Any = 0,
        **more: Any,
    ) -> int:
        """A message, a second after the one before; its number.

        `more` are columns of `message`, or of `messages` where that is what the version has.
        """
        self._at += 1_000
        if self.version.is_new:
            values: dict[str, Any] = {
                "chat_row_id": self.chat(chat), "from_me": from_me, "key_id": key, "status": 0,
                "sender_jid_row_id": self.jid(sender), "timestamp": self._at, "message_type": kind,
                "text_data": text,
            }  # fmt: skip
            return self.insert("message", **(values | more))
        values = {
            "key_remote_jid": chat, "key_from_me": from_me, "key_id": key, "remote_resource": sender,
            "status": 0, "timestamp": self._at, "data": text,
            "media_wa_type": None if kind is None else str(kind),
        }  # fmt: skip
        return self.insert("messages", **(values | more))

    def add_on(
        self, parent: int, kind: int, *, sender: str | None = None, from_me: int = 0, at: int = AT
    ) -> int:
        """An add-on to a message; its number."""
        return self.insert(
            "message_add_on", from_me=from_me, key_id=f"ADD{parent}", sender_jid_row_id=self.jid(sender),
            parent_message_row_id=parent, timestamp=at, message_add_on_type=kind,
        )  # fmt: skip


def contacts(
    path: Path, rows: list[tuple[str, str | None, str | None]], verified: dict[str, str] | None = None
) -> Path:
    """A `wa.db`, with a log beside it while it was in use: (jid, saved name, name of their own)."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        for table, columns in CONTACTS.items():
            db.execute(f"CREATE TABLE {table} ({columns})")
        db.executemany(
            "INSERT INTO wa_contacts (jid, is_whatsapp_user, display_name, wa_name) VALUES (?, 1, ?, ?)", rows
        )
        db.executemany("INSERT INTO wa_vnames (jid, verified_name) VALUES (?, ?)", (verified or {}).items())
        db.commit()
    return path


def many(path: Path, count: int, seed: int = 0) -> Path:
    """A backup of 2025 with very many messages, as many people have them.

    Of a hundred: 6 with files, 8 replies, 3 with reactions, 1 notice; 45 are the owner's, with receipts.
    """
    chance = random.Random(seed)
    words = "we said that it is late and they will come at nine if nothing is in the way of the train".split()
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 24))) for _ in range(5_000)]
    with Backup(path) as backup:
        people = [backup.jid(f"1555{number:07}@s.whatsapp.net") for number in range(PEOPLE)]
        chats = [backup.chat(f"1555{number:07}@s.whatsapp.net") for number in range(PEOPLE)]
        groups = [backup.chat(f"12036300000{number:06}@g.us", f"Group {number}") for number in range(GROUPS)]
        for number in range(GROUPS):
            group = backup.jid(f"12036300000{number:06}@g.us")
            for person in people[number : number + 12]:
                backup.insert(
                    "group_participant_user", group_jid_row_id=group, user_jid_row_id=person, rank=0
                )
        chances = [chance.random() for _ in range(9_973)]
        waiting: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
        for table, row in _rows(count, chances, texts, people, chats, groups):
            waiting[table].append(row)
            if len(waiting[table]) >= _SLICE:
                backup.insert_all(table, _COLUMNS[table], waiting[table])
                waiting[table].clear()
        for table, left in waiting.items():
            backup.insert_all(table, _COLUMNS[table], left)
    return path


_SLICE: Final = 20_000
_COLUMNS: Final = {
    "message": """_id, chat_row_id, from_me, key_id, sender_jid_row_id, status, origination_flags, origin,
     timestamp, received_timestamp, receipt_server_timestamp, message_type, text_data, sort_id""",
    "message_media": """message_row_id, chat_row_id, file_path, file_size, media_key, width, height,
     direct_path,     mime_type, file_length, file_hash, media_duration, enc_file_hash""",
    "message_quoted": """message_row_id, chat_row_id, parent_message_chat_row_id, from_me, sender_jid_row_id,
     key_id, timestamp, text_data""",
    "receipt_user": "message_row_id, receipt_user_jid_row_id, receipt_timestamp, read_timestamp",
    "message_add_on": """_id, chat_row_id, from_me, key_id, sender_jid_row_id, parent_message_row_id,
     timestamp,     received_timestamp, message_add_on_type""",
    "message_add_on_reaction": "message_add_on_row_id, reaction, sender_timestamp",
    "message_system": "message_row_id, action_type",
}


def _rows(
    count: int, chances: list[float], texts: list[str], people: list[int], chats: list[int], groups: list[int]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Rows of tables, one message after the other."""
    key, file_hash, media_key = "3EB0%018X", digest("file"), bytes(32)
    for number in range(2, count + 2):
        pick, luck = chances[number % 9_973], chances[(number * 31 + number // 9_973) % 9_973]
        at = AT + number * 200_000
        mine, person, in_group = int(pick < 0.45), int(luck * 1_000_003) % PEOPLE, luck < 0.4
        group = person % GROUPS
        chat = groups[group] if in_group else chats[person]
        sender = 0 if mine or not in_group else people[group + number % 12]
        kind, text, share = 0, texts[number % len(texts)], number * 7 % 100
        if share < 6:
            kind, text = (1, 2, 3, 9, 20, 1)[share], text if share == 0 else ""
            yield "message_media", (
                number, chat, f"Media/WhatsApp Images/IMG-{number}.jpg", 100_000 + number, media_key,
                1_280, 720,                f"/v/t62/{number}", "image/jpeg", 100_000 + number,
     file_hash, 12, file_hash,
            )  # fmt: skip
        elif share == 6:
            kind, text = 7, ""
            yield "message_system", (number, 18)
        elif share < 15:
            before = key % (number - 1)
            yield "message_quoted", (number, chat, chat, 1 - mine, sender, before, at - 200_000, texts[0])
        yield "message", (
            number, chat, mine, key % number, sender, 13 if mine else 0, 0, int(kind == 2), at, at, at,
            kind, text, number,
        )  # fmt: skip
        if mine and kind != 7:
            for reader in people[group : group + 4] if in_group else (people[person],):
                yield "receipt_user", (number, reader, at + 900, at + 60_000)
        if 20 <= share < 23:
            add_on = number * 2
            yield "message_add_on", (add_on, chat, mine, "R1", people[person], number, at + 5_000, at, 56)
            yield "message_add_on_reaction", (add_on, "\U0001f44d", at + 5_000)
