"""PostgreSQL as far as the rules depend on it: row locks, commits, a synchronous standby, restarts, failover.

What it has of PostgreSQL's behaviour:

* A statement sees what was committed when it began. A row that it locks it sees as it is after the wait
  (READ COMMITTED).
* A commit is written to the log of the primary, then waits for the standby. Until then nobody sees it and
  its locks are held. If the server restarts meanwhile, or the backend is terminated, it becomes visible
  although no standby may have it.
* A failover keeps what the standby has, which is a prefix of what the primary wrote.
* A statement that was sent is executed even if the client is gone or will not hear the answer.
* Authentication reads the password's verifier at its begin, and looks the role's name up again at its end
  (`InitializeSessionUserId`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.fleet.simulation.rows import Key, Login, login_key
from tests.fleet.simulation.world import Future, Process, World

Watch = Callable[[Key, Any], None]


class Disconnected(Exception):
    """The connection is gone, or there was no answer in time: what was sent may have been done."""


class Fenced(Exception):
    """The account has a newer epoch."""


class Duplicate(Exception):
    """A unique index has this entry already."""


class Refused(Exception):
    """The login is not valid."""


class Backend:
    """The server's side of one connection."""

    def __init__(self, account: str | None) -> None:
        self.account = account
        self.lock: str | None = None
        self.alive = True
        self.transaction: Transaction | None = None
        self.answer: Future[Any] = Future()


class Transaction:
    """What one request does: reads, locks and writes, until it is committed."""

    def __init__(self, database: Database, backend: Backend, body: Body) -> None:
        self._database = database
        self.backend = backend
        self.body = body
        self.writes: dict[Key, Any] = {}
        self.locks: list[Key] = []
        self.committing = False
        self.over = False

    def get(self, key: Key) -> Any:
        """A row as it is visible now, or None."""
        return self.writes[key] if key in self.writes else self._database.visible.get(key)

    async def lock(self, key: Key) -> Any:
        """Lock a row, once nobody else has it, and return it as it is then."""
        await self._database.lock(self, key)
        return self.get(key)

    def put(self, key: Key, value: Any) -> None:
        """Write a row."""
        self.writes[key] = value

    async def pause(self) -> None:
        """Let others run between two parts of a statement."""
        await self._database.pause()


Body = Callable[[Transaction], Awaitable[Any]]


class Database:
    """A primary and its standby.

    Args:
        waits: Whether a commit waits for the standby.
        watch: Called with each row that becomes visible.
    """

    def __init__(self, world: World, rows: dict[Key, Any], *, waits: bool, watch: Watch) -> None:
        self.world = world
        self.visible = dict(rows)
        self.up = True
        self.timeline = 1
        self.stalled_until = 0.0
        self.busy_until = 0.0
        self._standby = dict(rows)
        self._waits = waits
        self._watch = watch
        self._process = Process(world)
        self.backends: list[Backend] = []
        self._owners: dict[Key, Transaction] = {}
        self._queues: dict[Key, list[tuple[Transaction, Future[None]]]] = {}
        self._committing: list[Transaction] = []
        self._flushed_at = 0.0

    # What clients do.

    def open(self, account: str | None) -> Backend:
        """Begin a session, of a node or of an account's role."""
        backend = Backend(account)
        self.backends.append(backend)
        return backend

    def accepts(self, account: str, login: Login) -> bool:
        """Whether a role has this name and password: the begin of authentication."""
        return self.up and self.visible[login_key(account)] == login

    def knows(self, account: str, login: Login) -> bool:
        """Whether a role has this name: the end of authentication."""
        return self.up and self.visible[login_key(account)].name == login.name

    def execute(self, backend: Backend, body: Body, answer: Future[Any]) -> None:
        """Run a request; the answer comes when it is committed, and never if the session ends before."""
        if self.up and backend.alive:
            backend.answer = answer
            self._process.spawn(self._run(Transaction(self, backend, body), answer))
        else:
            answer.fail(Disconnected())

    def leave(self, backend: Backend) -> None:
        """The server notices that a client is gone; a request that it runs is finished first."""
        if backend.transaction is None:
            self._drop(backend)
        else:
            self.world.later(0.05, lambda: self.leave(backend))

    def terminate(self, account: str) -> int:
        """Ask the backends of an account's role to end; returns how many there are."""
        found = [backend for backend in self.backends if backend.account == account]
        for backend in found:
            self.world.later(self.world.delay(0.01), lambda backend=backend: self._terminated(backend))
        return len(found)

    # What happens to it.

    def stall(self, seconds: float) -> None:
        """The standby flushes nothing for some time."""
        self.stalled_until = self.world.now + seconds

    def restart(self, seconds: float) -> None:
        """It crashes and recovers: what it had written to its disk is visible then."""
        waiting = list(self._committing)
        self._stop(seconds)
        for transaction in waiting:
            self._show(transaction.writes)

    def fail_over(self, seconds: float) -> None:
        """It is lost, and the standby takes its place."""
        self.timeline += 1
        self._stop(seconds)
        self.visible = dict(self._standby)
        self._flushed_at = 0.0

    def _stop(self, seconds: float) -> None:
        self.up = False
        self._process.kill()
        self._process = Process(self.world)
        for backend in list(self.backends):
            self._drop(backend)
        self._owners.clear()
        self._queues.clear()
        self._committing.clear()
        self.world.later(seconds, self._start)

    def _start(self) -> None:
        self.up = True

    # Inside.

    async def pause(self) -> None:
        """Let time pass in the middle of a statement."""
        await self._process.sleep(self.moment())

    def moment(self) -> float:
        """How long a part of the server's work takes; on a busy server now and then very long."""
        busy = self.world.now < self.busy_until and self.world.random.random() < 0.3
        return self.world.delay(0.5 if busy else 0.001)

    async def lock(self, transaction: Transaction, key: Key) -> None:
        """Wait until nobody else has a row locked."""
        if transaction.over:
            await Future[None]()
        owner = self._owners.get(key)
        if owner is transaction:
            return
        if owner is not None:
            turn: Future[None] = Future()
            self._queues.setdefault(key, []).append((transaction, turn))
            await turn
        self._owners[key] = transaction
        transaction.locks.append(key)

    async def _run(self, transaction: Transaction, answer: Future[Any]) -> None:
        backend = transaction.backend
        backend.transaction = transaction
        await self.pause()
        if transaction.over:
            return
        try:
            result = await transaction.body(transaction)
        except (Fenced, Duplicate) as error:
            self._finish(transaction)
            answer.fail(error)
            return
        if transaction.over:
            return
        if transaction.writes:
            await self._commit(transaction)
        if not transaction.over:
            self._finish(transaction)
            answer.resolve(result)

    async def _commit(self, transaction: Transaction) -> None:
        transaction.committing = True
        self._committing.append(transaction)
        flushed: Future[None] = Future()
        self._ship(transaction.writes, flushed)
        if self._waits:
            await flushed
        if transaction in self._committing:
            self._committing.remove(transaction)
            self._show(transaction.writes)

    def _ship(self, writes: dict[Key, Any], flushed: Future[None]) -> None:
        """Send what was written to the standby, in order."""
        typical = 0.001 if self._waits else 0.1
        moment = max(self._flushed_at, self.stalled_until, self.world.now + self.world.delay(typical))
        self._flushed_at = moment
        timeline = self.timeline

        def flush() -> None:
            if self.timeline == timeline:
                self._standby.update(writes)
                flushed.resolve(None)

        self.world.later(moment - self.world.now, flush)

    def _show(self, writes: dict[Key, Any]) -> None:
        for key, value in writes.items():
            self.visible[key] = value
            self._watch(key, value)

    def _finish(self, transaction: Transaction) -> None:
        """Free what a transaction has locked."""
        transaction.over = True
        transaction.backend.transaction = None
        for key in transaction.locks:
            del self._owners[key]
            queue = [each for each in self._queues.pop(key, []) if not each[0].over]
            if queue:
                (heir, turn), *others = queue
                self._queues[key] = others
                self._owners[key] = heir
                turn.resolve(None)

    def _terminated(self, backend: Backend) -> None:
        transaction = backend.transaction
        if transaction is not None:
            if transaction in self._committing:
                self._committing.remove(transaction)
                self._show(transaction.writes)
            self._finish(transaction)
        self._drop(backend)

    def _drop(self, backend: Backend) -> None:
        backend.alive = False
        backend.answer.fail(Disconnected())
        if backend in self.backends:
            self.backends.remove(backend)
