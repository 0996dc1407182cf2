"""One account that is led in PostgreSQL, as a whole: messages in, and sends.

The simulated WhatsApp runs in a process of its own, the client library in another, and everything of the
leader in this one. PostgreSQL has a synchronous standby; a proxy in front of it delays what goes to and fro.
Messages are those of one person, as fast as WhatsApp hands them over; they count once they are archived.
Sends are one after the other, from the call to WhatsApp's acknowledgement. The figures of an account on files
stand beside them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from benchmarks.sends import Call, simulator
from benchmarks.verdicts import amount, timed
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import LedAccount, led
from tests.fleet.postgres import SynchronousPair, synchronous_pair
from whatsapp_fleet.cli import CLIENT
from whatsapp_mcp.device.leader import lead_account
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_simulator.launcher import client_program

MESSAGES: Final = amount(400, 16)
TALKERS: Final = 16
"""Calls of the simulator at a time."""
SENDS: Final = amount(60, 2)
WARM_UP: Final = amount(5, 1)
LIMIT: Final = 120
DELAYS: Final = amount((0.0, 0.0005, 0.001), (0.001,))
"""Seconds in each direction."""
PROXY: Final = """
import ctypes, queue, socket, sys, threading, time
ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: a sleep is else 0.05 ms too long
target, delay = int(sys.argv[1]), float(sys.argv[2])

def pump(source, sink):
    waiting = queue.SimpleQueue()
    threading.Thread(target=deliver, args=(waiting, sink), daemon=True).start()
    try:
        while data := source.recv(65536):
            waiting.put((time.monotonic() + delay, data))
    except OSError:
        pass
    waiting.put((0, b""))

def deliver(waiting, sink):
    try:
        while (next := waiting.get())[1]:
            time.sleep(max(next[0] - time.monotonic(), 0))
            sink.sendall(next[1])
        sink.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
while True:
    client, _ = listening.accept()
    server = socket.create_connection(("127.0.0.1", target))
    for one in (client, server):
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for ends in ((client, server), (server, client)):
        threading.Thread(target=pump, args=ends, daemon=True).start()
"""
"""An event loop would round the delay up to whole milliseconds. Each piece of data is late by the delay, no
more: those that follow are on their way meanwhile, as in a network."""
WANTED_RATE: Final = 120
WANTED_SEND: Final = 0.025


async def link(account: LedAccount, whatsapp: Call) -> None:
    """Link the phone."""
    await account.until(ConnectionState.UNLINKED)
    shown = await account.device.do(control.link)
    assert shown.qr is not None
    await whatsapp("scan", text=shown.qr.text)
    await account.until(ConnectionState.ONLINE)
    await whatsapp("online")


def round_trip(account: TakenAccount) -> float:
    """Seconds of an empty statement, the median."""
    times: list[float] = []
    for _ in range(50):
        begun = time.perf_counter()
        account.session.execute("SELECT")
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


async def messages(account: LedAccount, whatsapp: Call) -> float:
    """Measure how many messages per second are received and archived."""
    before = (await account.led.archive.statistics()).messages
    seen = await account.led.archive.last_change()
    begun = time.perf_counter()

    async def say(some: range) -> None:
        for number in some:
            await whatsapp("says", who="Ann", text=f"message {number}")

    async with anyio.create_task_group() as tasks:
        for first in range(TALKERS):
            tasks.start_soon(say, range(first, MESSAGES, TALKERS))
        with anyio.fail_after(LIMIT):
            while (await account.led.archive.statistics()).messages < before + MESSAGES:
                seen = await account.led.archive.wait_change(seen, 1.0)
    return MESSAGES / (time.perf_counter() - begun)


async def send_time(account: LedAccount, chat: str) -> float:
    """Seconds of a send, the median."""
    times: list[float] = []
    for count in range(WARM_UP + SENDS):
        begun = time.perf_counter()
        sent = await account.device.do(sends.send, SendRequest(chat, TextContent(f"send {count}"), wait=20.0))
        times.append(time.perf_counter() - begun)
        assert sent.status in {SendStatus.SENT, SendStatus.DELIVERED}, sent
    return statistics.median(times[WARM_UP:])


async def measure(what: str, account: LedAccount, whatsapp: Call) -> tuple[float, float]:
    """Both, printed: messages a second, and seconds of a send."""
    person = await whatsapp("person", name="Ann")
    await link(account, whatsapp)
    rate, seconds = await messages(account, whatsapp), await send_time(account, person["pn"])
    print(f"{what:32} {rate:6.0f} messages/s   send {seconds * 1000:6.1f} ms (median)", flush=True)
    return rate, seconds


@contextmanager
def delaying(target: int, delay: float) -> Iterator[int]:
    """A proxy in a process of its own, so that it takes no time of the leader's; its port."""
    command = [sys.executable, "-c", PROXY, str(target), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


@asynccontextmanager
async def in_database(
    pair: SynchronousPair, home: Path, delay: float, program: tuple[str, ...]
) -> AsyncIterator[tuple[LedAccount, float]]:
    """An account in a database that is reached with that delay, and how long a round trip takes."""
    async with AsyncExitStack() as stack:
        port = stack.enter_context(delaying(pair.primary.port, delay))
        url = leaders_url(pair.primary, pair.primary.new_database())
        taken = stack.enter_context(TakenAccount(url.replace(f":{pair.primary.port}/", f":{port}/")))
        trip = await anyio.to_thread.run_sync(round_trip, taken)
        yield await stack.enter_async_context(led(taken, home, program=program)), trip


@asynccontextmanager
async def on_files(home: Path, program: tuple[str, ...]) -> AsyncIterator[LedAccount]:
    """An account on files."""
    settings = Settings(home=home)
    folder = settings.account_folder()
    folder.create()
    async with lead_account(folder, CurrentSettings(settings), program=program) as it:
        yield LedAccount(it, 0, home)


async def run(pair: SynchronousPair) -> bool:
    """Measure all, each on a WhatsApp of its own; whether the limits hold with the longest delay."""
    rate = seconds = 0.0
    with tempfile.TemporaryDirectory() as folder:
        async with (
            simulator() as (whatsapp, variables),
            on_files(Path(folder), client_program(variables)) as it,
        ):
            await measure("files", it, whatsapp)
        for delay in DELAYS:
            home = Path(folder) / str(delay)
            async with (
                simulator() as (whatsapp, variables),
                in_database(pair, home, delay, client_program(variables, CLIENT)) as (it, trip),
            ):
                rate, seconds = await measure(f"a round trip of {trip * 1000:.1f} ms", it, whatsapp)
    verdict = timed(rate >= WANTED_RATE and seconds <= WANTED_SEND)
    print(
        f"{verdict}  with {DELAYS[-1] * 1000:g} ms of delay at least {WANTED_RATE}/s and "
        f"at most {WANTED_SEND * 1000:.0f} ms"
    )
    return bool(verdict)


def main() -> int:
    """Run it; 1 if a limit does not hold."""
    with synchronous_pair() as pair:
        return not anyio.run(run, pair)


if __name__ == "__main__":
    sys.exit(main())
