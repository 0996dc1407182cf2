"""Which import has which message, and what it says of one that is not shown: shown if what says more goes.

The file of a message, and what is known about it, goes where its message goes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import database
from whatsapp_mcp.archive.database import ID_BITS, column, placeholders, value
from whatsapp_mcp.archive.state.addons import drop_imported_addons
from whatsapp_mcp.decoding import PLACEHOLDERS, Flag, MediaInfo
from whatsapp_mcp.models import FileStep, ReadingKind

ABOUT_FILES: Final = ("readings", "file_problems", "kept_files", "imported_files")
"""The tables with what is known about the file of a message; each has one row a message."""
_TABLES: Final = ("media", *ABOUT_FILES)
READING_KINDS: Final = (ReadingKind.DOCUMENT, ReadingKind.PICTURE, ReadingKind.TRANSCRIPT)
"""The kinds of `readings`, by their numbers."""
FILE_STEPS: Final = (FileStep.FETCH, FileStep.READ)
"""The steps of `file_problems`, by their numbers."""
BETWEEN: Final = "\f"
"""Stands between two passages in `readings.text`, and in no passage."""
IMPORT_TABLES: Final = (
    *("imported_refs", "imported_copies", "imported_chats", "imported_addresses", "imported_pairs"),
    *("imported_names", "imported_members", "imported_addons", "imported_marks", "imported_files"),
)
"""Tables with rows of imports."""
CAME: Final = 0
"""Stands for the import of what came over the connection."""
_MEDIA: Final = """(SELECT json_array(media_type, mime_type, file_name, size, duration, width, height,
 direct_path, url, hex(media_key), hex(sha256), hex(enc_sha256), path) FROM media WHERE message_id = m.id)"""
_BLOBS: Final = (9, 10, 11)
"""Places in that of blobs."""
_STORE: Final = """INSERT INTO imported_copies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
 ON CONFLICT DO UPDATE SET at = excluded.at, kind = excluded.kind, flags = excluded.flags,
 text = excluded.text, reply_wa_id = excluded.reply_wa_id, details = excluded.details
 WHERE excluded.kind > kind"""
"""SQL that stores a copy. Of two placeholders that came over the connection it keeps the one that says
more."""


def drop_file(db: sqlite3.Connection, message: int) -> None:
    """Forget the file of a message, and what was read in it."""
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE message_id = ?", (message,))  # noqa: S608


def purge_files(db: sqlite3.Connection) -> None:
    """Forget the files of the messages in `gone`, and what was read in them."""
    for table in _TABLES:
        db.execute(f"DELETE FROM {table} WHERE message_id IN (SELECT id FROM gone)")  # noqa: S608


def move_file(db: sqlite3.Connection, old: int, new: int) -> None:
    """Give the file of a message the message's new id."""
    for table in _TABLES:
        db.execute(f"UPDATE {table} SET message_id = ? WHERE message_id = ?", (new, old))  # noqa: S608


def merge_file(db: sqlite3.Connection, stays: int, goes: int) -> None:
    """Keep of two copies of a message the file of the first, and what only the second one's tells."""
    has_file = db.execute(
        """UPDATE media AS s SET path = coalesce(s.path, g.path) FROM media AS g
        WHERE s.message_id = ? AND g.message_id = ?""",
        (stays, goes),
    ).rowcount
    if has_file > 0:
        for table in ABOUT_FILES:
            moved = db.execute(
                f"UPDATE OR IGNORE {table} SET message_id = ? WHERE message_id = ?",  # noqa: S608
                (stays, goes),
            ).rowcount
            if table == "readings" and moved > 0:
                database.reindex_message(db, stays)
    drop_file(db, goes)


class Copy(NamedTuple):
    """A row of `imported_copies`."""

    ref: int
    import_id: int
    at: int
    sender_id: int
    wa_id: str
    kind: int
    flags: int
    text: str
    reply_wa_id: str | None
    edited_at: int | None
    revoked_at: int | None
    details: str | None
    media: str | None

    @property
    def worth(self) -> tuple[int, ...]:
        """The `copy_worth`; of two equal copies, the one that came over the connection is shown."""
        return (*copy_worth(self.kind, self.flags, self.edited_at, self.revoked_at), self.import_id == CAME)

    @property
    def file(self) -> str | None:
        """The path of its file, under `media`; None if it has none."""
        return None if self.media is None else json.loads(self.media)[-1]


def copy_worth(kind: int, flags: int, edited_at: int | None, revoked_at: int | None) -> tuple[int, ...]:
    """Return how much a file says of a message: of several files the one that says most is shown.

    A deletion says more than a text, a later text more than an earlier one, the first text that is known more
    than only an edit, and a star more than none.
    """
    placeholder = PLACEHOLDERS.index(kind) if kind in PLACEHOLDERS else len(PLACEHOLDERS)
    known = not flags & Flag.ONLY_EDITED
    return placeholder, revoked_at is not None, edited_at or 0, known, bool(flags & Flag.STARRED)


def add_refs(db: sqlite3.Connection, number: int, refs: Iterable[int]) -> None:
    """Note that an import has these messages: as ranges, since those of a file follow each other."""
    for first, last in _ranges(sorted({*refs})):
        before = db.execute(
            """SELECT first, last FROM imported_refs WHERE import_id = ? AND first <= ?
            ORDER BY first DESC LIMIT 1""",
            (number, first),
        ).fetchone()
        if before is not None and before[1] >= first - 1:
            db.execute(
                "UPDATE imported_refs SET last = max(last, ?) WHERE (import_id, first) = (?, ?)",
                (last, number, before[0]),
            )
        else:
            db.execute("INSERT INTO imported_refs VALUES (?, ?, ?)", (number, first, last))


def _ranges(refs: list[int]) -> Iterator[tuple[int, int]]:
    start = 0
    for place in range(1, len(refs) + 1):
        if place == len(refs) or refs[place] != refs[place - 1] + 1:
            yield refs[start], refs[place - 1]
            start = place


def has_ref(db: sqlite3.Connection, number: int, ref: int) -> bool:
    """Check whether an import has a message."""
    last = value(
        db,
        "SELECT last FROM imported_refs WHERE import_id = ? AND first <= ? ORDER BY first DESC LIMIT 1",
        (number, ref),
    )
    return last is not None and last >= ref


def imports_with(db: sqlite3.Connection, message: int, ref: int, flags: int) -> set[int]:
    """The imports that have a message: one that was two may have several refs."""
    refs = [ref]
    if flags & Flag.TWICE:
        refs = column(db, "SELECT ref FROM refs WHERE message_id = ?", (message,))
    numbers = column(db, "SELECT id FROM imports WHERE state != 'undone'")
    return {number for number in numbers for each in refs if has_ref(db, number, each)}


def store_copy(db: sqlite3.Connection, copy: Copy) -> None:
    """Store a copy that is not shown."""
    db.execute(_STORE, copy)


def shown_copy(db: sqlite3.Connection, message: int, number: int) -> Copy:
    """Return the shown message as an import's copy, without edits that came over the connection."""
    row = db.execute(
        f"""SELECT ref, ?, id >> {ID_BITS}, sender_id, wa_id, kind, flags, ifnull(original, text),
        reply_wa_id, iif(original IS NULL, edited_at, NULL), revoked_at, details, {_MEDIA} FROM messages AS m
        WHERE id = ?""",  # noqa: S608
        (number, message),
    ).fetchone()
    return Copy._make(row)


def copies_of(db: sqlite3.Connection, ref: int) -> list[Copy]:
    """The copies of a message that are not shown."""
    return [*map(Copy._make, db.execute("SELECT * FROM imported_copies WHERE ref = ?", (ref,)))]


def media_row(copy: Copy) -> tuple[Any, ...] | None:
    """The columns of `media` from the second on."""
    if copy.media is None:
        return None
    row = json.loads(copy.media)
    # `hex` of SQLite makes an empty text of NULL.
    return tuple([bytes.fromhex(one) or None if at in _BLOBS else one for at, one in enumerate(row)])


def media_text(media: MediaInfo | None) -> str | None:
    """A file that a message says it has, as `imported_copies` holds it."""
    if media is None:
        return None
    row = [one.hex().upper() if isinstance(one, bytes) else one for one in media.columns()]
    return json.dumps([*("" if one is None and at in _BLOBS else one for at, one in enumerate(row)), None])


def show_media(db: sqlite3.Connection, message: int, row: Sequence[Any] | None) -> str | None:
    """Give a message another file: the one that lies here stays, if it is the same; answers one that goes.

    Args:
        db: The archive, in a write transaction.
        message: Its id.
        row: The columns of `media` from the second on.
    """
    before = db.execute(
        """SELECT d.sha256, d.path, i.import_id FROM media AS d
        LEFT JOIN imported_files AS i USING (message_id)
        WHERE d.message_id = ? AND d.path IS NOT NULL""",
        (message,),
    ).fetchone()
    drop_file(db, message)
    if row is not None:
        places = placeholders(row)
        db.execute(f"INSERT INTO media VALUES (?, {places})", (message, *row))  # noqa: S608
    if before is None:
        return None
    digest, path, number = before
    kept = db.execute(
        """UPDATE media SET path = ?1 WHERE message_id = ?2
        AND (path = ?1 OR path IS NULL AND (?3 IS NULL OR sha256 IS NULL OR sha256 = ?3))""",
        (path, message, digest),
    ).rowcount
    if not kept:
        return path
    if number is not None:
        db.execute("INSERT OR IGNORE INTO imported_files VALUES (?, ?)", (message, number))
    return None


def outdate_copies(db: sqlite3.Connection, message: int) -> list[str]:
    """A message came over the connection: what files said of it is gone for good; answers their files."""
    chat, wa_id, ref = db.execute(
        "SELECT chat_id, wa_id, ref FROM messages WHERE id = ?", (message,)
    ).fetchone()
    drop_imported_addons(db, chat, wa_id)
    return drop_copies(db, ref)


def drop_copies(db: sqlite3.Connection, ref: int) -> list[str]:
    """Delete the copies of a message that are not shown; answers their files."""
    files = column(
        db,
        """SELECT media ->> '$[12]' FROM imported_copies
        WHERE ref = ? AND media ->> '$[12]' IS NOT NULL""",
        (ref,),
    )
    db.execute("DELETE FROM imported_copies WHERE ref = ?", (ref,))
    return files


def purge_imported(db: sqlite3.Connection) -> list[str]:
    """Delete the copies of the messages in `gone`; answers their files."""
    refs = column(db, "SELECT ref FROM messages WHERE id IN (SELECT id FROM gone)")
    kept = {*column(db, "SELECT DISTINCT ref FROM imported_copies")}
    return [path for ref in refs if ref in kept for path in drop_copies(db, ref)]


def purge_import_spans(db: sqlite3.Connection, chat: int | None, before: int | None) -> None:
    """Let imports hold nothing of a chat, of a time, or of anything, that was purged; see `purge_rest`.

    An import that was not done begins at the beginning when it goes on: what it brought may be gone.
    """
    db.execute("UPDATE imports SET position = NULL WHERE state NOT IN ('done', 'undoing', 'undone')")
    of_chat = "(?1 IS NULL OR address_id IN (SELECT address_id FROM chat_addresses WHERE chat_id = ?1))"
    for statement in (
        f"DELETE FROM imported_chats WHERE {of_chat} AND (?2 IS NULL OR last < ?2)",  # noqa: S608
        f"UPDATE imported_chats SET first = max(first, ?2) WHERE {of_chat} AND ?2 NOT NULL",  # noqa: S608
        f"""DELETE FROM imported_marks WHERE (?1 IS NULL OR chat_id = ?1 OR (chat_id = 0 AND {of_chat}))
        AND (?2 IS NULL OR up_to < ?2 << {ID_BITS})""",  # noqa: S608
    ):
        db.execute(statement, (chat, before))


def merge_copies(db: sqlite3.Connection, stays: int, goes: int) -> None:
    """Merge the copies of two messages that are one: keep what may be shown again of the one that goes.

    Both are ids. What a file brought never changes what came over the connection; what came over the
    connection and says less than a file waits for the file to go.
    """
    flags = dict(db.execute("SELECT id, flags FROM messages WHERE id IN (?, ?)", (stays, goes)).fetchall())
    if not (flags[stays] | flags[goes]) & Flag.IMPORTED:
        return
    gone = shown_copy(db, goes, CAME)
    ref = shown_copy(db, stays, CAME).ref
    if not flags[stays] & Flag.IMPORTED:
        outdate_copies(db, stays)
        outdate_copies(db, goes)
    elif not flags[goes] & Flag.IMPORTED:
        store_copy(db, gone._replace(ref=ref))
    else:
        _keep_gone(db, stays, goes, ref, gone)


def _keep_gone(db: sqlite3.Connection, stays: int, goes: int, ref: int, gone: Copy) -> None:
    """Keep what only imports say of the message that goes, as their copies of the one that stays."""
    showing = _imports_showing(db, stays)
    for number in _imports_showing(db, goes) - showing:
        store_copy(db, gone._replace(ref=ref, import_id=number))
    places = placeholders(showing)
    db.execute(
        f"""UPDATE OR IGNORE imported_copies SET ref = ? WHERE ref = ? AND import_id NOT IN ({places})""",  # noqa: S608
        (ref, gone.ref, *showing),
    )
    db.execute("DELETE FROM imported_copies WHERE ref = ?", (gone.ref,))


def _imports_showing(db: sqlite3.Connection, message: int) -> set[int]:
    """The imports of which what is shown of a message is all that they say of it."""
    ref, flags = db.execute("SELECT ref, flags FROM messages WHERE id = ?", (message,)).fetchone()
    return imports_with(db, message, ref, flags) - {copy.import_id for copy in copies_of(db, ref)}
