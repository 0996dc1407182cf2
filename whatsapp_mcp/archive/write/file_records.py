"""What became of the files of messages, written down: where they lie, what was read, what went wrong.

Each function applies the operation of its name and takes its values; see the same method of `Archive`.
"""

from __future__ import annotations

import json

from whatsapp_mcp.archive import database, read, state
from whatsapp_mcp.archive.write.applying import Applying
from whatsapp_mcp.models import FileReading, FileStep, MessageKey


def record_media_path(on: Applying, key: MessageKey, path: str | None, kept: int | None = None) -> bool:
    """Remember where a file was downloaded to, and that there is no problem with that any more.

    False: the message carries no file any more, since it was deleted for everyone in the meantime.

    Args:
        on: The operation.
        key: The message.
        path: Under `media`; None: the file was dropped to make room.
        kept: How many bytes it takes, if it was fetched without being asked for: it may be dropped again.
    """
    db, message = on.db, read.find(on.db, key)
    found = db.execute("UPDATE media SET path = ? WHERE message_id = ?", (path, message)).rowcount
    if path is None or not found:
        return bool(found)
    state.add_file_change(db, message)
    fetch = state.FILE_STEPS.index(FileStep.FETCH)
    db.execute("DELETE FROM file_problems WHERE message_id = ? AND step = ?", (message, fetch))
    if kept is None:
        db.execute("DELETE FROM kept_files WHERE message_id = ?", (message,))
    else:
        db.execute(
            "INSERT OR REPLACE INTO kept_files SELECT message_id, ? FROM media WHERE message_id = ?",
            (kept, message),
        )
    return True


def record_imported_file(on: Applying, number: int, key: MessageKey, path: str, size: int) -> bool:
    """Note where a file lies that an import has stored, of a message that waits for one.

    Undoing the import takes the file away again. False: it does not wait for one any more.

    Args:
        on: The operation.
        number: Of the import.
        key: The message.
        path: Under `media`.
        size: Bytes.

    Raises:
        MessageNotFound: No such message.
    """
    db, message = on.db, read.find(on.db, key)
    found = db.execute(
        "UPDATE media SET path = ?, size = coalesce(size, ?) WHERE message_id = ? AND path IS NULL",
        (path, size, message),
    ).rowcount
    if found <= 0:
        return False
    db.execute("INSERT OR REPLACE INTO imported_files VALUES (?, ?)", (message, number))
    db.execute("DELETE FROM file_problems WHERE message_id = ?", (message,))
    state.add_file_change(db, message)
    return True


def record_reading(on: Applying, key: MessageKey, reading: FileReading) -> None:
    """Store what was read in a message's file, in place of what was read before, and index its words.

    A message that was deleted for everyone in the meantime has no file, and gets no reading.
    """
    db, message = on.db, read.find(on.db, key)
    marks = [[one.title, one.start] for one in reading.passages]
    text = state.BETWEEN.join(one.text.replace(state.BETWEEN, " ") for one in reading.passages)
    stored = db.execute(
        """INSERT OR REPLACE INTO readings (message_id, kind, language, engine, at, in_file, cut, marks, text)
        SELECT message_id, ?, ?, ?, ?, ?, ?, ?, ? FROM media WHERE message_id = ?""",
        (
            state.READING_KINDS.index(reading.kind),
            reading.language,
            reading.engine,
            on.at,
            reading.passages_in_file,
            reading.cut,
            json.dumps(marks, ensure_ascii=False) if any(mark != [None, None] for mark in marks) else None,
            text,
            message,
        ),
    ).rowcount
    if stored:
        state.add_file_change(db, message)
        db.execute("DELETE FROM file_problems WHERE message_id = ?", (message,))
        database.reindex_message(db, message)


def record_file_problem(
    on: Applying, key: MessageKey, step: FileStep, code: str, sentence: str, final: bool
) -> None:
    """Remember that a file could not be fetched or read, and how often in a row.

    Args:
        on: The operation.
        key: The message.
        step: What failed.
        code: Of the error.
        sentence: What it said; of our own words alone.
        final: Trying again would not help.
    """
    on.db.execute(
        """INSERT INTO file_problems SELECT message_id, ?, ?, ?, 1, ?, ? FROM media WHERE message_id = ?
        ON CONFLICT DO UPDATE SET attempts = iif(step = excluded.step, attempts + 1, 1), step = excluded.step,
        code = excluded.code, sentence = excluded.sentence, at = excluded.at, final = excluded.final""",
        (state.FILE_STEPS.index(step), code, sentence, on.at, final, read.find(on.db, key)),
    )
