"""The `messages.db` of lharries' bridge, read in the decoding process.

The database is a foreign file: its tables may be views without end, its pages may be forged. It is read from
memory, since this process opens no files; only plain tables are read, and nothing but the columns that are
taken over.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from contextlib import closing
from typing import Any, BinaryIO, Final

from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.media.job import Outcome

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of the file, which is in memory twice while it is opened: some 900,000 messages."""
_CHATS: Final = 100_000
_TEXT: Final = 70_000
"""Characters of any text that are taken along; the archive has limits of its own."""
_BLOB: Final = 1_024
_VERSIONS: Final = slice(18, 20)
"""Bytes that say how the file is written: with a log beside it, or not (https://sqlite.org/fileformat.html)."""
_WAL: Final = b"\x02\x02"
_ROLLBACK: Final = b"\x01\x01"
_COLUMNS: Final = """rowid, id, chat_jid, timestamp, is_from_me, sender, content, media_type, filename, url,
 media_key, file_sha256, file_enc_sha256, file_length"""
_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: 16_000_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
_MAY: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_NOT_ONE: Final = InvalidArgument("The file is not a messages.db of that bridge.", "Give its messages.db.")


def bridge_page(file: BinaryIO, options: dict[str, Any]) -> Outcome:
    """Rows of the database, as the JSON of a `BridgePage`.

    Options: `after`, the number of the last row that is known, None at the beginning; `rows`, how many.

    Raises:
        InvalidArgument: It is not such a database, or a damaged one.
        TooLong: It is larger than 256 MB.
    """
    data = _content(file)
    after: int | None = options["after"]
    with closing(sqlite3.connect(":memory:")) as db:
        try:
            db.deserialize(data)
            data.clear()
            _guard(db, whole=after is None)
            chats = _chats(db) if after is None else []
            rows = db.execute(
                f"SELECT {_COLUMNS} FROM main.messages WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608
                (-(1 << 63) if after is None else after, options["rows"]),
            ).fetchall()
        except sqlite3.Error:
            raise _NOT_ONE from None
    messages = [message for row in rows if (message := _message(row)) is not None]
    page = {
        "chats": chats,
        "messages": messages,
        "skipped": len(rows) - len(messages),
        "following": rows[-1][0] if len(rows) == options["rows"] else None,
    }
    return {}, json.dumps(page, ensure_ascii=False).encode()


def _content(file: BinaryIO) -> bytearray:
    size = file.seek(0, os.SEEK_END)
    if size > MOST_BYTES:
        raise TooLong(f"The database is larger than {MOST_BYTES // 1024 // 1024} MB.")
    if not size:
        raise _NOT_ONE
    data = bytearray(size)
    view, at = memoryview(data), 0
    file.seek(0)
    while count := file.readinto(view[at:]):  # type: ignore[attr-defined]  # BufferedReader has it
        at += count
    if data.startswith(_WAL, _VERSIONS.start):
        data[_VERSIONS] = _ROLLBACK  # in memory there is no log beside it
    return data


def _guard(db: sqlite3.Connection, *, whole: bool) -> None:
    """Let the file do nothing but be read; look at it once as a `whole`."""
    db.text_factory = _decoded
    for limit, value in _LIMITS.items():
        db.setlimit(limit, value)
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA temp_store = MEMORY")
    # A view has no page of its own, nor has a virtual table; a hidden column may be computed when it is read.
    plain = db.execute(
        """SELECT count(*), sum((SELECT count(*) FROM pragma_table_xinfo(s.name) WHERE hidden))
        FROM main.sqlite_schema AS s
        WHERE name IN ('chats', 'messages') AND type = 'table' AND rootpage > 0"""
    ).fetchone()
    if plain != (2, 0) or (whole and db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)):
        raise _NOT_ONE
    db.set_authorizer(_authorize)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _authorize(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _MAY else sqlite3.SQLITE_DENY


def _chats(db: sqlite3.Connection) -> list[tuple[str, str | None]]:
    found = db.execute("SELECT jid, name FROM main.chats LIMIT ?", (_CHATS,)).fetchall()
    return [(jid[:_TEXT], _text(name)) for jid, name in found if isinstance(jid, str)]


def _message(row: tuple[Any, ...]) -> dict[str, Any] | None:
    """A row whose types are right: what must be there is, and what may be there is left out if it is not."""
    _, wa_id, chat, timestamp, from_me, sender, text, media_type, file_name, url, *blobs, size = row
    if not (isinstance(wa_id, str) and isinstance(chat, str) and isinstance(timestamp, str)):
        return None
    if from_me not in (0, 1) or not isinstance(text, str | None):
        return None
    media_key, sha256, enc_sha256 = map(_blob, blobs)
    return {
        "id": wa_id[:_TEXT],
        "chat_jid": chat[:_TEXT],
        "timestamp": timestamp[:_TEXT],
        "from_me": bool(from_me),
        "sender": _text(sender) or "",
        "text": _text(text) or "",
        "media_type": _text(media_type),
        "file_name": _text(file_name),
        "url": _text(url),
        "media_key": media_key,
        "sha256": sha256,
        "enc_sha256": enc_sha256,
        "size": size if isinstance(size, int) else None,
    }


def _text(value: Any) -> str | None:
    return value[:_TEXT] if isinstance(value, str) and value else None


def _blob(value: Any) -> str | None:
    return base64.b64encode(value).decode() if isinstance(value, bytes) and 0 < len(value) <= _BLOB else None
