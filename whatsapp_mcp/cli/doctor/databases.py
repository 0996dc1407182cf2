"""Opening an account's databases without a trace; checks whether they are whole and lost nothing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from whatsapp_mcp.archive.database import is_damage
from whatsapp_mcp.cli.doctor.finding import Finding, listed
from whatsapp_mcp.cli.outcome import RECOVER
from whatsapp_mcp.device.leader import running_leader
from whatsapp_mcp.errors import WhatsAppError, cause
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import guard

QUICK_CHECK_LIMIT: Final = 3.0
"""Seconds for one database; what is larger is checked as far as that goes."""
_STEPS_BETWEEN_CHECKS: Final = 10_000
"""Instructions of SQLite's virtual machine between two looks at the clock."""
_LOCK_LIMIT: Final = 0.2
"""Seconds for a lock; after that the database is left alone."""
_NEWEST: Final = "SELECT id FROM messages ORDER BY id DESC LIMIT 1 OFFSET 2"
"""The third newest: one or two with an impossible date prove nothing about the clock here."""
_BESIDE: Final = ("-wal", "-shm", "-journal")
_SHARED_MEMORY: Final = 32_768
"""Bytes of the memory that the users of a log share, where it is complete."""
_SECOND: Final = 20
"""Bits of a message's id below its time in seconds."""
_DEVICES: Final = "SELECT jid FROM whatsmeow_device"
# In the address of a session the client library writes the user of a LID as `user_1`.
_OTHERS: Final = """SELECT EXISTS (
    SELECT 1 FROM whatsmeow_sessions AS s, whatsmeow_device AS d
    WHERE substr(s.their_id, 1, instr(s.their_id || ':', ':') - 1) NOT IN (
        substr(d.jid, 1, instr(d.jid, ':') - 1),
        coalesce(substr(d.lid, 1, instr(d.lid, ':') - 1), '') || '_1'))"""
"""Query whether any session is with somebody other than the account: it proves a message to or from them."""
_EVER: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'refs'"
"""The last number that was given to a message, which a purge leaves."""
_AGAIN: Final = (
    "Restore it from a backup (docs/backup.md). Without one, run `whatsapp-mcp unlink`, then"
    " `whatsapp-mcp link`: the phone hands its history over again."
)


class Unread(Exception):
    """A database that is left alone; the text says why, after its name."""


@contextmanager
def read_only(folder: AccountFolder, path: Path) -> Generator[sqlite3.Connection]:
    """A database of an account, for reading, where that neither keeps a leader waiting nor recovers anything.

    While nobody leads, the file is read as one that cannot change: so no log is made beside it.

    Raises:
        Unread: It is left alone.
        WhatsAppError: Its key is missing or wrong.
    """
    if not path.exists():
        raise Unread("is not there")
    mode = "mode=ro" if running_leader(folder) is not None else _undisturbed(path)
    key = None if path == folder.client_db else folder.key_of(path)
    try:
        uri = f"{path.as_uri()}?{mode}"
        with closing(
            encrypted_databases.connect(uri, key, uri=True, timeout=_LOCK_LIMIT, isolation_level=None)
        ) as db:
            if mode == "mode=ro" and db.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                raise Unread("is in use")  # without a log its reader would keep its writer waiting
            if path in {folder.client_db, folder.inbox_db}:
                # The client process writes both files: once it is taken over, their schema may be hostile.
                guard(db)
            yield db
    except sqlite3.OperationalError as error:
        raise Unread(f"cannot be read now: {cause(error)}") from error


def _undisturbed(path: Path) -> str:
    """Return the URI parameters for opening a database that no leader uses.

    What a killed server has left in a log is read with it, in this process's memory (`readonly_shm`).

    Raises:
        Unread: It would be recovered.
    """
    log, shared, journal = (path.with_name(path.name + suffix) for suffix in _BESIDE)
    if not _size(journal) and log.exists() and _size(shared) >= _SHARED_MEMORY:
        return "mode=ro&readonly_shm=1"
    if shared.exists() or any(map(_size, (log, journal))):
        raise Unread("is in use, or has a log that the next server moves into it")
    return "immutable=1"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def newest_message(db: sqlite3.Connection) -> datetime | None:
    """The server's time of the third newest message of an archive; None where there are fewer."""
    row = db.execute(_NEWEST).fetchone()
    return datetime.fromtimestamp(row[0] >> _SECOND, UTC) if row else None


def integrity(folder: AccountFolder, limit: float = QUICK_CHECK_LIMIT) -> Finding:
    """Check whether the account's databases are intact, reading each for at most `limit` seconds."""
    whole: list[str] = []
    left: list[str] = []
    for path in (*folder.databases, folder.client_db):
        if not (before := _identity(path)):
            continue
        try:
            with read_only(folder, path) as db:
                if _read_through(db, limit):
                    whole.append(path.name)
                else:
                    left.append(f"{path.name} is large: no fault in the first {limit:g} s")
        except Unread as reason:
            left.append(f"{path.name} {reason}")
        except WhatsAppError as error:
            return Finding.of_error("integrity", error)
        except sqlite3.DatabaseError as error:
            if is_damage(error) and before == _identity(
                path
            ):  # else a server has begun to write it meanwhile
                return _damaged(folder, path, error)
            left.append(f"{path.name} cannot be read now: {cause(error)}")
    said = f"{listed(whole, 9)} whole" if whole else "nothing was read"
    return Finding("integrity", True, "; ".join((said, *left)))


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written, but not when it is read; None without a file."""
    try:
        file_stat = path.stat()
    except FileNotFoundError:
        return None
    return file_stat.st_ino, file_stat.st_size, file_stat.st_mtime_ns


def _read_through(db: sqlite3.Connection, limit: float, clock: Callable[[], float] = time.monotonic) -> bool:
    """Check a database for at most `limit` seconds; return whether all of it was read.

    Raises:
        sqlite3.DatabaseError: It is damaged.
    """
    until = clock() + limit
    db.set_progress_handler(lambda: int(clock() > until), _STEPS_BETWEEN_CHECKS)
    try:
        # It compares no indexes with their tables, which takes long (https://sqlite.org/pragma.html).
        result = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname == "SQLITE_INTERRUPT":
            return False
        raise
    finally:
        db.set_progress_handler(None, 0)
    if result != "ok":
        # In words that `cause` lets through; those of the check may name tables.
        raise sqlite3.DatabaseError("database disk image is malformed")
    return True


def _damaged(folder: AccountFolder, path: Path, error: sqlite3.Error) -> Finding:
    said = f"{path.name} is damaged: {cause(error)}"
    if path in (folder.archive_db, folder.raw_db):
        action = RECOVER
    elif path == folder.client_db:
        action = "Run `whatsapp-mcp link`: new keys take its place, and the archive stays."
    elif path == folder.ledger_db:
        action = (
            f"Restore it from a backup (docs/backup.md), or delete {path}, with {path.name}-wal and"
            f" {path.name}-shm beside it: what agents did, and what they wait to be allowed, is lost then."
        )
    else:
        action = "Run `whatsapp-mcp status --wait`: it sets the file aside and makes another, as servers do."
    return Finding("integrity", False, said, action)


def linked_devices(folder: AccountFolder) -> list[str]:
    """The jids of the devices whose keys are here; none where they cannot be read at all.

    Raises:
        Unread: They cannot be read now.
    """
    if not folder.client_db.exists():
        return []
    try:
        with read_only(folder, folder.client_db) as db:
            return [str(row[0]) for row in db.execute(_DEVICES)]
    except sqlite3.DatabaseError:  # `integrity` tells of it, and a new one has no table yet
        return []


def has_held_messages(folder: AccountFolder) -> bool:
    """Return whether the archive has ever held a message; assumed true if it cannot be read."""
    try:
        with read_only(folder, folder.archive_db) as db:
            return bool(db.execute(_EVER).fetchone()[0])
    except Unread as reason:
        return "no such table" not in str(reason.__cause__)
    except (WhatsAppError, sqlite3.DatabaseError):  # `encryption` or `integrity` tells of it
        return True


def archive(folder: AccountFolder) -> Finding:
    """Check whether a linked account's archive holds what it must have received by now."""
    name = "archive"
    if folder.in_database:
        return Finding(name, True, "a copy of what the database holds")
    is_there = folder.archive_db.exists() and folder.archive_db.stat().st_size > 0
    if is_there and has_held_messages(folder):
        return _beside(name, folder)
    try:
        is_linked, has_talked = bool(linked_devices(folder)), _has_talked(folder)
    except Unread as reason:
        return Finding(name, True, f"client.db {reason}")
    if is_linked and not is_there:
        said = "archive.db is missing or empty, although a phone is linked: every message is gone"
        return Finding(name, False, said, _AGAIN)
    if is_linked and has_talked:
        said = "archive.db has never held a message, although keys for chats with others are here"
        return Finding(name, False, said, _AGAIN)
    return Finding(name, True, "no message has come yet" if is_linked else "no phone is linked")


def _has_talked(folder: AccountFolder) -> bool:
    if not folder.client_db.exists():
        return False
    try:
        with read_only(folder, folder.client_db) as db:
            return bool(db.execute(_OTHERS).fetchone()[0])
    except sqlite3.DatabaseError:
        return False


def _beside(name: str, folder: AccountFolder) -> Finding:
    """Check whether the databases that belong to an archive with messages lie beside it."""
    if not folder.raw_db.exists():
        said = "raw.db is missing: earlier messages cannot be decoded again by a later version"
        action = (
            "End this account's servers and restore raw.db from a backup (docs/backup.md). Without one, run"
            " `whatsapp-mcp status --wait`, which makes an empty one."
        )
        return Finding(name, False, said, action)
    if folder.approval_key.exists() and not folder.ledger_db.exists():
        said = "ledger.db is missing: the record of what agents did"
        action = (
            "End this account's servers and restore ledger.db from a backup (docs/backup.md). Without one,"
            " run `whatsapp-mcp status --wait`, which begins a new record."
        )
        return Finding(name, False, said, action)
    return Finding(name, True, "holds messages, with what belongs to them")
