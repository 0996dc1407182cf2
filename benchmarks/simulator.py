"""The speed of the simulated WhatsApp alone, and of the real client that receives its messages.

Each rate is given per second, and per CPU second of the simulator's process, which depends little on other
load.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio

from benchmarks.verdicts import amount
from tests.simulator.neonize_client import linked, neonize_client
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.binary import Node

MESSAGES: Final = amount(1_000, 10)
STANZAS: Final = amount(20_000, 100)


class _Timer:
    """A stopwatch that starts when it is created."""

    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def say(self, what: str, count: int) -> None:
        """Print how many operations were done per second."""
        rates = [count / (time.perf_counter() - self._began), count / (time.process_time() - self._cpu)]
        print(f"{what:42} {rates[0]:10,.0f} /s {rates[1]:10,.0f} /s of CPU")


async def _measure(folder: Path) -> None:
    began = time.perf_counter()
    async with WhatsApp() as wa:
        print(f"{'start':42} {(time.perf_counter() - began) * 1000:10.0f} ms")
        began = time.perf_counter()
        async with neonize_client(wa, folder / "client.db", "ERROR") as client:
            await linked(wa, client)
            print(f"{'client started and linked':42} {(time.perf_counter() - began) * 1000:10.0f} ms")
            ann = wa.person("Ann")
            group = wa.group("Boat", [ann])
            await ann.says("first")
            await client.message("first")

            timer = _Timer()
            for number in range(MESSAGES):
                await ann.says(f"direct {number}")
            timer.say("direct messages encrypted and sent", MESSAGES)
            await client.message(f"direct {MESSAGES - 1}", timeout=60)
            timer.say("direct messages at the client", MESSAGES)

            timer = _Timer()
            for number in range(MESSAGES):
                await ann.says(f"group {number}", group)
            timer.say("group messages encrypted and sent", MESSAGES)
            await client.message(f"group {MESSAGES - 1}", timeout=60)
            timer.say("group messages at the client", MESSAGES)

            connection = (await wa.me.online()).connection
            assert connection is not None
            notice = Node("ib", {"from": ann.lid, "id": "1"}, [Node("nothing", {}, os.urandom(150))])
            timer = _Timer()
            for _ in range(STANZAS):
                wa.send(notice)
            await connection.drained()
            timer.say("bare stanzas sent", STANZAS)


def main() -> None:
    """Measure once, without limits."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_measure, Path(folder))


if __name__ == "__main__":
    main()
