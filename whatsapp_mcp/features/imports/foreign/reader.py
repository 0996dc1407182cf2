"""The server's side of reading a foreign archive: what is in it, page by page."""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import TypeAdapter, ValidationError

from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported, WhatsAppError
from whatsapp_mcp.features.imports.foreign.phone_backup import Decrypted, Layout, find, is_phone_backup
from whatsapp_mcp.features.imports.requests import UnknownVersion
from whatsapp_mcp.features.imports.sentences import SAID
from whatsapp_mcp.media import JobResult, Limits, Worker, open_worker
from whatsapp_mcp.media.job import invalid_answer
from whatsapp_mcp.models import ForeignPage, ImportSource
from whatsapp_mcp.processes.child_process import module_command

PROGRAM: Final = "whatsapp_mcp.features.imports.foreign"
ROWS: Final = 1_000
"""Messages of a page."""
_SCHEMA_BYTES: Final = 4_000_000
_OPENING_SECONDS: Final = 60
"""Processor seconds for opening any file; the tables of a large one are checked once as a whole."""
_OPENING_BYTES: Final = 1_000_000
"""Bytes of a file for each further second; an encrypted one unpacks to many times its size."""
_MOST_OPENING_SECONDS: Final = 1_800
_READING: Final = Limits(seconds=300.0, cpu_seconds=120, output_bytes=64_000_000)
_START_SECONDS: Final = 60.0
_NEVER: Final = 1 << 30
_LOGS: Final = ("-wal", "-journal", "-shm")
"""A log, and what is there as long as a program uses a database with one."""
_SCRATCHES: Final = 8
"""Most files that may be unpacked: an iPhone's four databases and the list of its files."""
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,64}")
_TABLES: Final = 500
_ENDS: Final = 1 << 20
_PIECE: Final = 1 << 14
_PIECES: Final = 256

_SOURCES: Final = frozenset(map(str, ImportSource))
_PAGE: Final = TypeAdapter(ForeignPage)
_TABLES_OF: Final = TypeAdapter(dict[str, frozenset[str]])


class UnknownForeignVersion(Unsupported):
    """A database of no version that is known.

    Attributes:
        unknown: Its number, tables and columns, which a person can report.
    """

    def __init__(self, unknown: UnknownVersion) -> None:
        super().__init__(
            f"The database has version {unknown.number}, which is not known here.",
            "Report it with the lines that `whatsapp-mcp archive import` prints.",
        )
        self.unknown = unknown


@asynccontextmanager
async def open_foreign(
    path: Path,
    scratch: Path,
    *,
    key: bytes | None = None,
    companions: tuple[Path, ...] = (),
    owner: str | None = None,
) -> AsyncIterator[ForeignArchive]:
    """An archive that another program wrote, for as long as the body runs.

    Args:
        path: Its file; or the folder of a local backup of an iPhone.
        scratch: Where an encrypted one is decrypted to: the absolute path of a file that is not there yet,
            in a private folder. It is gone afterwards.
        key: What decrypts it: 32 bytes, 64 hexadecimal digits, or the content of a key file; of an iPhone's
            backup the password.
        companions: Other databases of the same program, such as one with names, encrypted with the same key
            or not at all. What is no file, is in use, or cannot be read is left out. A folder has its own.
        owner: Jid with the number of the account that it is imported into.

    Raises:
        UnknownForeignVersion: It is of a version that is not known.
        InvalidArgument: It is none, or a damaged one.
        Unsupported, TooLong, Busy: It cannot be read, is over a bound, or is in use.
    """
    given = await anyio.to_thread.run_sync(_given, path, companions)
    options = {"owner": owner, "key": None if key is None else base64.b64encode(key).decode()}
    leftovers = [scratch.with_name(f"{scratch.name}{number or ''}") for number in range(_SCRATCHES)]
    async with (
        _removed(leftovers),
        open_worker(
            module_command(PROGRAM, *map(str, given.files), "--scratch", str(scratch)),
            start_seconds=_START_SECONDS,
            # One process for the whole of it: what it has found out about the file is lost with it.
            idle_seconds=math.inf,
            jobs_per_process=_NEVER,
            says=SAID,
        ) as worker,
    ):
        source, total = _described(await worker.run("open", b"", options, _opening(given.size)))
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        try:
            yield ForeignArchive(worker, tasks, options, given, source, total)
        finally:
            tasks.cancel_scope.cancel()
            # Without what the body raised, which would arrive in a group.
            await tasks.__aexit__(None, None, None)


class ForeignArchive:
    """An archive that is open.

    Attributes:
        source: Which program wrote it.
        total: How many rows of messages it has.
        fingerprint: 32 bytes, the same for the same file.
        has_files: Whether the files of messages are in it, for `open_file`.
    """

    def __init__(
        self,
        worker: Worker,
        tasks: TaskGroup,
        options: dict[str, str | None],
        given: _Given,
        source: ImportSource,
        total: int,
    ) -> None:
        self.source = source
        self.total = total
        self.fingerprint = given.fingerprint
        self.has_files = given.backup is not None
        self._backup = given.backup
        self._worker = worker
        self._tasks = tasks
        self._options = options

    @property
    def memory(self) -> int | None:
        """Memory of the process, as in `Worker.memory`."""
        return self._worker.memory

    async def open_file(self, path: str) -> BinaryIO | None:
        """The file of a message out of the local backup of an iPhone that this is, decrypted as it is read.

        Args:
            path: `ForeignFile.path`.

        Returns:
            The file, to be closed by the caller. None: it is not there, it cannot be decrypted, or this is
            no such backup.

        Raises:
            InvalidArgument, TooLong, Unsupported, Busy: As `Worker.run`.
        """
        if self._backup is None:
            return None
        blob = await anyio.to_thread.run_sync(self._backup.media_blob, path)
        if blob is None:
            return None
        key: bytes | None = None
        if self._backup.is_encrypted:
            answer = await self._worker.run("key", b"", {**self._options, "path": path}, _READING)
            key = _key_of(answer)
            if key is None:
                return None
        return await anyio.to_thread.run_sync(_opened, blob, key)

    async def pages(self, after: int | None = None, *, rows: int = ROWS) -> AsyncIterator[ForeignPage]:
        """Yield the pages; the next one is read while the caller works on this one.

        Args:
            after: Where to begin: `following` of the last page that was taken over.
            rows: Messages of a page.

        Raises:
            InvalidArgument, TooLong, Unsupported, Busy: As `Worker.run`.
        """
        # Without a buffer: the task hands a page over, reads one more, and waits.
        send, receive = anyio.create_memory_object_stream[ForeignPage | WhatsAppError](0)
        self._tasks.start_soon(self._read, after, rows, send)
        with receive:
            async for page in receive:
                if isinstance(page, WhatsAppError):
                    raise page
                yield page

    async def _read(
        self, after: int | None, rows: int, send: MemoryObjectSendStream[ForeignPage | WhatsAppError]
    ) -> None:
        with send:
            try:
                async with aclosing(self._each(after, rows)) as pages:
                    async for page in pages:
                        await send.send(page)
            except WhatsAppError as error:
                await send.send(error)
            except anyio.BrokenResourceError:
                return  # nobody wants more

    async def _each(self, after: int | None, rows: int) -> AsyncGenerator[ForeignPage, None]:
        while True:
            options = {**self._options, "after": after, "rows": rows}
            answer = await self._worker.run("page", b"", options, _READING)
            try:
                page = _PAGE.validate_json(answer.content)
            except ValidationError:
                raise invalid_answer() from None
            if len(page.messages) > rows:
                raise invalid_answer()
            yield page
            if page.following is None:
                return
            if after is not None and page.following <= after:
                raise invalid_answer()
            after = page.following


def fingerprint_of(path: Path) -> bytes:
    """A digest of a file's size, both its ends, and pieces between them."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        hasher.update(b"%d\0" % size)
        step = max(size // _PIECES, _PIECE)
        for at, length in (
            (0, _ENDS),
            (max(size - _ENDS, 0), _ENDS),
            *((at, _PIECE) for at in range(0, size, step)),
        ):
            file.seek(at)
            hasher.update(file.read(length))
    return hasher.digest()


@asynccontextmanager
async def _removed(scratch: Sequence[Path]) -> AsyncIterator[None]:
    """Delete files before and after the body: on some systems a file keeps its name while it is open."""
    await anyio.to_thread.run_sync(_remove, scratch)
    try:
        yield
    finally:
        # It must be done, even by a task that was cancelled; and it takes no time.
        _remove(scratch)


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


@dataclass(frozen=True, slots=True)
class _Given:
    """A person's input: the files to open, their fingerprint and size, and the backup, if it is one."""

    files: tuple[Path, ...]
    fingerprint: bytes
    size: int
    backup: Layout | None = None


def _given(path: Path, beside: Sequence[Path]) -> _Given:
    """Look at what is to be read.

    Raises:
        InvalidArgument, Busy: As `_closed`; or it is a folder with nothing of WhatsApp in it.
    """
    try:
        if not path.is_dir():
            path = _closed(path)
            files = (path, *_readable(beside))
            return _Given(files, fingerprint_of(path), _bytes_of(files))
        backup = find(path.resolve()) if is_phone_backup(path) else None
        if backup is None:
            raise InvalidArgument(
                f"{path} is no local backup of an iPhone, or has no WhatsApp in it.",
                "Give the folder of the backup, in which Manifest.db is.",
            )
        parts = [*backup.parts_of_messages()]
        fingerprint = hashlib.sha256(b"".join(map(fingerprint_of, parts))).digest()
        return _Given((backup.folder,), fingerprint, _bytes_of(parts), backup)
    except PermissionError:
        raise InvalidArgument(
            f"{path} may not be read.", "Let this program read it (on a Mac: Full Disk Access), or copy it."
        ) from None


def _bytes_of(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _opening(size: int) -> Limits:
    """Return the limits for opening files of so many bytes: even a small one may take forever to read."""
    seconds = min(_OPENING_SECONDS + size // _OPENING_BYTES, _MOST_OPENING_SECONDS)
    # It has the lowest priority, so it may have to wait much longer than it computes.
    return Limits(4.0 * seconds, seconds, _SCHEMA_BYTES)


def _opened(path: Path, key: bytes | None) -> BinaryIO | None:
    file = path.open("rb")
    try:
        return file if key is None else Decrypted.opened(file, key)
    except ValueError:
        file.close()
        return None


def _key_of(answer: JobResult) -> bytes | None:
    """The key of a file, as a process tells it that a foreign file may have taken over."""
    match answer.facts:
        case {"key": None}:
            return None
        case {"key": str(digits)} if _KEY.fullmatch(digits):
            return bytes.fromhex(digits)
        case _:
            raise invalid_answer()


def _closed(path: Path) -> Path:
    """The file, which nobody writes to.

    Raises:
        InvalidArgument: There is none.
        Busy: Rows may stand in a log beside it rather than in it.
    """
    path = path.resolve()
    if not path.is_file():  # a pipe would be waited for, a device has no end
        raise InvalidArgument(f"{path} is not a file.")
    logs = (path.with_name(f"{path.name}{suffix}") for suffix in _LOGS)
    if any(log.is_file() and log.stat().st_size for log in logs):
        raise Busy(f"{path.name} is in use, or its program was killed.", "End its program, then try again.")
    return path


def _readable(paths: Sequence[Path]) -> list[Path]:
    """Return the paths of the files that can be read."""
    readable_paths: list[Path] = []
    for path in paths:
        with suppress(InvalidArgument, Busy, OSError):
            readable_paths.append(_closed(path))
    return readable_paths


def _described(answer: JobResult) -> tuple[ImportSource, int]:
    """Source and number of messages, as a process tells that a foreign file may have taken over."""
    match answer.facts:
        case {"source": str(source), "total": int(total)} if source in _SOURCES and total >= 0:
            return ImportSource(source), total
        case {"source": None, "version": int(version)}:
            if not (tables := _plain_tables(answer.content)):
                raise InvalidArgument("The database has no tables.", "Give another copy of it.")
            raise UnknownForeignVersion(UnknownVersion(version, tables))
        case _:
            raise invalid_answer()


def _plain_tables(content: bytes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Tables and their columns, in order."""
    try:
        tables = _TABLES_OF.validate_json(content)
    except ValidationError:
        raise invalid_answer() from None
    return tuple(
        (table, tuple(sorted(filter(_NAME.fullmatch, tables[table]))))
        for table in sorted(filter(_NAME.fullmatch, tables))[:_TABLES]
    )
