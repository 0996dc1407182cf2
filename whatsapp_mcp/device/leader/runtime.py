"""`open_device`: everything a server or a command needs of one account, led or followed.

One server of an account holds its connection to WhatsApp, the others use it there. Whoever gets the
account's lock leads. The followers hold a connection to the leader; its closing tells them at once that the
leader is gone, and the next one to get the lock leads.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
import anyio.to_thread

from whatsapp_mcp.archive import ReadingArchive, open_archive
from whatsapp_mcp.device.connection import Accessor
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.led_account import LeaderAccount, Program, kept_ledger, lead_account
from whatsapp_mcp.device.leader.lock import LeaderLock, OpenFiles
from whatsapp_mcp.device.leader.observer import ASK_THERE, LED_ELSEWHERE
from whatsapp_mcp.device.leader.remote import OfflineDevice, RemoteDevice
from whatsapp_mcp.device.leader.serving import refusal, say_hello, serve
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.device.supervise import background_tasks, supervised
from whatsapp_mcp.errors import Busy, WhatsAppError, cause
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.processes.rpc import Peer
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.storage import KeysUnreadable

_RETRY: Final = 0.1
"""Seconds until it is tried again to lead or follow."""
_RETRY_STOPPED: Final = 1.0
"""The same where the leader does not answer."""
_RETRY_FAILED: Final = 5.0
"""The same where the account's files cannot be used."""
_LOOK_AT_LOCK: Final = 1.0
"""Seconds between two looks at whether the lock and the databases are still there."""
_START_LIMIT: Final = 10.0
"""Seconds in which a server that has the lock must listen."""


logger = logging.getLogger(__name__)


class LeaderElection:
    """Keeps `devices` filled: by leading when the lock is free, else by following whoever leads.

    Args:
        settings: Those of this server; they count while it leads.
        devices: Where the device is put; every server asks it there.
        ledger: The account's, which this process has open whether it leads or follows.
        retention_days: Messages older than this are purged; 0 keeps everything.
        program: The client process's command, for tests.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        devices: Accessor[Device],
        ledger: Ledger,
        *,
        retention_days: int = 0,
        chance: Callable[[], float] = random.random,
        program: Program = None,
    ) -> None:
        self._retention_days = retention_days
        self._folder = folder
        self._settings = settings
        self._devices = devices
        self._ledger = ledger
        self._chance = chance
        self._program = program
        self._lock = LeaderLock(folder)
        self._unreachable_since: float | None = None

    async def run(self) -> None:
        """Lead or follow, in turn, until cancelled."""
        pause, led = 0.0, False
        while True:
            # With jitter: all servers of an account notice at the same moment that their leader has gone.
            await anyio.sleep(pause * (0.5 + self._chance()))
            try:
                # From under a leader a folder is taken by hand. From under others, by who holds the lock.
                self._folder.create() if led else self._folder.check_there()
                led = self._may_lead() and self._lock.acquire()
                pause = await self._lead() if led else await self._follow()
            except (WhatsAppError, KeysUnreadable, sqlite3.Error, OSError) as error:
                logger.exception("leader: the account's files cannot be used")
                words = _words_of(error)
                await self._go_offline(
                    f"The account's files in {self._folder.path} cannot be used: {words.rstrip('.')}.",
                    "Tell the user to look at the disk's free space and at these files (a damaged one may be "
                    "restored or moved away); it is tried again by itself.",
                )
                pause = _RETRY_FAILED

    def _may_lead(self) -> bool:
        """Check whether the folder's files are the account; another program leads one in a database."""
        return not self._settings.now().in_database

    async def _go_offline(self, reason: str, action: str | None = None, pid: int | None = None) -> None:
        offline = OfflineDevice(self._folder.name, reason, action, leader_pid=pid)
        await self._devices.replace(lambda _: offline)

    # Leading.

    async def _lead(self) -> float:
        self._unreachable_since = None
        logger.info("leader: leading account %s", self._folder.name)
        try:
            async with lead_account(
                self._folder,
                self._settings,
                ledger=self._ledger,
                retention_days=self._retention_days,
                program=self._program,
            ) as led:
                await self._devices.replace(lambda _: led.device)
                files = OpenFiles(self._folder.archive_db, self._folder.inbox_db)
                async with endpoint.listening(self._folder, partial(serve, self._devices)):
                    while not self._lock.lost and files.missing() is None:  # noqa: ASYNC110  no event
                        await anyio.sleep(_LOOK_AT_LOCK)
                    logger.warning("leader: stops, as the lock or a database file was deleted or replaced")
        finally:
            self._lock.release()
        return _RETRY

    # Following.

    async def _follow(self) -> float:
        """Use the leader until its connection closes; answers the pause before the next try."""
        pid = self._lock.holder()
        try:
            stream, secret = await endpoint.connect(self._folder)
        except OSError:
            await self._say_unreachable(pid)
            return _RETRY
        if secret:
            self._unreachable_since = None
        async with stream, Peer(stream, stream) as peer:
            try:
                leader = await say_hello(peer, secret)
            except WhatsAppError:
                if peer.closed:
                    return _RETRY
                await self._go_offline(
                    f"The leader (process {pid}) does not answer.",
                    f"Resume or end process {pid}; another server then takes over.",
                    pid,
                )
                return _RETRY_STOPPED
            refused = refusal(leader)
            if refused is not None:
                await self._go_offline(refused.message, refused.action, leader["pid"])
                await peer.wait_closed()
                return _RETRY
            if not secret:  # it was deleted, and the leader is about to write it again
                await self._say_unreachable(pid)
                return _RETRY
            await self._devices.replace(lambda _: RemoteDevice(self._folder.name, peer, leader["pid"]))
            await peer.wait_closed()
            await self._go_offline("The leader has ended; another server takes over.")
            return _RETRY

    async def _say_unreachable(self, pid: int | None) -> None:
        """The lock is held and nobody listens: the leader is starting, unless that takes too long."""
        now = anyio.current_time()
        if self._unreachable_since is None:
            self._unreachable_since = now
        words, action = "Another server is about to lead this account.", None
        if not self._may_lead():
            words, action = LED_ELSEWHERE, ASK_THERE
        elif now - self._unreachable_since > _START_LIMIT:
            words = f"The leader (process {pid}) cannot be reached."
            action = f"Restart the application of process {pid}, or end it; another server then takes over."
        async with self._devices.use() as device:
            known = (await device.do(control.status)).reason if isinstance(device, OfflineDevice) else None
        if known != words:
            await self._go_offline(words, action, pid)


def _words_of(error: WhatsAppError | KeysUnreadable | sqlite3.Error | OSError) -> str:
    if isinstance(error, WhatsAppError):
        return error.message
    if isinstance(error, KeysUnreadable):
        return "the keys cannot be read"
    return cause(error)


async def offline_devices(account: str, reason: str) -> Accessor[Device]:
    """Holds the device of an account that nobody leads: every operation fails with the reason."""
    devices: Accessor[Device] = Accessor(lambda: Busy(reason))
    offline = OfflineDevice(account, reason)
    await devices.replace(lambda _: offline)
    return devices


@asynccontextmanager
async def offered(folder: AccountFolder, led: LeaderAccount) -> AsyncIterator[Accessor[Device]]:
    """Holds the device of an account that this process leads; followers on this machine use it too."""
    devices = await offline_devices(folder.name, "The account is about to be led.")
    await devices.replace(lambda _: led.device)
    async with endpoint.listening(folder, partial(serve, devices)):
        try:
            yield devices
        finally:
            offline = OfflineDevice(folder.name, "This process leads the account no longer.")
            # Also if cancelled: whoever holds the accessor must not go on asking a device that has ended.
            with anyio.CancelScope(shield=True):
                await devices.replace(lambda _: offline)


@asynccontextmanager
async def open_device(
    settings: Settings, account: str = "default", *, program: Program = None
) -> AsyncIterator[tuple[Accessor[Device], ReadingArchive, Ledger]]:
    """The device of an account, its archive and its ledger, at once: the connection comes up meanwhile.

    Leads if no other server does, else follows, until the body ends; then the client process
    is ended and nothing is left behind.

    Args:
        program: The client process's command, for tests.

    Raises:
        Busy: The ledger cannot be used.
        InvalidArgument: The account's name cannot be one, or it is encrypted and its key missing or wrong.
    """
    folder = settings.account_folder(account)
    await anyio.to_thread.run_sync(folder.vault.unlock)
    folder.create()
    devices: Accessor[Device] = Accessor(lambda: Busy("The server is starting."))
    starting = OfflineDevice(account, "The server is starting.")
    await devices.replace(lambda _: starting)
    current = CurrentSettings(settings, account)
    days = settings.for_account(account).retention.days
    async with (
        open_archive(folder) as archive,
        kept_ledger(folder) as ledger,
        background_tasks() as tasks,
    ):
        election = LeaderElection(folder, current, devices, ledger, retention_days=days, program=program)
        tasks.start_soon(partial(supervised, "leader election", election.run))
        yield devices, archive, ledger
