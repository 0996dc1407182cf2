"""A replica's view of the fleet: its accounts, the leader of each, and the nodes.

It is read every second. While the database does not answer, what was last known stays: nodes answer for it. A
call waits for the node that leads its account, asks it, and goes on with the next one where it is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import anyio

from whatsapp_fleet.database import AccountRow, DatabaseCalls, RunRow, Session, led_accounts, live_runs
from whatsapp_fleet.node.replicas.peers import Lost, Peers, Unreachable
from whatsapp_fleet.node.replicas.wire import PERFORM, NodeAnswer
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.server.calls import Progress
from whatsapp_mcp.storage import StorageError

LEADER_LIMIT: Final = 5.0
"""Seconds that a call waits for a node that leads its account."""
_RETRY_AFTER: Final = 2.0
LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the database, if nobody asks for one sooner."""
_PAUSE: Final = 0.1
"""Seconds between two looks that are asked for."""
logger = logging.getLogger(__name__)


class Directory(Protocol):
    """A replica's view of the fleet; it is read again each second."""

    def leader(self, account: str) -> str | None:
        """The address of the node that leads an account; None while there is none."""
        ...

    def holders(self, account: str) -> Sequence[str]:
        """The addresses of nodes that may hold the account's files, the best first."""
        ...

    def expects_leader(self, account: str) -> bool:
        """Return whether a missing leader may come soon: the database answers, and had one lately."""
        ...

    def is_stopped(self, account: str) -> bool:
        """Return whether operators, or the account's failures, keep every node from leading it."""
        ...

    async def look_again(self) -> None:
        """Return once it was read again, or could not be."""
        ...


@dataclass(frozen=True, slots=True)
class AccountLeader:
    """Whoever leads an account."""

    account: str
    directory: Directory
    peers: Peers

    async def ask(
        self,
        method: str,
        params: Params,
        *,
        deadline: float,
        reads: bool,
        progress: Progress | None = None,
    ) -> Any:
        """Ask the leader, or a copy if the call only reads, and return the result.

        Args:
            method: Of `wire`.
            params: By name, without the account.
            deadline: Seconds for the answer.
            reads: It may be asked again where the leader ends meanwhile, and of a copy.
            progress: Told how far it is.

        Raises:
            Busy: Nobody leads the account, or its leader ended; then it may have been done.
            WhatsAppError: What it raised.
        """
        params = {**params, "account": self.account}
        refusal: WhatsAppError | None = None
        try:
            answer = await self._of_leader(method, params, deadline, reads, progress)
        except Unreachable as unreachable:
            answer, refusal = None, unreachable.refusal
        if answer is None and reads and method == PERFORM:
            answer = await self._of_a_copy(params, deadline)
        if answer is None:
            raise refusal or self._not_led()
        return answer.get("result")

    async def _of_leader(
        self, method: str, params: Params, deadline: float, reads: bool, progress: Progress | None
    ) -> NodeAnswer | None:
        """Return the leader's answer; None if there is no leader for `LEADER_LIMIT`.

        Raises:
            Unreachable: It has refused this replica, so that waiting for it is of no use.
            Busy: It ended, and it is not known what it has done.
        """
        until, lost = anyio.current_time() + LEADER_LIMIT, 0
        while True:
            address = self.directory.leader(self.account)
            try:
                if address is not None:
                    node = await self.peers.at(address)
                    answer = await node.ask(method, params, deadline=deadline, progress=progress)
                    if answer["by"] != "nobody":
                        return answer
            except Unreachable as unreachable:
                if unreachable.refusal is not None:
                    raise
            except Lost:
                lost += 1
                if not reads or lost > 1:
                    raise _ended() from None
                until = anyio.current_time() + LEADER_LIMIT
            if anyio.current_time() >= until or not self.directory.expects_leader(self.account):
                return None
            await self.directory.look_again()

    def _not_led(self) -> Busy:
        if self.directory.is_stopped(self.account):
            return Busy(
                "This account is stopped: no node leads it until an operator of the fleet releases it.",
                "Nothing was done. Tell the user.",
            )
        return Busy(
            "No node leads this account at the moment; another one takes over.",
            "Nothing was done. Try again in a few seconds.",
            retry_after=_RETRY_AFTER,
        )

    async def _of_a_copy(self, params: Params, deadline: float) -> NodeAnswer | None:
        for address in self.directory.holders(self.account):
            try:
                node = await self.peers.at(address)
                answer = await node.ask(PERFORM, {**params, "stale": True}, deadline=deadline)
            except (Unreachable, Lost):
                continue
            if answer["by"] != "nobody":
                return answer
        return None


def _ended() -> Busy:
    return Busy(
        "The node that leads this account ended during the call.",
        "Another node takes over. Check whether the call took effect before retrying.",
    )


class _Seen(NamedTuple):
    """The fleet at one moment: accounts and runs by name."""

    accounts: dict[str, AccountRow]
    runs: dict[str, RunRow]


def look(session: Session) -> _Seen:
    """The fleet as the database has it."""
    accounts = {row.account: row for row in led_accounts(session) if row.state != "moved"}
    return _Seen(accounts, {row.run: row for row in live_runs(session)})


class FleetDirectory:
    """A `Directory` read from the database; `run` keeps it current.

    Args:
        calls: Asks the database; each call may take no longer than a client waits.
        changed: Called with the names of the accounts after each look.
        monotonic: The time, in seconds.

    Attributes:
        is_current: Whether the database has answered the last look.
    """

    def __init__(
        self,
        calls: DatabaseCalls,
        changed: Callable[[Sequence[str]], None],
        monotonic: Callable[[], float] = anyio.current_time,
    ) -> None:
        self.is_current = False
        self._calls = calls
        self._changed = changed
        self._monotonic = monotonic
        self._seen = _Seen({}, {})
        self._last_led: dict[str, str] = {}
        self._leaderless: dict[str, float] = {}
        self._asked = anyio.Event()
        self._looked = anyio.Event()

    async def run(self) -> None:
        """Keep it until cancelled."""
        while True:
            self._asked, looked = anyio.Event(), self._looked
            await self._look()
            self._looked = anyio.Event()
            looked.set()
            await anyio.sleep(_PAUSE)
            with anyio.move_on_after(LOOK_EVERY - _PAUSE):
                await self._asked.wait()

    async def _look(self) -> None:
        try:
            seen = await self._calls.run(look)
        except StorageError as error:
            if self.is_current:
                logger.warning("replica: the database does not answer: %s", error)
            self.is_current = False
            return
        self.is_current, self._seen = True, seen
        now = self._monotonic()
        led = {account: address for account in seen.accounts if (address := self.leader(account))}
        self._last_led |= led
        self._leaderless = {
            account: self._leaderless.get(account, now) for account in seen.accounts if account not in led
        }
        self._changed(list(seen.accounts))

    def settings_of(self, account: str) -> str:
        """The text of an account's own settings."""
        row = self._seen.accounts.get(account)
        return "" if row is None else row.settings

    def leader(self, account: str) -> str | None:
        """Return the address of the node that leads an account; None while there is none."""
        row = self._seen.accounts.get(account)
        run = None if row is None or row.run is None else self._seen.runs.get(row.run)
        return None if run is None else run.address

    def holders(self, account: str) -> Sequence[str]:
        """Return the addresses of nodes that may hold the account's files, the best first."""
        last = self._last_led.get(account)
        first = [] if last is None else [last]
        return list(dict.fromkeys([*first, *(run.address for run in self._seen.runs.values())]))

    def expects_leader(self, account: str) -> bool:
        """Return whether a missing leader may come soon: the database answers, and had one lately."""
        since = self._leaderless.get(account, self._monotonic())
        return self.is_current and account in self._seen.accounts and self._monotonic() - since < LEADER_LIMIT

    def is_stopped(self, account: str) -> bool:
        """Return whether operators, or the account's failures, keep every node from leading it."""
        row = self._seen.accounts.get(account)
        return row is not None and row.state != "active"

    async def look_again(self) -> None:
        """Have the database read again; return once it was, or could not be."""
        looked = self._looked
        self._asked.set()
        await looked.wait()
