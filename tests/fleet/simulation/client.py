"""The client process: the library with its keys and its connection to WhatsApp, and the journal's writer."""

from __future__ import annotations

from tests.fleet.simulation import statements
from tests.fleet.simulation.appending import Writer
from tests.fleet.simulation.database import Disconnected, Fenced, Refused
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.network import Connection, Wire
from tests.fleet.simulation.rows import JOURNAL, Keys, Login
from tests.fleet.simulation.scene import Scene
from tests.fleet.simulation.whatsapp import Accepted, Event, Gone, Link, LoggedIn, Message, Replaced
from tests.fleet.simulation.world import Clock, Future, Process
from whatsapp_fleet.protocol import Stamp

WATCHED = 0.1
"""Seconds from one look of the watchdog to the next; the process may have stood still in between."""
LATE = 0.03
"""Seconds by which the watchdog may be late; less than a handshake with WhatsApp takes."""
POOL_CHURN = 0.5
"""How often a write of the library opens a new connection: its pool keeps two."""


class Send:
    """A message that the leader has handed over.

    Attributes:
        done: Resolved once WhatsApp has it; fails if the client ends first.
    """

    def __init__(self, send: str) -> None:
        self.send = send
        self.done: Future[None] = Future()
        self.keys: int | None = None


class Client:
    """One client process.

    Args:
        number: Counts the clients of the epoch.

    Attributes:
        deadline: When the lease of its leader ends, by the clock of the machine.
        replaced: Whether it ended because somebody has logged in with its keys.
        gone: Resolved when it has ended.
    """

    def __init__(
        self, scene: Scene, clock: Clock, wire: Wire, account: str, epoch: int, number: int, login: Login
    ) -> None:
        self._scene = scene
        self._account = account
        self._epoch = epoch
        self.process = Process(scene.world, clock)
        self.deadline = 0.0
        self.replaced = False
        self.gone: Future[None] = Future()
        self.process.at_death.append(self._ended)
        self._store = Connection(self.process, wire, (account, login))
        self._number = number
        self._journal = Connection(self.process, wire)
        self._writer: Writer | None = None
        self._keys = Keys(0, 0, epoch)
        self.link: Link | None = None
        self._events: list[Event | Send] = []
        self._woken: Future[None] = Future()
        self._sending: Send | None = None

    def start(self, deadline: float) -> None:
        """Begin."""
        self.deadline = deadline
        if not self._scene.has(Defect.NO_WATCHDOG):
            self.process.spawn(self._watchdog())
        self.process.spawn(self._live())

    def hand(self, event: Event | Send) -> None:
        """Give it something to do, over its pipe or its connection."""
        if not self.process.alive:
            if isinstance(event, Send):
                event.done.fail(Disconnected())
            return
        self._events.append(event)
        self._woken.resolve(None)

    def _ended(self) -> None:
        for event in [*self._events, self._sending]:
            if isinstance(event, Send):
                event.done.fail(Disconnected())
        self._scene.monitor.counts["clients that ended"] += 1
        self.gone.resolve(None)

    async def _watchdog(self) -> None:
        while self.process.now() < self.deadline:
            await self.process.sleep(min(WATCHED, self.deadline - self.process.now()))
        # A process that goes on after it stood still does other things, too, before this one.
        await self.process.sleep(self._scene.world.random.uniform(0, LATE))
        self.process.kill()

    async def _live(self) -> None:
        try:
            await self._work()
        except (Disconnected, Refused, Fenced):
            self.process.kill()

    async def _work(self) -> None:
        self._keys = (await self._store.run(statements.read_keys(self._account)))._replace(epoch=self._epoch)
        self._writer = Writer(self._scene, self._journal, JOURNAL, self._account, await self._first_stamp())
        self._log_in()
        while True:
            while not self._events:
                self._woken = Future()
                await self._woken
            await self._handle(self._events.pop(0))

    async def _first_stamp(self) -> Stamp:
        if not self._scene.has(Defect.SHARED_STAMPS):
            return Stamp.first(self._epoch, self._number)
        last = await self._journal.run(statements.last_stamp(JOURNAL, self._account))
        return last if last is not None and last.epoch == self._epoch else Stamp.first(self._epoch, 0)

    def _log_in(self) -> None:
        self.link = Link(
            self._scene.whatsapp[self._account], self._epoch, self.hand, lambda: self.process.alive
        )
        self.link.log_in()

    async def _handle(self, event: Event | Send) -> None:
        match event:
            case Message(number):
                await self._receive(number)
            case Send():
                await self._encrypt(event)
            case LoggedIn():
                self._transmit()
            case Accepted(send):
                if self._sending is not None and self._sending.send == send:
                    self._sending.done.resolve(None)
                    self._sending = None
            case Gone():
                # The library connects again by itself, and sends once more what was not accepted.
                await self.process.sleep(0.05)
                self._log_in()
            case Replaced():
                self.replaced = True
                self.process.kill()

    async def _receive(self, number: int) -> None:
        link = self.link
        assert link is not None
        assert self._writer is not None
        if number <= self._keys.received:
            self._scene.monitor.undecryptable[self._account].add(number)
            link.acknowledge(number)
            return
        await self._store_keys(self._keys._replace(received=number))
        if self._scene.has(Defect.EARLY_ACKNOWLEDGEMENT):
            link.acknowledge(number)
        await self._writer.append(number, attempts=3)
        link.acknowledge(number)

    async def _encrypt(self, send: Send) -> None:
        await self._store_keys(self._keys._replace(sent=self._keys.sent + 1))
        send.keys = self._keys.sent
        self._sending = send
        self._transmit()

    def _transmit(self) -> None:
        send = self._sending
        if send is not None and send.keys is not None and self.link is not None:
            self.link.send(send.send, send.keys)

    async def _store_keys(self, keys: Keys) -> None:
        self._keys = keys
        if self._scene.world.random.random() < POOL_CHURN:
            self._store.close()
        await self._store.run(statements.write_keys(self._account, keys))
