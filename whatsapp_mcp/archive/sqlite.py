"""The archive in SQLite: `interface.py` over the functions of this folder, run as `store.py` says."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar, overload

import anyio

from whatsapp_mcp.archive import (
    copies,
    damage,
    importer,
    ingest,
    outbox,
    purge,
    reports,
    schema,
    sealed,
    upkeep,
)
from whatsapp_mcp.archive.decode.history import HISTORY_CODE
from whatsapp_mcp.archive.facts import ChatFact, Fact, IdentityFact, MembersFact, NameFact, OwnFact
from whatsapp_mcp.archive.identity import Lookups
from whatsapp_mcp.archive.interface import Archive, ReadingArchive
from whatsapp_mcp.archive.reading import SqliteReadingArchive
from whatsapp_mcp.archive.records import (
    ContactUpdate,
    GroupUpdate,
    ImportedChat,
    ImportResult,
    IngestResult,
    JournalEvent,
    MessageKey,
    OutboxEntry,
)
from whatsapp_mcp.archive.store import Writer, connect_writer, transaction
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import BridgePage, ExportedMessage, SendRequest, SendStatus
from whatsapp_mcp.settings import AccountFolder

T = TypeVar("T")

_MOST_LOOKUPS: Final = 50_000
"""Addresses that are remembered from batch to batch; a few hundred bytes each."""


class SqliteArchive(SqliteReadingArchive):
    """What only the host may do as well."""

    def __init__(self, folder: AccountFolder, db: sqlite3.Connection, raw: sqlite3.Connection) -> None:
        super().__init__(folder)
        self._db = db
        self._writer = Writer(db)
        self._raw = raw
        self._merging = False
        self._lookups = Lookups()
        self._changes: int | None = None

    def close(self) -> None:
        """Close the connections."""
        super().close()
        self._db.close()
        self._raw.close()

    async def ingest(self, events: Sequence[JournalEvent]) -> IngestResult:
        """See `Archive.ingest`."""
        bulk = any(event.code == HISTORY_CODE for event in events)
        return await self._batch(lambda batch: batch.run(events), bulk=bulk)

    async def _apply(self, facts: Sequence[Fact]) -> None:
        await self._batch(lambda batch: batch.apply(facts))

    async def _batch(self, write: Callable[[ingest.Ingest], T], *, bulk: bool = False) -> T:
        """One batch and what it opens in one transaction; files left without a message go afterwards."""

        def in_thread(db: sqlite3.Connection) -> tuple[T, list[str]]:
            if db.total_changes != self._changes or len(self._lookups.addresses) > _MOST_LOOKUPS:
                self._lookups.forget()
            self._changes = None
            try:
                with transaction(db):
                    batch = ingest.Ingest(db, self._lookups)
                    result = write(batch)
                    if batch.opens_sealed:
                        batch.apply_opened(sealed.open_waiting(db, self._raw, batch.raw))
                    files = upkeep.keep_raw(self._raw, batch)
            except sqlite3.DatabaseError as error:
                self._look_at_raw(error)
                raise
            self._changes = db.total_changes
            return result, files

        result, files = await self._writer.run_bare(in_thread, bulk=bulk)
        if files:
            await anyio.to_thread.run_sync(purge.unlink, self._folder.media, files)
        return result

    def _look_at_raw(self, error: sqlite3.DatabaseError) -> None:
        """Begin `raw.db` anew if it is what an error speaks of; whoever archives tries again."""
        if damage.is_damage(error) and not damage.is_whole(self._raw):
            self._raw.close()
            damage.put_aside(self._folder.raw_db, error)
            self._raw = _connect_raw(self._folder.raw_db)

    async def meta_set(self, key: str, value: str | None) -> None:
        """See `Archive.meta_set`."""
        await self._writer.run(reports.set_meta, f"user.{key}", value)

    async def set_own(self, jid: str | None, lid: str | None, name: str | None) -> None:
        """See `Archive.set_own`."""
        facts: list[Fact] = [OwnFact(own) for own in (jid, lid) if own]
        if jid and lid:
            facts.append(IdentityFact(jid, lid, int(time.time())))
        if jid and name:
            facts.append(NameFact(jid, push_name=name, at=int(time.time())))
        await self._apply(facts)

    async def record_contacts(self, contacts: Sequence[ContactUpdate]) -> None:
        """See `Archive.record_contacts`."""
        await self._apply(
            [
                NameFact(
                    one.jid,
                    one.push_name,
                    one.business_name,
                    one.saved_name,
                    at=int(time.time()),
                    looked_up=True,
                )
                for one in contacts
            ]
        )

    async def record_identities(self, pairs: Sequence[tuple[str, str]]) -> None:
        """See `Archive.record_identities`."""
        await self._apply([IdentityFact(pn, lid, int(time.time())) for pn, lid in pairs])

    async def record_groups(self, groups: Sequence[GroupUpdate]) -> None:
        """See `Archive.record_groups`."""
        facts: list[Fact] = []
        now = int(time.time())
        for group in groups:
            facts.append(
                ChatFact(group.jid, now, name=group.name or None, expires_in=group.expires_in, looked_up=True)
            )
            members: list[tuple[str, int | None]] = []
            for jid, other, admin, superadmin in group.participants:
                if other:
                    pn, lid = (other, jid) if jid.endswith("@lid") else (jid, other)
                    facts.append(IdentityFact(pn, lid, now))
                members.append((jid, 2 if superadmin else int(admin)))
            facts.append(MembersFact(group.jid, tuple(members), now, whole=True, looked_up=True))
        await self._apply(facts)

    async def record_departure(self, group: str) -> None:
        """See `Archive.record_departure`."""
        pn, lid, _ = await self.own()
        own = pn or lid
        if own is not None:
            gone = MembersFact(group, ((own, None),), int(time.time()), looked_up=True)
            await self._apply([gone])

    async def record_channels(self, names: Mapping[str, str]) -> None:
        """See `Archive.record_channels`."""
        now = int(time.time())
        await self._apply([ChatFact(jid, now, name=name, looked_up=True) for jid, name in names.items()])

    async def record_chat_settings(
        self, chat: str, *, archived: bool, pinned: bool, muted_until: datetime | None
    ) -> None:
        """See `Archive.record_chat_settings`."""
        muted = int(muted_until.timestamp()) if muted_until else 0
        now = int(time.time())
        await self._apply(
            [ChatFact(chat, now, archived=archived, pinned=pinned, muted_until=muted, looked_up=True)]
        )

    async def record_timer(self, chat: str, seconds: int) -> None:
        """See `Archive.record_timer`."""
        await self._apply([ChatFact(chat, int(time.time()), expires_in=seconds, looked_up=True)])

    async def record_read(self, chat: str, up_to: MessageKey) -> None:
        """See `Archive.record_read`."""
        await self._writer.run(reports.record_read, chat, up_to)

    async def record_gap(self, since: datetime, until: datetime | None, reason: str) -> None:
        """See `Archive.record_gap`."""
        await self._writer.run(reports.record_gap, since, until, reason)

    async def record_media_path(self, key: MessageKey, path: str) -> None:
        """See `Archive.record_media_path`."""
        await self._writer.run(reports.record_media_path, key, path)

    async def outbox_add(
        self,
        request: SendRequest,
        *,
        expires_at: datetime | None = None,
        obstacle: WhatsAppError | None = None,
    ) -> tuple[OutboxEntry, bool]:
        """See `Outbox.outbox_add`."""
        return await self._writer.run(outbox.add, request, expires_at, obstacle)

    async def outbox_get(self, send_id: int) -> OutboxEntry:
        """See `Outbox.outbox_get`."""
        return await self._readers.run(outbox.get, send_id)

    async def outbox_quarantine(self) -> tuple[int, ...]:
        """See `Outbox.outbox_quarantine`."""
        return await self._writer.run(outbox.quarantine)

    async def outbox_last_sent(self) -> datetime | None:
        """See `Outbox.outbox_last_sent`."""
        return await self._readers.run(outbox.last_sent)

    async def outbox_unsettled(self, *, chat: str | None = None, limit: int = -1) -> tuple[OutboxEntry, ...]:
        """See `Outbox.outbox_unsettled`."""
        return await self._readers.run(outbox.unsettled, chat, limit)

    async def outbox_sending(
        self, send_id: int, *, handed_to: str | None = None, secret: bytes | None = None
    ) -> OutboxEntry:
        """See `Outbox.outbox_sending`."""
        return await self._writer.run(outbox.sending, send_id, handed_to, secret)

    async def outbox_queued(
        self, send_id: int, reason: str | None = None, *, handed_to: str | None = None
    ) -> OutboxEntry:
        """See `Outbox.outbox_queued`."""
        return await self._writer.run(outbox.move, send_id, SendStatus.QUEUED, reason, handed_to)

    async def outbox_withdrawn(self, send_id: int, reason: str) -> OutboxEntry:
        """See `Outbox.outbox_withdrawn`."""
        return await self._writer.run(outbox.withdraw, send_id, reason)

    async def outbox_failed(self, send_id: int, reason: str) -> OutboxEntry:
        """See `Outbox.outbox_failed`."""
        return await self._writer.run(outbox.fail, send_id, reason)

    async def outbox_unknown(
        self,
        send_id: int,
        reason: str,
        *,
        message_id: str | None = None,
        traceable: bool = True,
        handed_to: str | None = None,
    ) -> OutboxEntry:
        """See `Outbox.outbox_unknown`."""
        return await self._writer.run(outbox.unknown, send_id, reason, message_id, traceable, handed_to)

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        """See `Outbox.outbox_sent`."""
        return await self._writer.run(outbox.sent, send_id, message_id, timestamp, message)

    async def redecode(self) -> int:
        """See `Archive.redecode`."""
        return await self._writer.run(upkeep.redecode, self._raw, bulk=True)

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
        total = 0
        while deleted := await self._writer.run_bare(purge.messages, raw, folder, span):
            total += deleted
        if await self._writer.run_bare(purge.rest, raw, folder, span) or total:
            begin = True
            while await self._writer.run(upkeep.merge_index, begin):
                begin = False
            while await self._writer.run_bare(purge.give_back, raw):
                pass
        finish = partial(purge.finish, keep_quarantined=keep_quarantined)
        await self._writer.run_bare(finish, raw, folder, span, time.time())
        return total

    async def clear_sent_files(self, now: datetime) -> int:
        """See `Archive.clear_sent_files`."""
        made_before = now.timestamp() - copies.SENT_KEPT
        needed = await self._readers.run(outbox.files)
        clear = partial(copies.purge_sent, self._folder, needed, made_before=made_before)
        return await anyio.to_thread.run_sync(clear)

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
        now = datetime.now(UTC)
        return await self._writer.run(importer.chat_export, messages, chat, title, me, zone, now, bulk=True)

    async def store_imported_file(self, chat: str, message_id: str, name: str, content: bytes) -> None:
        """See `Archive.store_imported_file`."""
        await self._writer.run(importer.store_file, self._folder.media, chat, message_id, name, content)

    async def import_bridge(
        self, page: BridgePage, *, chats: Collection[str] = (), zone: tzinfo = UTC
    ) -> ImportResult:
        """See `Archive.import_bridge`."""
        return await self._writer.run(importer.bridge, page, chats, zone, datetime.now(UTC), bulk=True)


@overload
def open_archive(
    folder: AccountFolder, *, write: Literal[False] = False
) -> AbstractAsyncContextManager[ReadingArchive]: ...
@overload
def open_archive(folder: AccountFolder, *, write: Literal[True]) -> AbstractAsyncContextManager[Archive]: ...
def open_archive(
    folder: AccountFolder, *, write: bool = False
) -> AbstractAsyncContextManager[ReadingArchive] | AbstractAsyncContextManager[Archive]:
    """Open an account's archive.

    Args:
        folder: The account's files.
        write: Whether to write; only the account's host may. A reader needs no file to be there yet.

    Raises:
        Unsupported: The file was written by a newer version.
    """
    return _open_writer(folder) if write else _open_reader(folder)


@asynccontextmanager
async def _open_reader(folder: AccountFolder) -> AsyncIterator[ReadingArchive]:
    archive = SqliteReadingArchive(folder)
    try:
        yield archive
    finally:
        archive.close()


@asynccontextmanager
async def _open_writer(folder: AccountFolder) -> AsyncIterator[Archive]:
    folder.create()
    db, raw = await anyio.to_thread.run_sync(_connect, folder)
    archive = SqliteArchive(folder, db, raw)
    try:
        yield archive
    finally:
        archive.close()


def _connect(folder: AccountFolder) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    db = connect_writer(folder.archive_db)
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
