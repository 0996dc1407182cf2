"""The journal: what it has taken it keeps, in order, whoever dies."""

import os
import random
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.archive.power import ForgetfulDisk
from whatsapp_mcp.client.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path) as journal:
        yield journal


def test_events_come_back_as_they_were_in_order(journal: Journal) -> None:
    payloads = [b"", b"\x00\xff", b"x" * 1_000_000]
    seqs = [journal.append(7, code, payload) for code, payload in enumerate(payloads)]
    events = journal.read(0, 10)
    assert [(event.seq, event.generation, event.code, event.payload) for event in events] == [
        (seq, 7, code, payload) for code, (seq, payload) in enumerate(zip(seqs, payloads, strict=True))
    ]
    assert seqs == sorted(set(seqs))


def test_reading_goes_on_after_a_position(journal: Journal) -> None:
    seqs = [journal.append(1, 17, b"%d" % n) for n in range(10)]
    assert [event.seq for event in journal.read(seqs[3], 4)] == seqs[4:8]
    assert journal.read(seqs[-1], 4) == []
    assert journal.waiting(seqs[3]) == 6


def test_reading_stops_after_the_event_that_makes_it_too_much(journal: Journal) -> None:
    seqs = [journal.append(1, 17, b"x" * 100) for _ in range(5)]
    assert [event.seq for event in journal.read(0, 10, 250)] == seqs[:3]
    assert [event.seq for event in journal.read(seqs[2], 10, 1)] == seqs[3:4]


def test_a_seq_is_never_used_again_after_pruning(path: Path) -> None:
    with Journal(path) as journal:
        last = [journal.append(1, 17, b"") for _ in range(3)][-1]
        assert journal.prune(last) == 3
        assert journal.last_seq() == last
    with Journal(path) as journal:
        assert journal.last_seq() == last
        assert journal.append(2, 17, b"") > last


def test_pruning_keeps_what_came_later(journal: Journal) -> None:
    seqs = [journal.append(1, 17, b"") for _ in range(5)]
    journal.prune(seqs[2])
    assert [event.seq for event in journal.read(0, 10)] == seqs[3:]


@given(st.lists(st.integers(0, 50), max_size=8))
def test_numbering_goes_on_above_every_position_it_was_told(
    tmp_path_factory: pytest.TempPathFactory, positions: list[int]
) -> None:
    with Journal(tmp_path_factory.mktemp("journal") / "inbox.db") as journal:
        for position in positions:
            before = journal.last_seq()
            journal.continue_after(position)
            assert journal.append(1, 17, b"") == max(before, position) + 1


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


def test_a_reader_sees_what_another_connection_has_committed(path: Path, journal: Journal) -> None:
    with Journal(path) as writer:
        seq = writer.append(1, 17, b"new")
        assert [event.seq for event in journal.read(0, 10)] == [seq]
        journal.prune(seq)
        assert writer.waiting(0) == 0


def test_several_threads_append_at_once_without_a_loss(journal: Journal) -> None:
    def append(number: int) -> int:
        return journal.append(1, 17, b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(append, range(200)))
    assert sorted(seqs) == [event.seq for event in journal.read(0, 1000)]
    assert {event.payload for event in journal.read(0, 1000)} == {b"%d" % n for n in range(200)}


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
