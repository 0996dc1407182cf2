"""One client: a child process that runs the client library, and the calls into it."""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import IO, Any, Final, NoReturn

import anyio
from anyio.abc import ByteSendStream, Process

from whatsapp_mcp.client import protocol
from whatsapp_mcp.client.claim import FILE_NAME, patience_for
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.failures import error_of_client
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.device.connection.client_pipe import ClientPipe, is_notification, whole
from whatsapp_mcp.device.connection.client_reports import events_of
from whatsapp_mcp.device.connection.handover import handed_over
from whatsapp_mcp.errors import Busy, NotConnected, WhatsAppError
from whatsapp_mcp.media import pinned_proxy
from whatsapp_mcp.processes.capabilities import news
from whatsapp_mcp.processes.child_process import client_program, kept_descriptors, kept_variables
from whatsapp_mcp.processes.rpc import NoMessage, Params, Peer
from whatsapp_mcp.settings import AccountFolder, AccountSettings
from whatsapp_mcp.storage import LeadershipOver, Refused, Rewound, StorageError
from whatsapp_mcp.system import kill_group

LOG_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of client.log after which it becomes client.log.1."""
_START_LIMIT: Final = 20.0
"""Seconds from the start of the process to `READY`."""
_CONNECT_CALL: Final = 10.0
"""Seconds for the call itself, which only begins to connect."""
_REAP_LIMIT: Final = 2.0
"""Seconds in which the system removes a process that was killed."""
_BETWEEN_QRS: Final = 1.0
"""Seconds between two QR texts at least; the library shows each for 20 or more."""
_PROXY: Final = re.compile(r"(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE)

logger = logging.getLogger(__name__)

Report = Callable[[state.ClientEvent], None]
Notice = Callable[[str, Params, int], Awaitable[None]]
"""Takes every notification: (method, parameters, generation)."""


class Client:
    """One generation. `run` starts the process and connects; `end` ends it, whatever it does.

    Args:
        generation: Its number.
        folder: The account's files; the process works in a folder of its own there.
        account: How the companion introduces itself.
        storage: Says what the process opens, when it is about to be started. A `StorageError` of it ends this
            client.
        report: Takes what this client means for the state of the connection; the last report is `Ended`.
        notice: Takes each notification as it comes, before its report. `READY` comes when no other client
            runs any more; this one opens `client.db` after `notice` has returned.
        program: The command to run instead of `client_program`; the arguments are appended.
        proxy: URL of the proxy for everything that it opens.
    """

    def __init__(
        self,
        generation: int,
        folder: AccountFolder,
        account: AccountSettings,
        storage: Callable[[], Awaitable[ClientStorage]],
        report: Report,
        notice: Notice,
        program: tuple[str, ...] | None = None,
        proxy: str | None = None,
    ) -> None:
        self.generation = generation
        self._folder = folder
        self._account = account
        self._storage = storage
        self._proxy = proxy
        self._report = report
        self._notice = notice
        self._program = program or client_program.get()
        self._process: Process | None = None
        self._peer: Peer | None = None
        self._ready = anyio.Event()
        self._ending = anyio.Event()
        self._fault: str | None = None
        self._last_qr_at = -math.inf

    def end(self) -> None:
        """Take its pipes away now; `run` sees to it that the process is gone half a second later.

        A process whose pipe closes leaves WhatsApp and journals what the library had acknowledged and not yet
        handed over; one that does not end is killed, a while later if it still fetches the address book.
        """
        self._ending.set()

    async def run(self) -> None:
        """Start the process, connect, and return when it has ended; never leaves it behind."""
        reason = "The client was cancelled."
        try:
            reason = await self._live()
        except OSError as error:
            reason = f"The client process could not be started: {error.strerror}."
        except WhatsAppError as error:
            reason = error.message
        except StorageError as error:
            logger.warning("client: %s", error)
            reason = "The database of the account does not answer as it should."
        finally:
            await self._reap()
            self._report(
                state.Ended(
                    self.generation, self._why_it_ended() or reason, self._over(), self._fault is not None
                )
            )

    async def call(self, method: str, params: Params | None = None, *, deadline: float) -> Any:
        """Call the library.

        Raises:
            Busy: The process ended during the call: what it had begun may have taken effect.
            DeadlineExceeded: No answer in time; the same holds.
            WhatsAppError: What the client process answered.
        """
        with anyio.move_on_after(deadline) as scope:
            await self._ready.wait()
        if scope.cancelled_caught or self._peer is None:
            raise NotConnected("The client process is still starting.")
        peer = self._peer
        try:
            async with handed_over(self._folder, method, params or {}) as given:
                answer = await peer.call(method, given, deadline=deadline)
                return await whole(
                    answer, lambda number: peer.call(protocol.MORE, {"number": number}, deadline=deadline)
                )
        except NotConnected as error:
            if peer.closed:
                raise Busy("The client process ended during the call.") from error
            raise

    async def renew(self, until: float) -> None:
        """Tell the process that the lease holds until then, in seconds of CLOCK_BOOTTIME.

        Raises:
            DeadlineExceeded: It does not read.
        """
        if self._peer is not None and not self._peer.closed:
            with suppress(NotConnected):  # it has ended
                await self._peer.notify(protocol.LEASE, {"until": until})

    async def _live(self) -> str:
        given = await self._storage()
        proxy = await pinned_proxy(self._proxy)
        if self._ending.is_set():
            return "The client was replaced before it started."
        with open_log(self._folder) as log:
            self._process = await anyio.open_process(
                [*self._program, *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder.client,
                # Ctrl-C in the terminal shall reach the leader alone, and `kill_group` all that the client
                # has started.
                start_new_session=True,
                pass_fds=kept_descriptors.get(),
                env=self._environment(),
            )
        process = self._process
        assert process.stdout is not None
        assert process.stdin is not None
        with suppress(anyio.BrokenResourceError):  # it has ended, which is seen below
            await process.stdin.send(given.to_bytes())
        return await self._converse(ClientPipe(process.stdout), process.stdin, proxy)

    async def _converse(self, pipe: ClientPipe, send: ByteSendStream, proxy: str | None) -> str:
        async with Peer(
            pipe,
            send,
            self._called,
            self._notified,
            incoming_limit=protocol.FRAME_LIMIT,
            errors=error_of_client,
            strict=True,
        ) as peer:
            self._peer = peer
            try:
                return await self._connected(peer, proxy)
            finally:
                self._fault = "it says too much at once" if pipe.is_flooded else peer.fault
                if self._fault is not None:
                    logger.warning("client: ended, as it does not keep to its protocol: %s", self._fault)

    async def _connected(self, peer: Peer, proxy: str | None) -> str:
        with anyio.move_on_after(_START_LIMIT) as starting:
            await _first(self._ready.wait, peer.wait_closed, self._ending.wait)
        if starting.cancelled_caught:
            return f"The client process did not start within {_START_LIMIT:g} seconds."
        if not peer.closed and not self._ending.is_set():
            # Not among the arguments of the process, which other users of the machine can read.
            await peer.call("connect", {"proxy": proxy} if proxy else None, deadline=_CONNECT_CALL)
        await _first(peer.wait_closed, self._ending.wait)
        return "The client process ended."

    async def _called(self, method: str, params: Params) -> NoReturn:
        raise NoMessage("a call of the leader")

    def _environment(self) -> dict[str, str]:
        """Return the client's variables: those of this process for libraries and proxies, and its own.

        Those that name proxies are left out if a proxy is set: the library would ask the one for the other.
        Temporary files stay in its folder, since a client may write nowhere else.
        """
        inherited = {} if self._proxy else os.environ
        proxies = {name: value for name, value in inherited.items() if _PROXY.fullmatch(name)}
        temporary = dict.fromkeys(("TMPDIR", "SQLITE_TMPDIR"), str(self._folder.client))
        return kept_variables() | proxies | temporary | protocol.ENVIRONMENT

    def _arguments(self) -> list[str]:
        return [
            "--folder",
            str(self._folder.client),
            "--generation",
            str(self.generation),
            "--device-name",
            self._account.device_name,
            "--history",
            self._account.history,
        ]

    async def _notified(self, method: str, params: Params) -> None:
        if not is_notification(method, params):
            raise NoMessage("an unknown notification, or one of another form")
        if method == protocol.READY and self._ready.is_set():
            raise NoMessage("a second time that it is ready")
        if method == protocol.QR:
            self._require_pace()
        event = events_of(method, params, self.generation)
        await self._notice(method, params, self.generation)
        if method == protocol.READY:
            self._ready.set()
            _log_capabilities(params)
        if event is not None:
            self._report(event)

    def _require_pace(self) -> None:
        """Refuse QR texts that come faster than a phone could scan them: each is drawn."""
        now = anyio.current_time()
        if now - self._last_qr_at < _BETWEEN_QRS:
            raise NoMessage("a QR text right after another one")
        self._last_qr_at = now

    def _why_it_ended(self) -> str | None:
        """Return why the process ended, by its exit code; None if that is nothing new."""
        if self._fault is not None:
            return "The client process did not keep to its protocol and was ended; server.log says why."
        code = self._process.returncode if self._process else None
        if code == protocol.EXIT_NO_LIBRARY:
            return "The client library or the journal could not be opened; client.log says why."
        if code == protocol.EXIT_NO_KEYS:
            return "The client library could not use the database of its keys."
        if code == protocol.EXIT_NO_JOURNAL:
            return "The journal's database did not take what was received."
        if code == protocol.EXIT_REWOUND:
            return "The journal's database lacks what it had confirmed."
        if code == protocol.EXIT_FENCED:
            return "Another leader or client of the account has taken over."
        if code is not None and code < 0 and not self._ending.is_set():
            return f"The client process was killed by signal {-code}."
        return None

    def _over(self) -> LeadershipOver | None:
        """Why no other client may be started under this leadership, if so."""
        match self._process.returncode if self._process else None:
            case protocol.EXIT_NO_JOURNAL:
                return Refused("The database of the journal did not take what was received.")
            case protocol.EXIT_REWOUND:
                return Rewound("The database of the journal lacks events.")
            case _:
                return None

    async def _reap(self) -> None:
        """Wait until the process is gone: by itself now that its pipes are closed, or killed."""
        process = self._process
        # Wakes the calls that wait for it: it will not start any more.
        self._ready.set()
        if process is None:
            return
        # A leader that is cancelled must not leave a client behind, which would keep the session.
        with anyio.CancelScope(shield=True):
            try:
                await self._wait_for_end(process)
            finally:
                # Also one that has ended: where no kernel keeps it from that, it may have started others.
                kill_group(process)
            with anyio.move_on_after(_REAP_LIMIT):
                await process.wait()
                await process.aclose()

    async def _wait_for_end(self, process: Process) -> None:
        """Give the process the time that every client has to end, and what it has asked for beyond."""
        # More than a client gives itself, and less than a successor waits for it (`claim.PATIENCE`).
        with anyio.move_on_after(protocol.LEADER_GONE_SECONDS + 0.1):
            await process.wait()
        if process.returncode is None:
            with anyio.move_on_after(patience_for(self._folder.client / FILE_NAME, process.pid)):
                await process.wait()
        if process.returncode is None:
            self._ending.set()


async def _first(*waits: Callable[[], Awaitable[None]]) -> None:
    """Return when the first of them does."""

    async def one(wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for wait in waits:
            tasks.start_soon(one, wait)


def open_log(folder: AccountFolder) -> IO[bytes]:
    """The client's log for appending, private; a full one is renamed first."""
    path = folder.client_log
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    # O_APPEND: a client that is ending and its successor may write to it at the same time.
    return os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")


def _log_capabilities(ready: Params) -> None:
    """Log what the library that is ready can do otherwise than was seen."""
    version = str(ready.get("library", ""))
    lost, untried = news(version, ready.get("symbols", ()))
    if lost:
        logger.warning("client: neonize %s lacks what it is used for: %s", version, ", ".join(lost))
    if untried:
        logger.info("client: neonize %s exports what nobody has tried: %s", version, ", ".join(untried))
