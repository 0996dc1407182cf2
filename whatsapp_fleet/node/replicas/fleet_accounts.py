"""The accounts of a replica: all of the fleet's, as they come and go.

Their files are on other machines: what a replica needs of an account is done by the node that leads it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeVar, cast

import anyio
from anyio.abc import TaskGroup

from whatsapp_fleet.node.replicas.directory import AccountLeader, Directory
from whatsapp_fleet.node.replicas.peers import Peers
from whatsapp_fleet.node.replicas.wire import OPERATE, PERFORM, CallFacts
from whatsapp_mcp.device.operations import CallersDevices, Device, Devices, Operation, never
from whatsapp_mcp.device.supervise import supervised
from whatsapp_mcp.errors import Busy, DeadlineExceeded, Unsupported
from whatsapp_mcp.models import UNKNOWN, Change
from whatsapp_mcp.models.approvals import PERSON
from whatsapp_mcp.policy import Effect, Policy
from whatsapp_mcp.server.calls import (
    Call,
    CallMeter,
    Services,
    ServicesSource,
    changes_after,
    last_change,
    no_progress,
    resumed,
)
from whatsapp_mcp.server.feed import Batch, ChangeFeed
from whatsapp_mcp.server.procedures import procedure_of
from whatsapp_mcp.settings import CurrentSettings, Settings

T = TypeVar("T")
_AGAIN: Final = 1.0
"""Seconds until an account that nobody leads is asked for its changes again."""
POLICY_AGE: Final = 1.0
"""Seconds for which a policy that was made is used."""


class RemoteDevice(Device):
    """The device of an account, which does every operation at its leader."""

    def __init__(self, leader: AccountLeader) -> None:
        self._leader = leader

    async def perform(
        self, operation: Operation, arguments: dict[str, Any], has_ended: Callable[[], bool] = never
    ) -> Any:
        """Have it done there."""
        answer = await self._leader.ask(
            OPERATE,
            {
                "operation": operation.name,
                "caller": asdict(self.caller),
                "arguments": operation.dump(arguments),
            },
            deadline=operation.patience(arguments),
            reads=operation.effect is Effect.READ,
        )
        return operation.result.validate_python(answer)


@dataclass(frozen=True, slots=True)
class RemoteDevices:
    """Lends the device of an account, at whichever node leads it."""

    leader: AccountLeader

    @asynccontextmanager
    async def use(self, deadline: float | None = None) -> AsyncGenerator[Device]:
        """Lend the device for at most `deadline` seconds."""
        with anyio.move_on_after(deadline) as scope:
            yield RemoteDevice(self.leader)
        if scope.cancelled_caught:
            raise DeadlineExceeded(f"The node did not answer within {deadline:g} seconds.")


class RemoteAccount:
    """An account that another machine leads: a `ServicesSource`.

    Args:
        account: Its name.
        leader: Who leads it.
        policy: What it allows, as far as this machine knows.
        tasks: Where its changes are waited for while somebody follows them.
    """

    def __init__(
        self, account: str, leader: AccountLeader, policy: Callable[[], Policy], tasks: TaskGroup
    ) -> None:
        self.account = account
        self.chat = ""
        self.principal = ""
        self.meter = CallMeter()
        self._changes = _RemoteFeed(self, tasks)
        self._leader = leader
        self._policy = policy

    def close(self) -> None:
        """Wait for no more changes: the account is gone."""
        self._changes.close()

    @property
    def feed(self) -> ChangeFeed:
        """The feed of changes in the archive, followed at the leader."""
        return self._changes

    @property
    def policy(self) -> Policy:
        """The account's policy, as far as this machine knows it."""
        return self._policy()

    async def services(self) -> Services:
        """Raise `Unsupported`: the services are where the account is led."""
        raise Unsupported("This server has no files of the account.", "Tell the user.")

    async def devices(self) -> Devices:
        """Return devices that do every operation at the leader."""
        return RemoteDevices(self._leader)

    async def perform(
        self, function: Callable[..., Awaitable[T]], call: Call, values: Mapping[str, Any]
    ) -> T:
        """Run a function where the services are, and return its answer."""
        wanted = procedure_of(function)
        params = {
            "procedure": wanted.name,
            "call": CallFacts.of(call).to_json(),
            "values": wanted.dump(values),
        }
        answer = await self._leader.ask(
            PERFORM,
            params,
            deadline=wanted.patience(values),
            reads=wanted.reads,
            progress=None if call.progress is no_progress else call.progress,
        )
        return cast("T", wanted.load_result(answer))


@dataclass(frozen=True, slots=True)
class _Changes:
    """The changes of an account, as `ChangeFeed` reads them; nobody's words are among them."""

    source: RemoteAccount

    async def last_change(self) -> int:
        while True:
            try:
                return await self._call.perform(last_change)
            except Busy:  # nobody leads it now; who does later has the same numbers
                await anyio.sleep(_AGAIN)

    async def resume(self, after: int) -> int:
        return await self._call.perform(resumed, after=after)

    async def changes(self, after: int, *, limit: int = 200) -> tuple[Change, ...]:
        return await self._call.perform(changes_after, after=after, limit=limit)

    async def wait_change(self, after: int, timeout: float) -> int:
        await anyio.sleep(timeout)
        return await self.last_change()

    @property
    def _call(self) -> Call:
        return Call(self.source, no_progress, UNKNOWN)


class _RemoteFeed(ChangeFeed):
    """The changes of an account, waited for only while somebody follows them."""

    def __init__(self, source: RemoteAccount, tasks: TaskGroup) -> None:
        super().__init__()
        self._source = source
        self._tasks = tasks
        self._followers = 0
        self._scope = anyio.CancelScope()

    async def follow(self, after: int | None = None) -> AsyncGenerator[Batch]:
        """Yield every change after a number; wait at the leader while anybody follows."""
        self._followers += 1
        if self._followers == 1:
            self._scope = anyio.CancelScope()
            self._tasks.start_soon(self._wait, self._scope)
        try:
            async with aclosing(super().follow(after)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self._followers -= 1
            if not self._followers:
                self.close()

    def close(self) -> None:
        """Wait for no more changes."""
        self._scope.cancel()

    async def _wait(self, scope: anyio.CancelScope) -> None:
        async def run() -> None:
            await self.run(await self._source.devices(), _Changes(self._source))

        with scope:
            await supervised(f"changes of {self._source.account}", run)


class FleetAccounts:
    """The accounts, by name.

    Args:
        settings: Of this replica; those of an account are laid over them.
        own: The text of an account's own settings.

    Attributes:
        sources: Where calls in each of them go.
    """

    def __init__(self, settings: Settings, own: Callable[[str], str]) -> None:
        self._settings = settings
        self._own = own
        self._known: dict[str, RemoteAccount] = {}
        self.sources: Mapping[str, ServicesSource] = self._known

    def update(self, names: Sequence[str], directory: Directory, peers: Peers, tasks: TaskGroup) -> None:
        """Take in accounts that are new, and leave out those that are gone.

        Args:
            names: Of all that there are.
            directory: Says who leads them.
            peers: Connects to nodes.
            tasks: Where their changes are waited for.
        """
        for name in self._known.keys() - set(names):
            self._known.pop(name).close()
        if new := set(names) - self._known.keys():
            made = {name: self._new(name, AccountLeader(name, directory, peers), tasks) for name in new}
            everyone = sorted({**self._known, **made}.items())
            self._known.clear()
            self._known.update(everyone)

    def _new(self, name: str, leader: AccountLeader, tasks: TaskGroup) -> RemoteAccount:
        current = CurrentSettings(self._settings, name, own=lambda: self._own(name))
        return RemoteAccount(name, leader, _LatestPolicy(current), tasks)


class _LatestPolicy:
    """The policy of an account, a second old at most: a list of tools asks for it once for each of them."""

    def __init__(self, current: CurrentSettings) -> None:
        self._current = current
        self._made = -POLICY_AGE
        self._policy: Policy | None = None

    def __call__(self) -> Policy:
        now = anyio.current_time()
        if self._policy is None or now - self._made >= POLICY_AGE:
            self._policy, self._made = Policy.of(self._current.now()), now
        return self._policy


def devices_of(directory: Directory, peers: Peers) -> Callable[[str], Devices]:
    """The device of an account, at whichever node leads it, as its person has it."""

    def devices(account: str) -> Devices:
        return CallersDevices(RemoteDevices(AccountLeader(account, directory, peers)), PERSON)

    return devices
