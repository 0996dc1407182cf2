"""`run_node`: what `whatsapp-mcp-fleet node` does until a signal comes."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database import (
    MIGRATIONS,
    Database,
    DatabaseCalls,
    Reader,
    Session,
    begin_run,
    end_run,
    migrate,
    shared_secret,
)
from whatsapp_fleet.node.admin import keep_none_gone
from whatsapp_fleet.node.copies import open_copies
from whatsapp_fleet.node.home import FormerRun, NodeHome
from whatsapp_fleet.node.node import Node
from whatsapp_fleet.node.replicas import Served, accept, fleet_secret
from whatsapp_fleet.node.run import NodeContext, NodeRun, new_run
from whatsapp_fleet.node.sockets import (
    address_of,
    contact,
    held,
    listening_socket,
    local_address,
    this_machine,
)
from whatsapp_fleet.node.status import NodeStatus
from whatsapp_fleet.object_places import StoreFailed
from whatsapp_fleet.objects import NotThisStore, ObjectStore, open_objects
from whatsapp_fleet.protocol import Contact, LeaseTimes
from whatsapp_fleet.settings import FleetSettings, HostPort
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.errors import InvalidArgument, cause
from whatsapp_mcp.processes.child_process import kept_descriptors
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.storage import StorageError, Unavailable
from whatsapp_mcp.system import END, allow_most_open_files, boottime, receive_signals

T = TypeVar("T")

LOGINS: Final = 5
"""Accounts that a node takes over at a time."""
COPIED: Final = 2
"""Archives that are copied into snapshots at a time: where all accounts are given up at once, the first ones
are copied within the time that each has, and not all of them half."""
DECODED: Final = 4
"""Files that are decoded at a time, each in a process of some 90 MB."""
DRAIN_LIMIT: Final = 25.0
"""Seconds in which everything is given up after a signal; the system ends a service after 30 to 90."""
FORMER_LIMIT: Final = 10.0
"""Seconds in which the clients of a process that was killed end."""
_CALL_PATIENCE: Final = 5.0
"""Seconds that the node's own statements may take."""
_SCRAPE_PATIENCE: Final = 2.0
"""Seconds for what the status says of the database; a scrape usually has ten in all."""
_RETRY: Final = 1.0
_LOOK: Final = 0.1

logger = logging.getLogger(__name__)


def database_of(settings: FleetSettings) -> Database:
    """The database that the settings name.

    Raises:
        InvalidArgument: They name none.
    """
    url = settings.database.get_secret_value()
    if not url:
        raise InvalidArgument(
            "The setting `database` is empty: a node leads accounts that are kept in PostgreSQL.",
            "Set it to the URL of a database, in config.toml or as WHATSAPP_MCP_DATABASE.",
        )
    objects = open_objects(settings.node.files)
    return Database(url, allow_asynchronous=settings.node.allow_asynchronous, objects=objects)


async def run_node(settings: FleetSettings, times: LeaseTimes | None = None) -> None:
    """Lead accounts until a signal comes, and then give them up in order.

    Args:
        settings: Those of the home folder.
        times: Those of all runs of the fleet; the defaults if left out.

    Raises:
        InvalidArgument: The database or a setting cannot be used, or another node uses the home folder,
            or it cannot be written to.
    """
    home, database = NodeHome(settings.home), database_of(settings)
    patient = replace(database, patience=_CALL_PATIENCE)
    allow_most_open_files()
    async with AsyncExitStack() as stack:
        stack.enter_context(home.locked())
        status = await stack.enter_async_context(_open_status(settings, database))
        calls = await stack.enter_async_context(DatabaseCalls(patient))
        await _answered(calls, _migrated, at_start=True)
        secret = await _answered(calls, fleet_secret)
        if database.objects is not None:
            await _claimed(database.objects, await _answered(calls, _fleet_mark))
        reader = stack.enter_context(Reader(patient))
        listener = stack.enter_context(closing(await listening_socket(settings.node)))
        kept_descriptors.set((await stack.enter_async_context(held(listener)),))
        times = times or LeaseTimes()
        process = _NodeProcess(settings, home, database, calls, reader, listener, times, status, secret)
        await process.until_signal()


def _migrated(session: Session) -> int:
    return migrate(session, MIGRATIONS)


def _fleet_mark(session: Session) -> str:
    """Return the secret that tells the fleet of this database from others."""
    return shared_secret(session, "object store", secrets.token_bytes(16)).hex()


async def _claimed(objects: ObjectStore, fleet: str) -> None:
    """Let an object store be that of this fleet; one that does not answer now is looked at when it is used.

    Raises:
        InvalidArgument: It is another one's.
    """
    objects.belong_to(fleet)
    try:
        await anyio.to_thread.run_sync(objects.identity)
    except NotThisStore as error:
        raise InvalidArgument(
            cause(error), "Give each fleet a bucket, prefix or folder of its own."
        ) from error
    except StoreFailed as error:
        logger.warning("node: the object store cannot be used now: %s", cause(error))


async def _answered(calls: DatabaseCalls, work: Callable[[Session], T], *, at_start: bool = False) -> T:
    """Return the database's answer, however long it takes until it answers and may be used.

    Raises:
        InvalidArgument: It may not be used, `at_start`: a person who has just started a node reads that.
    """
    while True:
        try:
            return await calls.run(work)
        except StorageError as error:
            if at_start and not isinstance(error, Unavailable):
                raise InvalidArgument(
                    str(error), "docs/fleet/database.md says what the database must be."
                ) from error
            logger.warning("node: waits for the database: %s", error)
        await anyio.sleep(_RETRY)


@dataclass(frozen=True, slots=True)
class _NodeProcess:
    """The process, which has one run after another."""

    settings: FleetSettings
    home: NodeHome
    database: Database
    calls: DatabaseCalls
    reader: Reader
    listener: socket.socket
    times: LeaseTimes
    status: NodeStatus
    secret: str = field(repr=False)

    async def until_signal(self) -> None:
        """Have runs until a signal comes.

        Raises:
            InvalidArgument: The home folder cannot be written to.
        """
        draining = anyio.Event()
        async with background_tasks() as tasks:
            tasks.start_soon(_on_signal, draining)
            former = self.home.former()
            if former is not None:
                await _unless(draining, partial(self._end_former, former))
            while not draining.is_set():
                await self._one_run(draining)

    async def _end_former(self, former: FormerRun) -> None:
        """End the run of the last process, once its clients are gone as well.

        That process is: its lock is ours. While one of them runs, the socket is held on which it listened.
        Where the folder was brought here from another machine, both may live there, and the lease is waited
        for.
        """
        if former.machine != this_machine():
            return
        # Where this process listens at the same place, nobody else does.
        if former.listened == local_address(self.listener) or await _is_deserted(former.listened):
            await _answered(self.calls, partial(end_run, run=former.run))

    async def _one_run(self, draining: anyio.Event) -> None:
        """Begin a run, and lead accounts until another ends it, or a signal comes."""
        run = NodeRun(self.database, new_run(self._name), self.times)
        await _unless(draining, partial(self._begin, run))
        if draining.is_set():
            await self._end(run)
            return
        async with background_tasks() as tasks:
            served, current = Served(self.secret), CurrentSettings(self.settings)

            def replicas() -> Sequence[str]:
                now = current.now()
                assert isinstance(now, FleetSettings)
                return now.node.replicas

            tasks.start_soon(run.keep)
            tasks.start_soon(accept, self.listener, self.settings.node, served.serve, replicas)
            context = NodeContext(
                self.settings,
                self.database,
                run,
                self.calls,
                served,
                anyio.Semaphore(DECODED),
                anyio.CapacityLimiter(LOGINS),
                anyio.CapacityLimiter(COPIED),
                boottime,
            )
            async with open_copies(context, self.reader) as copies:
                former = self.status.node
                node = self.status.node = Node(context, copies, former.rewound if former is not None else 0)
                tasks.start_soon(_drain, draining, node)
                tasks.start_soon(
                    keep_none_gone,
                    self.calls,
                    self.settings.home,
                    self.database.objects,
                    lambda: {*node.accounts, *copies.in_use},
                )
                await node.run()
        if not run.ended:
            await self._end(run)

    async def _begin(self, run: NodeRun) -> None:
        address = address_of(self.settings.node, self.listener)
        await anyio.to_thread.run_sync(
            self.home.remember, FormerRun(run.name, local_address(self.listener), this_machine())
        )
        row = partial(
            begin_run,
            run=run.name,
            node=self._name,
            program=MIGRATIONS[-1].version,
            address=str(address),
            machine=this_machine(),
            capacity=self.settings.node.accounts,
        )
        await _answered(self.calls, row)
        logger.info("node: the run %s has begun, and listens at %s", run.name, address)

    async def _end(self, run: NodeRun) -> None:
        try:
            await self.calls.run(partial(end_run, run=run.name))
        except StorageError as error:
            logger.warning("node: the run could not be ended, so others wait for its lease: %s", error)

    @property
    def _name(self) -> str:
        return self.settings.node.name or socket.gethostname()


@asynccontextmanager
async def _open_status(settings: FleetSettings, database: Database) -> AsyncGenerator[NodeStatus]:
    """The status of the node, which is answered where the settings say so, also without the database."""
    async with DatabaseCalls(replace(database, patience=_SCRAPE_PATIENCE)) as calls:
        status = NodeStatus(calls)
        async with background_tasks() as tasks:
            if settings.node.status:
                tasks.start_soon(status.serve, HostPort.parse(settings.node.status))
            yield status


async def _is_deserted(place: HostPort) -> bool:
    """Wait until nobody listens at a place of this machine; False if somebody still does after a while."""
    with anyio.move_on_after(FORMER_LIMIT):
        while True:
            if await contact(str(place), this_machine()) is Contact.REFUSED:
                return True
            await anyio.sleep(_LOOK)
    return False


async def _on_signal(draining: anyio.Event) -> None:
    with receive_signals(END) as signals:
        async for _ in signals:
            draining.set()


async def _drain(draining: anyio.Event, node: Node) -> None:
    await draining.wait()
    node.drain()
    await anyio.sleep(DRAIN_LIMIT)
    logger.error("node: ends although not everything was given up within %g s", DRAIN_LIMIT)
    logging.shutdown()
    os._exit(1)


async def _unless(draining: anyio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Do something, unless the process is to end: it waits for a database that may not answer."""
    with anyio.CancelScope() as scope:

        async def give_up() -> None:
            await draining.wait()
            scope.cancel()

        async with background_tasks() as tasks:
            tasks.start_soon(give_up)
            await work()
