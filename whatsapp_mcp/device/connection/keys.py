"""The keys of the linked device: `client.db`, which belongs to the client library.

The leader reads it, deletes it after a logout, and writes to it only while no client runs
(`reset_address_book`). It always opens the file for writing: what a killed client left half done has to be
rolled back before it can be read.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import anyio.to_thread

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import LID_SERVER, Jid

_QUERY: Final = "SELECT jid, lid, push_name, registration_id FROM whatsmeow_device LIMIT 1"
_LID_QUERY: Final = "SELECT lid FROM whatsmeow_lid_map WHERE pn = ?"
_APP_STATE_QUERY: Final = """SELECT
    EXISTS (SELECT 1 FROM whatsmeow_app_state_sync_keys),
    -- Only the address book gives full names, and all of its first ones in one transaction.
    EXISTS (SELECT 1 FROM whatsmeow_contacts WHERE full_name > '')"""
_RESET_QUERY: Final = """DELETE FROM whatsmeow_app_state_version
WHERE name = 'critical_unblock_low'
    -- With names in place it is up to date; to fetch all of it again would only cost time.
    AND NOT EXISTS (SELECT 1 FROM whatsmeow_contacts WHERE full_name > '')"""
_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
_LOCK_LIMIT: Final = 2.0
"""Seconds to wait for a client process that is ending."""
_AT_ONCE: Final = 0.003
"""Seconds that a reading may hold the event loop."""
_STEPS_BETWEEN_CHECKS: Final = 2_000

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredDevice:
    """The companion whose keys are stored.

    Attributes:
        jid: Its own address with the device number.
        lid: The LID of the account, if known.
        name: The account's name on WhatsApp, if known.
        registration: The number that the library drew for this device when it was linked.
    """

    jid: Jid
    lid: str | None
    name: str | None
    registration: int = 0

    @property
    def number(self) -> str | None:
        """The account's number, E.164."""
        return self.jid.bare.number


class AppState(NamedTuple):
    """What the library has of the phone's app state: a key to it, and the contacts of its address book."""

    has_key: bool
    has_contacts: bool


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """`client.db`, for reading.

    Raises:
        sqlite3.Error: It cannot be read now, or is not there.
    """
    with closing(_connect(path)) as db:
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
        """What a call reads: whole results, as one that is half read keeps the library from writing.

        It is tried in this thread, which takes less time than a worker thread does to begin. What finds a
        lock, or is not over after a few milliseconds, is read again in a worker thread.

        Raises:
            sqlite3.Error: It cannot be read now, or is not there.
        """
        if self._turn.acquire(blocking=False):
            try:
                return self._read(call, lock_limit=0, until=time.monotonic() + _AT_ONCE)
            except sqlite3.OperationalError:  # a worker thread meets it again, unless it was the hurry
                pass
            finally:
                self._turn.release()
        return await anyio.to_thread.run_sync(self._read_patiently, call)

    def _read_patiently(self, call: Callable[[sqlite3.Connection], T]) -> T:
        with self._turn:
            try:
                return self._read(call, lock_limit=_LOCK_LIMIT, until=math.inf)
            except sqlite3.Error:
                self._close()
                raise

    def _read(self, call: Callable[[sqlite3.Connection], T], *, lock_limit: float, until: float) -> T:
        db = self._current()
        db.execute(f"PRAGMA busy_timeout = {int(lock_limit * 1000)}")
        db.set_progress_handler(lambda: time.monotonic() > until, _STEPS_BETWEEN_CHECKS)
        return call(db)

    def close(self) -> None:
        """Close it, until it is read again."""
        with self._turn:
            self._close()

    def _current(self) -> sqlite3.Connection:
        try:
            found = os.stat(self._path)
        except OSError as error:
            raise sqlite3.OperationalError("client.db is not there") from error
        file = found.st_dev, found.st_ino
        if self._db is None or file != self._file:
            self._close()
            self._db, self._file = _connect(self._path, check_same_thread=False), file
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _connect(path: Path, *, check_same_thread: bool = True) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=_LOCK_LIMIT, check_same_thread=check_same_thread
    )


def stored_device(path: Path) -> StoredDevice | None:
    """The device whose keys `client.db` holds; None when there is none, or the file is no database.

    Raises:
        sqlite3.OperationalError: The file cannot be read now: that does not mean that nobody is linked.
    """
    if not path.exists():
        return None
    try:
        with opened(path) as db:
            row = db.execute(_QUERY).fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return None
    except sqlite3.DatabaseError as error:
        logger.warning("keys: client.db cannot be read: %s", error)
        return None
    if row is None or not row[0]:
        return None
    try:
        # The library stores "user.agent:device@server" for some accounts.
        user, _, rest = str(row[0]).partition("@")
        name, _, device = user.partition(":")
        jid = Jid.parse(f"{name.split('.')[0]}{':' + device if device else ''}@{rest}")
    except InvalidArgument:
        logger.warning("keys: client.db names a device that is no address")
        return None
    return StoredDevice(jid, _bare(row[1]), row[2] or None, int(row[3]))


def _bare(address: object) -> str | None:
    try:
        return str(Jid.parse(str(address)).bare) if address else None
    except InvalidArgument:
        return None


def lid_of(path: Path, jid: Jid) -> str | None:
    """The LID of a phone number's address, when the client library has learned it."""
    try:
        with opened(path) as db:
            row = db.execute(_LID_QUERY, (jid.user,)).fetchone()
    except sqlite3.Error as error:
        logger.warning("keys: client.db cannot be read: %s", error)
        return None
    return str(Jid(str(row[0]), LID_SERVER)) if row else None


def app_state(path: Path) -> AppState:
    """What the library has fetched of the phone's app state.

    Raises:
        sqlite3.Error: The file cannot be read now, or is not there.
    """
    with opened(path) as db:
        has_key, has_contacts = db.execute(_APP_STATE_QUERY).fetchone()
    return AppState(bool(has_key), bool(has_contacts))


def reset_address_book(path: Path) -> bool:
    """Forget the version of an address book whose contacts were never stored; whether there was one.

    The library commits the version of a collection before its contents (whatsmeow, `storeMACs`, then
    `PutAllContactNames`). A client that is killed in between would fetch only later changes from then on.
    Without the version the library fetches the whole collection the next time it fetches it at all.

    Only for the moment in which no client runs: one that does could be between the two commits.

    Raises:
        sqlite3.Error: The file cannot be written now.
    """
    if not path.exists():
        return False
    with opened(path) as db:
        # What belongs to the version (`whatsmeow_app_state_mutation_macs`) goes with it.
        db.execute("PRAGMA foreign_keys = ON")
        with db:
            return db.execute(_RESET_QUERY).rowcount > 0


def forget(path: Path) -> None:
    """Delete the keys.

    Raises:
        OSError: A file cannot be deleted, for example because the client process still ends.
    """
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
