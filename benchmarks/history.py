"""100,000 messages of history from the simulated WhatsApp, compared with the client library alone.

The same chunks go to the client library with an empty handler, to a client process that commits them to its
journal, and to a complete server (client process, journal, archive). The library waits only for the journal,
after which messages are safe; the archive is written later.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.abc
import anyio.lowlevel
from anyio.streams.text import TextReceiveStream

from benchmarks.corpus import Corpus
from benchmarks.verdicts import amount, timed
from tests.client.client_process import client_process
from tests.device.server_process import server_process
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.connection.accessor import Accessor
from whatsapp_mcp.device.leader.runtime import open_device
from whatsapp_mcp.device.operations import Device, control
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.processes.child_process import client_program
from whatsapp_mcp.protobufs import HistorySync, Neonize
from whatsapp_mcp.settings import Settings
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.companion import Companion
from whatsapp_simulator.history import History

MESSAGES: Final = amount(100_000, 1_000)
CHUNK: Final = 5_000
MUST: Final = 0.9
LIMIT: Final = 120.0
_LOOK_EACH: Final = 0.005
BARE: Final = """
import asyncio, sys
import pylibmagic
from neonize.aioze.client import NewAClient
from neonize.events import ConnectedEv, HistorySyncEv
from neonize.utils import log

log.setLevel("ERROR")
client = NewAClient(sys.argv[1])
left = int(sys.argv[2])

@client.qr
async def on_qr(_, text):
    print("qr", text.decode(), flush=True)

@client.event(ConnectedEv)
async def on_connected(_, event):
    print("online", flush=True)

@client.event(HistorySyncEv)
async def on_history(_, event):
    global left
    left -= 1
    if left == 0:
        print("done", flush=True)

async def run():
    await (await client.connect())

asyncio.run(run())
"""
"""The client library with a handler that only counts chunks, to detect the end."""


def chunks(messages: int) -> list[HistorySync.HistorySync]:
    """The corpus as chunks of a phone's history."""
    return [Neonize.HistorySync.FromString(event).Data for event in Corpus(messages).history(CHUNK)]


async def hand_over(wa: WhatsApp, companion: Companion, parts: list[HistorySync.HistorySync]) -> None:
    """Send all chunks as fast as they can be packed."""
    history = History(wa.network, wa.me)
    for part in parts:
        history.deliver(companion, part)
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def whatsapp() -> AsyncIterator[WhatsApp]:
    """A simulated WhatsApp to which the child processes of this process connect."""
    before = dict(os.environ)
    async with WhatsApp() as wa:
        os.environ.update(wa.environment())
        client_program.set(wa.client_program())
        try:
            yield wa
        finally:
            os.environ.clear()
            os.environ.update(before)


async def bare(folder: Path, parts: list[HistorySync.HistorySync]) -> float:
    """Seconds from the first sent chunk to the last one in an empty handler."""
    command = [sys.executable, "-c", BARE, str(folder / "bare.db"), str(len(parts))]
    async with (
        whatsapp() as wa,
        await anyio.open_process(command, stdout=subprocess.PIPE, stderr=None) as process,
    ):
        try:
            assert process.stdout is not None
            said = _lines(process.stdout)
            await wa.me.scan((await _line(said, "qr ")).removeprefix("qr "))
            await _line(said, "online")
            companion = await wa.me.online()
            began = time.perf_counter()
            await hand_over(wa, companion, parts)
            await _line(said, "done")
            return time.perf_counter() - began
        finally:
            process.kill()


async def _lines(stream: anyio.abc.ByteReceiveStream) -> AsyncIterator[str]:
    kept = ""
    async for text in TextReceiveStream(stream):
        *whole, kept = (kept + text).split("\n")
        for line in whole:
            yield line


async def _line(lines: AsyncIterator[str], start: str) -> str:
    async for line in lines:
        if line.startswith(start):
            return line
    raise EOFError("the client ended")


async def journaled(folder: Path, parts: list[HistorySync.HistorySync]) -> float:
    """Seconds from the first sent chunk to the last one in the journal of a client process."""
    async with WhatsApp() as wa, client_process(folder, wa.environment()) as client:
        await client.link(wa.me)
        companion = await wa.me.online()
        with closing(sqlite3.connect(folder / "inbox.db")) as journal:
            began = time.perf_counter()
            await hand_over(wa, companion, parts)
            found = 0
            while found < len(parts):
                await anyio.sleep(_LOOK_EACH)
                counted = journal.execute(
                    "SELECT count(*) FROM events WHERE code = ?", (EventCode.HISTORY_SYNC,)
                )
                found = counted.fetchone()[0]
            return time.perf_counter() - began


async def archived(folder: Path, parts: list[HistorySync.HistorySync], *, messages: int) -> float:
    """Seconds from the first sent chunk to the last message archived by a server process."""
    home = folder / "home"
    async with (
        whatsapp() as wa,
        server_process(home),
        open_device(Settings(home=home)) as (devices, archive, _),
    ):
        companion = await _link(wa, devices)
        began = time.perf_counter()
        await hand_over(wa, companion, parts)
        stored = 0
        while stored < messages:
            await anyio.sleep(_LOOK_EACH)
            stored = (await archive.history_progress()).messages
        return time.perf_counter() - began


async def _link(wa: WhatsApp, devices: Accessor[Device]) -> Companion:
    """Link the hosted device and wait until it is online."""
    shown = None
    while shown is None:
        async with devices.use() as device:
            if (await device.do(control.status)).leader_pid is not None:
                shown = await device.do(control.link)
        await anyio.sleep(_LOOK_EACH)
    assert shown.qr is not None
    await wa.me.scan(shown.qr.text)
    state = None
    while state is not ConnectionState.ONLINE:
        await anyio.sleep(_LOOK_EACH)
        async with devices.use() as device:
            state = (await device.do(control.status)).state
    return await wa.me.online()


async def measure(messages: int, rounds: int) -> bool:
    """Measure all three in turn, `rounds` times; print rates and shares of the library's rate, and judge."""
    parts = chunks(messages)
    print(f"{'messages a second':20}{'library alone':>16}{'journaled':>18}{'archived':>18}")
    shares: list[float] = []
    for number in range(1, rounds + 1):
        taken: list[float] = []
        for step in (bare, journaled, partial(archived, messages=messages)):
            with tempfile.TemporaryDirectory() as name, anyio.fail_after(LIMIT):
                taken.append(await step(Path(name), parts))
        alone, kept, stored = taken
        shares.append(alone / kept)
        print(
            f"round {number:<14}{messages / alone:16,.0f}"
            f"{messages / kept:11,.0f} {alone / kept:6.0%}{messages / stored:11,.0f} {alone / stored:6.0%}"
        )
    share = statistics.median(shares)
    verdict = timed(share >= MUST)
    print(f"{verdict}  taken over at {share:.0%} of the library's own rate, at least {MUST:.0%}")
    return bool(verdict)


def main() -> int:
    """Run it; 1 if the limit does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--rounds", type=int, default=amount(3, 1))
    arguments, _ = parser.parse_known_args()
    return not anyio.run(measure, arguments.messages, arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())
