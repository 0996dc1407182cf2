"""What a soak says of the growth of processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.soak.watch import JUDGED_FROM, SETTLED, Growth, Holding, Life, holding

AT_REST = Holding(memory=100.0, threads=8, files=30, sockets=5)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def life(*held: Holding, seconds: float = JUDGED_FROM) -> Life:
    return Life("leader", seconds, held)


def test_what_stays_as_it_is_has_not_grown() -> None:
    assert life(*[AT_REST] * 8).grown == "nothing"


def test_what_fills_at_first_and_what_goes_up_and_down_has_not_grown() -> None:
    filling = [replace(AT_REST, memory=memory) for memory in (60, 80, 101, 99, 102, 100, 103, 101)]
    assert life(*filling).grown == "nothing"


@pytest.mark.parametrize(("what", "step"), [("memory", 3.0), ("threads", 2), ("files", 1), ("sockets", 1)])
def test_what_grows_without_end_is_named(what: str, step: float) -> None:
    growing = [replace(AT_REST, **{what: getattr(AT_REST, what) + step * turn}) for turn in range(8)]
    assert (life(*growing).grown or "").startswith(f"{what} ")


def test_a_short_life_tells_nothing() -> None:
    growing = [replace(AT_REST, memory=100 + 50 * turn) for turn in range(8)]
    assert life(*growing, seconds=JUDGED_FROM - 1).grown is None


def test_every_process_is_told_of_and_the_one_that_lived_longest_first() -> None:
    growth, own = Growth(), os.getpid()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        for at in range(SETTLED + 5):
            growth.look(at, {"leader": [own, other.pid] if at < SETTLED + 2 else [own]})
        other.kill()
    told = [(life.role, life.seconds, len(life.held)) for life in growth.lives()]
    assert told == [("leader", 4, 5), ("leader", 1, 2)]


GROWS = """
import socket, sys, threading
print("begun", flush=True)
sys.stdin.readline()
over = threading.Event()
threading.Thread(target=over.wait, daemon=True).start()
held = socket.socket()
print("grown", flush=True)
sys.stdin.readline()
"""
"""A process that has one thread and one socket more after a line: in that of the tests others come and go."""


def test_threads_files_and_sockets_of_a_process_are_counted() -> None:
    command = [sys.executable, "-c", GROWS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        before = holding(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "grown\n"
        after = holding(process.pid)
        process.stdin.close()
    assert before is not None
    assert after is not None
    assert (after.threads, after.files, after.sockets) == (
        before.threads + 1,
        before.files + 1,
        before.sockets + 1,
    )
