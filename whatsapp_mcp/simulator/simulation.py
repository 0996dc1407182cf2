"""What every part of one simulated WhatsApp shares: its clock, its randomness, its faults, its log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVarTuple

import anyio
import anyio.abc

from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_mcp.simulator.anomaly import Anomaly
from whatsapp_mcp.simulator.binary import Node
from whatsapp_mcp.simulator.faults import Faults

_Args = TypeVarTuple("_Args")


class Simulation:
    """One simulated WhatsApp, without anybody in it; `Network` is the same with everybody.

    Attributes:
        log: What clients did that a faultless client would not.
        tasks: Where work that outlives one stanza runs; set by whoever opens the simulation.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        self.seed = seed
        self.faults = faults
        self.log: list[Anomaly] = []
        self.tasks: anyio.abc.TaskGroup | None = None
        self._last_given = 1_700_000_000
        self._changed = anyio.Event()
        self._random = random.Random(seed)  # noqa: S311

    def random(self, purpose: str) -> random.Random:
        """A source of randomness that depends on the seed and `purpose` alone."""
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311

    def new_id(self) -> str:
        """A message or stanza id."""
        return "3A" + self._random.randbytes(9).hex().upper()

    def next_number(self) -> int:
        """A number that was never given out, such as a picture's id."""
        self._last_given += 1
        return self._last_given

    def lid_for(self, pn: Jid) -> Jid:
        """The LID that belongs to a number: always the same for one seed."""
        return Jid(str(self.random(f"lid {pn.user}").randrange(10**13, 10**14)), LID_SERVER)

    def now(self) -> float:
        """The servers' time, seconds since 1970."""
        return time.time() + self.faults.clock_skew

    def timestamp(self) -> int:
        """The servers' time in whole seconds, as stanzas carry it."""
        return int(self.now())

    def log_anomaly(self, kind: str, detail: str) -> None:
        """Log what a faultless client would not have done."""
        self.log.append(Anomaly(kind, detail))

    def start(self, work: Callable[[*_Args], Coroutine[Any, Any, None]], *args: *_Args) -> None:
        """Begin something that outlives whoever begins it."""
        assert self.tasks is not None
        self.tasks.start_soon(work, *args)

    def later(self, seconds: float, act: Callable[[Node], None], node: Node) -> None:
        """Do something with a stanza so many seconds from now."""

        async def wait() -> None:
            await anyio.sleep(seconds)
            act(node)

        self.start(wait)

    def notify(self) -> None:
        """Let everybody who waits in `until` look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        """Wait until `condition` holds.

        Raises:
            TimeoutError: It did not within `timeout` seconds.
        """
        with anyio.fail_after(timeout):
            while not condition():
                await self._changed.wait()
