"""The call that a tool receives, the services of its account, and counts of calls by tool.

Counted are their outcomes and their durations.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import anyio

from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models.approvals import UNKNOWN, Caller
from whatsapp_mcp.text.zone import SystemZone

if TYPE_CHECKING:
    from whatsapp_mcp.device.operations import Device, Devices
    from whatsapp_mcp.ledger import Ledger
    from whatsapp_mcp.media import Worker
    from whatsapp_mcp.models import Permit
    from whatsapp_mcp.policy import Policy
    from whatsapp_mcp.server.feed import ChangeFeed
    from whatsapp_mcp.server.reading import GuardedArchive
    from whatsapp_mcp.settings import Settings

BOUNDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram's buckets, in seconds; one more bucket has no bound."""
DONE: Final = "OK"
CANCELLED: Final = "CANCELLED"
FAILED: Final = "INTERNAL"
"""Outcomes beside the codes of errors."""


@dataclass(slots=True)
class Durations:
    """A histogram of durations.

    Attributes:
        counts: How many fell into each bucket of `BOUNDS`, and last how many were longer than all of them.
        total: All durations together, in seconds.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class CallMeter:
    """Counters of the calls in this process, for one account.

    Attributes:
        outcomes: How many calls ended how, by tool and outcome: `DONE`, `CANCELLED`, `FAILED` for an error
            of ours, or the code of the error.
        durations: How long calls took, by tool; a person's answer that a call waited for is included.
    """

    clock: Callable[[], float] = time.monotonic
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    durations: dict[str, Durations] = field(default_factory=dict[str, Durations])

    @contextmanager
    def measured(self, tool: str) -> Iterator[None]:
        """Count the call in the block when it ends, however it does.

        Args:
            tool: The name of a tool or resource of ours: never one that a caller made up.
        """
        begun, outcome = self.clock(), FAILED
        try:
            yield
            outcome = DONE
        except WhatsAppError as error:
            outcome = error.code
            raise
        except anyio.get_cancelled_exc_class():
            outcome = CANCELLED
            raise
        finally:
            self.outcomes[tool, outcome] += 1
            self.durations.setdefault(tool, Durations()).add(self.clock() - begun)


T = TypeVar("T")

LEADER_LIMIT: Final = 5.0
"""Seconds that a call waits for a leader: at start-up, and when the leader has just ended."""
_LEADER_POLL: Final = 0.05
"""Seconds between two looks for a leader."""
BASE: Final = "whatsapp://"
"""Begins the URI of each resource; the account follows where whoever asks sees several."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


async def no_roots() -> Sequence[Path]:
    """No folder of the application's."""
    return ()


class Pages(NamedTuple):
    """The web pages of a server that has some.

    Attributes:
        sign_in: The command that prints a URL which lets a person in.
        link: URL of the page on which a phone is linked; without a sign-in it shows nothing.
    """

    sign_in: str
    link: str


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a tool may use. The device is lent by its accessor for one call and never kept.

    `caller` is for whom the devices act, and to whom `archive` hands words out; `ledger` remembers which;
    `worker` decodes files; `roots` are the folders that the application names as its own; `zone` is the
    person's time zone; `pages` are those of this server, if it has any; `base` begins the URIs of resources.
    """

    account: str
    settings: Settings
    devices: Devices
    archive: GuardedArchive
    worker: Worker
    policy: Policy
    ledger: Ledger
    caller: Caller = UNKNOWN
    zone: tzinfo = field(default_factory=SystemZone)
    now: Callable[[], datetime] = utc_now
    roots: Callable[[], Awaitable[Sequence[Path]]] = no_roots
    pages: Pages | None = None
    base: str = BASE

    @asynccontextmanager
    async def device(self) -> AsyncGenerator[Device]:
        """Lend the device for one call; while there is no leader yet, wait up to `LEADER_LIMIT` for one.

        Raises:
            WhatsAppError: There is still no leader, or it ended during the call.
        """
        with anyio.move_on_after(LEADER_LIMIT):
            # Each look borrows afresh: with a leader comes another device, so there is no one object to wait
            # on.
            while not await self._has_leader():  # noqa: ASYNC110
                await anyio.sleep(_LEADER_POLL)
        async with self.devices.use() as device:
            yield device

    async def ask(self, wanted: Permit) -> None:
        """Have the leader ask a person for what this server would do itself.

        Raises:
            Denied: A rule forbids it, or a person said no.
            ApprovalRequired: A person was asked.
        """
        async with self.device() as device:
            await device.do(approvals.permit, wanted)

    async def _has_leader(self) -> bool:
        async with self.devices.use() as device:
            return device.has_leader


class ServicesSource(Protocol):
    """An account as a server uses it: led or followed in this process (`LocalSource`), or on another machine.

    There the server has neither archive nor ledger. Whatever needs them is a function of a call, and
    `perform` runs it where they are.
    """

    @property
    def account(self) -> str:
        """The account's local name."""
        ...

    @property
    def feed(self) -> ChangeFeed:
        """The feed of changes in the archive; it can be followed before anything is open."""
        ...

    @property
    def chat(self) -> str:
        """Jid of the one chat that every caller is bound to; empty for none."""
        ...

    @property
    def principal(self) -> str:
        """The principal of every caller: the agent whose command started this server; empty: their own."""
        ...

    @property
    def meter(self) -> CallMeter:
        """Counts the calls."""
        ...

    @property
    def policy(self) -> Policy:
        """The policy of the account; known before anything is open."""
        ...

    async def services(self) -> Services:
        """The services, as soon as they are open.

        Raises:
            WhatsAppError: They cannot be opened, or not in time, or they are on another machine.
        """
        ...

    async def devices(self) -> Devices:
        """The devices, which act for nobody in particular, as soon as they are open.

        Raises:
            WhatsAppError: They cannot be opened, or not in time.
        """
        ...

    async def perform(
        self, function: Callable[..., Awaitable[T]], call: Call, values: Mapping[str, Any]
    ) -> T:
        """Run a function where the services are, and return its answer.

        Args:
            function: Takes the call, then values by name; these, and what it answers, can be JSON.
            call: In this account.
            values: By name.

        Raises:
            WhatsAppError: It could not be run, or what it raised.
        """
        ...


class LocalSource:
    """A source whose services are in this process."""

    async def services(self) -> Services:
        """Return the services of this process; subclasses implement it."""
        raise NotImplementedError

    async def devices(self) -> Devices:
        """Return the devices of this process's services."""
        return (await self.services()).devices

    async def perform(
        self, function: Callable[..., Awaitable[T]], call: Call, values: Mapping[str, Any]
    ) -> T:
        """Call the function directly: the services are in this process."""
        return await function(call, **values)


Progress = Callable[[float, float | None, str | None], Awaitable[None]]


class ShowPage(Protocol):
    """Opens a page for the person, through the host."""

    async def __call__(self, url: str, message: str, *, asks: bool) -> bool | None:
        """Ask the person to open a page, and return whether they agreed; None if they were not asked.

        Args:
            url: It names no secret: what it shows needs a sign-in of its own.
            message: What it is for.
            asks: Whether they are asked now; else only the answer to what was asked before is taken.
        """
        ...


async def no_progress(done: float, total: float | None, message: str | None) -> None:
    """Tell nobody."""


class VisibleScope(NamedTuple):
    """The scopes and accounts that limit what a requester sees.

    Attributes:
        scopes: What it may do (`policy.scopes`); None for everything.
        accounts: Those that it sees, by name; None for every one.
    """

    scopes: frozenset[str] | None = None
    accounts: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Requester:
    """The sender of a request, over any interface.

    Attributes:
        caller: By whom the acts are kept; its tool is that of each call.
        scopes: What it may do (`policy.scopes`); None for everything.
        over_http: Whether the application need not be on this computer.
        progress: Tells it how far a call is.
        roots: The folders that it names as its own.
        draws_cards: Whether it draws MCP Apps.
        show_page: Opens a page for its person; None where it cannot.
        accounts: Those that it sees, by name; None for every one.
    """

    caller: Caller
    scopes: frozenset[str] | None
    over_http: bool
    progress: Progress = no_progress
    roots: Callable[[], Awaitable[Sequence[Path]]] = no_roots
    draws_cards: bool = False
    show_page: ShowPage | None = None
    accounts: frozenset[str] | None = None

    @property
    def sight(self) -> VisibleScope:
        """The scopes and accounts that limit what the requester sees."""
        return VisibleScope(self.scopes, self.accounts)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one tool in one account; what is not said here is as of `Requester`.

    Attributes:
        is_one_of_several: Whether whoever calls sees further accounts, so that URIs name this one.
        is_told_of_pages: Whether whoever calls is told of the pages: they show every account, and their paths
            name this one.
    """

    source: ServicesSource
    progress: Progress
    caller: Caller = UNKNOWN
    over_http: bool = False
    roots: Callable[[], Awaitable[Sequence[Path]]] = no_roots
    draws_cards: bool = False
    show_page: ShowPage | None = None
    is_one_of_several: bool = False
    is_told_of_pages: bool = True

    @property
    def base(self) -> str:
        """The prefix of the URIs of this account's resources, as the caller sees them."""
        return f"{BASE}{self.source.account}/" if self.is_one_of_several else BASE

    async def perform(self, function: Callable[..., Awaitable[T]], /, **values: Any) -> T:
        """Run a function of a call where the services of the account are, and return its answer.

        Raises:
            WhatsAppError: It could not be run, or what it raised.
        """
        return await self.source.perform(function, self, values)

    async def services(self) -> Services:
        """The services of the account, for a function that `perform` runs; waits while the server starts."""
        from whatsapp_mcp.device.operations import CallersDevices

        opened = await self.source.services()
        if opened.policy.withholds:
            # Every call counts: what was handed out is remembered for a day after the last one.
            await opened.ledger.taint(self.caller.principal)
        devices = CallersDevices(opened.devices, self.caller)
        services = replace(opened, devices=devices, caller=self.caller, roots=self.roots, base=self.base)
        if not self.is_told_of_pages:
            services = replace(services, pages=None)
        archive = opened.archive.bound_to(self.caller, services.ask, is_one_of_several=self.is_one_of_several)
        return replace(services, archive=archive)
