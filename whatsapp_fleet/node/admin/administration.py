"""Actions of the admin API and of `whatsapp-mcp-fleet fleet`, a method each."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from whatsapp_fleet.database import MIGRATIONS, AccountState, Database, Session, migrate
from whatsapp_fleet.node.admin.answers import (
    AccountData,
    AccountsData,
    CreatedData,
    NodesData,
    PrincipalData,
    PrincipalsData,
    RemovedData,
    WatchedData,
    account_data,
    lag_data,
    node_data,
    principal_data,
)
from whatsapp_fleet.settings import FleetSettings
from whatsapp_fleet.tenancy import (
    FORGETTING,
    AccountOverview,
    account_overview,
    account_overviews,
    change_principal,
    create_account,
    create_principal,
    drain_node,
    forget_account,
    forgotten_among,
    node_overviews,
    operator_session,
    principal_rows,
    remains,
    revoke_principal,
    set_account_settings,
    set_account_state,
)
from whatsapp_mcp.device.operations import Devices, control
from whatsapp_mcp.errors import Busy, InvalidArgument, NotLinked, WhatsAppError
from whatsapp_mcp.models import ConnectionStatus, LinkState
from whatsapp_mcp.server.render import status_data
from whatsapp_mcp.settings import check_new_name, check_own_text
from whatsapp_mcp.storage import StorageError

P = ParamSpec("P")
T = TypeVar("T")

WATCH_LIMIT: Final = 5.0
"""Seconds in which a leader has to say how its account is doing."""
ACT_LIMIT: Final = 30.0
"""Seconds for one act of a leader."""
RELEASE_LIMIT: Final = 60.0
"""Seconds in which a leader has to let an account go."""
_LOOK_AGAIN: Final = 0.25

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Administration:
    """The acts of operators.

    Attributes:
        database: Of the fleet, with the rights of a node.
        home: The home folder, over whose settings those of an account are laid to check them.
        devices: The device of an account at the node that leads it, as its person has it.
        monotonic: The time, in seconds.
    """

    database: Database
    home: Path
    devices: Callable[[str], Devices]
    monotonic: Callable[[], float] = time.monotonic

    async def prepare(self) -> None:
        """Make the tables, where no node has begun yet."""
        await self._run(migrate, MIGRATIONS)

    async def accounts(self) -> AccountsData:
        """Every account."""
        return AccountsData(accounts=[account_data(row) for row in await self._run(account_overviews)])

    async def watch(self, account: str) -> WatchedData:
        """An account with its connection and how far its archive is behind, as its leader says."""
        row = await self._run(account_overview, account)
        watched = WatchedData(**account_data(row), connection=None, lag=None)
        if row.run is not None:
            with suppress(WhatsAppError), anyio.move_on_after(WATCH_LIMIT):
                async with self.devices(account).use(WATCH_LIMIT) as device:
                    status, figures = await device.do(control.status), await device.do(control.figures)
                watched["connection"] = status_data(status, UTC)
                watched["lag"] = lag_data(figures)
        return watched

    async def create(self, account: str, settings: str = "") -> AccountData:
        """Make an account. A node leads it within seconds; then its phone is linked.

        Raises:
            InvalidArgument: The name is unusable, taken or was forgotten; or the settings are not valid.
        """
        check_new_name(account)
        check_own_text(self.home, account, settings, FleetSettings)
        await self._run(create_account, account, settings)
        return account_data(await self._run(account_overview, account))

    async def change_settings(self, account: str, settings: str) -> AccountData:
        """Replace an account's own settings; its leader goes by them within seconds.

        Raises:
            InvalidArgument: They are not valid, or there is no such account.
        """
        check_own_text(self.home, account, settings, FleetSettings)
        await self._run(set_account_settings, account, settings)
        return account_data(await self._run(account_overview, account))

    async def quarantine(self, account: str, reason: str) -> AccountData:
        """Let no node lead an account until it is released; its leader closes the connection and lets go."""
        return await self._state(account, "quarantined", reason)

    async def drain(self, account: str) -> AccountData:
        """Let its leader finish what is under way and let go; no node takes it until it is released."""
        return await self._state(account, "drained", "")

    async def release(self, account: str) -> AccountData:
        """Let nodes lead an account again, at once and whatever failed before."""
        return await self._state(account, "active", "")

    async def link(self, account: str, phone: str | None) -> LinkState:
        """Begin linking, or join the linking that runs."""
        async with self.devices(account).use(ACT_LIMIT) as device:
            return await device.do(control.link, phone)

    async def link_state(self, account: str, after: int, wait: float) -> LinkState:
        """Return the progress of linking; wait for a revision above `after`."""
        async with self.devices(account).use(ACT_LIMIT) as device:
            return await device.do(control.link_state, after, min(wait, ACT_LIMIT / 2))

    async def pause(self, account: str, until: datetime | None) -> ConnectionStatus:
        """Close an account's connection to WhatsApp for a while; its node goes on leading it."""
        async with self.devices(account).use(ACT_LIMIT) as device:
            return await device.do(control.pause, until)

    async def resume(self, account: str) -> ConnectionStatus:
        """End a pause."""
        async with self.devices(account).use(ACT_LIMIT) as device:
            return await device.do(control.resume)

    async def remove(self, account: str, *, keep_linked: bool) -> RemovedData:
        """Unlink an account, then forget it: keys, messages, ledger, files, settings and login.

        Repeat it where it was interrupted. Nodes delete their copies within a minute, and one that is off
        when it starts again.

        Args:
            account: Its name.
            keep_linked: Do not log out of WhatsApp: the phone goes on listing the device.

        Raises:
            InvalidArgument: There is no such account.
            Busy: It cannot be unlinked now, its leader does not let go, or something is left.
        """
        if not await self._run(forgotten_among, [account]):
            await self._give_up(await self._run(account_overview, account), keep_linked=keep_linked)
        await self._run(forget_account, self.database, account)
        left = await self._run(remains, account)
        if left:
            raise Busy(f"There is something left of {account}: {', '.join(left)}.", "Remove it once more.")
        return RemovedData(removed=account, remains=left)

    async def nodes(self) -> NodesData:
        """The nodes that run."""
        return NodesData(nodes=[node_data(row) for row in await self._run(node_overviews)])

    async def drain_node(self, node: str) -> NodesData:
        """Let a node give its accounts to the others and take none until it is started again."""
        if not await self._run(drain_node, node):
            raise InvalidArgument(f"No node {node} runs.", "List the nodes.")
        return await self.nodes()

    async def principals(self) -> PrincipalsData:
        """Everybody who may use accounts."""
        return PrincipalsData(principals=[principal_data(row) for row in await self._run(principal_rows)])

    async def create_principal(
        self,
        name: str,
        scopes: Iterable[str],
        accounts: Iterable[str] | None,
        calls_per_minute: int | None,
    ) -> CreatedData:
        """Let somebody use accounts; the answer has the token, which cannot be read again."""
        token = await self._run(create_principal, name, scopes, accounts, calls_per_minute)
        return CreatedData(**await self._principal(name), token=token)

    async def change_principal(
        self, name: str, accounts: Iterable[str] | None, calls_per_minute: int | None
    ) -> PrincipalData:
        """Change which accounts somebody may use, and how often they may call."""
        await self._run(change_principal, name, accounts, calls_per_minute)
        return await self._principal(name)

    async def revoke_principal(self, name: str) -> PrincipalData:
        """Let somebody do nothing any more: within a second at every replica."""
        await self._run(revoke_principal, name)
        return await self._principal(name)

    async def _principal(self, name: str) -> PrincipalData:
        return next(principal_data(row) for row in await self._run(principal_rows) if row.name == name)

    async def _state(self, account: str, state: AccountState, reason: str) -> AccountData:
        await self._run(set_account_state, account, state, reason)
        return account_data(await self._run(account_overview, account))

    async def _give_up(self, row: AccountOverview, *, keep_linked: bool) -> None:
        """Let nobody lead an account any more, or be linked to its phone."""
        if row.reason == FORGETTING:
            return
        account = row.name
        if row.state == "moved" and not keep_linked:
            raise InvalidArgument(
                f"{account} has moved and is linked where it is.",
                "Remove what is left here with keep_linked.",
            )
        if row.state != "moved":
            if not keep_linked:
                await self._unlink(account, is_led=row.run is not None)
            await self._run(set_account_state, account, "drained", "is being removed")
        await self._let_go(account)

    async def _unlink(self, account: str, *, is_led: bool) -> None:
        if not is_led:
            raise Busy(
                f"No node leads {account}, so WhatsApp cannot be told.",
                "Release it and try again, or keep it linked and remove the device on the phone.",
            )
        with suppress(NotLinked):
            async with self.devices(account).use(ACT_LIMIT) as device:
                await device.do(control.unlink)

    async def _let_go(self, account: str) -> None:
        until = self.monotonic() + RELEASE_LIMIT
        while (await self._run(account_overview, account)).run is not None:
            if self.monotonic() >= until:
                raise Busy(f"The leader of {account} has not let go yet.", "Remove it once more.")
            await anyio.sleep(_LOOK_AGAIN)

    async def _run(self, act: Callable[Concatenate[Session, P], T], *values: P.args, **named: P.kwargs) -> T:
        def over_connection() -> T:
            with operator_session(self.database) as session:
                return act(session, *values, **named)

        try:
            return await anyio.to_thread.run_sync(over_connection)
        except StorageError as error:
            logger.info("admin: %s", error)
            raise Busy(
                _sentence(error),
                "It may be done all the same: look before you repeat it. docs/fleet/operations.md has the"
                " sections WhatsAppDatabaseDown and WhatsAppStandbyLost.",
            ) from error


def _sentence(error: StorageError) -> str:
    """Return the error's text: every `StorageError` is worded by this program."""
    return str(error)
