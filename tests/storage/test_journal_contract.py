"""What every journal does: a file here, and one that the fleet has."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.storage import JournalStore

Opens = Callable[[], JournalStore]


@pytest.fixture
def opens(tmp_path: Path) -> Iterator[Opens]:
    """Opens the same journal each time."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Journal(tmp_path / "inbox.db"))


@pytest.fixture
def journal(opens: Opens) -> JournalStore:
    return opens()


def test_events_come_back_as_they_were_in_order(journal: JournalStore) -> None:
    payloads = [b"", b"\x00\xff", b"x" * 1_000_000]
    seqs = [journal.append(7, code, payload) for code, payload in enumerate(payloads)]
    events = journal.read(0, 10)
    assert [(event.seq, event.generation, event.code, event.payload) for event in events] == [
        (seq, 7, code, payload) for code, (seq, payload) in enumerate(zip(seqs, payloads, strict=True))
    ]
    assert seqs == sorted(set(seqs))


def test_reading_goes_on_after_a_position(journal: JournalStore) -> None:
    seqs = [journal.append(1, 17, b"%d" % n) for n in range(10)]
    assert [event.seq for event in journal.read(seqs[3], 4)] == seqs[4:8]
    assert journal.read(seqs[-1], 4) == []


def test_reading_stops_after_the_event_that_makes_it_too_much(journal: JournalStore) -> None:
    seqs = [journal.append(1, 17, b"x" * 100) for _ in range(5)]
    assert [event.seq for event in journal.read(0, 10, 250)] == seqs[:3]
    assert [event.seq for event in journal.read(seqs[2], 10, 1)] == seqs[3:4]


def test_a_seq_is_never_used_again_after_pruning(opens: Opens) -> None:
    first = opens()
    last = [first.append(1, 17, b"") for _ in range(3)][-1]
    assert first.prune(last) == 3
    assert first.last_seq() == last
    first.close()
    second = opens()
    assert second.last_seq() == last
    assert second.append(2, 17, b"") > last


def test_pruning_keeps_what_came_later(journal: JournalStore) -> None:
    seqs = [journal.append(1, 17, b"") for _ in range(5)]
    journal.prune(seqs[2])
    assert [event.seq for event in journal.read(0, 10)] == seqs[3:]


@given(positions=st.lists(st.integers(0, 50), max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbering_goes_on_above_every_position_it_was_told(opens: Opens, positions: list[int]) -> None:
    journal = opens()
    base = journal.last_seq()
    for position in positions:
        before = journal.last_seq()
        journal.continue_after(base + position)
        assert journal.append(1, 17, b"") == max(before, base + position) + 1
    journal.close()


def test_a_reader_sees_what_another_connection_has_committed(opens: Opens) -> None:
    reader, writer = opens(), opens()
    seq = writer.append(1, 17, b"new")
    assert [event.seq for event in reader.read(0, 10)] == [seq]
    reader.prune(seq)
    assert writer.read(0, 10) == []


def test_several_threads_append_at_once_without_a_loss(journal: JournalStore) -> None:
    def append(number: int) -> int:
        return journal.append(1, 17, b"%d" % number)

    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(append, range(100)))
    assert sorted(seqs) == [event.seq for event in journal.read(0, 1000)]
    assert {event.payload for event in journal.read(0, 1000)} == {b"%d" % n for n in range(100)}
