"""Accepting sends: each is a row of the archive first, and is begun at once where nothing is ahead of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.operations import nothing
from whatsapp_mcp.device.outbox.composing import needs_nobody
from whatsapp_mcp.device.outbox.deliveries import Deliveries, Prepared
from whatsapp_mcp.device.outbox.lines import Lines
from whatsapp_mcp.device.supervise import run_during
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Authorship, OutboxEntry, SendRequest, SendStatus, files_of
from whatsapp_mcp.processes.tracing import carrier

KEPT_FOR: Final = timedelta(days=1)
"""Longest time that a queued send waits for the connection before it fails."""


class Acceptance:
    """Takes sends into the outbox.

    Args:
        archive: Where each is written down.
        clock: The time.
        deliveries: Makes the messages.
        lines: The order of each chat.
        wake: Has the outbox looked at again.
        online: Whether the connection is up.
        linked: Whether a phone is linked.
        unavailable: Why the connection is down, and what to do.
        keep: Has files kept before the send that names them is accepted.

    Attributes:
        tasks: Where lines are served; None while the outbox is not.
    """

    def __init__(
        self,
        archive: Archive,
        clock: Clock,
        deliveries: Deliveries,
        lines: Lines,
        wake: Callable[[], None],
        *,
        online: Callable[[], bool],
        linked: Callable[[], bool],
        unavailable: Callable[[], WhatsAppError],
        keep: Callable[[Iterable[str]], Awaitable[None]] | None,
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._deliveries = deliveries
        self._lines = lines
        self._wake = wake
        self._online = online
        self._linked = linked
        self._unavailable = unavailable
        self._keep = keep
        self.tasks: TaskGroup | None = None

    async def accept(
        self, request: SendRequest, authorship: Authorship | None, begin: Callable[[], Awaitable[None]]
    ) -> tuple[OutboxEntry, bool]:
        """Accept a send, and begin to hand it over if nothing is ahead of it; else the next look finds it.

        What can go out at once is accepted as on its way, with the message made before: one commit, not two.
        It is made while `begin` runs, since each may wait for a database.

        Args:
            request: What is sent.
            authorship: For whom, and whose words it may repeat.
            begin: What has to be done before; what it raises is raised.

        Returns:
            The send, and whether it is new: one with the same key is answered as it is.
        """
        # The line of a send whose caller was told a moment ago ends first.
        await anyio.lowlevel.checkpoint()
        if not self._claim(request):
            await begin()
            begin = nothing
            if not self._claim(request):
                accepted = await self._add(request, authorship)
                self._wake()
                return accepted
        tasks, chat, is_served = self.tasks, request.chat, False
        try:
            prepared = await run_during(begin, partial(self._prepared, request))
            with anyio.CancelScope(shield=True):  # what is accepted as on its way has to go there
                entry, is_new = await self._add(request, authorship, prepared)
                if is_new and entry.status is SendStatus.SENDING and prepared is not None:
                    # The outbox may have ended, or have been started again, while the archive was waited for.
                    if tasks is not None and tasks is self.tasks:
                        self._lines.gap(chat, take=True)
                        tasks.start_soon(self._lines.serve, entry, tasks, prepared)
                        is_served = True
                    else:
                        entry = await self._archive.write(outbox.queued, entry.send_id)
        finally:
            if not is_served:
                self._lines.end(chat)
                self._wake()
        return entry, is_new  # pyright: ignore[reportPossiblyUnboundVariable]

    def _claim(self, request: SendRequest) -> bool:
        """Begin the line of a send that can go out at once; whether it can."""
        goes = self.tasks is not None and self._online() and needs_nobody(request)
        return goes and not self._lines.gap(request.chat) and self._lines.claim(request.chat)

    async def _prepared(self, request: SendRequest) -> Prepared | None:
        """A message that is made before its send is accepted; None if it cannot: its line finds out why."""
        with suppress(WhatsAppError):
            return await self._deliveries.prepare(request, "outbox: preparing a send")
        return None

    async def _add(
        self, request: SendRequest, authorship: Authorship | None, prepared: Prepared | None = None
    ) -> tuple[OutboxEntry, bool]:
        longest = KEPT_FOR.total_seconds()
        kept = longest if request.queue else min(longest, max(1.0, request.wait))
        # A new send only: what an earlier leader has accepted is on its way all the same.
        await self.keep_files(request)
        is_possible = self._linked() and (request.queue or self._online())
        entry, is_new = await self._archive.write(
            outbox.add,
            request,
            principal=authorship.caller.principal if authorship else "",
            expires_at=self._clock.now() + timedelta(seconds=kept),
            obstacle=None if is_possible else self._unavailable(),
            handed_to=prepared.handed_to if prepared else None,
            secret=prepared.composed.secret if prepared else None,
            scheduling=authorship,
        )
        if is_new and (span := carrier()) is not None:
            self._deliveries.spans[entry.send_id] = span
        return entry, is_new

    async def keep_files(self, request: SendRequest) -> None:
        """Have the files kept that a send names, before it is accepted."""
        if self._keep is not None and (files := files_of(request.content)):
            await self._keep(file.path for file in files)
