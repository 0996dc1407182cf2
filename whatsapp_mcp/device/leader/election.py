"""Lead or follow: one server of an account holds its connection to WhatsApp, the others use it there.

Whoever gets the account's lock leads. The followers hold a connection to the leader; its closing tells them
at once that the leader is gone, and the next one to get the lock leads.
"""

from __future__ import annotations

import hmac
import logging
import os
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
from anyio.abc import ByteStream, TaskGroup
from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from whatsapp_mcp import __version__
from whatsapp_mcp.archive import Archive, open_archive
from whatsapp_mcp.device.agent import Agents
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection import Accessor, LinkPicture, stored_device
from whatsapp_mcp.device.guard import DueSends, EnforcedDevice, Gate, PhoneQuestions, Upkeep
from whatsapp_mcp.device.leader import endpoint
from whatsapp_mcp.device.leader.background import background_tasks
from whatsapp_mcp.device.leader.checkpoints import keep_logs_small
from whatsapp_mcp.device.leader.lock import LeaderLock, Unmoved
from whatsapp_mcp.device.leader.remote import PING, OfflineDevice, RemoteDevice
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import OPERATIONS, Device, as_device
from whatsapp_mcp.device.owner import refusal_of
from whatsapp_mcp.device.retention import clear_sent_files, keep_only
from whatsapp_mcp.device.sealing import seal_idle_files
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import Busy, Denied, Unsupported, WhatsAppError, cause
from whatsapp_mcp.ledger import Ledger, open_ledger
from whatsapp_mcp.models import UNKNOWN, Caller
from whatsapp_mcp.rpc import Params, Peer
from whatsapp_mcp.settings import AccountFolder, CurrentSettings
from whatsapp_mcp.storage import StoredDevice

PROTOCOL: Final = 13
"""Number of the socket's protocol, raised by one with every change of the types that cross the socket.
Servers of different numbers refuse each other. Another connection state needs no new number."""
_HELLO: Final = "hello"
_HELLO_DEADLINE: Final = 3.0
_RETRY: Final = 0.1
_RETRY_STOPPED: Final = 1.0
_RETRY_FAILED: Final = 5.0
_LOOK_AT_LOCK: Final = 1.0
_START_LIMIT: Final = 10.0
"""Seconds in which a server that has the lock must listen."""

_CALLER: Final = TypeAdapter(Caller)

logger = logging.getLogger(__name__)

Program = tuple[str, ...] | None


class Hello(TypedDict):
    """How a follower introduces itself; `secret` as `endpoint.connect` gave it."""

    protocol: int
    version: str
    secret: str


class Welcome(TypedDict):
    """How the leader answers it; every version must be able to read it."""

    protocol: int
    version: str
    pid: int


class LeaderElection:
    """Keeps `devices` filled: by leading when the lock is free, else by following whoever leads.

    Args:
        settings: Those of this server; they count while it leads.
        devices: Where the device is put; every server asks it there.
        retention_days: Messages older than this are purged; 0 keeps everything.
        program: The client process's command, for tests.
    """

    def __init__(
        self,
        folder: AccountFolder,
        settings: CurrentSettings,
        devices: Accessor[Device],
        *,
        retention_days: int = 0,
        chance: Callable[[], float] = random.random,
        program: Program = None,
    ) -> None:
        self._retention_days = retention_days
        self._folder = folder
        self._settings = settings
        self._devices = devices
        self._chance = chance
        self._program = program
        self._lock = LeaderLock(folder)
        self._unreachable_since: float | None = None

    async def run(self) -> None:
        """Lead or follow, in turn, until cancelled."""
        pause = 0.0
        while True:
            await anyio.sleep(pause * (0.5 + self._chance()))
            try:
                self._folder.create()
                pause = await self._lead() if self._lock.acquire() else await self._follow()
            except (WhatsAppError, sqlite3.Error, OSError) as error:
                logger.exception("leader: the account's files cannot be used")
                words = error.message if isinstance(error, WhatsAppError) else cause(error)
                await self._go_offline(
                    f"The account's files in {self._folder.path} cannot be used: {words.rstrip('.')}.",
                    "Tell the user to look at the disk's free space and at these files (a damaged one may be "
                    "restored or moved away); it is tried again by itself.",
                )
                pause = _RETRY_FAILED

    async def _go_offline(self, reason: str, action: str | None = None, pid: int | None = None) -> None:
        offline = as_device(OfflineDevice(self._folder.name, reason, action, leader_pid=pid))
        await self._devices.replace(lambda _: offline)

    # Leading.

    async def _lead(self) -> float:
        self._unreachable_since = None
        logger.info("leader: leading account %s", self._folder.name)
        picture = LinkPicture(self._folder.path)
        picture.remove()
        try:
            async with (
                open_archive(self._folder, write=True) as archive,
                open_ledger(self._folder) as ledger,
                background_tasks() as tasks,
            ):
                owner = await anyio.to_thread.run_sync(stored_device, self._folder.client_db)
                refusal = await refusal_of(owner, archive) if owner is not None else None
                opened = self._open_local(archive, tasks, owner, refusal)
                opened.pauses = ledger.pauses
                phone = PhoneQuestions(
                    opened, ledger.approvals, SystemClock(), lambda: self._settings.now().zone
                )
                gate = Gate(
                    archive,
                    ledger,
                    self._settings,
                    lambda: opened.outbox,
                    SystemClock(),
                    [phone],
                    phone.tell,
                )
                enforced, agents = self._with_agents(opened, archive, ledger, gate)
                await self._devices.replace(lambda _: as_device(enforced))
                upkeep = Upkeep(archive, ledger, gate)
                tasks.start_soon(supervised, "approvals", upkeep.run)
                due_sends = DueSends(
                    archive, ledger, gate, lambda: opened.outbox, SystemClock(), ready=opened.may_send
                )
                tasks.start_soon(supervised, "scheduled sends", due_sends.run)
                tasks.start_soon(supervised, "agents", agents.run)
                tasks.start_soon(supervised, "audit", ledger.audit.run)
                tasks.start_soon(supervised, "phone questions", partial(phone.run, gate.decide, gate.void))
                tasks.start_soon(supervised, "retention", partial(keep_only, archive, self._retention_days))
                tasks.start_soon(supervised, "sealing", partial(seal_idle_files, self._folder))
                tasks.start_soon(supervised, "sent files", partial(clear_sent_files, archive))
                tasks.start_soon(supervised, "logs", partial(keep_logs_small, self._folder))
                files = Unmoved(self._folder.archive_db, self._folder.inbox_db)
                async with endpoint.listening(self._folder, self._serve):
                    while not self._lock.lost and files.missing() is None:  # noqa: ASYNC110  no event
                        await anyio.sleep(_LOOK_AT_LOCK)
                    logger.warning("leader: stops, as the lock or a database file was deleted or replaced")
        finally:
            picture.remove()
            self._lock.release()
        return _RETRY

    def _with_agents(
        self, opened: LocalDevice, archive: Archive, ledger: Ledger, gate: Gate
    ) -> tuple[EnforcedDevice, Agents]:
        """The device behind its check, and the agents, which act through it and do their operations there."""

        def acting(caller: Caller) -> Device:
            return as_device(enforced.acting_for(caller))

        own = opened.own_addresses
        agents = Agents(archive, ledger, self._settings, acting, SystemClock(), self._folder, own)
        enforced = EnforcedDevice(opened, gate, agents)
        opened.hear_before_archiving(agents.hear)
        return enforced, agents

    def _open_local(
        self, archive: Archive, tasks: TaskGroup, owner: StoredDevice | None, refusal: str | None
    ) -> LocalDevice:
        folder, settings, program = self._folder, self._settings, self._program
        opened = LocalDevice(folder, settings, archive, tasks, owner=owner, refusal=refusal, program=program)
        tasks.start_soon(partial(supervised, "device", opened.start, failures=opened.failures))
        return opened

    async def _serve(self, stream: ByteStream, secret: str) -> None:
        """Answer one follower."""
        greeted = False

        async def answer(method: str, params: Params) -> Any:
            nonlocal greeted
            if method == _HELLO:
                shown = str(params.get("secret", "")).encode(errors="replace")
                greeted = hmac.compare_digest(shown, secret.encode())
                return Welcome(protocol=PROTOCOL, version=__version__, pid=os.getpid())
            if not greeted:
                raise Denied("The other side has not shown that it may use this device.")
            if method == PING:
                return None
            return await self._operate(method, params, lambda: peer.closed)

        async with Peer(stream, stream, answer) as peer:
            await peer.wait_closed()

    async def _operate(self, method: str, params: Params, has_ended: Callable[[], bool]) -> Any:
        operation = OPERATIONS.get(method)
        if operation is None:
            raise Unsupported(
                f"The leader (version {__version__}) does not know {method!r}.",
                "Upgrade whatsapp-mcp there and restart it.",
            )
        caller, arguments = _caller(params.get("caller")), operation.load(_members(params.get("arguments")))
        async with self._devices.use() as device:
            if isinstance(device, EnforcedDevice):
                result = await device.acting_for(caller).perform(operation, arguments, has_ended)
            else:
                result = await getattr(device, method)(**arguments)
        return operation.result.dump_python(result, mode="json")

    # Following.

    async def _follow(self) -> float:
        """Use the leader until its connection closes; answers the pause before the next try."""
        pid = self._lock.holder()
        try:
            stream, secret = await endpoint.connect(self._folder)
        except OSError:
            await self._say_unreachable(pid)
            return _RETRY
        self._unreachable_since = None
        async with stream, Peer(stream, stream) as peer:
            try:
                leader = await _say_hello(peer, secret)
            except WhatsAppError:
                if peer.closed:
                    return _RETRY
                await self._go_offline(
                    f"The leader (process {pid}) does not answer.",
                    f"Resume or end process {pid}; another server then takes over.",
                    pid,
                )
                return _RETRY_STOPPED
            refusal = _refusal(leader)
            if refusal is not None:
                await self._go_offline(refusal.message, refusal.action, leader["pid"])
                await peer.wait_closed()
                return _RETRY
            await self._devices.replace(
                lambda _: as_device(RemoteDevice(self._folder.name, peer, leader["pid"]))
            )
            await peer.wait_closed()
            await self._go_offline("The leader has ended; another server takes over.")
            return _RETRY

    async def _say_unreachable(self, pid: int | None) -> None:
        """The lock is held and nobody listens: the leader is starting, unless that takes too long."""
        now = anyio.current_time()
        if self._unreachable_since is None:
            self._unreachable_since = now
        words, action = "Another server is about to lead this account.", None
        if now - self._unreachable_since > _START_LIMIT:
            words = f"The leader (process {pid}) cannot be reached."
            action = f"Restart the application of process {pid}, or end it; another server then takes over."
        async with self._devices.use() as device:
            known = (await device.status()).reason if isinstance(device, OfflineDevice) else None
        if known != words:
            await self._go_offline(words, action, pid)


def _caller(given: Any) -> Caller:
    """For whom a program at the socket asks; whatever does not say so is nobody known."""
    try:
        return _CALLER.validate_python(given)
    except ValidationError:
        return UNKNOWN


def _members(given: Any) -> Params:
    return given if isinstance(given, dict) else {}


async def greet(peer: Peer, secret: str) -> int:
    """Begin to use the leader at the other end; its process id.

    Raises:
        Busy: It is of another protocol.
        WhatsAppError: It does not answer.
    """
    leader = await _say_hello(peer, secret)
    if (refusal := _refusal(leader)) is not None:
        raise refusal
    return int(leader["pid"])


async def _say_hello(peer: Peer, secret: str) -> Welcome:
    hello = Hello(protocol=PROTOCOL, version=__version__, secret=secret)
    return await peer.call(_HELLO, dict(hello), deadline=_HELLO_DEADLINE)


def _refusal(leader: Welcome) -> Busy | None:
    """Why a leader of another protocol cannot be used."""
    theirs, version = int(leader["protocol"]), leader["version"]
    if theirs == PROTOCOL:
        return None
    older, which = (__version__, "this server") if theirs > PROTOCOL else (version, "the leader")
    return Busy(
        f"Process {leader['pid']} leads the account with version {version}; this is version {__version__}.",
        f"Upgrade {which} (version {older}) and restart it.",
    )
