"""Leading an account: all that runs for it in the one process that may, on files or in a database.

`LeaderElection` leads on the files of the folder, once it has their lock. Others lead on storage
that machines share (`LedStorage`), once the account's lease is its own.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, LogStorage, open_archive
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.device.agent import Agents
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection import (
    ConnectionRecord,
    DeviceStorage,
    LeaderLease,
    LinkPicture,
    clear_handover,
    in_folder,
)
from whatsapp_mcp.device.guard import DueSends, EnforcedDevice, Gate, Leaving, PhoneQuestions, Upkeep
from whatsapp_mcp.device.leader.checkpoints import keep_logs_small, keep_snapshots, make_last_snapshot
from whatsapp_mcp.device.leader.leadership import (
    Ability,
    Leadership,
    abilities,
    readers_of_features,
    watch_lease,
)
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import Device, groups
from whatsapp_mcp.device.owner import refusal_of
from whatsapp_mcp.device.retention import clear_sent_files, keep_only, seal_idle_files
from whatsapp_mcp.device.supervise import background_tasks, supervised
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import Caller
from whatsapp_mcp.settings import AccountFolder, CurrentSettings
from whatsapp_mcp.storage import FileStore, KeyStore, LedgerStorage, SmallFile, StorageError

Program = tuple[str, ...] | None

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LedStorage:
    """The storage of an account outside its folder, as one leadership has it.

    Each part raises `LeadershipOver` once it can write nothing more. The folder is a projection then, and may
    be an empty one.

    Attributes:
        log: The log of operations, the journal, and snapshots.
        keys: The client library's database.
        client: What a client process opens. Asked for each one, when none of this leadership runs any more:
            what the former one has left is ended first.
        record: The record of the connection, `link.json`.
        ledger: The log of the ledger.
        files: Files on their way out.
        lease: Until when clients may act. The leadership ends a moment before.
        stop: Lets each part refuse whatever is asked of it from then on: the end of a leadership waits for no
            database that does not answer.
    """

    log: LogStorage
    keys: KeyStore
    client: Callable[[], Awaitable[ClientStorage]]
    record: SmallFile
    ledger: LedgerStorage
    files: FileStore
    lease: LeaderLease
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class LeaderAccount:
    """An account that is led.

    Attributes:
        device: Its device, behind the policy.
        archive: For writing.
        ledger: For writing.
        wait_ended: Waits until nothing more may be done, for as long as it takes, and answers why. Whoever
            leads then leaves the block, and may lead again with newly opened storage.
    """

    device: EnforcedDevice
    archive: Archive
    ledger: Ledger
    wait_ended: Callable[[], Awaitable[StorageError]]


@asynccontextmanager
async def lead_account(
    folder: AccountFolder,
    settings: CurrentSettings,
    storage: LedStorage | None = None,
    *,
    ledger: Ledger | None = None,
    retention_days: int = 0,
    program: Program = None,
) -> AsyncIterator[LeaderAccount]:
    """Lead an account until the body ends; the connection comes up meanwhile.

    Only who holds the account's lock, or its lease, may. When the block is left the client process has ended.

    Args:
        folder: The account's files.
        settings: Those of the account.
        storage: Where it is led, if not on the files of the folder.
        ledger: The account's ledger, if the caller has it open.
        retention_days: Messages older than this are purged; 0 keeps everything.
        program: The client process's command, for tests.

    Raises:
        Busy: The ledger cannot be used.
        WhatsAppError: The archive cannot be used by this version.
        sqlite3.Error: A file cannot be used.
        StorageError: What the storage raised.
    """
    picture = LinkPicture(folder.path)
    picture.remove()
    clear_handover(folder)
    leadership = Leadership(storage.stop if storage is not None else None)
    async with AsyncExitStack() as stack:
        stack.callback(picture.remove)
        log = storage.log if storage is not None else None
        archive = await stack.enter_async_context(open_archive(folder, write=True, storage=log, leads=True))
        await stack.enter_async_context(_ending_with_snapshot(archive, leadership))
        if ledger is None:
            shared = storage.ledger if storage is not None else None
            ledger = await stack.enter_async_context(kept_ledger(folder, shared))
        # Entered last, so left first: what runs here has ended when the ledger and the archive are closed.
        tasks = await stack.enter_async_context(background_tasks())
        try:
            await archive.finish_purges()
        except Busy as error:  # `keep_snapshots` tries it again
            logger.warning("leading: %s", error.message)
        parts = _Parts(folder, settings, archive, ledger, tasks, leadership)
        device = await parts.start(storage, retention_days, program)
        yield LeaderAccount(device, archive, ledger, leadership.wait_ended)


@asynccontextmanager
async def kept_ledger(folder: AccountFolder, storage: LedgerStorage | None = None) -> AsyncIterator[Ledger]:
    """The ledger of an account, with what writes down its audit.

    Args:
        folder: The account's files.
        storage: Where it is led, if not on the files of the folder.

    Raises:
        Busy: The file cannot be used.
        StorageError: The storage cannot be used.
    """
    async with open_ledger(folder, storage=storage) as ledger, background_tasks() as tasks:
        tasks.start_soon(supervised, "audit", ledger.run)
        yield ledger


@asynccontextmanager
async def _ending_with_snapshot(archive: Archive, leadership: Leadership) -> AsyncIterator[None]:
    """Make a snapshot after the body if it ends in order, so that any other version can lead at once."""
    yield
    if not leadership.is_over:
        await make_last_snapshot(archive, leadership.stop)


def _device_storage(folder: AccountFolder, storage: LedStorage | None) -> DeviceStorage:
    if storage is None:
        return in_folder(folder)
    return DeviceStorage(
        storage.keys,
        ConnectionRecord(storage.record),
        storage.client,
        storage.log.journal,
        storage.lease,
        storage.files,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts from which everything that runs for an account is built."""

    folder: AccountFolder
    settings: CurrentSettings
    archive: Archive
    ledger: Ledger
    tasks: TaskGroup
    leadership: Leadership

    async def start(
        self, storage: LedStorage | None, retention_days: int, program: Program
    ) -> EnforcedDevice:
        """Start all of it; answers the device, behind its check."""
        kept = _device_storage(self.folder, storage)
        opened = await self._open_local(kept, program)
        opened.pauses = self.ledger.pauses
        clock = SystemClock()
        phone = PhoneQuestions(opened, self.ledger.approvals, clock, lambda: self.settings.now().zone)
        gate = Gate(
            self.archive,
            self.ledger,
            self.settings,
            lambda: opened.outbox,
            clock,
            [phone],
            phone.tell,
            partial(groups.group_by_invite, opened.whatsapp),
            opened.status.refusals,
        )
        opened.outbox.look_at(Leaving(self.archive, self.ledger, gate).obstacle)
        features = abilities(self.folder, self.settings, self.archive, opened.stored)
        enforced, agents = self._with_agents(opened, gate, features)
        due_sends = DueSends(
            self.archive, self.ledger, gate, lambda: opened.outbox, clock, ready=opened.may_send
        )
        self._run("device", opened.start, opened.failures)
        self._run("approvals", Upkeep(self.archive, self.ledger, gate).run)
        self._run("scheduled sends", due_sends.run)
        self._run("agents", agents.run)
        for each in features:
            self._run(each.name, each.run, opened.failures)
        self._run("phone questions", partial(phone.run, gate.approvals.decide, gate.approvals.void))
        self._run("retention", partial(keep_only, self.archive, self.ledger, retention_days))
        self._run("sealing", partial(seal_idle_files, self.folder))
        self._run("sent files", partial(clear_sent_files, self.archive, opened.stored))
        self._run("logs", partial(keep_logs_small, self.folder))
        self._run("snapshots", partial(keep_snapshots, self.archive))
        if storage is not None:
            self.tasks.start_soon(self._end_with_log)
            self.tasks.start_soon(self._end_with_ledger)
            self.tasks.start_soon(watch_lease, self.leadership, storage.lease.until)
        return enforced

    def _run(
        self, name: str, run: Callable[[], Awaitable[None]], failures: Counter[str] | None = None
    ) -> None:
        self.tasks.start_soon(partial(supervised, name, run, failures=failures, ended=self.leadership.end))

    async def _open_local(self, kept: DeviceStorage, program: Program) -> LocalDevice:
        owner = await kept.keys.device()
        refusal = await refusal_of(owner, self.archive) if owner is not None else None
        clock = SystemClock()
        await anyio.to_thread.run_sync(kept.record.load, clock.now())
        return LocalDevice(
            self.folder,
            self.settings,
            self.archive,
            self.tasks,
            owner=owner,
            storage=kept,
            refusal=refusal,
            clock=clock,
            ended=self.leadership.end,
            program=program,
            readers=readers_of_features,
        )

    def _with_agents(
        self, opened: LocalDevice, gate: Gate, features: Sequence[Ability]
    ) -> tuple[EnforcedDevice, Agents]:
        """The device behind its check, and the agents, which act through it and do their operations there."""

        def acting(caller: Caller) -> Device:
            return enforced.acting_for(caller)

        own = opened.own_addresses
        agents = Agents(self.archive, self.ledger, self.settings, acting, SystemClock(), self.folder, own)
        parts = [*opened.parts, agents, *(each.part for each in features)]
        enforced = EnforcedDevice(gate, parts)
        # Before it is archived: the router asks what the phone itself wrote as soon as it is.
        opened.hear_before_archiving(agents.hear)
        return enforced, agents

    async def _end_with_log(self) -> None:
        """Nothing more can be written once the log has ended."""
        self.leadership.end(await self.archive.wait_ended())

    async def _end_with_ledger(self) -> None:
        """No act may be done once none can be written down."""
        self.leadership.end(await self.ledger.wait_ended())
