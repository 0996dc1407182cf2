"""The files of messages: what was read in them, what went wrong, and which wait to be fetched or read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive.database import ID_BITS, placeholders, value
from whatsapp_mcp.archive.read.lookup import chat_id, find
from whatsapp_mcp.archive.state import BETWEEN, FILE_STEPS, READING_KINDS, STRANGER_SQL
from whatsapp_mcp.decoding import KIND_NUMBER, MESSAGE_KINDS, Flag
from whatsapp_mcp.jid import STATUS_JID
from whatsapp_mcp.models import (
    EXCERPT,
    SHOWN_WITH,
    FileProblem,
    FileReading,
    FilesStatus,
    FileStep,
    FileTask,
    MessageKey,
    MessageKind,
    Passage,
    ReadingExcerpt,
)

ATTEMPTS: Final = 6
"""Attempts to fetch or read a file automatically, at most."""
_FAILED: Final = f"(p.final OR p.attempts >= {ATTEMPTS})"
# A minute after the first try, then four times as long each time, up to a day.
_DUE: Final = "p.at + min(86400000, 60000 << (2 * (p.attempts - 1))) <= ?"
_PROBLEM: Final = "p.step, p.code, p.sentence, p.attempts, p.at, p.final"
_TASK: Final = f"m.ref, c.jid, m.kind, d.mime_type, d.file_name, d.size, d.path, m.id, {_PROBLEM}"
# CROSS JOIN: there are fewer files than messages.
_FROM: Final = """FROM media AS d CROSS JOIN messages AS m ON m.id = d.message_id
 CROSS JOIN chats AS c ON c.id = m.chat_id"""
_WAITING: Final = f"""LEFT JOIN contacts AS s ON s.id = m.sender_id
 LEFT JOIN file_problems AS p ON p.message_id = m.id AND p.step = {{step}}
 WHERE d.message_id >= ? AND NOT m.flags & {int(Flag.VIEW_ONCE | Flag.IMPORTED)}
 AND NOT ({STRANGER_SQL.format(c="s")})"""
"""Messages of people who are known, whose files may be fetched and read without being asked for."""
_TO_FETCH: Final = f"""{_WAITING.format(step=FILE_STEPS.index(FileStep.FETCH))}
 AND d.path IS NULL AND d.media_key IS NOT NULL AND coalesce(d.direct_path, d.url) IS NOT NULL
 AND c.jid != '{STATUS_JID}'
 AND NOT EXISTS (SELECT 1 FROM kept_files WHERE message_id = m.id)"""  # noqa: S608
_TO_READ: Final = f"""{_WAITING.format(step=FILE_STEPS.index(FileStep.READ))}
 AND d.path IS NOT NULL AND NOT EXISTS (SELECT 1 FROM readings WHERE message_id = m.id)"""  # noqa: S608


class FileNotes(NamedTuple):
    """Notes on a file that a list shows beside the message."""

    reading: ReadingExcerpt | None
    problem: FileProblem | None


def file_notes(db: sqlite3.Connection, messages: Sequence[int]) -> dict[int, FileNotes]:
    """Return what was read in the files of messages, or went wrong, by the message's id."""
    if not messages:
        return {}
    return {
        message: FileNotes(_excerpt(kind, language, cut, text), _problem(*problem))
        for message, kind, language, cut, text, *problem in db.execute(
            f"""WITH k (id) AS (VALUES {", ".join(["(?)"] * len(messages))})
            SELECT k.id, r.kind, r.language, r.cut OR r.in_file IS NOT NULL, r.text, {_PROBLEM} FROM k
            LEFT JOIN readings AS r ON r.message_id = k.id
            LEFT JOIN file_problems AS p ON p.message_id = k.id
            WHERE r.message_id IS NOT NULL OR p.message_id IS NOT NULL""",  # noqa: S608
            messages,
        )
    }


def _excerpt(kind: int | None, language: str | None, cut: int, text: str) -> ReadingExcerpt | None:
    if kind is None:
        return None
    shown = text[: EXCERPT + SHOWN_WITH].replace(BETWEEN, " ")
    passages = text.count(BETWEEN) + 1 if text else 0
    return ReadingExcerpt(READING_KINDS[kind], shown, passages, language, bool(cut) or len(text) > EXCERPT)


def _problem(
    step: int | None, code: str, sentence: str, attempts: int, tried_at: int, final: int
) -> FileProblem | None:
    return (
        None
        if step is None
        else FileProblem(FILE_STEPS[step], code, sentence, attempts, tried_at, bool(final))
    )


def reading_text(db: sqlite3.Connection, message: int) -> str | None:
    """Return the text read in a message's file, with `BETWEEN` between two passages."""
    return value(db, "SELECT text FROM readings WHERE message_id = ?", (message,))


def reading(db: sqlite3.Connection, key: MessageKey) -> FileReading | None:
    """Everything that was read in a message's file; None: it was not read.

    Raises:
        MessageNotFound: No such message.
    """
    row = db.execute(
        "SELECT kind, text, marks, engine, language, in_file, cut FROM readings WHERE message_id = ?",
        (find(db, key),),
    ).fetchone()
    if row is None:
        return None
    kind, text, marks, engine, language, in_file, cut = row
    texts = text.split(BETWEEN)
    named = json.loads(marks) if marks else [(None, None)] * len(texts)
    passages = tuple(Passage(one, *mark) for one, mark in zip(texts, named, strict=True))
    return FileReading(READING_KINDS[kind], passages, engine, language, in_file, bool(cut))


def files_to_fetch(
    db: sqlite3.Connection,
    keep: Mapping[MessageKind, int],
    since: datetime,
    chats: Collection[str] | None,
    now_ms: int,
    limit: int,
) -> list[FileTask]:
    """Files of people who are known that are not here yet and may be tried now, newest first.

    View-once and imported messages and status posts are left out, and what was fetched and dropped before.

    Args:
        keep: Up to how many bytes a file of each kind is fetched; one without a size counts as too large.
        since: Only those of messages sent since then.
        chats: Only those in these chats, by jid; None: in any.
        now_ms: Milliseconds since 1970: what failed is tried again some time later.
        limit: How many.
    """
    where, values = _fetchable(db, keep, since, chats)
    return _tasks(db, where, values, now_ms, limit)


def files_to_read(
    db: sqlite3.Connection, kinds: Collection[MessageKind], since: datetime, now_ms: int, limit: int
) -> list[FileTask]:
    """Files of people who are known that are here, were not read yet, and may be tried now, newest first.

    Args:
        kinds: Of messages.
        since: Only those of messages sent since then.
        now_ms: Milliseconds since 1970: what failed is tried again some time later.
        limit: How many.
    """
    where, values = _readable(kinds, since)
    return _tasks(db, where, values, now_ms, limit)


def file_counts(
    db: sqlite3.Connection,
    keep: Mapping[MessageKind, int],
    kinds: Collection[MessageKind],
    since: datetime,
    chats: Collection[str] | None,
) -> FilesStatus:
    """Count the files that wait for `files_to_fetch` and `files_to_read`, and the bytes of kept files.

    What may be tried only later waits, too.
    """
    fetch, fetch_values = _fetchable(db, keep, since, chats)
    read, read_values = _readable(kinds, since)
    counted = f"SELECT count(*) {_FROM} {{}} AND {_FAILED} IS NOT 1"
    return FilesStatus(
        value(db, counted.format(fetch), fetch_values),
        value(db, counted.format(read), read_values),
        value(db, f"SELECT count(*) FROM file_problems AS p WHERE {_FAILED}"),  # noqa: S608
        kept_bytes(db),
    )


def kept_bytes(db: sqlite3.Connection) -> int:
    """Return the total size in bytes of the files that were fetched automatically."""
    return value(
        db,
        """SELECT coalesce(sum(k.size), 0) FROM kept_files AS k JOIN media AS d USING (message_id)
        WHERE d.path IS NOT NULL""",
    )


def kept_to_drop(db: sqlite3.Connection, bytes_over: int) -> list[FileTask]:
    """Return automatically fetched files, those of the oldest messages first, that free these bytes."""
    tasks: list[FileTask] = []
    rows = db.execute(
        f"""SELECT {_TASK}, k.size {_FROM} JOIN kept_files AS k ON k.message_id = d.message_id
        LEFT JOIN file_problems AS p ON p.message_id = d.message_id
        WHERE d.path IS NOT NULL ORDER BY k.message_id"""
    )
    with closing(rows):
        for *row, size in rows:
            if bytes_over <= 0:
                break
            tasks.append(_task(row))
            bytes_over -= size
    return tasks


def _fetchable(
    db: sqlite3.Connection, keep: Mapping[MessageKind, int], since: datetime, chats: Collection[str] | None
) -> tuple[str, list[Any]]:
    sizes = [f"m.kind = {KIND_NUMBER[kind]} AND d.size <= {int(most)}" for kind, most in keep.items()]
    where, values = f"{_TO_FETCH} AND ({' OR '.join(sizes) or '0'})", [_first_id(since)]
    if chats is not None:
        numbers = [number for jid in chats if (number := chat_id(db, jid)) is not None]
        where += f" AND m.chat_id IN ({placeholders(numbers)})"
        values += numbers
    return where, values


def _readable(kinds: Collection[MessageKind], since: datetime) -> tuple[str, list[Any]]:
    numbers = ", ".join(str(KIND_NUMBER[kind]) for kind in kinds)
    return f"{_TO_READ} AND m.kind IN ({numbers})", [_first_id(since)]


def _first_id(since: datetime) -> int:
    return max(0, int(since.timestamp())) << ID_BITS


def _tasks(db: sqlite3.Connection, where: str, values: list[Any], now_ms: int, limit: int) -> list[FileTask]:
    due = f"AND (p.message_id IS NULL OR NOT {_FAILED} AND {_DUE}) ORDER BY d.message_id DESC LIMIT ?"
    sql = f"SELECT {_TASK} {_FROM} {where} {due}"
    return [_task(row) for row in db.execute(sql, [*values, now_ms, limit])]


def _task(row: Sequence[Any]) -> FileTask:
    ref, chat, kind, mime_type, file_name, size, path, message, *problem = row
    sent_at = message >> ID_BITS
    return FileTask(
        ref, chat, MESSAGE_KINDS[kind], mime_type, file_name, size, path, sent_at, _problem(*problem)
    )
