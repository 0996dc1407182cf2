"""The archive in SQLite: `interface.py` over the functions of this folder, run as `store.py` says."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast, overload

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import (
    applying,
    backup,
    copies,
    damage,
    imported,
    ingest,
    outbox,
    purge,
    reports,
    schema,
    sealed,
    upkeep,
)
from whatsapp_mcp.archive.applying import Applying
from whatsapp_mcp.archive.decode.history import HISTORY_CODE
from whatsapp_mcp.archive.decode.journal import decode_events
from whatsapp_mcp.archive.decode.sent import sent_message
from whatsapp_mcp.archive.identity import Lookups
from whatsapp_mcp.archive.interface import Archive, ReadingArchive
from whatsapp_mcp.archive.reading import SqliteReadingArchive
from whatsapp_mcp.archive.records import (
    ImportedChat,
    ImportResult,
    IngestResult,
    JournalEvent,
    OutboxEntry,
)
from whatsapp_mcp.archive.store import Writer, connect_writer, transaction
from whatsapp_mcp.archive.write_operations import OPERATIONS, WriteOperation
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import BridgePage, ExportedMessage
from whatsapp_mcp.settings import AccountFolder

_MOST_LOOKUPS: Final = 50_000
"""Addresses that are remembered from operation to operation; a few hundred bytes each."""

Recorder = Callable[[int, bytes], None]
"""Gets each operation that was applied: its number, and it as JSON."""


def _now() -> datetime:
    return datetime.now(UTC)


class SqliteArchive(SqliteReadingArchive):
    """What only the leader may do as well.

    Each operation that `Archive` names has a method here, made from the protocol (`_operation`). Those with
    something to do outside of the operation (decoding, files) are written out.

    Args:
        folder: The account's files.
        db: `archive.db`.
        raw: `raw.db`.
        now: The wall time, of which each operation gets its own.
        recorder: Told of each operation after its commit.
    """

    def __init__(
        self,
        folder: AccountFolder,
        db: sqlite3.Connection,
        raw: sqlite3.Connection,
        now: Callable[[], datetime],
        recorder: Recorder | None = None,
    ) -> None:
        super().__init__(folder)
        self._db = db
        self._writer = Writer(db)
        self._raw = raw
        self._now = now
        self._recorder = recorder
        self._merging = False
        self._lookups = Lookups()
        self._changes: int | None = None

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._db.close()
        self._raw.close()

    # Operations.

    async def apply(self, operation: WriteOperation) -> Any:
        """See `Archive.apply`."""
        return await self._turn(lambda: self._commit(operation))

    async def _write(self, name: str, values: Mapping[str, Any], *, bulk: bool = False) -> Any:
        """Make an operation of now, and apply it."""
        return await self._write_of(name, lambda _: values, bulk=bulk)

    async def _write_of(
        self, name: str, values: Callable[[sqlite3.Connection], Mapping[str, Any]], *, bulk: bool = False
    ) -> Any:
        """As `_write`, with values that are worked out in the writer's turn, before the operation."""

        def in_thread() -> tuple[Any, list[str]]:
            at = int(self._now().timestamp() * 1000)
            return self._commit(WriteOperation(name, at, values(self._db)), opens_addons=True)

        return await self._turn(in_thread, bulk=bulk)

    async def _turn(self, commit: Callable[[], tuple[Any, list[str]]], *, bulk: bool = False) -> Any:
        """Take the writer's turn; files left without a message go afterwards."""

        def in_thread(_: sqlite3.Connection) -> tuple[Any, list[str]]:
            try:
                return commit()
            except sqlite3.DatabaseError as error:
                self._look_at_raw(error)
                raise

        result, files = await self._writer.run_bare(in_thread, bulk=bulk)
        if files:
            await anyio.to_thread.run_sync(purge.unlink, self._folder.media, files)
        return result

    def _commit(self, operation: WriteOperation, *, opens_addons: bool = False) -> tuple[Any, list[str]]:
        """Apply an operation in a transaction of its own.

        Args:
            operation: Which.
            opens_addons: Whether add-ons that can be opened now are, by an operation that is part of the same
                transaction. Operations from a log are followed there by what opened them.
        """
        db, recorded = self._db, list[tuple[int, bytes]]()
        if db.total_changes != self._changes or len(self._lookups.addresses) > _MOST_LOOKUPS:
            self._lookups.forget()
        self._changes = None
        refusal: WhatsAppError | None = None
        result: Any = None
        files: list[str] = []
        try:
            with transaction(db):
                result, on = self._apply(operation, recorded)
                files += on.files
                if opens_addons and on.opens_addons and (opened := sealed.open_waiting(db, self._raw)):
                    following = WriteOperation("open_addons", operation.at, {"opened": opened})
                    _, after = self._apply(following, recorded)
                    files += after.files
            if on.keeps_lookups:
                self._changes = db.total_changes
        except WhatsAppError as error:
            # A refusal is an outcome: it leaves nothing but its number.
            refusal = error
            with transaction(db):
                applying.begin(db, operation.at)
        if self._recorder is not None:
            for number, text in recorded:
                self._recorder(number, text)
        if refusal is not None:
            raise refusal
        return result, files

    def _apply(self, operation: WriteOperation, recorded: list[tuple[int, bytes]]) -> tuple[Any, Applying]:
        number = applying.begin(self._db, operation.at)
        if self._recorder is not None:  # before it is applied, which may bring its values into bounds
            recorded.append((number, operation.to_json()))
        on = Applying(self._db, self._raw, number, operation.at, self._lookups)
        return OPERATIONS[operation.name](on, **operation.values), on

    def _look_at_raw(self, error: sqlite3.DatabaseError) -> None:
        """Begin `raw.db` anew if it is what an error speaks of; whoever archives tries again."""
        if damage.is_damage(error) and not damage.is_whole(self._raw):
            self._raw.close()
            damage.put_aside(self._folder.raw_db, error)
            self._raw = _connect_raw(self._folder.raw_db)

    async def wait_change(self, after: int, timeout: float) -> int:
        """See `ReadingArchive.wait_change`: every change is made here, so none has to be looked for."""
        with anyio.move_on_after(timeout):
            while True:
                wrote = self._writer.wrote
                if (last := await self.last_change()) > after:
                    return last
                await wrote.wait()
        return await self.last_change()

    async def ingest(self, events: Sequence[JournalEvent]) -> IngestResult:
        """See `Archive.ingest`."""

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            return {"events": decode_events(events, after=ingest.position(db))}

        bulk = any(event.code == HISTORY_CODE for event in events)
        return await self._write_of("ingest", decoded, bulk=bulk)

    async def redecode(self) -> int:
        """See `Archive.redecode`."""

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            events, messages = upkeep.decode_again(db, self._raw)
            return {"events": events, "messages": messages}

        return await self._write_of("redecode", decoded, bulk=True)

    # Sends.

    async def outbox_get(self, send_id: int) -> OutboxEntry:
        """See `Outbox.outbox_get`."""
        return await self._readers.run(outbox.get, send_id)

    async def outbox_last_sent(self) -> datetime | None:
        """See `Outbox.outbox_last_sent`."""
        return await self._readers.run(outbox.last_sent)

    async def outbox_unsettled(self, *, chat: str | None = None, limit: int = -1) -> tuple[OutboxEntry, ...]:
        """See `Outbox.outbox_unsettled`."""
        return await self._readers.run(outbox.unsettled, chat, limit)

    async def outbox_quarantine(self) -> tuple[int, ...]:
        """See `Outbox.outbox_quarantine`."""
        return await self._write_of("outbox_quarantine", lambda db: {"send_ids": outbox.damaged(db)})

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        """See `Outbox.outbox_sent`."""

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            updates = None
            if message:
                entry, (pn, lid, _) = outbox.get(db, send_id), reports.own(db)
                at = int(timestamp.timestamp())
                updates = sent_message(
                    entry.request, message_id, at, message, owner=pn or lid, secret=entry.secret
                )
            values = {"send_id": send_id, "message_id": message_id, "timestamp": timestamp}
            return {**values, "updates": updates}

        return await self._write_of("outbox_sent", decoded)

    # Care of the files, which is no operation.

    async def check(self) -> tuple[str, ...]:
        """See `Archive.check`."""
        return await self._writer.run_bare(upkeep.check)

    async def optimize(self) -> None:
        """See `Archive.optimize`."""
        await self._writer.run_bare(upkeep.optimize)

    async def merge_index(self) -> bool:
        """See `Archive.merge_index`."""
        self._merging = await self._writer.run(upkeep.merge_index, not self._merging)
        return self._merging

    async def rebuild(self) -> None:
        """See `Archive.rebuild`."""
        await self._writer.run(upkeep.rebuild, bulk=True)

    async def purge(
        self, *, chat: str | None = None, before: datetime | None = None, keep_quarantined: bool = False
    ) -> int:
        """See `Archive.purge`."""
        raw, folder = self._raw, self._folder
        span = await self._writer.run_bare(purge.span_of, chat, before)
        if span is None:
            return 0
        await self._writer.run_bare(purge.overwrite, raw)
        total = 0
        while deleted := await self._purge("purge_messages", chat, before):
            total += deleted
        if await self._purge("purge_rest", chat, before) or total:
            begin = True
            while await self._writer.run(upkeep.merge_index, begin):
                begin = False
            while await self._writer.run_bare(purge.give_back, raw):
                pass
        finish = partial(purge.finish, keep_quarantined=keep_quarantined)
        await self._writer.run_bare(finish, raw, folder, span, self._now().timestamp())
        return total

    async def _purge(self, step: str, chat: str | None, before: datetime | None) -> int:
        """One step of a purge, and the files that go with it; answers how many rows it deleted."""
        purged: purge.Purged = await self._write(step, {"chat": chat, "before": before})
        await self._writer.run_bare(purge.unlink_purged, self._folder, purged)
        return purged.rows

    async def clear_sent_files(self, now: datetime) -> int:
        """See `Archive.clear_sent_files`."""
        made_before = now.timestamp() - copies.SENT_KEPT
        needed = await self._readers.run(outbox.files)
        clear = partial(copies.purge_sent, self._folder, needed, made_before=made_before)
        return await anyio.to_thread.run_sync(clear)

    # Imports.

    async def import_chat_export(
        self,
        messages: Sequence[ExportedMessage],
        chat: str,
        *,
        title: str = "",
        me: str | None = None,
        zone: tzinfo = UTC,
    ) -> ImportedChat:
        """See `Archive.import_chat_export`."""
        values = {"messages": imported.dated(messages, zone), "chat": chat, "title": title, "me": me}
        return await self._write("import_chat_export", values, bulk=True)

    async def store_imported_file(self, chat: str, message_id: str, name: str, content: bytes) -> None:
        """See `Archive.store_imported_file`."""
        path = await anyio.to_thread.run_sync(
            imported.store_file, self._folder.media, message_id, name, content
        )
        values = {"chat": chat, "message_id": message_id, "path": path, "size": len(content)}
        await self._write("record_imported_file", values)

    async def import_bridge(
        self, page: BridgePage, *, chats: Collection[str] = (), zone: tzinfo = UTC
    ) -> ImportResult:
        """See `Archive.import_bridge`."""
        rows = imported.dated_rows(page.messages, zone)
        values = {"named": page.chats, "rows": rows, "skipped": page.skipped, "chats": sorted(chats)}
        return await self._write("import_bridge", values, bulk=True)


def _operation(name: str) -> Callable[..., Awaitable[Any]]:
    """The method of an operation whose values are the arguments of the method."""
    _, *parameters = inspect.signature(getattr(Archive, name)).parameters.values()
    names = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    defaults = {one.name: one.default for one in parameters if one.default is not one.empty}

    async def method(self: SqliteArchive, *args: Any, **kwargs: Any) -> Any:
        # Not `Signature.bind`, which costs as much as applying a small operation.
        return await self._write(name, {**defaults, **dict(zip(names, args, strict=False)), **kwargs})  # pyright: ignore[reportPrivateUsage]

    method.__name__ = name
    method.__doc__ = f"See `Archive.{name}`."
    return method


for _name in OPERATIONS:
    if hasattr(Archive, _name) and not hasattr(SqliteArchive, _name):
        setattr(SqliteArchive, _name, _operation(_name))


@overload
def open_archive(
    folder: AccountFolder, *, write: Literal[False] = False
) -> AbstractAsyncContextManager[ReadingArchive]: ...
@overload
def open_archive(
    folder: AccountFolder,
    *,
    write: Literal[True],
    now: Callable[[], datetime] = ...,
    recorder: Recorder | None = ...,
) -> AbstractAsyncContextManager[Archive]: ...
def open_archive(
    folder: AccountFolder,
    *,
    write: bool = False,
    now: Callable[[], datetime] = _now,
    recorder: Recorder | None = None,
) -> AbstractAsyncContextManager[ReadingArchive] | AbstractAsyncContextManager[Archive]:
    """Open an account's archive.

    Args:
        folder: The account's files.
        write: Whether to write; only the account's leader may. A reader needs no file to be there yet.
        now: The wall time, of which each operation gets its own.
        recorder: Told of each operation after its commit, in order, in the thread that writes.

    Raises:
        Unsupported: The file was written by a newer version.
    """
    return _open_writer(folder, now, recorder) if write else _open_reader(folder)


@asynccontextmanager
async def _open_reader(folder: AccountFolder) -> AsyncIterator[ReadingArchive]:
    archive = SqliteReadingArchive(folder)
    try:
        yield archive
    finally:
        archive.close()


@asynccontextmanager
async def _open_writer(
    folder: AccountFolder, now: Callable[[], datetime], recorder: Recorder | None
) -> AsyncIterator[Archive]:
    folder.create()
    db, raw = await anyio.to_thread.run_sync(_connect, folder)
    archive = SqliteArchive(folder, db, raw, now, recorder)
    try:
        yield cast("Archive", archive)
    finally:
        archive.close()


def _connect(folder: AccountFolder) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    db = connect_writer(folder.archive_db)
    backup.before_upgrade(db, folder.archive_db)
    schema.migrate(db)
    return db, _connect_raw(folder.raw_db)


def _connect_raw(path: Path) -> sqlite3.Connection:
    """Open `raw.db`; messages are here without it, so a damaged one is no reason to stop."""
    try:
        return _migrated_raw(path)
    except sqlite3.DatabaseError as error:
        if not damage.is_damage(error):
            raise
        damage.put_aside(path, error)
        return _migrated_raw(path)


def _migrated_raw(path: Path) -> sqlite3.Connection:
    raw = connect_writer(path)
    schema.migrate_raw(raw)
    return raw
