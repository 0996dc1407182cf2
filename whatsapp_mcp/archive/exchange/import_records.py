"""Imports by their numbers: begun, gone on with, ended, and what they brought so far.

Each function applies the operation of its name and takes its values; see the same method of `Archive`.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Final

from pydantic import TypeAdapter

from whatsapp_mcp.archive import state
from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.write import Applying
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import ImportRecord, ImportReport, ImportSource, ImportState

REPORT: Final = TypeAdapter(ImportReport)
_COLUMNS: Final = "id, source, file, chat, began_at, ended_at, state, position, report, error"
_GOES_ON: Final = (ImportState.RUNNING, ImportState.FAILED, ImportState.CANCELLED, ImportState.INTERRUPTED)
"""An import that ended so is gone on with when the same file is imported again."""
_LONGEST_NAME: Final = 255


def import_begun(
    on: Applying, source: ImportSource, file: str, fingerprint: bytes, chat: str | None = None
) -> ImportRecord:
    """Begin an import, or go on with the one of the same file that was not done.

    Args:
        on: The operation.
        source: What wrote the file.
        file: Its name, without its folder.
        fingerprint: The same for the same file.
        chat: Jid of the chat that it is, if it does not name its chats.
    """
    db = on.db
    states = ", ".join(f"'{each}'" for each in _GOES_ON)
    number = value(
        db,
        f"""SELECT max(id) FROM imports WHERE fingerprint = ? AND source = ? AND chat IS ?
        AND state IN ({states})""",  # noqa: S608
        (fingerprint, source, chat),
    )
    if number is None:
        nothing = REPORT.dump_json(ImportReport()).decode()
        (number,) = db.execute(
            """INSERT INTO imports (source, file, fingerprint, chat, began_at, state, report)
            VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id""",
            (source, file[:_LONGEST_NAME], fingerprint, chat, on.at, ImportState.RUNNING, nothing),
        ).fetchall()[0]
    else:
        db.execute(
            "UPDATE imports SET state = ?, ended_at = NULL, error = NULL WHERE id = ?",
            (ImportState.RUNNING, number),
        )
    return import_record(db, number)


def import_ended(on: Applying, number: int, ending: ImportState, error: str | None = None) -> ImportRecord:
    """Write down that an import is done, or why it is not.

    Args:
        on: The operation.
        number: Of the import.
        ending: How it ended.
        error: Why it failed, and what to do; of our own words alone.
    """
    db = on.db
    import_record(db, number)
    db.execute(
        "UPDATE imports SET state = ?, ended_at = ?, error = ? WHERE id = ?", (ending, on.at, error, number)
    )
    if ending is ImportState.DONE:
        db.execute("DELETE FROM imported_pairs WHERE import_id = ?", (number,))
    state.add_change(db, "history")
    return import_record(db, number)


def import_files(on: Applying, number: int, stored: int, left_out: int) -> ImportReport:
    """Count files in the report of an import.

    Args:
        on: The operation.
        number: Of the import.
        stored: Files that were stored since the last call.
        left_out: Files that were not.
    """
    return add_to_report(on.db, number, ImportReport(files=stored, files_left_out=left_out))


def add_to_report(db: sqlite3.Connection, number: int, more: ImportReport) -> ImportReport:
    """Add to what an import brought; answers all of it. A dry run has the number 0, and no report."""
    stored = value(db, "SELECT report FROM imports WHERE id = ?", (number,))
    if stored is None:
        return more
    report = REPORT.validate_json(stored) + more
    db.execute("UPDATE imports SET report = ? WHERE id = ?", (REPORT.dump_json(report).decode(), number))
    return report


def import_record(db: sqlite3.Connection, number: int) -> ImportRecord:
    """An import.

    Raises:
        InvalidArgument: There is none with this number.
    """
    found = _records(db, "WHERE id = ?", number)
    if not found:
        raise InvalidArgument(f"There is no import {number}.", "List the imports to see their numbers.")
    return found[0]


def position_of(db: sqlite3.Connection, number: int) -> int | None:
    """Where an import goes on; None at its beginning, and for a dry run."""
    return value(db, "SELECT position FROM imports WHERE id = ?", (number,))


def imports(db: sqlite3.Connection) -> tuple[ImportRecord, ...]:
    """All imports, the newest first.

    One that is `running` in the archive may have been interrupted: only whoever leads the account knows.
    """
    return _records(db, "ORDER BY id DESC")


def _records(db: sqlite3.Connection, rest: str, *values: int) -> tuple[ImportRecord, ...]:
    return tuple(
        ImportRecord(
            number,
            ImportSource(source),
            file,
            chat,
            _time(began),
            None if ended is None else _time(ended),
            ImportState(where),
            position,
            REPORT.validate_json(report),
            error,
        )
        for number, source, file, chat, began, ended, where, position, report, error in db.execute(
            f"SELECT {_COLUMNS} FROM imports {rest}",  # noqa: S608
            values,
        ).fetchall()
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC)
