"""The journal: what it has taken it keeps, in order, whoever dies."""

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.archive.power import ForgetfulDisk
from whatsapp_mcp.client.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as journal:
        yield journal


@pytest.mark.parametrize("seed", range(6))
def test_a_power_failure_loses_no_event_that_was_not_pruned(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    home = tmp_path / "home"
    home.mkdir()
    with (
        ForgetfulDisk() as disk,
        Journal(home / "inbox.db") as client,
        Journal(home / "inbox.db", synced=False) as host,
    ):
        pruned, last = 0, 0
        for turn in range(rng.randrange(5, 30)):
            for _ in range(rng.randrange(1, 6)):
                last = client.append(1, 17, b"x" * rng.randrange(1, 9_000))
            if rng.random() < 0.6:
                pruned = rng.randint(pruned, last)
                host.prune(pruned)
            copy = tmp_path / f"after-{turn}"
            disk.crash(home, copy, rng)
            with Journal(copy / "inbox.db") as left:
                kept = {event.seq for event in left.read(0, 1_000)}
                assert kept >= set(range(pruned + 1, last + 1))
                assert left.last_seq() == last


def test_the_file_is_private(path: Path) -> None:
    previous = os.umask(0)
    try:
        with Journal(path) as journal:
            journal.append(1, 17, b"")
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(previous)
    assert modes == {0o600}


def test_a_killed_writer_loses_nothing_that_it_had_appended(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from whatsapp_mcp.client.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "while True: print(journal.append(1, 17, b'x' * 5000), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(50)]
        writer.kill()
        told += [int(line) for line in writer.stdout.read().splitlines()]
    with Journal(path) as journal:
        kept = [event.seq for event in journal.read(0, 100_000)]
        assert kept[: len(told)] == told
        assert len(kept) - len(told) <= 1
        assert all(event.payload == b"x" * 5000 for event in journal.read(0, 100_000))


def test_a_full_disk_is_an_error_and_later_appends_work(path: Path) -> None:
    """The file may not grow over a limit: in a process of its own, since limits cannot be lifted again."""
    script = (
        "import resource, sqlite3, sys\n"
        "from pathlib import Path; from whatsapp_mcp.client.journal import Journal\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "journal = Journal(Path(sys.argv[1])); first = journal.append(1, 17, b'small')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))\n"
        "try: journal.append(1, 17, b'x' * 1_000_000)\n"
        "except sqlite3.Error: pass\n"
        "else: sys.exit('no error')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "second = journal.append(1, 17, b'y' * 1_000_000)\n"
        "assert [event.seq for event in journal.read(0, 9)] == [first, second]\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, timeout=60)
    with Journal(path) as journal:
        assert [event.payload[:1] for event in journal.read(0, 9)] == [b"s", b"y"]


def test_a_file_that_is_no_database_is_an_error_when_opened(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Journal(path)
