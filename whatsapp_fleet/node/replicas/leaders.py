"""Finds the node that leads an account, asks it, and goes on with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import anyio

from whatsapp_fleet.node.replicas.peers import Lost, Peers, Unreachable
from whatsapp_fleet.node.replicas.wire import PERFORM, NodeAnswer
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.processes.rpc import Params
from whatsapp_mcp.server.calls import Progress

LEADER_LIMIT: Final = 5.0
"""Seconds that a call waits for a node that leads its account."""
_RETRY_AFTER: Final = 2.0


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
    """Whoever leads an account; see `remote.Leader`."""

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
        """Ask the leader, or a copy if the call only reads, and return the result."""
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
