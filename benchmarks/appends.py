"""Appends to the journal and the log in PostgreSQL, and plain INSERTs: `python -m benchmarks.appends`.

A primary and a synchronous standby on loopback, with 1 ms of delay in each direction between the program and
the primary. The log is written by callers that each wait for their answer before they append again, and the
journal by one, as in the callback of the client library.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Final

import anyio

from benchmarks.verdicts import amount, timed
from tests.fault_proxy import fault_proxy
from tests.fleet.led import ACCOUNT, LedAccount
from tests.fleet.postgres import SynchronousPair, synchronous_pair
from whatsapp_fleet.database import Database, PostgresJournal, PostgresLog, connect

SECONDS: Final = amount(4.0, 0.2)
CALLERS: Final = (1, 8, 64)
DELAY: Final = 0.001
WANTED: Final = 2_000
"""Appends a second with the most callers and the delay."""
BODY: Final = b"x" * 400
"""About as long as the operation that archives one message."""


def report(what: str, times: list[float], seconds: float, plain: float | None = None) -> float:
    """Print how many there were in a second and how long one took; answers the former."""
    rate = len(times) / seconds
    ratio = f", {rate / plain:5.2f} x plain INSERTs" if plain is not None else ""
    print(f"  {what:34} {rate:7,.0f}/s, p50 {statistics.median(times) * 1000:5.1f} ms{ratio}")
    return rate


def plain_inserts(database: Database) -> float:
    """One INSERT after the other, each a transaction."""
    with connect(database, 60) as session:
        session.execute("CREATE TABLE public.plain (n bigint PRIMARY KEY, body bytea NOT NULL)")
        times: list[float] = []
        end = time.perf_counter() + SECONDS
        while (begun := time.perf_counter()) < end:
            session.execute("INSERT INTO public.plain VALUES (%s, %s)", [len(times), BODY])
            times.append(time.perf_counter() - begun)
    return report("plain INSERTs, 1 caller", times, SECONDS)


def journal_appends(database: Database, led: LedAccount, plain: float) -> None:
    """One event after the other."""
    times: list[float] = []
    with PostgresJournal(database, ACCOUNT, led.epoch) as journal:
        end = time.perf_counter() + SECONDS
        while (begun := time.perf_counter()) < end:
            journal.append(1, 17, BODY)
            times.append(time.perf_counter() - begun)
    report("journal, 1 caller", times, SECONDS, plain)


async def log_appends(database: Database, led: LedAccount, callers: int, plain: float) -> float:
    """Callers that each append one operation after the other."""
    times: list[float] = []
    async with PostgresLog(database, ACCOUNT, led.epoch) as log:
        end = time.perf_counter() + SECONDS

        async def append() -> None:
            while (begun := time.perf_counter()) < end:
                await log.append([BODY])
                times.append(time.perf_counter() - begun)

        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(append)
    return report(f"log, {callers} caller{'s' if callers > 1 else ''}", times, SECONDS, plain)


def measure(pair: SynchronousPair, delay: float) -> float:
    """All of them with that delay; answers the rate of the log with the most callers."""
    print(f"{delay * 1000:.0f} ms of delay in each direction, synchronous standby:")
    with LedAccount(pair.primary.new_database()) as led, fault_proxy(pair.primary.port, delay) as proxy:
        database = Database(led.database.url.replace(f":{pair.primary.port}/", f":{proxy.port}/"))
        plain = plain_inserts(database)
        journal_appends(database, led, plain)
        rates = [anyio.run(log_appends, database, led, callers, plain) for callers in CALLERS]
    return rates[-1]


def main() -> int:
    """Measure without and with the delay; 1 if the limit does not hold."""
    argparse.ArgumentParser(prog="python -m benchmarks.appends", description=__doc__).parse_args()
    with synchronous_pair() as pair:
        measure(pair, 0.0)
        rate = measure(pair, DELAY)
    verdict = timed(rate >= WANTED)
    print(
        f"{verdict}  appends to the log with {DELAY * 1000:.0f} ms of delay: "
        f"{rate:,.0f}/s, at least {WANTED:,}"
    )
    return not verdict


if __name__ == "__main__":
    sys.exit(main())
