"""What the client process says, and what the device makes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from whatsapp_mcp.client import protocol
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device import connection
from whatsapp_mcp.device.archiving import nobody_before
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.ledger import PauseRecord
from whatsapp_mcp.models import ConnectionState, JournalEvent
from whatsapp_mcp.storage import Fenced, Refused, Rewound

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from whatsapp_mcp.client.client_storage import ClientStorage
    from whatsapp_mcp.device.archiving import Archiver
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.connection import (
        Accessor,
        AddressBook,
        Client,
        Connection,
        DeviceStorage,
        Linking,
        ReconnectLoop,
    )
    from whatsapp_mcp.device.counters import Counters
    from whatsapp_mcp.device.files import Files
    from whatsapp_mcp.device.name_lookups import Names
    from whatsapp_mcp.device.outbox import Outbox
    from whatsapp_mcp.device.owner import Owner
    from whatsapp_mcp.device.typing_people import TypingPeople
    from whatsapp_mcp.processes.rpc import Params
    from whatsapp_mcp.settings import CurrentSettings
    from whatsapp_mcp.storage import LeadershipOver

_RENEW_INTERVAL: Final = 1.0
"""Seconds between two looks at how long the lease holds."""
_RECORD_LIMIT: Final = 2.0
"""Seconds that a login waits for the archive to know the owner."""


class ClientEvents:
    """Part of the local device, which brings everything that hears of it."""

    _clock: Clock
    _settings: CurrentSettings
    _tasks: TaskGroup
    _clients: Accessor[Client]
    _loop: ReconnectLoop
    _owner: Owner
    _linking: Linking
    _counters: Counters
    _archiver: Archiver
    _outbox: Outbox
    _files: Files
    _names: Names
    _address_book: AddressBook
    _typing_people: TypingPeople
    _make_client: Callable[..., Client]
    _hear_message: Callable[[JournalEvent], None]
    _hear_before: Callable[[Sequence[JournalEvent]], Awaitable[None]] = staticmethod(nobody_before)
    _client_pid: int | None
    _trouble: str | None
    _running: set[int]
    _client_gone: anyio.Event
    _storage: DeviceStorage
    _ended: Callable[[LeadershipOver], None] | None
    _damaged_of: int
    _refused_client: int

    def hear_presence(self, payload: bytes) -> None:
        """Somebody is online, or no longer; see `Topics`."""
        raise NotImplementedError

    def _is_online(self) -> bool:
        raise NotImplementedError

    async def _note_pause(
        self, note: Callable[[PauseRecord, datetime], Awaitable[object]], at: datetime
    ) -> None:
        raise NotImplementedError

    def _launch(self, generation: int) -> Client:
        self._running.add(generation)
        self._client_pid = None
        return self._make_client(
            generation,
            storage=partial(self._storage_of_client, generation),
            proxy=self._settings.now().network.proxy_url,
        )

    async def _storage_of_client(self, generation: int) -> ClientStorage:
        """What that client opens."""
        storage = self._storage
        if storage.lease is None:  # the process itself waits for the former one, by its claim
            return await storage.client()
        while any(running < generation for running in self._running):
            await self._client_gone.wait()
        try:
            given = await storage.client()
        except (Fenced, Refused, Rewound) as error:
            if self._ended is not None:
                self._ended(error)
            raise
        return replace(given, until=storage.lease.until())

    async def _renew(self) -> None:
        """Tell each client how long the lease holds, until cancelled."""
        if (lease := self._storage.lease) is None:
            return
        told: tuple[int, float] | None = None
        while True:
            news = self._clients.generation, lease.until()
            if news != told and not self._clients.empty:
                with suppress(WhatsAppError):  # it is being replaced, or does not read
                    async with self._clients.use() as client:
                        await client.renew(news[1])
                        told = news
            await self._clock.sleep(_RENEW_INTERVAL)

    def _has_ended(self, generation: int) -> bool:
        """Whether that client is gone, and a later one has taken its place at WhatsApp."""
        is_earlier = generation < self._loop.connection.generation and generation not in self._running
        return is_earlier and self._is_online()

    def _report(self, event: connection.ClientEvent) -> None:
        now = self._loop.connection
        if isinstance(event, connection.Stuck) and event.damaged and event.generation > self._damaged_of:
            # Once for each client: it and the archiver may both notice, and the next writes to a new file.
            self._damaged_of = event.generation
            self._archiver.recreate(event.reason)
        if isinstance(event, connection.Ended):
            if event.over is not None and self._ended is not None:
                self._ended(event.over)
            self._running.discard(event.generation)
            self._client_gone.set()
            self._client_gone = anyio.Event()
            self._outbox.poke()
            # It may have journaled what it could no longer announce.
            self._archiver.poke()
            if now.running and event.generation == now.generation and now.online_at is not None:
                gap = self._counters.count_lost(self._archiver.quiet_since)
                if gap is not None:
                    self._tasks.start_soon(self._counters.keep_gap, gap)
        self._loop.post(event)

    def _saw(self, event: JournalEvent) -> None:
        if event.code == EventCode.CHAT_PRESENCE:
            self._typing_people.hear(event.payload)
        elif event.code == EventCode.PRESENCE:
            self.hear_presence(event.payload)
        elif event.code == EventCode.MESSAGE:
            self._hear_message(event)

    def hear_messages(self, listener: Callable[[JournalEvent], None]) -> None:
        """Call `listener` from now on with every event of a message that comes, once it is archived."""
        self._hear_message = listener

    async def _before_archiving(self, events: Sequence[JournalEvent]) -> None:
        await self._hear_before(events)

    def hear_before_archiving(self, listener: Callable[[Sequence[JournalEvent]], Awaitable[None]]) -> None:
        """Call `listener` from now on with events before they are archived: again, if they could not be."""
        self._hear_before = listener

    def _saw_phone(self, at: datetime) -> None:
        self._counters.phone_seen_at = at

    async def _notice(self, method: str, params: Params, generation: int) -> None:
        if generation != self._clients.generation:
            return
        if method == protocol.READY:
            self._client_pid = int(params["pid"])
            await self._address_book.reset_if_lost()
        elif method == protocol.QR and self._loop.connection.state is ConnectionState.LINKING:
            self._linking.show_qr(str(params["text"]), float(params["lifetime"]))
        elif method in {protocol.JOURNALED, protocol.STATE}:
            self._archiver.announce(int(params["seq"]))
            if method == protocol.STATE and params["code"] == EventCode.CONNECTED:
                await self._look_up_owner(generation)
            elif method == protocol.STATE and params["code"] == EventCode.PAIR_STATUS:
                await self._compare_phone(str(params["payload"]), generation)

    async def _look_up_owner(self, generation: int) -> None:
        """See who has logged in; a phone that was refused is nobody's, although its client may log in."""
        if generation != self._refused_client:
            await self._owner.look_up()
            await self._record_owner()

    async def _record_owner(self) -> None:
        """Have the archive know the owner before anybody sees the account online, and may write to `me`.

        An archive that is busy for longer is not waited for: it would look as if WhatsApp did not answer.
        """
        recorded = anyio.Event()

        async def record() -> None:
            await self._owner.record()
            recorded.set()

        self._tasks.start_soon(record)
        with self._clock.limit(_RECORD_LIMIT):
            await recorded.wait()

    async def _compare_phone(self, payload: str, generation: int) -> None:
        """End linking, before the client has logged in, if the phone is not the account's."""
        number = connection.paired_number(payload)
        refusal = await self._owner.refusal(number) if number is not None else None
        if refusal is not None:
            self._refused_client = generation
            self._loop.post(connection.LinkingFailed(generation, refusal))

    def _changed(self, before: Connection, after: Connection) -> None:
        if after.linked and not before.linked:
            self._address_book.expect(just_linked=True)
            self._tasks.start_soon(self._note_pause, PauseRecord.linked, self._clock.now())
        if after.state is ConnectionState.BANNED and after.until is not None and before.until != after.until:
            self._tasks.start_soon(self._note_pause, PauseRecord.banned, after.until)
        if after.online_at is not None and before.online_at != after.online_at:
            self._counters.logins += 1
            self._address_book.expect(just_linked=False)
            self._outbox.poke()
            self._names.poke()
            self._files.look()
            if self._trouble is not None:
                self._archiving_trouble(self._trouble)
        if after.failures > before.failures:
            self._tasks.start_soon(self._look_for_keys)
        if before.linked and not after.linked:
            self._owner.device = None
            self._address_book.forget()
            self._outbox.poke()
        owner = self._owner.device
        # While a code is awaited or shown, its absence needs no reason.
        reason = None if after.state is ConnectionState.LINKING else after.reason
        self._linking.enter(after.state, reason, owner.number if owner else None)

    async def _look_for_keys(self) -> None:
        """A client ended before it was logged in: find out whether there is something to log in with."""
        await self._owner.look_up()
        if self._owner.device is None:
            self._loop.post(connection.KeysLost())

    def _archiving_trouble(self, reason: str | None) -> None:
        self._trouble = reason
        generation = self._loop.connection.generation
        event = connection.Unstuck(generation) if reason is None else connection.Stuck(generation, reason)
        self._loop.post(event)
