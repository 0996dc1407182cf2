"""`ClientEvents`: what the client process says, and what the parts of the device make of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import anyio

from whatsapp_mcp.client import protocol
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device import connection
from whatsapp_mcp.device.archiving import nobody_before
from whatsapp_mcp.device.operations.contacts import hear_presence
from whatsapp_mcp.ledger import PauseRecord
from whatsapp_mcp.models import ConnectionState, JournalEvent

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from whatsapp_mcp.device.archiving import Archiver
    from whatsapp_mcp.device.clock import Clock
    from whatsapp_mcp.device.connection import (
        AddressBook,
        Clients,
        Connection,
        Linking,
        ReconnectLoop,
    )
    from whatsapp_mcp.device.counters import Counters
    from whatsapp_mcp.device.files import Files
    from whatsapp_mcp.device.name_lookups import Names
    from whatsapp_mcp.device.operations import WhatsApp
    from whatsapp_mcp.device.outbox import Outbox
    from whatsapp_mcp.device.owner import Owner
    from whatsapp_mcp.device.typing_people import TypingPeople
    from whatsapp_mcp.processes.rpc import Params
    from whatsapp_mcp.storage import LeadershipOver

_RECORD_LIMIT: Final = 2.0
"""Seconds that a login waits for the archive to know the owner."""


Note = Callable[[PauseRecord, datetime], Awaitable[object]]
"""Writes one kind of pause down, with its time."""


def nobody_hears(event: JournalEvent) -> None:
    """Nobody hears of messages."""


@dataclass(eq=False)
class ClientEvents:
    """Tells the parts of a device what its client and its connection say.

    Attributes:
        clock: The leader's.
        tasks: Where what is told is followed up.
        clients: The client processes.
        loop: Owns the connection.
        owner: The companion, as its keys name it.
        linking: How far linking has come.
        counters: What is counted of the connection.
        archiver: Archives what the client has written into the journal.
        outbox: The sends on their way.
        files: The files of messages.
        names: What people and groups are called.
        address_book: Whether it is there.
        typing_people: Who writes just now.
        whatsapp: Has those who wait for a presence.
        note_pause: Writes down what WhatsApp has imposed.
        over: Told once nothing more can be written.
    """

    clock: Clock
    tasks: TaskGroup
    clients: Clients
    loop: ReconnectLoop
    owner: Owner
    linking: Linking
    counters: Counters
    archiver: Archiver
    outbox: Outbox
    files: Files
    names: Names
    address_book: AddressBook
    typing_people: TypingPeople
    whatsapp: WhatsApp
    note_pause: Callable[[Note, datetime], Coroutine[Any, Any, None]]
    over: Callable[[LeadershipOver], None]
    hear_message: Callable[[JournalEvent], None] = nobody_hears
    """Hears each event of a message, once it is archived."""
    hear_before: Callable[[Sequence[JournalEvent]], Awaitable[None]] = nobody_before
    """Hears events before they are archived: again, if they could not be."""
    _trouble: str | None = None
    _damaged_of: int = 0
    """The newest client of which it is known that the journal was damaged."""
    _refused_client: int = 0
    """The newest client whose phone is not the account's."""

    def report(self, event: connection.ClientEvent) -> None:
        """A client, or the archiver about its journal, reports something of the connection."""
        now = self.loop.connection
        if isinstance(event, connection.Stuck) and event.damaged and event.generation > self._damaged_of:
            # Once for each client: it and the archiver may both notice, and the next writes to a new file.
            self._damaged_of = event.generation
            self.archiver.recreate(event.reason)
        if isinstance(event, connection.Ended):
            if event.over is not None:
                self.over(event.over)
            self.clients.note_ended(event.generation)
            self.outbox.wake()
            # It may have journaled what it could no longer announce.
            self.archiver.wake()
            # Only a client that is logged in acknowledges anything.
            if now.running and event.generation == now.generation and now.online_at is not None:
                gap = self.counters.count_lost(self.archiver.quiet_since)
                if gap is not None:
                    self.tasks.start_soon(self.counters.keep_gap, gap)
        self.loop.post(event)

    def saw(self, event: JournalEvent) -> None:
        """An event was archived."""
        if event.code == EventCode.CHAT_PRESENCE:
            self.typing_people.hear(event.payload)
        elif event.code == EventCode.PRESENCE:
            hear_presence(self.whatsapp, event.payload)
        elif event.code == EventCode.MESSAGE:
            self.hear_message(event)

    def saw_phone(self, seen_at: datetime) -> None:
        """The phone was online then."""
        self.counters.phone_seen_at = seen_at

    async def notice(self, method: str, params: Params, generation: int) -> None:
        """A client notifies: it is ready, shows a QR, or has written an event into the journal."""
        # What a replaced client has written into the journal is archived all the same.
        if generation != self.clients.current.generation:
            return
        if method == protocol.READY:
            self.clients.pid = int(params["pid"])
            await self.address_book.reset_if_lost()
        elif method == protocol.QR and self.loop.connection.state is ConnectionState.LINKING:
            self.linking.show_qr(str(params["text"]), float(params["lifetime"]))
        elif method in {protocol.JOURNALED, protocol.STATE}:
            self.archiver.announce(int(params["seq"]))
            if method == protocol.STATE and params["code"] == EventCode.CONNECTED:
                await self._look_up_owner(generation)
            elif method == protocol.STATE and params["code"] == EventCode.PAIR_STATUS:
                await self._compare_phone(str(params["payload"]), generation)

    async def _look_up_owner(self, generation: int) -> None:
        """Look up who has logged in; skip a refused phone, although its client may log in."""
        if generation != self._refused_client:
            await self.owner.look_up()
            await self._record_owner()

    async def _record_owner(self) -> None:
        """Have the archive know the owner before anybody sees the account online, and may write to `me`.

        An archive that is busy for longer is not waited for: it would look as if WhatsApp did not answer.
        """
        recorded = anyio.Event()

        async def record() -> None:
            await self.owner.record()
            recorded.set()

        self.tasks.start_soon(record)
        with self.clock.limit(_RECORD_LIMIT):
            await recorded.wait()

    async def _compare_phone(self, payload: str, generation: int) -> None:
        """End linking, before the client has logged in, if the phone is not the account's."""
        number = connection.paired_number(payload)
        refusal = await self.owner.refusal(number) if number is not None else None
        if refusal is not None:
            self._refused_client = generation
            self.loop.post(connection.LinkingFailed(generation, refusal))

    def changed(self, before: Connection, after: Connection) -> None:
        """The connection has changed."""
        if after.linked and not before.linked:
            self.address_book.expect(just_linked=True)
            self.tasks.start_soon(self.note_pause, PauseRecord.linked, self.clock.now())
        if after.state is ConnectionState.BANNED and after.until is not None and before.until != after.until:
            self.tasks.start_soon(self.note_pause, PauseRecord.banned, after.until)
        if after.online_at is not None and before.online_at != after.online_at:
            self.counters.logins += 1
            self.address_book.expect(just_linked=False)
            self.outbox.wake()
            self.names.wake()
            self.files.wake()
            # The state of the connection forgets with each client that events cannot be stored.
            if self._trouble is not None:
                self.note_trouble(self._trouble)
        if after.failures > before.failures:
            self.tasks.start_soon(self._look_for_keys)
        if before.linked and not after.linked:
            self.owner.device = None
            self.address_book.forget()
            self.outbox.wake()
        owner = self.owner.device
        # While a code is awaited or shown, its absence needs no reason.
        reason = None if after.state is ConnectionState.LINKING else after.reason
        self.linking.enter(after.state, reason, owner.number if owner else None)

    async def _look_for_keys(self) -> None:
        """A client ended before it was logged in: find out whether there is something to log in with."""
        await self.owner.look_up()
        if self.owner.device is None:
            self.loop.post(connection.KeysLost())

    def note_trouble(self, reason: str | None) -> None:
        """Archiving is stuck for a reason, or (None) goes on."""
        self._trouble = reason
        generation = self.loop.connection.generation
        event = connection.Unstuck(generation) if reason is None else connection.Stuck(generation, reason)
        self.loop.post(event)
