"""What the local device says of itself."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.device import connection
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import ConnectionState, ConnectionStatus, LeaderFigures
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
    from whatsapp_mcp.settings import AccountFolder, CurrentSettings

logger = logging.getLogger(__name__)

_LOOK_AT_DISK: Final = (
    "Tell the user to look at the disk's free space and at these files (a damaged one may be restored or "
    "moved away); it is tried again by itself."
)


class StatusOperations:
    """Part of the local device, which brings all that has something to say; see `Device` for each."""

    _folder: AccountFolder
    _settings: CurrentSettings
    _loop: ReconnectLoop
    _owner: Owner
    _archiver: Archiver
    _outbox: Outbox
    _archive: Archive
    _clock: Clock
    _counters: Counters
    _address_book: AddressBook
    _files: Files
    _obstacle: str | None
    _opened_at: datetime

    @property
    def client_pid(self) -> int | None:
        """Process id of the client; None while none runs."""
        raise NotImplementedError

    async def status(self) -> ConnectionStatus:
        """See `Device.status`."""
        now = self._loop.connection
        owner = self._owner.device
        return ConnectionStatus(
            state=now.state,
            since=now.since,
            account=self._folder.name,
            reason=self._obstacle or now.reason,
            action=_LOOK_AT_DISK if self._obstacle else connection.advice(now),
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
            settings_error=self._settings.fault,
            files=await self._files.status(),
        )

    async def _silent_groups(self) -> int:
        """See `ConnectionStatus.silent_groups`; 0 while more is known to come, or nothing can be read."""
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
        """See `Device.figures`."""
        pid = self.client_pid
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
        )
