"""A run that leads one account: the takeover, and then its clients, the archive and the outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from tests.fleet.simulation import statements
from tests.fleet.simulation.appending import Writer
from tests.fleet.simulation.archive import Archive, Operation, TailRow
from tests.fleet.simulation.client import Client, Send
from tests.fleet.simulation.database import Body, Disconnected, Fenced
from tests.fleet.simulation.defects import Defect
from tests.fleet.simulation.network import Connection
from tests.fleet.simulation.rows import FIRST_LOGIN, LOG, Keys, Login
from tests.fleet.simulation.world import Future, TimedOut
from whatsapp_fleet.protocol import (
    RESTART,
    TAKEOVER,
    Lease,
    Reconnect,
    Stamp,
    Step,
    after_replaced,
)

if TYPE_CHECKING:
    from tests.fleet.simulation.node import Node

IDLE = 0.1
ANSWER_LIMIT = 4.0


class Leadership:
    """One account in one epoch, from the decision to take it to its end.

    Args:
        seen: The lease on which the node has decided to take the account.
    """

    def __init__(self, node: Node, account: str, seen: Lease) -> None:
        self._node = node
        self._scene = node.scene
        self._process = node.process
        self.account = account
        self._seen = seen
        self.epoch = seen.epoch + 1
        self.run = node.run
        self._connection = Connection(self._process, node.wire)
        self._writer = Writer(self._scene, self._connection, LOG, account, Stamp.first(self.epoch, 0))
        self._login = Login(f"{account}-{self.epoch}", f"of {self.run}")
        if self._scene.has(Defect.SAME_ROLE_NAME):
            self._login = self._login._replace(name=FIRST_LOGIN.name)
        if self._scene.has(Defect.UNFENCED_KEYS):
            self._login = FIRST_LOGIN
        self.client: Client | None = None
        self._clients = 0
        self._replaced = 0
        self._asked: list[tuple[str, Future[None]]] = []
        self._operations = 0
        self.giving_up = False

    @property
    def archive(self) -> Archive:
        """The node's archive of the account."""
        return self._node.archives[self.account]

    def submit(self, send: str) -> Future[None]:
        """Ask for a send; resolved once it is accepted."""
        answer: Future[None] = Future()
        self._asked.append((send, answer))
        return answer

    def end_client(self) -> None:
        """Kill the client, if there is one."""
        if self.client is not None:
            self.client.process.kill()

    async def lead(self) -> None:
        """Take the account over, and lead it until a newer epoch or a release ends it."""
        try:
            await self._steps(self._order())
            while not self.giving_up:
                if self.client is None or not self.client.process.alive:
                    await self._next_client()
                await self._turn()
                await self._process.sleep(IDLE)
            self.end_client()
            await self._until_done(statements.give_up(self.account, Lease(self.run, self.epoch)))
        except Fenced:
            self.end_client()

    # The takeover.

    def _order(self) -> tuple[Step, ...]:
        order = list(TAKEOVER)
        if self._scene.has(Defect.UNFENCED_KEYS):
            order = [step for step in order if step not in {Step.CHANGE_LOGIN, Step.TERMINATE_BACKENDS}]
        if self._scene.has(Defect.KEPT_BACKENDS):
            order.remove(Step.TERMINATE_BACKENDS)
        if self._scene.has(Defect.PASSWORD_FIRST):
            order = [Step.CHANGE_LOGIN, Step.TERMINATE_BACKENDS, Step.RAISE_EPOCH, *order[3:]]
        return tuple(order)

    async def _steps(self, order: tuple[Step, ...]) -> None:
        acts: dict[Step, Callable[[], Awaitable[None]]] = {
            Step.RAISE_EPOCH: self._raise_epoch,
            Step.CHANGE_LOGIN: self._change_login,
            Step.TERMINATE_BACKENDS: self._terminate_backends,
            Step.READ_LOG: self._read_log,
            Step.JUDGE_OUTBOX: self._judge_outbox,
            Step.START_CLIENT: self._start_client,
        }
        for step in order:
            await acts[step]()

    async def _raise_epoch(self) -> None:
        await self._until_done(
            statements.raise_epoch(self.account, self._seen, self.run, self._scene.defects)
        )

    async def _change_login(self) -> None:
        unfenced = self._scene.has(Defect.UNFENCED_LOGIN) or self._scene.has(Defect.PASSWORD_FIRST)
        epoch = None if unfenced else self.epoch
        await self._until_done(statements.change_login(self.account, epoch, self._login))

    async def _terminate_backends(self) -> None:
        epoch = (
            self._seen.epoch if self._scene.has(Defect.PASSWORD_FIRST) and not self._clients else self.epoch
        )
        body = statements.terminate_backends(self._scene.database, self.account, epoch)
        while await self._until_done(body):
            await self._process.sleep(0.02)

    async def _read_log(self) -> None:
        tail = await self._until_done(statements.read_log(self.account, self.archive.seq))
        if not self.archive.follow(tail):
            self._node.archives[self.account] = Archive()
            await self._read_log()

    async def _judge_outbox(self) -> None:
        keys: Keys = await self._until_done(statements.read_keys(self.account))
        for send, (state, then) in list(self.archive.outbox.items()):
            if state == "sending":
                await self._append("requeue" if keys.sent == then else "unknown", send=send)

    async def _start_client(self) -> None:
        await self._holding()
        self._clients += 1
        node = self._node
        self.client = Client(
            self._scene, self._process.clock, node.wire, self.account, self.epoch, self._clients, self._login
        )
        node.processes.append(self.client.process)
        if not self._scene.has(Defect.FREE_CLIENTS):
            node.listening[self.run].append(self.client.process)
        self.client.start(node.lease.until)

    async def _next_client(self) -> None:
        """The last client has ended: judge what it had, and start another."""
        if self.client is not None and self.client.replaced and self._node.lease.holds(self._process.now()):
            self._replaced += 1
            match after_replaced(self._scene.times, self._replaced, self._process.now()):
                case Reconnect(at):
                    await self._process.sleep(at - self._process.now())
                case _:
                    self._scene.monitor.counts["leaders that rest"] += 1
                    await Future[None]()
        await self._holding()
        await self._steps(RESTART)

    async def _holding(self) -> None:
        """Wait until the lease holds."""
        while not self._node.lease.holds(self._process.now()):
            await self._process.sleep(IDLE)
        self._scene.monitor.acts(self.run)

    # Leading.

    async def _turn(self) -> None:
        await self._ingest()
        while self._asked:
            send, answer = self._asked.pop(0)
            await self._append("accept", send=send)
            self._scene.monitor.accepted[self.account].add(send)
            answer.resolve(None)
        for send, (state, _) in list(self.archive.outbox.items()):
            if state == "queued" and not await self._hand_over(send):
                return

    async def _ingest(self) -> None:
        first = self.archive.journal + 1
        read = statements.read_journal(self.account, first - 1, self._scene.defects)
        messages = await self._until_done(read)
        if messages:
            await self._append("ingest", first=first, last=first + len(messages) - 1, messages=messages)

    async def _hand_over(self, send: str) -> bool:
        """Hand a send to the client; False if it did not come back with WhatsApp's answer."""
        client = self.client
        if client is None or not client.process.alive or not self._node.lease.holds(self._process.now()):
            return False
        self._scene.monitor.acts(self.run)
        keys: Keys = await self._until_done(statements.read_keys(self.account))
        await self._append("sending", send=send, keys=keys.sent)
        handed = Send(send)
        self._scene.world.later(self._scene.world.delay(0.001), lambda: client.hand(handed))
        try:
            await self._process.within(handed.done, ANSWER_LIMIT)
        except (TimedOut, Disconnected):
            client.process.kill()
            return False
        await self._append("sent", send=send)
        return True

    async def _append(self, name: str, *, messages: list[int] | None = None, **values: Any) -> None:
        """Append an operation, and apply it once it is durable."""
        self._operations += 1
        operation = Operation(f"{self.account} {self.epoch} {self._operations}", name, **values)
        seq, row = await self._writer.append(operation)
        self.archive.apply(TailRow(seq, row, messages or []))

    async def _until_done(self, body: Body) -> Any:
        while True:
            try:
                return await self._connection.run(body)
            except Disconnected:
                await self._process.sleep(IDLE)
