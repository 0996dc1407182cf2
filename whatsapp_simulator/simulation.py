"""The state that all parts of one simulated WhatsApp share: clock, randomness, faults, log."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVarTuple

import anyio
import anyio.abc

from whatsapp_mcp.jid import LID_SERVER, Jid
from whatsapp_simulator.binary import Node
from whatsapp_simulator.faults import Faults

_Args = TypeVarTuple("_Args")


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that a correct client does not do: `kind` is its category, `detail` describes it."""

    kind: str
    detail: str


class Simulation:
    """One simulated WhatsApp without users; `Network` adds them.

    Attributes:
        log: Client errors: what a correct client does not do.
        tasks: The task group for work that outlives one stanza; set when the simulation is opened.
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
        """A source of randomness that depends only on the seed and `purpose`."""
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311

    def new_id(self) -> str:
        """A message or stanza id."""
        return "3A" + self._random.randbytes(9).hex().upper()

    def next_number(self) -> int:
        """A number that was not used before, for example a picture's id."""
        self._last_given += 1
        return self._last_given

    def lid_for(self, pn: Jid) -> Jid:
        """The LID of a number, which depends only on the seed."""
        return Jid(str(self.random(f"lid {pn.user}").randrange(10**13, 10**14)), LID_SERVER)

    def now(self) -> float:
        """The servers' time, in seconds since 1970."""
        return time.time() + self.faults.clock_skew

    def timestamp(self) -> int:
        """The servers' time in whole seconds, as stanzas carry it."""
        return int(self.now())

    def log_anomaly(self, kind: str, detail: str) -> None:
        """Log a client error."""
        self.log.append(Anomaly(kind, detail))

    def start(self, work: Callable[[*_Args], Coroutine[Any, Any, None]], *args: *_Args) -> None:
        """Start a task that outlives its caller."""
        assert self.tasks is not None
        self.tasks.start_soon(work, *args)

    def later(self, seconds: float, act: Callable[[Node], None], node: Node) -> None:
        """Call a function with a stanza after so many seconds."""

        async def wait() -> None:
            await anyio.sleep(seconds)
            act(node)

        self.start(wait)

    def notify(self) -> None:
        """Let all waiters in `until` check their condition again."""
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
