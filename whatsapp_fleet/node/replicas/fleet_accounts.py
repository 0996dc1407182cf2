"""The accounts of a replica: all of the fleet's, as they come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_fleet.node.replicas.leaders import AccountLeader, Directory
from whatsapp_fleet.node.replicas.peers import Peers
from whatsapp_fleet.node.replicas.remote import RemoteAccount, RemoteDevices
from whatsapp_mcp.device.operations import CallersDevices, Devices
from whatsapp_mcp.models.approvals import PERSON
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.calls import ServicesSource
from whatsapp_mcp.settings import CurrentSettings, Settings

POLICY_AGE: Final = 1.0
"""Seconds for which a policy that was made is used."""


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
