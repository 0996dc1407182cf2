"""Runtime of a server process: the device and the archive of each account, and one decoding process.

It lives outside the MCP lifespan, which SSE enters once per connection. It opens after the first request was
answered: what it imports must not delay the handshake.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.media import open_worker
from whatsapp_mcp.models.approvals import PERSON
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.calls import CallMeter, LocalSource, Pages, Services
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.server.reading import GuardedArchive
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.text.zone import SystemZoneFile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.routing import BaseRoute

    from whatsapp_mcp.archive import ReadingArchive
    from whatsapp_mcp.device.operations import Devices
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.media import Worker
    from whatsapp_mcp.server.application import Application
    from whatsapp_mcp.settings import Settings
    from whatsapp_mcp.web import Opened, ToolFacts

    Opener = Callable[[Settings, str], AbstractAsyncContextManager[tuple[Devices, ReadingArchive, Ledger]]]

logger = logging.getLogger(__name__)

OPEN_LIMIT: Final = 20.0
"""Seconds that a tool waits for a server that is still starting."""
FIRST_REQUEST_LIMIT: Final = 2.0
"""Seconds after which the account is opened although no request has come."""
RETRY_DELAY: Final = 5.0
"""Seconds between attempts to open the account."""


class Runtime(LocalSource):
    """The services of one account while the process serves; `run` owns them.

    Attributes:
        chat: Jid of the one chat that every caller is bound to; empty for none.
        principal: As whom every caller counts; empty: as themselves.
        pages: The pages of this server; None unless it serves HTTP.
        feed: What changes in the archive, as it happens.
        meter: Counts the calls.
    """

    def __init__(
        self,
        settings: Settings,
        account: str,
        opener: Opener | None = None,
        *,
        chat: str = "",
        principal: str = "",
        current: CurrentSettings | None = None,
        is_copy: bool = False,
    ) -> None:
        self.settings = settings
        self.account = account
        self.chat = chat
        self.principal = principal
        self.pages: Pages | None = None
        self.feed = ChangeFeed()
        self.meter = CallMeter()
        self._current = current or CurrentSettings(settings, account)
        self._is_copy = is_copy
        self._zone_file = SystemZoneFile()
        self._opener = opener
        self._open: tuple[Devices, ReadingArchive, Worker, Ledger] | None = None
        self._opened = anyio.Event()
        self._failure: WhatsAppError | None = None
        self._first_answer = anyio.Event()

    @property
    def policy(self) -> Policy:
        """The policy that is in force."""
        return Policy.of(self._current.now())

    async def services(self) -> Services:
        """The services, as soon as they are open, with the current settings.

        Raises:
            WhatsAppError: Why they cannot be opened; `Busy` when it takes too long.
        """
        if self._open is None:
            with anyio.move_on_after(OPEN_LIMIT):
                await self._opened.wait()
        if self._open is None:
            raise self._failure or Busy("The server is still starting.")
        settings = self._current.now()
        self._zone_file.refresh()
        devices, archive, worker, ledger = self._open
        policy, zone = Policy.of(settings), self.settings.zone
        guarded = GuardedArchive(archive, ledger, policy)
        return Services(
            self.account, settings, devices, guarded, worker, policy, ledger, zone=zone, pages=self.pages
        )

    @property
    def current(self) -> CurrentSettings:
        """The settings, as `config.toml` says them now."""
        return self._current

    def declared(self, tool: str) -> ToolFacts | None:
        """Return a tool's facts, for the page that explains the policy; None if no tool has this name."""
        from whatsapp_mcp.server.tools import declared

        return declared(tool)

    def opened(self) -> Opened | None:
        """The account for its person at a page, if the services are open now."""
        from whatsapp_mcp.device.operations import CallersDevices
        from whatsapp_mcp.web import Opened

        if self._open is None:
            return None
        devices, archive, _, ledger = self._open
        return Opened(CallersDevices(devices, PERSON), archive, ledger)

    async def note_answer(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """SDK middleware: the first answered request lets the runtime begin its imports."""
        try:
            return await call_next(ctx)
        finally:
            self._first_answer.set()

    def open_soon(self) -> None:
        """Let `run` open the services without waiting for a first request."""
        self._first_answer.set()

    async def run(self, worker: Worker) -> None:
        """Open the services and keep them open until cancelled; retry where opening fails.

        Args:
            worker: Decodes files.
        """
        try:
            with anyio.move_on_after(FIRST_REQUEST_LIMIT):
                await self._first_answer.wait()
            while True:
                await self._hold(worker)
                await anyio.sleep(RETRY_DELAY)
        finally:
            self._open = None

    async def _hold(self, worker: Worker) -> None:
        try:
            # What is imported takes long, and meanwhile requests are answered.
            opener = self._opener or await anyio.to_thread.run_sync(_load_opener)
            async with AsyncExitStack() as stack:
                devices, archive, ledger = await stack.enter_async_context(
                    opener(self.settings, self.account)
                )
                self._open = devices, archive, worker, ledger
                self._opened.set()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self.feed.run, devices, archive)
                    if not self._is_copy:  # another process delivers what happens there
                        self._start_loops(tasks, archive, ledger)
        except (WhatsAppError, OSError) as error:
            logger.exception("runtime: the account could not be opened")
            self._failure = (
                error
                if isinstance(error, WhatsAppError)
                else Busy(f"The account's files cannot be used: {error.strerror}.", "Tell the user.")
            )
            self._open = None
            # Whoever waits is told why at once, and not after `OPEN_LIMIT`.
            self._opened.set()

    def _start_loops(self, tasks: TaskGroup, archive: ReadingArchive, ledger: Ledger) -> None:
        from whatsapp_mcp.device.supervise import supervised

        for name, loop in loops_of_features(self.feed, archive, ledger, self._current).items():
            tasks.start_soon(supervised, name, loop)

    async def settle(self) -> None:
        """Wait until the address book of a phone that was just linked is fetched: exiting would lose it."""
        opened = self.opened()
        if opened is not None:
            from whatsapp_mcp.device.connection import until_fetched

            await until_fetched(opened.devices)


class Runtimes:
    """The accounts of a server process, side by side: one that cannot be opened costs the others nothing.

    Args:
        accounts: Each with a runtime of its own; what decodes files is theirs together.
    """

    def __init__(self, *accounts: Runtime) -> None:
        self._accounts = accounts
        self._scope: anyio.CancelScope | None = None
        self._closed = anyio.Event()

    async def run(self) -> None:
        """Keep the services of all open until `close`."""
        try:
            with anyio.CancelScope() as self._scope:
                async with open_worker() as worker, anyio.create_task_group() as tasks:
                    for runtime in self._accounts:
                        tasks.start_soon(runtime.run, worker)
        finally:
            self._closed.set()

    async def settle(self) -> None:
        """Wait until each has what exiting would lose."""
        async with anyio.create_task_group() as tasks:
            for runtime in self._accounts:
                tasks.start_soon(runtime.settle)

    async def close(self) -> None:
        """End `run` and wait until everything is closed."""
        if self._scope is not None:
            self._scope.cancel()
            await self._closed.wait()


def loops_of_features(
    feed: ChangeFeed, archive: ReadingArchive, ledger: Ledger, settings: CurrentSettings
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the loops that features run while an account is open here, by the name in the log."""
    from whatsapp_mcp.features.webhooks.serving import Webhooks

    loops: dict[str, Callable[[], Awaitable[None]]] = {}
    loops["webhooks"] = Webhooks(feed, archive, ledger, settings).run
    return loops


def routes_of_accounts(accounts: Sequence[Runtime]) -> list[BaseRoute]:
    """The routes of features that tell of accounts."""
    from whatsapp_mcp.features.metrics import metrics_routes

    routes: list[BaseRoute] = []
    routes += metrics_routes(accounts)
    return routes


def routes_of_application(application: Application) -> list[BaseRoute]:
    """The routes of features that call tools."""
    from whatsapp_mcp.features.rest import rest_routes

    routes: list[BaseRoute] = []
    routes += rest_routes(application)
    return routes


def functions_of_features() -> list[Callable[..., Awaitable[Any]]]:
    """The functions of calls that features have run where an account is led."""
    from whatsapp_mcp.features.rest import FUNCTIONS

    functions: list[Callable[..., Awaitable[Any]]] = []
    functions += FUNCTIONS
    return functions


def _load_opener() -> Opener:
    from whatsapp_mcp.device.leader import open_device

    return open_device
