"""What can be asked of the archive in SQLite: `ReadingArchive` over the functions of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal

import anyio

from whatsapp_mcp.archive import changes, coverage, feed, ingest, people, queries, reports, search
from whatsapp_mcp.archive.records import (
    EVERYTHING,
    Change,
    ChatCandidate,
    Coverage,
    GroupMember,
    HistoryProgress,
    MediaSource,
    MessageFilter,
    MessageKey,
    Statistics,
)
from whatsapp_mcp.archive.store import Readers
from whatsapp_mcp.jid import looks_like_jid, looks_like_number
from whatsapp_mcp.models import Actor, Chat, ChatKind, Contact, Message, Page, SendReport
from whatsapp_mcp.settings import AccountFolder

_POLL_SECONDS = 0.05


class SqliteReadingArchive:
    """What can be asked, answered from `archive.db`."""

    def __init__(self, folder: AccountFolder) -> None:
        self._folder = folder
        self._readers = Readers(folder.archive_db)

    def close(self) -> None:
        """Close the connections."""
        self._readers.close()

    async def position(self) -> int:
        """See `ReadingArchive.position`."""
        return await self._readers.run(ingest.position)

    async def meta_get(self, key: str) -> str | None:
        """See `ReadingArchive.meta_get`."""
        return await self._readers.run(reports.meta, f"user.{key}")

    async def own(self) -> tuple[str | None, str | None, str | None]:
        """See `ReadingArchive.own`."""
        return await self._readers.run(reports.own)

    async def chats(
        self,
        *,
        query: str | None = None,
        kind: ChatKind | None = None,
        unread: bool | None = None,
        unanswered: bool | None = None,
        archived: bool | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Chat]:
        """See `ReadingArchive.chats`."""
        return await self._readers.at_once(
            queries.chats, query, kind, unread, unanswered, archived, limit, cursor
        )

    async def chat(self, jid: str) -> Chat | None:
        """See `ReadingArchive.chat`."""
        return await self._readers.at_once(queries.chat, jid)

    async def expires_in(self, chat: str) -> int:
        """See `ReadingArchive.expires_in`."""
        return await self._readers.at_once(queries.expires_in, chat)

    async def messages(
        self,
        where: MessageFilter = EVERYTHING,
        *,
        oldest_first: bool = False,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """See `ReadingArchive.messages`."""
        return await self._readers.at_once(queries.messages, where, oldest_first, limit, cursor)

    async def search(
        self,
        query: str,
        where: MessageFilter = EVERYTHING,
        *,
        order: Literal["newest", "relevance"] = "newest",
        mode: Literal["words", "any", "substring"] = "words",
        zone: tzinfo = UTC,
        now: datetime | None = None,
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[Message]:
        """See `ReadingArchive.search`."""
        short = order == "newest" and mode == "words"
        run = self._readers.at_once if short else self._readers.run
        return await run(search.search, query, where, order, mode, limit, cursor, zone, now)

    async def context(self, key: MessageKey, *, before: int = 5, after: int = 5) -> Page[Message]:
        """See `ReadingArchive.context`."""
        return await self._readers.at_once(queries.context, key, before, after)

    async def preceding(self, keys: Sequence[MessageKey], count: int) -> dict[int, tuple[Message, ...]]:
        """See `ReadingArchive.preceding`."""
        return await self._readers.at_once(queries.preceding, keys, count)

    async def message(self, key: MessageKey, *, chat: str | None = None) -> Message:
        """See `ReadingArchive.message`."""
        return await self._readers.at_once(queries.message, key, chat)

    async def edits(self, key: MessageKey) -> tuple[tuple[datetime, str], ...]:
        """See `ReadingArchive.edits`."""
        return await self._readers.run(queries.edits, key)

    async def media_source(self, key: MessageKey) -> MediaSource:
        """See `ReadingArchive.media_source`."""
        return await self._readers.run(queries.media_source, key)

    async def contacts(
        self, query: str | None = None, *, limit: int = 20, cursor: str | None = None
    ) -> Page[Contact]:
        """See `ReadingArchive.contacts`."""
        # A page of all is read from an index, a name is looked for in all of them.
        run = self._readers.run if query and query.strip() else self._readers.at_once
        return await run(people.contacts, query, limit, cursor)

    async def contact(self, jid: str) -> Contact | None:
        """See `ReadingArchive.contact`."""
        return await self._readers.at_once(queries.contact, jid)

    async def members(self, group: str) -> tuple[GroupMember, ...]:
        """See `ReadingArchive.members`."""
        return await self._readers.run(queries.members, group)

    async def without_vote(self, poll: MessageKey) -> tuple[Actor, ...]:
        """See `ReadingArchive.without_vote`."""
        return await self._readers.run(queries.without_vote, poll)

    async def common_groups(self, jid: str) -> tuple[Chat, ...]:
        """See `ReadingArchive.common_groups`."""
        return await self._readers.run(queries.common_groups, jid)

    async def chats_named_alike(self, jid: str, *, limit: int = 3) -> tuple[Chat, ...]:
        """See `ReadingArchive.chats_named_alike`."""
        return await self._readers.at_once(people.alike, jid, limit)

    async def unnamed_chats(self) -> tuple[str, ...]:
        """See `ReadingArchive.unnamed_chats`."""
        return await self._readers.at_once(people.unnamed)

    async def chat_shown_as(self, name: str) -> Chat | None:
        """See `ReadingArchive.chat_shown_as`."""
        return await self._readers.at_once(people.shown_as, name)

    async def resolve_chat(self, text: str, *, limit: int = 8) -> tuple[ChatCandidate, ...]:
        """See `ReadingArchive.resolve_chat`."""
        # A number is one look at an index, a name a search through all of them.
        short = looks_like_jid(text) or looks_like_number(text)
        run = self._readers.at_once if short else self._readers.run
        return await run(people.resolve, text, limit)

    async def last_change(self) -> int:
        """See `ReadingArchive.last_change`."""
        return await self._readers.at_once(feed.last)

    async def last_send(self, since: datetime, *, chat: str | None = None) -> int | None:
        """See `ReadingArchive.last_send`."""
        return await self._readers.run(changes.last_send, since, chat)

    async def changes(self, after: int, *, limit: int = 100) -> tuple[Change, ...]:
        """See `ReadingArchive.changes`."""
        return await self._readers.run(changes.after, after, limit)

    async def wait_change(self, after: int, timeout: float) -> int:
        """See `ReadingArchive.wait_change`."""
        last = await self.last_change()
        with anyio.move_on_after(timeout):
            while last <= after:
                await anyio.sleep(_POLL_SECONDS)
                last = await self.last_change()
        return last

    async def statistics(self) -> Statistics:
        """See `ReadingArchive.statistics`."""
        return await self._readers.whole(reports.statistics)

    async def arrived(self) -> tuple[datetime | None, int]:
        """See `ReadingArchive.arrived`."""
        return await self._readers.run(reports.arrived)

    async def coverage(self, chat: str) -> Coverage:
        """See `ReadingArchive.coverage`."""
        return await self._readers.run(reports.coverage_of, chat)

    async def history_progress(self) -> HistoryProgress:
        """See `ReadingArchive.history_progress`."""
        return await self._readers.run(coverage.history_progress)

    async def send_report(
        self, key: MessageKey, *, send_id: bool = False, cursor: str | None = None, limit: int = 100
    ) -> SendReport:
        """See `ReadingArchive.send_report`."""
        return await self._readers.run(reports.send_report, key, send_id, cursor, limit)
