"""Recovering a damaged archive: what can be read of it goes into a new one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive.care.maintenance import DANGLING, check_file
from whatsapp_mcp.archive.database import (
    connect_new,
    connect_new_raw,
    index_all,
    is_damage,
    is_whole,
    quarantine,
    value,
)
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import transaction

_COPY: Final = ".damaged.copy"
"""Ends the name of the new file while it is filled; a purge deletes it as it does quarantined databases."""
_PARTS: Final = ("", "-wal", "-shm")
_LAST_ROW: Final = 2**63 - 1
"""The greatest rowid of SQLite."""


class Recovery(NamedTuple):
    """Result of a recovery.

    Attributes:
        messages: How many the archive holds now.
        chats: How many chats.
        is_whole: Whether every row is known to have been read.
    """

    messages: int
    chats: int
    is_whole: bool


def recover(folder: AccountFolder) -> Recovery | None:
    """Put what can be read of a damaged archive into new files, and quarantine the damaged ones.

    Only who holds the account's lock may. One that is killed has either changed nothing, or is completed by
    the next.

    Returns:
        None where nothing is damaged, and nothing was changed.

    Raises:
        Unsupported: An older or a newer version wrote it.
        OSError: A file cannot be made or renamed.
        sqlite3.Error: A new one cannot be written.
    """
    path, raw = folder.archive_db, folder.raw_db
    done: list[bool] = []
    if check_file(folder) or _copy_of(path).exists():
        done.append(_recover_file(path, folder.key_of(path), connect_new, _complete))
    if raw.exists() and not _is_whole(raw, folder.key_of(raw)):
        done.append(_recover_file(raw, folder.key_of(raw), connect_new_raw))
    if not done:
        return None
    with closing(encrypted_databases.connect(path, folder.key_of(path))) as db:
        messages, chats = (value(db, f"SELECT count(*) FROM {table}") for table in ("messages", "chats"))  # noqa: S608
        return Recovery(messages, chats, all(done))


def _is_whole(path: Path, key: encrypted_databases.DatabaseKey | None) -> bool:
    try:
        with closing(encrypted_databases.connect(path, key)) as db:
            return is_whole(db)
    except sqlite3.DatabaseError as error:
        return not is_damage(error)


def _copy_of(path: Path) -> Path:
    return path.with_name(path.name + _COPY)


def _recover_file(
    path: Path,
    key: encrypted_databases.DatabaseKey | None,
    make: Callable[[Path, encrypted_databases.DatabaseKey | None], sqlite3.Connection],
    complete: Callable[[sqlite3.Connection], None] | None = None,
) -> bool:
    """Replace a file by a new one with what can be read of it; whether every row is known to be there.

    Args:
        make: Makes the new file, with its tables.
        complete: Does what else the new file needs.
    """
    copy = _copy_of(path)
    if not path.exists() and copy.exists():  # a process was killed between the renames
        copy.replace(path)
        return False
    for part in _PARTS:
        copy.with_name(copy.name + part).unlink(missing_ok=True)
    with closing(make(copy, key)) as new:
        with transaction(new):
            old = _opened(path, key, value(new, "PRAGMA user_version"))
            is_complete = old is not None and _copy_all(old, new)
            if complete is not None:
                complete(new)
        # The file is renamed without its log.
        new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # In this order: whoever is killed in between leaves the copy, which the next recovery puts in place.
    quarantine(path, "it was recovered")
    copy.replace(path)
    return is_complete


def _opened(path: Path, key: encrypted_databases.DatabaseKey | None, known: int) -> sqlite3.Connection | None:
    """The damaged file, of the known version; None where nothing of it can be read."""
    if not path.exists():
        return None
    try:
        old = encrypted_databases.connect(path, key, isolation_level=None)
    except sqlite3.DatabaseError:
        return None
    try:
        # Damage may break UTF-8, and the default would refuse the whole row.
        old.text_factory = _lenient
        # A damaged description of one table does not keep the others from being read.
        old.execute("PRAGMA writable_schema = ON")
        version = int(value(old, "PRAGMA user_version"))
    except sqlite3.DatabaseError:
        old.close()
        return None
    if version not in (0, known):
        old.close()
        raise Unsupported(
            f"{path.name} is of version {version}, and this program recovers version {known} alone.",
            "Recover it with the version of whatsapp-mcp that wrote it, or restore a backup.",
        )
    return old


def _copy_all(old: sqlite3.Connection, new: sqlite3.Connection) -> bool:
    """Copy what can be read of each table; whether that is all."""
    # The last numbers that were given come first: inserting rows only raises them.
    tables = new.execute(
        """SELECT name, sql LIKE '%WITHOUT ROWID%' FROM sqlite_master
        WHERE type = 'table' AND name NOT GLOB 'fts*' ORDER BY name <> 'sqlite_sequence'"""
    ).fetchall()
    with closing(old):
        copied = [_copy_table(old, new, table, has_key=bool(has_key)) for table, has_key in tables]
    return all(copied)


def _lenient(text: bytes) -> str:
    return text.decode(errors="replace")


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, table: str, *, has_key: bool) -> bool:
    """Copy the rows that can be read; whether these are all.

    Args:
        has_key: Whether rows are found by a key, and have no numbers.
    """
    described = new.execute(f"SELECT name, pk FROM pragma_table_info('{table}') ORDER BY cid").fetchall()  # noqa: S608
    names = ", ".join(name for name, _ in described)
    marks = ", ".join("?" * len(described))
    add = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    reading = _Reading(old, table, names)
    rows = reading.from_both_ends(_key(described)) if has_key else reading.by_rowid()
    # The schema itself inserts a row (contact 0), which would keep out the recovered one.
    new.execute(f"DELETE FROM {table}")  # noqa: S608
    for row in rows:  # ignored: what a column cannot have, and what was read from both ends
        new.execute(add, row)
    return reading.is_whole


def _key(described: list[tuple[str, int]]) -> list[str]:
    return [name for name, place in sorted(described, key=lambda one: one[1]) if place]


class _Reading:
    """Reads the rows of a table, past what is damaged.

    Attributes:
        is_whole: Whether nothing was left out so far.
    """

    def __init__(self, db: sqlite3.Connection, table: str, names: str) -> None:
        self._db = db
        self._select = f"SELECT rowid, {names} FROM {table} WHERE rowid >= ? ORDER BY rowid"  # noqa: S608
        self._ordered = f"SELECT {names} FROM {table} ORDER BY "  # noqa: S608
        self.is_whole = True

    def by_rowid(self) -> Iterator[tuple[Any, ...]]:
        """The rows, in the order of their numbers."""
        start: int | None = -_LAST_ROW
        while start is not None:
            try:
                for row in self._db.execute(self._select, (start,)):
                    start = row[0] + 1
                    yield row[1:]
            except sqlite3.DatabaseError:
                self.is_whole = False
                start = self._after_damage(start)
            else:
                return

    def _after_damage(self, bad: int) -> int | None:
        """The first number from which on a row can be read again; None where there is none.

        Looked for in growing steps, then between the last two.
        """
        # Rowids of messages are seconds << 20: single steps would hardly ever cross a damaged page.
        step = 1
        while not self._can_read(bad + step):
            step *= 2
            if bad + step > _LAST_ROW:
                return None
        low, high = bad + step // 2, bad + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._can_read(middle) else (middle, high)
        return high

    def _can_read(self, start: int) -> bool:
        try:
            self._db.execute(f"{self._select} LIMIT 1", (start,)).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    def from_both_ends(self, key: list[str]) -> Iterator[tuple[Any, ...]]:
        """The rows of a table without numbers: up to the damage, then from the end down to it."""
        # Without rowids there is no number at which to go on behind the damage.
        for order in ("", " DESC"):
            try:
                yield from self._db.execute(self._ordered + ", ".join(f"{name}{order}" for name in key))
            except sqlite3.DatabaseError:
                self.is_whole = False
            else:
                return


def _complete(new: sqlite3.Connection) -> None:
    """Leave nothing that refers to a row which was not read, and make the search index."""
    new.execute("INSERT OR IGNORE INTO contacts (id) VALUES (0)")
    new.execute("UPDATE messages SET details = NULL WHERE details IS NOT NULL AND NOT json_valid(details)")
    for _, table, condition in DANGLING:
        new.execute(f"DELETE FROM {table} WHERE {condition}")  # noqa: S608
    new.execute("INSERT OR IGNORE INTO refs (ref, message_id) SELECT ref, id FROM messages")
    index_all(new)
