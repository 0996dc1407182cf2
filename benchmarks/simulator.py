"""How fast the simulated WhatsApp is by itself, and how fast the real client takes in what it sends."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Final

import anyio

from tests.simulator.neonize_client import linked, neonize_client
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.simulator.binary import Node

MESSAGES: Final = 1_000
STANZAS: Final = 20_000


def _say(what: str, count: int, began: float) -> None:
    print(f"{what:42} {count / (time.perf_counter() - began):10,.0f} /s")


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

            began = time.perf_counter()
            for number in range(MESSAGES):
                await ann.says(f"direct {number}")
            _say("direct messages encrypted and sent", MESSAGES, began)
            await client.message(f"direct {MESSAGES - 1}", timeout=60)
            _say("direct messages at the client", MESSAGES, began)

            began = time.perf_counter()
            for number in range(MESSAGES):
                await ann.says(f"group {number}", group)
            _say("group messages encrypted and sent", MESSAGES, began)
            await client.message(f"group {MESSAGES - 1}", timeout=60)
            _say("group messages at the client", MESSAGES, began)

            connection = (await wa.me.online()).connection
            assert connection is not None
            notice = Node("ib", {"from": ann.lid, "id": "1"}, [Node("nothing", {}, os.urandom(150))])
            began = time.perf_counter()
            for _ in range(STANZAS):
                wa.send(notice)
            await connection.drained()
            _say("bare stanzas sent", STANZAS, began)


def main() -> None:
    """Measure once; nothing is asserted."""
    with tempfile.TemporaryDirectory() as folder:
        anyio.run(_measure, Path(folder))


if __name__ == "__main__":
    main()
