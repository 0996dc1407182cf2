"""Archives the journal.

The archive commits its position in the same transaction as the events, so whoever stops anywhere, the next
one goes on where the archive ends. Only what is archived is pruned.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import Archive, recording
from whatsapp_mcp.archive.database import is_damage, quarantine
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.connection import is_from_phone
from whatsapp_mcp.device.supervise import backoff
from whatsapp_mcp.errors import cause
from whatsapp_mcp.models import HistoryProgress, JournalEvent
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import JournalReader

BATCH: Final = 500
BATCH_BYTES: Final = 1 << 20
"""Payload after which a transaction takes no further event: a chunk of history or two."""
_INDEX_MERGED: Final = "index_merged"
"""Key of the archive's note that the search index was merged after the first history sync."""
_DAMAGED: Final = "The journal was damaged: what had been received and not yet archived is missing."
_LOOK_AGAIN: Final = 5.0
"""Seconds after which the journal is looked at although nobody announced anything."""
_PAUSE: Final = 0.1
"""Seconds without news after which what is archived is pruned: first, whoever waits for it is told."""
_RETRY_CAP: Final = 10.0
"""Most seconds between two tries."""
_HISTORY_PAUSE: Final = timedelta(hours=1)
"""Silence after which no more of the past is expected: a client may have ended over the rest of it."""

logger = logging.getLogger(__name__)


async def nobody_before(events: Sequence[JournalEvent]) -> None:
    """Nothing is done with events before they are archived."""


class Archiver:
    """Archives events as they come.

    Args:
        trouble: Called with the reason when events cannot be archived, and None when they can again.
        archived: Called after every batch.
        journal: Where the events are, usable from any thread; None: in the file of the folder.
        damaged: Called when reading shows that the journal is damaged. The client, which appends to a log,
            may not notice: it has to be replaced, and `recreate` called.
        before: Called with events before they are archived, again if they could not be.
        seen: Called with every event, once it is archived.
        phone_seen: Called with the time of what the account's phone itself has sent.

    Attributes:
        waiting: Events in the journal that are not yet archived, as of the last look.
        undecoded: Events kept undecoded because this version cannot decode them.
        last_event_at: When the newest event was received.
        quiet_since: The same in monotonic seconds; None before the first event of this leader.
    """

    def __init__(
        self,
        folder: AccountFolder,
        archive: Archive,
        clock: Clock,
        *,
        journal: JournalReader | None = None,
        trouble: Callable[[str | None], None] = lambda reason: None,
        damaged: Callable[[str], None] = lambda reason: None,
        before: Callable[[Sequence[JournalEvent]], Awaitable[None]] = nobody_before,
        archived: Callable[[], None] = lambda: None,
        seen: Callable[[JournalEvent], None] = lambda event: None,
        phone_seen: Callable[[datetime], None] = lambda at: None,
    ) -> None:
        self._folder = folder
        self._archive = archive
        self._clock = clock
        self._given = journal
        # A journal that does not answer must not hold up the threads that many accounts share, nor the event
        # loop: a database is waited for, and a file costs what who has taken over a client process likes.
        self._thread = anyio.CapacityLimiter(1)
        self._trouble = trouble
        self._damaged = damaged
        self._before = before
        self._archived = archived
        self._seen = seen
        self._phone_seen = phone_seen
        self._wake = anyio.Event()
        self._announced = 0
        self._position = 0
        self._progressed = clock.monotonic()
        self._unpruned: list[JournalEvent] = []
        self._index_scattered = False
        self._damage: str | None = None
        self.waiting = 0
        self.undecoded = 0
        self.last_event_at: datetime | None = None
        self.quiet_since: float | None = None
        self._history = HistoryProgress(None, 0, False)

    @property
    def history_progress(self) -> int | None:
        """Percent of the first history sync; None when none is running."""
        last_chunk_at = self._history.last_chunk_at
        if last_chunk_at is None or self._history.done or self._clock.now() - last_chunk_at > _HISTORY_PAUSE:
            return None
        return self._history.percent or 0

    @property
    def position(self) -> int:
        """Number of the newest event that is archived."""
        return self._position

    @property
    def announced(self) -> int:
        """Number of the newest event that is known to be in the journal."""
        return max(self._announced, self._position)

    @property
    def stalled(self) -> float:
        """Seconds for which events have waited and none was archived; 0 while none waits."""
        return self._clock.monotonic() - self._progressed if self.waiting else 0.0

    def announce(self, seq: int) -> None:
        """The client says that the journal holds events up to `seq`."""
        # Nothing waited until now, so the time in which nothing was archived begins here.
        if not self.waiting:
            self._progressed = self._clock.monotonic()
        self._announced = max(self._announced, seq)
        self.waiting = max(0, self._announced - self._position)
        self.last_event_at = self._clock.now()
        self.quiet_since = self._clock.monotonic()
        self._wake.set()

    def wake(self) -> None:
        """Look at the journal now."""
        self._wake.set()

    def recreate(self, damage: str) -> None:
        """Quarantine the journal; another client writes to a new one."""
        self._damage = damage
        self._wake.set()

    async def prepare(self) -> None:
        """Bring journal and archive together before a client may append."""
        self._position = await self._archive.position()
        self.last_event_at, self.undecoded = await self._archive.arrived()
        await self._look_at_history()
        try:
            await self._look_at_journal()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            await self._quarantine(error)
            await self._look_at_journal()

    async def _quarantine(self, error: sqlite3.DatabaseError) -> None:
        quarantine(self._folder.inbox_db, error)
        now = self._clock.now()
        await self._archive.write(recording.record_gap, self.last_event_at or now, now, _DAMAGED)

    async def _look_at_journal(self) -> None:
        async with self._journal() as journal:
            await anyio.to_thread.run_sync(self._align, journal, limiter=self._thread)

    def _align(self, journal: JournalReader) -> None:
        if journal.last_seq() < self._position:
            logger.warning(
                "archiving: journal was lost or replaced; numbers continue after %d", self._position
            )
            journal.continue_after(self._position)
        if not self._archive.is_logged:
            journal.prune(self._position)  # a former leader may have ended before it did
        self.waiting = max(0, journal.last_seq() - self._position)

    async def run(self) -> None:
        """Archive until cancelled; what fails is tried again, ever more slowly, and reported."""
        failures = 0
        while True:
            try:
                if self._damage is not None:
                    await self._quarantine(sqlite3.DatabaseError(self._damage))
                    self._damage = None
                async with self._journal() as journal:
                    while self._damage is None:
                        await self._drain(journal)
                        if failures:
                            failures = 0
                            self._trouble(None)
                        await self._merge_index()
                        await self._wait_for_news(journal)
            except sqlite3.Error as error:
                failures += 1
                logger.exception("archiving: the archive cannot be written")
                self._trouble(f"Received events cannot be archived ({cause(error)}).")
                await self._clock.sleep(backoff(failures, 0.5, base=0.1, cap=_RETRY_CAP))

    async def _drain(self, journal: JournalReader) -> None:
        more = True
        while more:
            self._wake = anyio.Event()
            events = await self._read(journal)
            if not events:
                self.waiting = 0
                return
            await self._before(events)
            result = await self._archive.ingest(events)
            self._position = result.position
            self._progressed = self._clock.monotonic()
            self.undecoded += result.undecoded
            self.waiting = max(0, max(self._announced, events[-1].seq) - self._position)
            if any(event.code == EventCode.HISTORY_SYNC for event in events):
                await self._look_at_history()
            self._archived()
            for event in events:
                self._seen(event)
            self._unpruned += events
            if _is_full(self._unpruned):
                await self._prune(journal)
            # What is not in a batch that has room left is announced after it was read, and sets `_wake`.
            more = _is_full(events)

    async def _read(self, journal: JournalReader) -> Sequence[JournalEvent]:
        """The events that come next, as many as a transaction takes."""
        read = partial(journal.read, self._position, BATCH, BATCH_BYTES)
        with self._noticing_damage():
            return await anyio.to_thread.run_sync(read, limiter=self._thread)

    async def _wait_for_news(self, journal: JournalReader) -> None:
        if self._unpruned:
            with self._clock.limit(_PAUSE):
                await self._wake.wait()
            if self._wake.is_set():
                return
            await self._prune(journal)
        with self._clock.limit(_LOOK_AGAIN):
            await self._wake.wait()

    async def _prune(self, journal: JournalReader) -> None:
        with self._noticing_damage():
            phone_seen_at = await anyio.to_thread.run_sync(
                self._finish, journal, self._unpruned, limiter=self._thread
            )
        self._unpruned = []
        if phone_seen_at is not None:
            self._phone_seen(phone_seen_at)

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._damaged(cause(error))
            raise

    def _finish(self, journal: JournalReader, events: Sequence[JournalEvent]) -> datetime | None:
        """Prune what is archived; when the phone itself sent the last of it that it did send.

        What a log names stays until a snapshot holds it: whoever makes that prunes.
        """
        if not self._archive.is_logged:
            journal.prune(self._position)
        # Here and not in the event loop: it parses the events.
        from_phone = (one.received_at for one in events if is_from_phone(one.code, one.payload))
        newest = max(from_phone, default=None)
        return None if newest is None else datetime.fromtimestamp(newest / 1000, UTC)

    async def _look_at_history(self) -> None:
        self._history = await self._archive.history_progress()
        if self._history.done:
            self._index_scattered = await self._archive.meta_get(_INDEX_MERGED) is None

    async def _merge_index(self) -> None:
        """While nothing waits, merge the search index that the first history sync left in pieces."""
        while self._index_scattered and not self._wake.is_set():
            if not await self._archive.merge_index():
                await self._archive.write(recording.meta_set, _INDEX_MERGED, self._clock.now().isoformat())
                self._index_scattered = False

    @asynccontextmanager
    async def _journal(self) -> AsyncIterator[JournalReader]:
        if self._given is not None:
            yield self._given
            return
        path = self._folder.inbox_db
        key = await anyio.to_thread.run_sync(self._folder.key_of, path)
        opens = partial(Journal, path, key, synced=False)
        journal = await anyio.to_thread.run_sync(opens, limiter=self._thread)
        try:
            yield journal
        finally:
            journal.close()


def _is_full(events: Sequence[JournalEvent]) -> bool:
    """Return whether the events are as many as one transaction takes."""
    return len(events) >= BATCH or sum(len(event.payload) for event in events) >= BATCH_BYTES
