"""A day on a clock of our own: one client at most lives, every send has its due, nothing grows."""

from __future__ import annotations

import asyncio
import random
import secrets
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.abc
import anyio.lowlevel
import pytest

from tests.archive.fake_writes import FakeWrites
from tests.device.fake_clock import FakeClock
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.archive.database import schema
from whatsapp_mcp.archive.identity.identities import Lookups
from whatsapp_mcp.archive.operations import OPERATIONS
from whatsapp_mcp.archive.read import outbox_entries
from whatsapp_mcp.archive.write import applying
from whatsapp_mcp.archive.write.applying import WriteContext
from whatsapp_mcp.device.connection import FileKeys, state
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.connection.client_process import Client
from whatsapp_mcp.device.connection.reconnect import ReconnectLoop
from whatsapp_mcp.device.connection.state import Connection
from whatsapp_mcp.device.outbox.composing import Composed, message_of
from whatsapp_mcp.device.outbox.delivery_evidence import DeliveryEvidence
from whatsapp_mcp.device.outbox.outbox import Outbox
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.errors import Busy, DeadlineExceeded, NotConnected, SendUnknown, WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Authorship, OutboxEntry, SendRequest, SendStatus, TextContent
from whatsapp_mcp.models import ConnectionState as S
from whatsapp_mcp.storage import StoredDevice

pytestmark = pytest.mark.anyio

DAY = 24 * 3600.0
MEAN_PAUSE = 90.0
"""Virtual seconds between two things that happen."""
CHATS = [f"1555000{number}@s.whatsapp.net" for number in range(2000, 2006)]
LIMIT = 240


class JumpyClock(FakeClock):
    """A clock whose wall time can be set apart from the time that passes."""

    shift = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.shift)


class Sends(FakeWrites):
    """The archive's outbox on a database in memory, without threads: nothing waits but on the clock."""

    def __init__(self, clock: JumpyClock) -> None:
        self._clock = clock
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        schema.migrate(self._db)

    def _apply(self, name: str, **values: Any) -> Any:
        at = int(self._clock.now().timestamp() * 1000)
        number = applying.begin_operation(self._db, at)
        return OPERATIONS[name](WriteContext(self._db, self._db, number, at, Lookups()), **values)

    async def outbox_add(
        self,
        request: SendRequest,
        *,
        principal: str = "",
        expires_at: datetime | None = None,
        obstacle: WhatsAppError | None = None,
        handed_to: str | None = None,
        secret: bytes | None = None,
        scheduling: Authorship | None = None,
    ) -> tuple[OutboxEntry, bool]:
        return self._apply(
            "outbox_add",
            request=request,
            principal=principal,
            expires_at=expires_at,
            obstacle=obstacle,
            handed_to=handed_to,
            secret=secret,
            scheduling=scheduling,
        )

    def everything(self) -> list[OutboxEntry]:
        return [
            outbox_entries.outbox_get(self._db, row[0]) for row in self._db.execute("SELECT id FROM outbox")
        ]

    async def outbox_get(self, send_id: int) -> OutboxEntry:
        return outbox_entries.outbox_get(self._db, send_id)

    async def outbox_quarantine(self) -> tuple[int, ...]:
        return ()

    async def outbox_last_sent(self) -> datetime | None:
        return outbox_entries.outbox_last_sent(self._db)

    async def outbox_unsettled(self, *, chat: str | None = None, limit: int = -1) -> tuple[OutboxEntry, ...]:
        return outbox_entries.outbox_unsettled(self._db, chat=chat, limit=limit)

    async def scheduled_sends(self) -> tuple[OutboxEntry, ...]:
        return ()

    async def outbox_sending(
        self, send_id: int, *, handed_to: str | None = None, secret: bytes | None = None
    ) -> OutboxEntry:
        return self._apply("outbox_sending", send_id=send_id, handed_to=handed_to, secret=secret)

    async def outbox_queued(
        self, send_id: int, reason: str | None = None, *, handed_to: str | None = None
    ) -> OutboxEntry:
        return self._apply("outbox_queued", send_id=send_id, reason=reason, handed_to=handed_to)

    async def outbox_withdrawn(self, send_id: int, reason: str) -> OutboxEntry:
        return self._apply("outbox_withdrawn", send_id=send_id, reason=reason)

    async def outbox_failed(self, send_id: int, reason: str) -> OutboxEntry:
        return self._apply("outbox_failed", send_id=send_id, reason=reason)

    async def outbox_unknown(
        self,
        send_id: int,
        reason: str,
        *,
        message_id: str | None = None,
        traceable: bool = True,
        handed_to: str | None = None,
    ) -> OutboxEntry:
        named = {"message_id": message_id, "traceable": traceable, "handed_to": handed_to}
        return self._apply("outbox_unknown", send_id=send_id, reason=reason, **named)

    async def outbox_sent(
        self, send_id: int, message_id: str, timestamp: datetime, *, message: bytes | None = None
    ) -> OutboxEntry:
        return self._apply("outbox_sent", send_id=send_id, message_id=message_id, timestamp=timestamp)


@dataclass
class World:
    """What lies beyond the device: clients that come and go, and what reached WhatsApp."""

    clock: JumpyClock
    chance: random.Random
    report: Callable[[state.ClientEvent], None] = lambda event: None
    calm: bool = False
    clients: dict[int, VirtualClient] = field(default_factory=dict[int, "VirtualClient"])
    delivered: Counter[str] = field(default_factory=Counter[str])
    noted: dict[bytes, str] = field(default_factory=dict[bytes, str])
    misdeeds: list[str] = field(default_factory=list[str])

    @property
    def alive(self) -> list[int]:
        return [client.generation for client in self.clients.values() if not client.dead.is_set()]

    def make(self, generation: int) -> Client:
        assert generation not in self.clients, "a generation is given out once"
        self.clients = {known: client for known, client in self.clients.items() if not client.dead.is_set()}
        made = self.clients[generation] = VirtualClient(generation, self)
        return cast("Client", made)


class VirtualClient:
    """A client process as the loop sees it, with its fortunes."""

    def __init__(self, generation: int, world: World) -> None:
        self.generation = generation
        self.dead = anyio.Event()
        self._world = world

    def end(self) -> None:
        self.dead.set()

    async def run(self) -> None:
        """Log in, or fail to, or never say a word; then live until the end."""
        world = self._world
        await world.clock.sleep(world.chance.uniform(0.1, 3))
        fate = 0.0 if world.calm else world.chance.random()
        if fate < 0.7:
            world.report(state.Online(self.generation))
        elif fate < 0.85:
            self.dead.set()
        await self.dead.wait()
        world.report(state.Ended(self.generation, "The client process ended."))

    async def call(self, method: str, params: Any = None, *, deadline: float) -> Any:
        world = self._world
        if self.dead.is_set():
            world.misdeeds.append(f"{method} on {self.generation}")
        await anyio.lowlevel.checkpoint()
        fate = 0.5 if world.calm else world.chance.random()
        if method == "probe":
            if fate > 0.5:
                await self._hang(deadline)
            return None
        if fate < 0.05:
            raise NotConnected("The connection is down.")
        if fate < 0.9 or fate > 0.92:
            world.noted[params["secret"]] = f"3EB0{params['text']}"
        if fate < 0.9 or fate > 0.95:
            world.delivered[params["text"]] += 1
        if fate < 0.85:
            return {"id": f"3EB0{params['text']}", "timestamp": int(world.clock.now().timestamp())}
        if fate < 0.9:
            raise SendUnknown("No answer.")
        await self._hang(deadline)
        return None

    async def _hang(self, deadline: float) -> None:
        with self._world.clock.limit(deadline):
            await self.dead.wait()
            raise Busy("The client process ended during the call.")
        raise DeadlineExceeded("No answer.")


async def nothing_forgotten() -> None:
    """No phone is unlinked."""


class Notes(DeliveryEvidence):
    """What the clients have noted, kept in the world."""

    def __init__(self, world: World, generation: Callable[[], int], ended: Callable[[int], bool]) -> None:
        device = StoredDevice(Jid.parse("15550001111:1@s.whatsapp.net"), None, None, 7)
        super().__init__(FileKeys(Path()), device=lambda: device, generation=generation, ended=ended)
        self._world = world

    async def name_hand_over(self, chat: str) -> str:
        return f"{self.here()} -"

    async def message_id(self, secret: bytes) -> str | None:
        return self._world.noted.get(secret)


class Kept:
    """Keeps the connection nowhere."""

    async def save(self, connection: Connection) -> None:
        await anyio.lowlevel.checkpoint()


class Day:
    """The loop, the outbox and the accessor on one clock, and all that happens to them."""

    def __init__(self, tasks: anyio.abc.TaskGroup, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = JumpyClock()
        self.world = World(self.clock, self.chance)
        self.tasks = tasks
        self.clients: Accessor[Client] = Accessor(
            lambda: NotConnected("None."), end=lambda client: client.end()
        )
        self.sends = Sends(self.clock)
        self.asked = 0
        self.loop = ReconnectLoop(
            self.clients,
            self.world.make,
            tasks,
            nothing_forgotten,
            Kept(),
            connection=Connection(S.OFFLINE, self.clock.now(), linked=True),
            clock=self.clock,
            chance=self.chance.random,
            changed=lambda before, after: self.outbox.wake(),
        )
        self.notes = Notes(self.world, lambda: self.clients.generation, self._has_ended)
        self.outbox = Outbox(
            cast("Archive", self.sends),
            self.clock,
            self,
            self.notes,
            online=lambda: self.loop.connection.state is S.ONLINE,
            linked=lambda: self.loop.connection.linked,
            unavailable=lambda: state.unavailable(self.loop.connection),
        )
        self.world.report = self.loop.post

    def _has_ended(self, generation: int) -> bool:
        now = self.loop.connection
        is_earlier = generation < now.generation and generation not in self.world.alive
        return is_earlier and now.state is S.ONLINE

    async def hand_over(self, chat: str, message: str, handed_to: str, deadline: float) -> dict[str, Any]:
        from base64 import b64decode

        from whatsapp_mcp.protobufs import E2E

        if not self.notes.is_here(handed_to):
            raise NotConnected("Replaced.")
        sent = E2E.Message.FromString(b64decode(message))
        params = {"text": sent.conversation, "secret": sent.messageContextInfo.messageSecret}
        async with self.clients.use() as client:
            return await client.call("send_message", params, deadline=deadline)

    async def unanswered(self, chat: str) -> None:
        self.loop.post(state.Doubtful(self.clients.generation, "No answer."))

    async def compose(self, request: SendRequest) -> Composed:
        message, secret = message_of(request), secrets.token_bytes(32)
        message.messageContextInfo.messageSecret = secret
        return Composed(message.SerializeToString(), secret)

    async def send(self) -> None:
        """An agent sends, and waits as long as agents do."""
        self.asked += 1
        text = f"send-{self.asked}"
        request = SendRequest(self.chance.choice(CHATS), TextContent(text), wait=20.0)
        with suppress(WhatsAppError):
            await self.outbox.submit(request)

    def fortune(self) -> state.Event | None:
        """Something that happens: to the running client, to an old one, or from outside."""
        generation = self.loop.connection.generation - self.chance.choice((0, 0, 0, 0, 0, 1, 2))
        made: tuple[Callable[[], state.Event], ...] = (
            lambda: state.Disconnected(generation),
            lambda: state.Online(generation),
            lambda: state.Doubtful(generation, "No answer to a keep-alive."),
            lambda: state.Answered(generation),
            lambda: state.Stuck(generation, "The disk is full."),
            lambda: state.Unstuck(generation),
            lambda: state.Banned(generation, "Too many.", self.chance.uniform(1, 7200)),
            lambda: state.Refused(generation, "Code 400."),
            lambda: state.Outdated(generation),
            lambda: state.Replaced(generation),
            lambda: state.LoggedOut(generation, "Removed."),
            state.ReconnectAsked,
            state.ReconnectAsked,
            state.LinkAsked,
            state.Tick,
        )
        return self.chance.choice(made)()

    async def happen(self) -> None:
        """One thing, and a pause."""
        match self.chance.randrange(8):
            case 0:
                client = self.world.clients.get(self.loop.connection.generation)
                if client is not None:
                    client.end()
            case 1:
                await self.clock.jump(self.chance.uniform(10, 900))
            case 2:
                self.clock.shift = self.chance.uniform(-7200, 7200)
            case 3 | 4:
                for _ in range(self.chance.randint(1, 4)):
                    self.tasks.start_soon(self.send)
            case _:
                event = self.fortune()
                if event is not None:
                    self.loop.post(event)
        await self.clock.advance(self.chance.expovariate(1 / MEAN_PAUSE))
        now = self.loop.connection
        assert len(self.world.alive) <= 1
        assert not now.running or not self.world.alive or self.world.alive == [now.generation]
        assert self.world.misdeeds == []

    async def recover(self) -> None:
        """All is well from now on, and whatever waits for a person gets one."""
        self.world.calm = True
        self.loop.post(state.Unstuck(self.loop.connection.generation))
        if not self.loop.connection.linked:
            self.loop.post(state.LinkAsked())
        else:
            self.loop.post(state.ReconnectAsked())
        await self.clock.advance(1800)

    def sizes(self) -> dict[str, int]:
        """How much there is of everything that could grow."""
        held = {
            f"{type(owner).__name__}.{name}": len(value)
            for owner in (self.loop, self.outbox, self.clients)
            for name, value in vars(owner).items()
            if isinstance(value, list | dict | set) or hasattr(value, "popleft")
        }
        return {**held, "tasks": len(asyncio.all_tasks()), "clients alive": len(self.world.alive)}


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_day_of_random_faults_leaves_one_client_true_sends_and_no_growth(seed: int) -> None:
    with anyio.fail_after(LIMIT):
        async with background_tasks() as tasks:
            day = Day(tasks, seed)
            tasks.start_soon(day.loop.run)
            tasks.start_soon(day.outbox.run)
            day.loop.post(state.Opened(linked=True))
            await day.recover()
            before = day.sizes()
            day.world.calm = False
            things = 0
            while day.clock.monotonic() < DAY:
                await day.happen()
                things += 1
            await day.recover()
            assert day.loop.connection.state is S.ONLINE
            assert day.sizes() == before
            await compare(day)
    assert things > 300
    assert day.loop.connection.generation > 20


async def compare(day: Day) -> None:
    """Every accepted send is where its state says; none went out twice."""
    assert max(day.world.delivered.values()) == 1
    entries = day.sends.everything()
    states = Counter(entry.status for entry in entries)
    assert set(states) <= {SendStatus.SENT, SendStatus.FAILED, SendStatus.UNKNOWN}, states
    assert states[SendStatus.SENT] > 100
    for entry in entries:
        assert isinstance(entry.request.content, TextContent)
        arrived = day.world.delivered[entry.request.content.text]
        if entry.status is SendStatus.SENT:
            assert arrived == 1, entry
        if entry.status is SendStatus.FAILED:
            assert arrived == 0, entry
        if entry.status is SendStatus.UNKNOWN:
            assert entry.message_id == f"3EB0{entry.request.content.text}"
