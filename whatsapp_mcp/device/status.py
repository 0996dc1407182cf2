"""`Status`: what the leader's device says of itself."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device import connection
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Activity, ConnectionState, ConnectionStatus, LeaderFigures
from whatsapp_mcp.system import memory_of, processor_seconds_of

if TYPE_CHECKING:
    from whatsapp_mcp.archive import Archive
    from whatsapp_mcp.device.archiving import Archiver
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.connection import AddressBook, ReconnectLoop
    from whatsapp_mcp.device.counters import Counters
    from whatsapp_mcp.device.files import Files
    from whatsapp_mcp.device.outbox import Outbox
    from whatsapp_mcp.device.owner import Owner
    from whatsapp_mcp.device.typing_people import TypingPeople
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

logger = logging.getLogger(__name__)

_LOOK_AT_DISK: Final = (
    "Tell the user to look at the disk's free space and at these files (a damaged one may be restored or "
    "moved away); it is tried again by itself."
)


class Status:
    """The status of an account in its leader, put together from what its parts say.

    Args:
        folder: The account's files.
        settings: Those of the account; they may have a fault.
        archive: Counts what is left out of it.
        clock: The leader's.
        loop: Owns the connection.
        owner: The companion, as its keys name it.
        archiver: How far archiving is.
        outbox: When WhatsApp last took a send.
        counters: What is counted of the connection.
        address_book: How much of it there is.
        files: How far fetching and reading is.
        typing_people: Who writes just now.
        client_pid: The process id of the client; None while none runs.

    Attributes:
        obstacle: Why the account's files cannot be used; None if they can.
        refusals: How often an operation was refused, or a person asked about it first, by the error's code.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        archive: Archive,
        clock: Clock,
        *,
        loop: ReconnectLoop,
        owner: Owner,
        archiver: Archiver,
        outbox: Outbox,
        counters: Counters,
        address_book: AddressBook,
        files: Files,
        typing_people: TypingPeople,
        client_pid: Callable[[], int | None],
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._archive = archive
        self._clock = clock
        self._loop = loop
        self._owner = owner
        self._archiver = archiver
        self._outbox = outbox
        self._counters = counters
        self._address_book = address_book
        self._files = files
        self._typing_people = typing_people
        self._client_pid = client_pid
        self._opened_at = clock.now()
        self.obstacle: str | None = None
        self.refusals: Counter[str] = Counter()

    async def status(self) -> ConnectionStatus:
        """The state of the connection; never blocks and never fails."""
        now = self._loop.connection
        owner = self._owner.device
        return ConnectionStatus(
            state=now.state,
            since=now.since,
            account=self._folder.name,
            reason=self.obstacle or now.reason,
            action=_LOOK_AT_DISK if self.obstacle else connection.advice(now),
            # By events: what the library says of itself stays true on dead connections and after most
            # failures.
            connected=now.state is ConnectionState.ONLINE,
            logged_in=now.online_at is not None and now.running,
            device_id=str(owner.jid) if owner else None,
            number=owner.number if owner else None,
            name=owner.name if owner else None,
            generation=now.generation,
            last_event_at=self._archiver.last_event_at,
            last_sent_at=self._outbox.last_sent_at,
            phone_seen_at=self._counters.phone_seen_at,
            until=now.until,
            journal_waiting=self._archiver.waiting,
            events_lost=self._counters.events_lost,
            undecoded=self._archiver.undecoded,
            cut_short=await self._read(self._archive.cut_short()),
            addons_dropped=await self._read(self._archive.addons_dropped()),
            catching_up=self._archiver.waiting > 0 or self._archiver.history_progress is not None,
            history_progress=self._archiver.history_progress,
            leader_pid=os.getpid(),
            address_book=await self._address_book.state(),
            failures=dict(self._counters.failures),
            silent_groups=await self._silent_groups(),
            settings_error=self._settings.check(),
            files=await self._files.status(),
        )

    async def _silent_groups(self) -> int:
        """Return `ConnectionStatus.silent_groups`; 0 unless online, caught up and able to read it."""
        if self._loop.connection.state is not ConnectionState.ONLINE or self._archiver.waiting:
            return 0
        return await self._read(self._archive.silent_groups(self._clock.now()))

    async def _read(self, count: Awaitable[int]) -> int:
        """A count of the archive; 0 while nothing can be read."""
        try:
            return await count
        except (sqlite3.Error, WhatsAppError):
            logger.exception("status: the archive cannot be counted")
            return 0

    async def figures(self) -> LeaderFigures:
        """Return what only the leader knows of the account and its client process, for operators."""
        pid = self._client_pid()
        return LeaderFigures(
            self._opened_at,
            logins=self._counters.logins,
            client_pid=pid,
            client_memory=memory_of(pid) if pid else None,
            client_seconds=processor_seconds_of(pid) if pid else None,
            journaled=self._archiver.announced,
            archived=self._archiver.position,
            journal_stalled=self._archiver.stalled,
            sends=dict(self._outbox.ends),
            refusals=dict(self.refusals),
        )

    async def activity(self, after: int, wait: float = 0.0) -> Activity:
        """Return the activity once the change feed is beyond `after`, or after `wait` seconds."""
        last = await self._archive.wait_change(after, wait)
        chats = self._typing_people.chats()
        known = [await self._archive.contact(chat) for chat in chats]
        return Activity(last, tuple(one.jid if one else chat for chat, one in zip(chats, known, strict=True)))
