"""One client: a child process that runs the client library, and the calls into it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import IO, Any, Final

import anyio
from anyio.abc import Process

from whatsapp_mcp.client import protocol
from whatsapp_mcp.device import state
from whatsapp_mcp.device.reports import events_of
from whatsapp_mcp.errors import Busy, NotConnected, WhatsAppError
from whatsapp_mcp.rpc import Params, Peer
from whatsapp_mcp.settings import AccountFolder, AccountSettings

LOG_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of client.log after which it becomes client.log.1."""
_START_LIMIT: Final = 20.0
_CONNECT_CALL: Final = 10.0
_REAP_LIMIT: Final = 2.0

logger = logging.getLogger(__name__)

Report = Callable[[state.ClientEvent], None]
Notice = Callable[[str, Params, int], None]
"""Takes every notification: (method, parameters, generation)."""


class Client:
    """One generation. `run` starts the process and connects; `kill` ends it at once, whatever it does.

    Args:
        generation: Its number.
        folder: The account's files; the process works in it.
        account: How the companion introduces itself.
        report: Takes what this client means for the state of the link; the last report is `Ended`.
        notice: Takes each notification as it comes, before its report.
        program: The command to run, for tests; the arguments are appended.
    """

    def __init__(
        self,
        generation: int,
        folder: AccountFolder,
        account: AccountSettings,
        report: Report,
        notice: Notice,
        program: tuple[str, ...] = (sys.executable, "-P", "-m", "whatsapp_mcp.client"),
    ) -> None:
        self.generation = generation
        self._folder = folder
        self._account = account
        self._report = report
        self._notice = notice
        self._program = program
        self._process: Process | None = None
        self._peer: Peer | None = None
        self._ready = anyio.Event()
        self._killed = False

    def kill(self) -> None:
        """End the process now; `run` reaps it."""
        self._killed = True
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                logger.debug("client %d has ended by itself", self.generation)

    async def run(self) -> None:
        """Start the process, connect, and return when it has ended; never leaves it behind."""
        reason = "The client was cancelled."
        try:
            reason = await self._live()
        except OSError as error:
            reason = f"The client process could not be started: {error.strerror}."
        except WhatsAppError as error:
            reason = error.message
        finally:
            await self._end()
            self._report(state.Ended(self.generation, reason))

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
            return await peer.call(method, params, deadline=deadline)
        except NotConnected as error:
            if peer.closed:
                raise Busy("The client process ended during the call.") from error
            raise

    async def _live(self) -> str:
        if self._killed:
            return "The client was replaced before it started."
        with open_log(self._folder) as log:
            self._process = await anyio.open_process(
                [*self._program, *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **protocol.ENVIRONMENT},
            )
        process = self._process
        if self._killed:
            self.kill()
        assert process.stdout is not None
        assert process.stdin is not None
        async with Peer(process.stdout, process.stdin, on_notification=self._notified) as peer:
            self._peer = peer
            with anyio.move_on_after(_START_LIMIT) as starting:
                await _first(self._ready.wait, peer.wait_closed)
            if starting.cancelled_caught:
                return f"The client process did not start within {_START_LIMIT:g} seconds."
            if not peer.closed:
                await peer.call("connect", deadline=_CONNECT_CALL)
            await peer.wait_closed()
        return "The client process ended."

    def _arguments(self) -> list[str]:
        return [
            "--folder",
            str(self._folder.path),
            "--generation",
            str(self.generation),
            "--device-name",
            self._account.device_name,
            "--history",
            self._account.history,
        ]

    async def _notified(self, method: str, params: Params) -> None:
        if method == protocol.READY:
            self._ready.set()
        self._notice(method, params, self.generation)
        event = events_of(method, params, self.generation)
        if event is not None:
            self._report(event)

    async def _end(self) -> None:
        """See the process gone: softly when only its pipes are closed, at once when it was killed.

        A process whose pipe closes journals what is on its way before it ends.
        """
        process = self._process
        self._ready.set()
        if process is None:
            return
        with anyio.CancelScope(shield=True):
            if not self._killed:
                with anyio.move_on_after(protocol.HOST_GONE_SECONDS + 0.1):
                    await process.wait()
            self.kill()
            with anyio.move_on_after(_REAP_LIMIT):
                await process.wait()
                await process.aclose()


async def _first(*waits: Callable[[], Awaitable[None]]) -> None:
    """Return when the first of them does."""

    async def one(wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for wait in waits:
            tasks.start_soon(one, wait)


def open_log(folder: AccountFolder) -> IO[bytes]:
    """The client's log for appending, private; a full one is put aside first."""
    path = folder.client_log
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_name(path.name + ".1"))
    return os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "ab")
