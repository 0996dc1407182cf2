"""The archive as the leader holds it: everything written goes through here, one operation at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import care, database, exchange, projection, read, write
from whatsapp_mcp.archive.committer import Committer, Outcome, Recorder
from whatsapp_mcp.archive.database import Writer
from whatsapp_mcp.archive.import_turns import ImportTurns
from whatsapp_mcp.archive.operations import NAMES, WriteOperation, named
from whatsapp_mcp.archive.projection import LogStorage, LogWriter, Values
from whatsapp_mcp.archive.reading import ReadingArchive, in_thread
from whatsapp_mcp.archive.write import WriteContext, outbox, recording
from whatsapp_mcp.decoding import HISTORY_CODE, decode_events, sent_message
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    ExportedMessage,
    ForeignPage,
    ImportedChat,
    ImportReport,
    IngestResult,
    JournalEvent,
    OutboxEntry,
    PurgeReport,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import StorageError

P = ParamSpec("P")
R = TypeVar("R")


class Archive(ReadingArchive):
    """What only the account's leader may do as well. Every method is one committed, durable transaction.

    What changes an answer is an operation (`operations.py`), with the time of the archive's clock: `write`
    takes it. Operations with something to do beside them (decoding, files) have a method of their own.

    Args:
        folder: The account's files.
        db: `archive.db`.
        raw: `raw.db`.
        now: The wall time, of which each operation gets its own.
        recorder: Called with each operation after its commit.
        storage: Where each operation is kept before it is applied; None: in no log.
    """

    def __init__(
        self,
        folder: AccountFolder,
        db: sqlite3.Connection,
        raw: sqlite3.Connection,
        now: Callable[[], datetime],
        recorder: Recorder | None = None,
        storage: LogStorage | None = None,
    ) -> None:
        super().__init__(folder)
        self._writer = Writer(db)
        self._committer = Committer(folder, db, raw, recorder, is_logged=storage is not None)
        self._storage = storage
        self._log: LogWriter | None = None
        if storage is not None:
            self._log = LogWriter(folder, self._writer, self._committer, storage, now)
        self._imports = ImportTurns(folder, self._writer, self._committer, now, self._log)
        self._now = now
        self._merging = False
        self.is_purge_left = False

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._committer.close()

    # Operations.

    async def apply(self, operation: WriteOperation) -> Any:
        """Apply an operation from a log: it returns or raises what it did when it was first applied.

        The operations must be applied in their order. An archive with a log of its own catches up instead.
        """
        return await self._turn(lambda _: self._committer.commit(operation))

    async def catch_up(self) -> None:
        """Apply what others have appended to the log of this archive; nothing without a log.

        Raises:
            Unsupported: An operation is of a version that this one cannot apply; those before it are.
            Pruned: The log no longer has what follows; opening the archive again brings the newest snapshot.
            Rewound: The log does not continue this archive; opening it again makes it again.
            Unavailable: The log cannot be read; it may be tried again.
        """
        if self._log is not None and await self._log.catch_up():
            with anyio.CancelScope(shield=True):
                await self._pack()
                with suppress(Busy):  # what a reader holds there goes with a later checkpoint
                    await self._writer.run_bare(care.empty_logs, self._committer.raw)

    @property
    def is_logged(self) -> bool:
        """True if operations name rows of the journal, which therefore stay until a snapshot holds them."""
        return self._storage is not None

    async def snapshot(self) -> None:
        """Make a snapshot, if there is a log: a copy that lies apart, from which the log leads on.

        Rows of the log and of the journal that led to the former snapshot go.
        """
        if self._storage is not None:
            await projection.make_snapshot(self.folder, self._storage)

    async def is_snapshot_due(self, *, at_end: bool = False) -> bool:
        """Return whether enough has been written since the last snapshot to justify the cost of another.

        Args:
            at_end: Whether it would be the last of this leader: events that follow the former one are enough.

        Raises:
            OSError: The store of snapshots cannot be used.
            StorageError: It does not answer.
        """
        if self._storage is None:
            return False
        if at_end:
            return await projection.names_events(self._storage, await self.position())
        return await projection.is_due(self._storage, await self.readers.run(database.size_of))

    async def wait_ended(self) -> StorageError:
        """Wait until the log ends this leadership, since a newer leader has taken over or it does not answer.

        Every write raises that error from then on: open the archive again, to follow or to lead. It is waited
        for as long as it takes; without a log that is for ever.
        """
        if self._log is None:
            await anyio.sleep_forever()
        assert self._log is not None
        return await self._log.wait_ended()

    async def finish_purges(self) -> None:
        """Finish what a former leader's purge has left in the log, in the journal and in snapshots.

        To be called by who begins to lead, and again while `is_purge_left`. Without a log there is nothing.
        It may raise `Busy`.
        """
        if self._storage is None:
            return
        purged = await self.readers.run(care.last_purged)
        if purged[0]:
            self.is_purge_left = True
            await projection.forget_purged(self.folder, self._storage, purged)
            self.is_purge_left = False

    async def write(
        self, operation: Callable[Concatenate[WriteContext, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Make an operation of these arguments and of the time, and apply it: `write(outbox.add, request)`.

        It has the operation's answer and its errors. What is decoded before belongs to a method of its own.
        """
        values = named(operation, args, kwargs)
        return await self._write(operation, lambda _: values)

    async def _write(self, operation: Callable[..., Any], values: Values, *, bulk: bool = False) -> Any:
        """Apply an operation with values that are worked out in the writer's turn, before it."""
        name = NAMES[operation]
        if self._log is not None:
            (result,) = await self._log.submit([(name, values)], bulk=bulk)
            return result

        def in_thread(db: sqlite3.Connection) -> Outcome:
            created_at = int(self._now().timestamp() * 1000)
            return self._committer.commit(WriteOperation(name, created_at, values(db)), opens_addons=True)

        return await self._turn(in_thread, bulk=bulk)

    async def _turn(self, commit: Callable[[sqlite3.Connection], Outcome], *, bulk: bool = False) -> Any:
        """Take the writer's turn; files left without a message go afterwards."""

        def in_thread(db: sqlite3.Connection) -> Outcome:
            with self._committer.raw_damage():
                return commit(db)

        outcome = await self._writer.run_bare(in_thread, bulk=bulk)
        if outcome.files:
            await anyio.to_thread.run_sync(care.unlink_media, self.folder.media, outcome.files)
        return outcome.result()

    async def wait_change(self, after: int, timeout: float) -> int:
        """Wait as a reader does, but without polling: every change is made in this process."""
        with anyio.move_on_after(timeout):
            while True:
                wrote = self._writer.wrote
                if (last := await self.last_change()) > after:
                    return last
                await wrote.wait()
        return await self.last_change()

    async def ingest(self, events: Sequence[JournalEvent]) -> IngestResult:
        """Archive a batch of journal events and their position; events up to `position()` are skipped.

        An event that cannot be decoded is kept in `undecoded` and counted; it never stops the others.
        """

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            return {"events": decode_events(events, after=write.position(db))}

        bulk = any(event.code == HISTORY_CODE for event in events)
        return await self._write(write.ingest, decoded, bulk=bulk)

    async def redecode(self) -> int:
        """Decode again what could not be decoded, or was of unknown kind; answers how many became known."""

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            events, messages = care.decode_again(db, self._committer.raw)
            return {"events": events, "messages": messages}

        return await self._write(write.redecode, decoded, bulk=True)

    # Sends that were accepted, until they are settled. What receipts add to `sent` is read with the message.
    outbox_held = in_thread(read.outbox_held)
    outbox_scheduled = in_thread(read.outbox_scheduled)
    outbox_result = in_thread(read.outbox_result)
    outbox_last_sent = in_thread(read.outbox_last_sent)
    outbox_unsettled = in_thread(read.outbox_unsettled)

    async def outbox_quarantine(self) -> tuple[int, ...]:
        """Settle the entries that cannot be read, so that no read fails on them again; answers their numbers.

        What was `queued` becomes `failed`, what was under way `unknown`. The rows stay.
        """
        return await self._write(outbox.quarantine, lambda db: {"send_ids": read.damaged_sends(db)})

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        """WhatsApp took it: `sent`, and the own message is stored in the same transaction.

        Args:
            message: The `E2E.Message` that was sent, where the client library reports it.
        """

        def decoded(db: sqlite3.Connection) -> Mapping[str, Any]:
            updates = None
            if message:
                entry, (pn, lid, _) = read.outbox_get(db, send_id), read.own(db)
                sent_at = int(timestamp.timestamp())
                updates = sent_message(
                    entry.request, message_id, sent_at, message, owner=pn or lid, secret=entry.secret
                )
            values = {"send_id": send_id, "message_id": message_id, "timestamp": timestamp}
            return {**values, "updates": updates}

        return await self._write(outbox.sent, decoded)

    # Care of the files, which is no operation.

    async def check(self) -> tuple[str, ...]:
        """Integrity of file and index; empty when all is well."""
        return await self._writer.run_bare(care.check)

    async def optimize(self) -> None:
        """Merge the index, give free pages back, shrink the write-ahead log (seconds for a million)."""
        await self._writer.run_bare(care.optimize)

    async def merge_index(self) -> bool:
        """One short step of merging the search index into one piece; False when it is done.

        Writing and reading go on between two steps.
        """
        self._merging = await self._writer.run(care.merge_index, not self._merging)
        return self._merging

    async def rebuild(self) -> None:
        """Build the search index again from the messages."""
        await self._writer.run(care.rebuild, bulk=True)

    async def purge(
        self, *, chat: str | None = None, before: datetime | None = None, keep_quarantined: bool = False
    ) -> PurgeReport:
        """Delete messages for good: a chat's, those before a time, both together, or all.

        Nothing of them stays in any file of the account's folder: not in the index, in free pages or in the
        journal, nor in downloaded media, copies of sent files, exports or quarantined databases.

        Args:
            chat: Jid of the chat.
            before: Only what is older.
            keep_quarantined: Whether a damaged database that was last written after `before` stays: it holds
                older messages too, and younger ones that may be nowhere else.

        Raises:
            Busy: They are deleted, but old pages in a log are read, or their snapshot cannot be deleted now.
        """
        raw, folder = self._committer.raw, self.folder
        span = await self._writer.run_bare(care.purge_span, chat, before)
        if span is None:
            return PurgeReport()
        await self._writer.run_bare(care.overwrite_deleted, raw)
        waiting, total = await self._purge(care.purge_waiting, chat, before), 0
        while deleted := (await self._purge(care.purge_messages, chat, before)).rows:
            total += deleted
        rest = await self._purge(care.purge_rest, chat, before)
        if waiting.rows or rest.rows or total:
            await self._pack()
        finish = partial(care.finish_purge, keep_quarantined=keep_quarantined)
        await self._writer.run_bare(finish, raw, folder, span, self._now().timestamp())
        if self._storage is None:
            await self._writer.run_bare(care.scrub_journal, folder)
        await self.finish_purges()
        return PurgeReport(total, waiting.cancelled + rest.cancelled)

    async def _pack(self) -> None:
        """Leave nothing of what was deleted in the index and in free pages."""
        begin = True
        while await self._writer.run(care.merge_index, begin):
            begin = False
        while await self._writer.run_bare(care.give_back_pages, self._committer.raw):
            pass

    async def _purge(
        self,
        step: Callable[[WriteContext, str | None, datetime | None], care.Purged],
        chat: str | None,
        before: datetime | None,
    ) -> care.Purged:
        """One step of a purge, and the files that go with it."""
        purged = await self.write(step, chat, before)
        await self._writer.run_bare(care.unlink_purged, self.folder, purged)
        return purged

    async def clear_sent_files(self, now: datetime) -> int:
        """Delete copies of files that no send needs, an hour after they were made; answers how many."""
        made_before = now.timestamp() - care.SENT_FILES_KEPT
        needed = await self.readers.run(read.send_files)
        clear = partial(care.purge_sent_files, self.folder, needed, made_before=made_before)
        return await anyio.to_thread.run_sync(clear)

    async def needed_files(self) -> frozenset[str]:
        """Paths of the files of messages, and of sends that may still go out."""
        return await self.readers.run(read.needed_files)

    async def import_page(self, number: int, page: ForeignPage, *, dry: bool = False) -> ImportReport:
        """Take over a page of another archive, in slices between which other writers go first.

        Where the import goes on next is committed with the last slice; the others change nothing when they
        come again.

        Args:
            number: Of the import; 0 for a dry run.
            page: Messages with all that belongs to them, people and chats.
            dry: Find out what it would bring, and write nothing.

        Returns:
            What this page brought.
        """
        slices = exchange.slices_of(page)
        if dry and page.people:
            await self._writer.run_bare(exchange.remember_dry_pairs, page.people)

        def values(place: int, before: ImportReport) -> Mapping[str, Any]:
            ends = place == len(slices) - 1
            return {"number": number, "page": slices[place], "ends": ends, "before": before}

        return await self._imports.run("import_page", len(slices), values, dry=dry)

    async def import_chat_export(
        self,
        number: int,
        messages: Sequence[ExportedMessage],
        chat: str,
        *,
        title: str = "",
        me: str | None = None,
        zone: tzinfo = UTC,
        dry: bool = False,
    ) -> ImportedChat:
        """Take over a chat that WhatsApp exported, from where the import was.

        Args:
            number: Of the import; 0 for a dry run.
            messages: What it says.
            chat: Jid of the chat it is.
            title: What its file is called, which may name the other one.
            me: Our own name in the export, where it is not the name on WhatsApp.
            zone: The zone of its times.
            dry: As in `import_page`.

        Raises:
            InvalidArgument: Which of two is the owner is not known.
        """
        jid = str(Jid.parse(chat).bare)
        dated = exchange.dated(jid, messages, zone)
        names = [*dict.fromkeys(message.name for message in messages if message.name)]
        people = await self.readers.run(exchange.people_of_export, jid, names, me, title)
        begin = await self.readers.run(exchange.position_of, number)
        slices = exchange.export_slices(dated, begin or 0)

        def values(place: int, _: ImportReport) -> Mapping[str, Any]:
            before, some, end = slices[place]
            return {
                "number": number,
                "messages": some,
                "before": before,
                "chat": jid,
                "people": people,
                "position": end,
            }

        report = await self._imports.run("import_chat_export", len(slices), values, dry=dry)
        packed = {
            one.wa_id: one.message.file
            for one in dated
            if one.message.packed and one.message.file is not None
        }
        files = await self.readers.run(exchange.without_file, jid, packed)
        return ImportedChat(report, files)

    async def store_imported_file(
        self,
        number: int,
        message_id: str,
        name: str,
        content: bytes,
        keep: Callable[[Iterable[str]], Awaitable[None]] | None = None,
    ) -> None:
        """Keep the file of a message that was made of an exported chat.

        Args:
            number: Of the import.
            message_id: Id of the message, one of `ImportedChat.files`.
            name: What the file is called there.
            content: The file.
            keep: Has the copy kept elsewhere as well, before the message names it.
        """
        path = await anyio.to_thread.run_sync(
            exchange.store_file, self.folder.media, message_id, name, content
        )
        if keep is not None:
            await keep([path])
        await self.write(recording.record_imported_file, number, message_id, path, len(content))
