"""Snapshots: both databases of an archive in one compressed file, as they were at one operation."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Final

import anyio.to_thread
from pydantic import TypeAdapter

from whatsapp_mcp.archive.database import value
from whatsapp_mcp.archive.write import PLACES, mark_archive, mark_raw, position
from whatsapp_mcp.files import encrypted_databases
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import Snapshot
from whatsapp_mcp.system import draft_of, replaced, write_private

_COMPRESSION: Final = 1
"""Level of zlib: a third of the size in a third of the time that the usual 6 takes."""
_SNAPSHOT: Final = TypeAdapter(Snapshot)
_PAGES: Final = 1_000
"""Pages that are copied between two looks whether to go on."""
_STEPS: Final = 100_000
"""Steps of SQLite's machine between two of them."""
_POINTER: Final = "newest.json"
"""Names the snapshot that counts."""
_SUFFIX: Final = ".tar.gz"
# The index is made of the messages, in pieces that depend on when they were merged.
_TABLES: Final = """
SELECT name FROM sqlite_master
WHERE type = 'table' AND name NOT LIKE 'fts%' AND name NOT LIKE 'sqlite%' AND name <> 'log_hash' ORDER BY name
"""


def _go_on() -> None:
    """Never given up."""


def copy_archive(
    folder: AccountFolder, target: Path, begins: str | None = None, check: Callable[[], None] = _go_on
) -> Snapshot:
    """Write a snapshot of an archive that may be written meanwhile; what was deleted is not in it.

    Args:
        folder: The account's files.
        target: An existing file.
        begins: What the copy has as the hash of a log that goes on from it, as hexadecimal digits; the
            archive itself is in no log.
        check: Called all the time; what it raises ends the copying.

    Returns:
        Which archive it holds.

    Raises:
        OSError: The disk has no room.
        sqlite3.Error: The archive cannot be read.
    """
    with ExitStack() as stack:
        archive = stack.enter_context(_reading(folder, folder.archive_db))
        snapshot = Snapshot(
            int(value(archive, "SELECT value FROM meta WHERE key = 'operation'") or 0),
            begins or value(archive, "SELECT value FROM meta WHERE key = 'log_hash'") or "",
            position(archive),
        )
        # Read later, so it is as new or newer, and never lacks what the archive relies on.
        raw = stack.enter_context(_reading(folder, folder.raw_db))
        applied = int(value(raw, "SELECT number FROM applied") or 0)
        with tarfile.open(target, "w:gz", compresslevel=_COMPRESSION) as packed:
            for db, path in ((archive, folder.archive_db), (raw, folder.raw_db)):
                with draft_of(path) as copy:
                    with closing(
                        encrypted_databases.connect(copy, folder.key_of(path), isolation_level=None)
                    ) as into:
                        db.backup(into, pages=_PAGES, progress=lambda status, remaining, total: check())
                        if begins is not None:
                            begin = mark_raw if path == folder.raw_db else partial(mark_archive, applied)
                            begin(into, begins)
                        with _checked(into, check):
                            _clean(into)
                    _pack(packed, copy, path.name, check)
    return snapshot


def digest_of(folder: AccountFolder) -> str:
    """A digest of all that both databases hold, but for their place in a log and for the index of words.

    Raises:
        sqlite3.Error: The archive cannot be read.
    """
    digest = hashlib.sha256()
    for path in (folder.archive_db, folder.raw_db):
        with _reading(folder, path) as db:
            for (table,) in db.execute(_TABLES).fetchall():
                digest.update(table.encode())
                for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608  a name of the schema
                    if table != "meta" or row[0] not in PLACES:
                        digest.update(repr(row).encode())
    return digest.hexdigest()


@contextmanager
def _checked(db: sqlite3.Connection, check: Callable[[], None]) -> Generator[None]:
    """Interrupt a statement of the body once `check` raises, and raise that."""
    db.set_progress_handler(check, _STEPS)  # what it raises interrupts the statement, and is seen below
    try:
        yield
    except sqlite3.OperationalError:
        check()
        raise
    finally:
        db.set_progress_handler(None, 0)


def _pack(packed: tarfile.TarFile, file: Path, name: str, check: Callable[[], None]) -> None:
    with file.open("rb") as content:
        about = packed.gettarinfo(arcname=name, fileobj=content)
        packed.addfile(about, _Checked(content, check))


class _Checked(io.RawIOBase):
    """A file that is read to its end, unless `check` raises."""

    def __init__(self, file: BinaryIO, check: Callable[[], None]) -> None:
        self._file, self._check = file, check

    def read(self, size: int = -1) -> bytes:
        self._check()
        return self._file.read(size)


def _clean(db: sqlite3.Connection) -> None:
    """Leave nothing of what was deleted: neither words in the index nor free pages."""
    # FTS5 only marks what is deleted; the words go when its parts are merged.
    if value(db, "SELECT 1 FROM sqlite_master WHERE name = 'fts'"):
        db.execute("INSERT INTO fts (fts) VALUES ('optimize')")
    db.execute("VACUUM")


@contextmanager
def _reading(folder: AccountFolder, path: Path) -> Generator[sqlite3.Connection]:
    """A database as it is at this moment, whatever is written to it meanwhile."""
    with closing(encrypted_databases.connect(path, folder.key_of(path), isolation_level=None)) as db:
        db.execute("PRAGMA query_only = ON")
        db.execute("BEGIN")
        db.execute("SELECT 1 FROM sqlite_master").fetchone()  # a transaction begins with what it reads first
        yield db


def restore_snapshot(folder: AccountFolder, source: Path) -> None:
    """Put the databases of a snapshot where nothing lies; of one that is killed, opening notices the rest.

    Args:
        folder: The account's files.
        source: The snapshot.

    Raises:
        OSError: The disk has no room, or the file is no snapshot.
    """
    with _refusing_others(), tarfile.open(source, "r:gz") as packed:
        # In the order of commits: `raw.db` may be ahead of `archive.db`, never behind it.
        for path in (folder.raw_db, folder.archive_db):
            content = packed.extractfile(path.name)
            if content is None:
                raise OSError("The snapshot lacks a database.")
            with replaced(path) as draft:
                _write(content, draft)


@contextmanager
def _refusing_others() -> Generator[None]:
    """Raise `OSError` for a file that is not a snapshot."""
    try:
        yield
    except (tarfile.TarError, KeyError, EOFError) as error:
        raise OSError("The file is no snapshot.") from error


def _write(content: IO[bytes], target: Path) -> None:
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as content:
        _write(content, target)


class FolderSnapshots:
    """Snapshots in a folder, for one machine (a `SnapshotStore`).

    Args:
        path: The folder; it is made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, snapshot: Snapshot, file: Path) -> None:
        """Keep a snapshot in the folder, whole or not at all; it does not count yet."""
        with replaced(self._file(snapshot)) as draft:
            await anyio.to_thread.run_sync(_copy, file, draft)

    async def point_to(self, snapshot: Snapshot) -> None:
        """Write the pointer so that this snapshot is the one that counts."""
        # Synced: what led to the former snapshot is deleted next.
        pointer = partial(write_private, synced=True)
        await anyio.to_thread.run_sync(pointer, self._path / _POINTER, _SNAPSHOT.dump_json(snapshot))

    async def newest(self) -> Snapshot | None:
        """Return the snapshot that counts; None before the first."""
        with suppress(FileNotFoundError):
            return _SNAPSHOT.validate_json((self._path / _POINTER).read_bytes())
        return None

    async def fetch(self, snapshot: Snapshot, file: Path) -> None:
        """Copy a snapshot to an existing file."""
        await anyio.to_thread.run_sync(_copy, self._file(snapshot), file)

    async def keep_from(self, seq: int) -> None:
        """Delete snapshots that end before this operation, except the one that counts."""
        newest = await self.newest()
        counts = None if newest is None else self._file(newest)
        for path in self._path.glob(f"*{_SUFFIX}"):
            if path != counts and int(path.name.partition("-")[0]) < seq:
                path.unlink()

    def _file(self, snapshot: Snapshot) -> Path:
        return self._path / f"{snapshot.seq}-{snapshot.hash[:16]}{_SUFFIX}"
