"""The keys of the linked device: `client.db`, which belongs to the client library.

The leader reads it, deletes it after a logout, and writes to it only while no client runs
(`reset_address_book`). It always opens the file for writing: what a killed client left half done has to be
rolled back before it can be read. Nothing that a client has planted in it runs here (`storage/guarded.py`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio.to_thread

from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_mcp.storage import (
    AppState,
    ChatKeys,
    KeysUnreadable,
    StoredDevice,
    bounded_schema,
    bounded_transaction,
    guard,
)
from whatsapp_mcp.system import boot

_QUERY: Final = "SELECT jid, lid, push_name, registration_id FROM whatsmeow_device LIMIT 1"
_LID_QUERY: Final = "SELECT lid FROM whatsmeow_lid_map WHERE pn = ?"
_APP_STATE_QUERY: Final = """SELECT
    EXISTS (SELECT 1 FROM whatsmeow_app_state_sync_keys),
    -- Only the address book gives full names, and all of its first ones in one transaction.
    EXISTS (SELECT 1 FROM whatsmeow_contacts WHERE full_name > '')"""
_TABLES: Final = (
    "whatsmeow_app_state_sync_keys",
    "whatsmeow_contacts",
    "whatsmeow_device",
    "whatsmeow_lid_map",
    "whatsmeow_message_secrets",
    "whatsmeow_sender_keys",
    "whatsmeow_sessions",
)
"""Tables that may be read."""
_OF_ADDRESS_BOOK: Final = ("whatsmeow_app_state_version", "whatsmeow_app_state_mutation_macs")
"""Tables that may be deleted from: rows of the second go with the version that `_RESET_QUERY` deletes."""
_MOST_NAMES: Final = 8
"""Rows that are taken of those that name the two addresses of a person."""
_MOST_ROWS: Final = 256
"""Rows that are taken of an answer; a person has few devices."""
_READ_LIMIT: Final = 5.0
"""Seconds that a reading may take in a worker thread."""
_RESET_QUERY: Final = """DELETE FROM whatsmeow_app_state_version
WHERE name = 'critical_unblock_low'
    -- With names in place it is up to date; to fetch all of it again would only cost time.
    AND NOT EXISTS (SELECT 1 FROM whatsmeow_contacts WHERE full_name > '')"""
_ID: Final = "SELECT message_id FROM whatsmeow_message_secrets WHERE key = ? ORDER BY rowid DESC LIMIT 1"
_BOTH_ADDRESSES: Final = "SELECT lid, pn FROM whatsmeow_lid_map WHERE lid = ?1 OR pn = ?1"
# Their indexes begin with the own device: without it, the keys of everybody would be read for one person's.
_SESSIONS: Final = """SELECT their_id, session FROM whatsmeow_sessions
WHERE our_jid IN (SELECT jid FROM whatsmeow_device) AND their_id GLOB ? ORDER BY their_id"""
_OWN_KEYS: Final = """SELECT sender_id, sender_key FROM whatsmeow_sender_keys
WHERE our_jid IN (SELECT jid FROM whatsmeow_device) AND chat_id = ? AND sender_id GLOB ? ORDER BY sender_id"""
_ANY_DEVICE: Final = "[_:.]*"
"""Pattern after the user in the library's address of a device."""
_NAMED_IN: Final = "SELECT chat_jid, sender_jid FROM whatsmeow_message_secrets WHERE message_id = ?"
_SENDER_IN: Final = """SELECT message_id, sender_jid FROM whatsmeow_message_secrets WHERE chat_jid = ?
ORDER BY message_id = ? DESC, rowid DESC LIMIT 1"""
_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
"""Ends of the names of a database's files. A log or journal that stays behind would be applied to the next
database of this name (https://sqlite.org/howtocorrupt.html)."""
_LOCK_LIMIT: Final = 2.0
"""Seconds to wait for a client process that is ending."""
_VALUE_BYTES: Final = 1024 * 1024
"""Most bytes of any value; the client library stores no key that is nearly as long."""
_UNREADABLE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
"""Codes of a file that the client library cannot read either."""

T = TypeVar("T")

logger = logging.getLogger(__name__)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """`client.db`, in one transaction.

    Raises:
        sqlite3.Error: It cannot be read now, or is not there.
    """
    with closing(_connect(path)) as db, bounded_transaction(db, _VALUE_BYTES, _latest()):
        yield db


class KeptOpen:
    """`client.db`, kept open between two readings: opening it costs several times what reading does.

    Another file that takes its name is noticed, and opened: the number of the former is not given away while
    that is open.

    Args:
        path: `client.db`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    async def read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a call reads: whole results, as a half-read one keeps the library from writing.

        Raises:
            sqlite3.Error: It cannot be read now, or is not there.
        """
        # Never in the event loop: whoever has taken over the client process decides how long it takes.
        return await anyio.to_thread.run_sync(self._read, call)

    def _read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        with self._turn:
            try:
                db = self._current()
                with bounded_transaction(db, _VALUE_BYTES, _latest()):
                    return call(db)
            except sqlite3.Error:
                self._close()
                raise

    def close(self) -> None:
        """Close it, until it is read again."""
        with self._turn:
            self._close()

    def _current(self) -> sqlite3.Connection:
        try:
            file_stat = os.stat(self._path)
        except OSError as error:
            raise sqlite3.OperationalError("client.db is not there") from error
        file = file_stat.st_dev, file_stat.st_ino
        if self._db is None or file != self._file:
            self._close()
            self._db, self._file = _connect(self._path, check_same_thread=False), file
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _connect(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    # `rw` makes no file: one that the leader made would not be the library's.
    db = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_LIMIT, check_same_thread=check_same_thread
    )
    try:
        with bounded_schema(db):
            # What belongs to a version (`whatsmeow_app_state_mutation_macs`) is deleted with it.
            db.execute("PRAGMA foreign_keys = ON")
            guard(db, reads=_TABLES, writes=_OF_ADDRESS_BOOK)
    except sqlite3.Error:
        db.close()
        raise
    return db


class FileKeys:
    """The keys in `client.db`: a `storage.KeyStore`.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Evidence is read twice for each send; what is asked now and then opens the file for itself.
        self._database = KeptOpen(path)

    def system(self) -> str | None:
        """Return the id of this boot: a power failure may undo the last commit of a file."""
        return boot()

    def close(self) -> None:
        """Close the database until it is read again; some systems would not delete an open file."""
        self._database.close()

    async def device(self) -> StoredDevice | None:
        """Return the device whose keys are stored; None if there is none, or the file is no database."""
        return await self._ask(stored_device, self._path)

    async def lid_of(self, jid: Jid) -> str | None:
        """Return the LID of a phone number's address, if the library has learned it."""
        rows = await self._rows(_LID_QUERY, jid.user)
        return str(Jid(str(rows[0][0]), LID_SERVER)) if rows else None

    async def app_state(self) -> AppState:
        """Return what the library has fetched of the phone's app state."""
        [(has_key, has_contacts)] = await self._rows(_APP_STATE_QUERY)
        return AppState(bool(has_key), bool(has_contacts))

    async def reset_address_book(self) -> bool:
        """Forget the version of an address book that was never stored; true if there was one."""
        return await self._ask(reset_address_book, self._path)

    async def forget(self) -> None:
        """Close the database and delete the keys."""
        self.close()
        forget(self._path)

    async def message_id(self, secret: bytes) -> str | None:
        """Return the id that the library has given the message with this secret."""
        rows = await self._read(lambda db: db.execute(_ID, (secret,)).fetchmany(1))
        return str(rows[0][0]) if rows else None

    async def sessions(self, user: str) -> ChatKeys:
        """Return the sessions with a person of whom one user is known."""
        return await self._read(partial(_chat_keys, user=user, query=_SESSIONS, about=()))

    async def own_keys(self, chat: str, user: str) -> ChatKeys:
        """Return the own keys to a group or to status posts; one own user is known."""
        return await self._read(partial(_chat_keys, user=user, query=_OWN_KEYS, about=(chat,)))

    async def named_in(self, message_id: str) -> list[tuple[str, str]]:
        """Return the chats and senders under which secrets of messages with this id are kept."""
        return [(str(chat), str(sender)) for chat, sender in await self._rows(_NAMED_IN, message_id)]

    async def sender_in(self, chat: str, message_id: str) -> tuple[str, str] | None:
        """Return the id and sender of this message, or else of the chat's latest with a secret."""
        rows = await self._rows(_SENDER_IN, chat, message_id)
        return (str(rows[0][0]), str(rows[0][1])) if rows else None

    async def _read(self, call: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await self._database.read(call)
        except sqlite3.Error as error:
            raise KeysUnreadable(str(error)) from error

    async def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        def read() -> list[tuple[Any, ...]]:
            with opened(self._path) as db:
                return db.execute(query, values).fetchmany(_MOST_ROWS)

        return await self._ask(read)

    async def _ask(self, call: Callable[..., T], *arguments: Path) -> T:
        try:
            return await anyio.to_thread.run_sync(call, *arguments)
        except sqlite3.Error as error:
            raise KeysUnreadable(str(error)) from error


def _latest() -> float:
    """When a reading that begins now is broken off, in a worker thread."""
    return time.monotonic() + _LOCK_LIMIT + _READ_LIMIT


def _chat_keys(db: sqlite3.Connection, *, user: str, query: str, about: tuple[str, ...]) -> ChatKeys:
    both = db.execute(_BOTH_ADDRESSES, (user,)).fetchmany(_MOST_NAMES)
    named = {user, *(str(one) for row in both for one in row)}
    # Sorted, as the rows are: a digest is made of them, and compared with a later one.
    users = sorted(f"{one}{_ANY_DEVICE}" for one in named)
    rows = [row for one in users for row in db.execute(query, (*about, one)).fetchmany(_MOST_ROWS)]
    # SQLite keeps any type in any column, and a client that was taken over may have written any.
    return ChatKeys(users, [(str(address), key) for address, key in rows if isinstance(key, bytes)])


def stored_device(path: Path) -> StoredDevice | None:
    """The device whose keys `client.db` holds; None when there is none, or the file is no database.

    Raises:
        sqlite3.Error: The file cannot be read now, or holds what the client library never writes: that does
            not mean that nobody is linked.
    """
    if not path.exists():
        return None
    try:
        with opened(path) as db:
            row = db.execute(_QUERY).fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in _UNREADABLE:  # without what extends a code
            logger.warning("keys: client.db cannot be read: %s", error)
        elif "no such table" not in str(error):
            raise
        return None
    return StoredDevice.from_row(*row) if row is not None else None


def reset_address_book(path: Path) -> bool:
    """Forget the version of an address book whose contacts were never stored; true if there was one.

    Raises:
        sqlite3.Error: The file cannot be written now.
    """
    if not path.exists():
        return False
    with opened(path) as db:
        return db.execute(_RESET_QUERY).rowcount > 0


def forget(path: Path) -> None:
    """Delete the keys.

    Raises:
        OSError: A file cannot be deleted, for example because the client process still ends.
    """
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
