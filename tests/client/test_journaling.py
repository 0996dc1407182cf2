"""From the library's callback into the journal: never lost, never twice, told when stuck."""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.client import journaling
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.client.journaling import EventJournaling
from whatsapp_mcp.client.protocol import STUCK, UNSTUCK
from whatsapp_mcp.storage import EVENT_BYTES, TOO_LARGE


class FailingJournal(Journal):
    """Fails as often as it is told, then keeps what it is given."""

    def __init__(self, failures: int, error: sqlite3.Error | None = None) -> None:
        self.failures = failures
        self.error = error or sqlite3.OperationalError("database or disk is full")
        self.kept: list[tuple[int, int, bytes]] = []

    def append(self, generation: int, code: int, payload: bytes) -> int:
        if self.failures:
            self.failures -= 1
            raise self.error
        self.kept.append((generation, code, payload))
        return len(self.kept)


class Heard:
    """What was announced and told, and how long was slept."""

    def __init__(self) -> None:
        self.announced: list[tuple[int, int, bytes]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.slept: list[float] = []

    def intake(self, journal: Journal, sleep: Callable[[float], None] | None = None) -> EventJournaling:
        return EventJournaling(
            journal,
            3,
            lambda seq, code, payload: self.announced.append((seq, code, payload)),
            lambda method, params: self.told.append((method, params)),
            sleep or self.slept.append,
        )


def test_an_event_is_announced_once_it_is_kept() -> None:
    journal, heard = FailingJournal(0), Heard()
    heard.intake(journal).take(17, b"event")
    assert journal.kept == [(3, 17, b"event")]
    assert heard.announced == [(1, 17, b"event")]
    assert heard.told == []


@given(st.integers(1, 40))
def test_a_failing_journal_is_told_once_and_tried_until_it_works(failures: int) -> None:
    journal, heard = FailingJournal(failures), Heard()
    heard.intake(journal).take(17, b"event")
    assert journal.kept == [(3, 17, b"event")]
    assert [method for method, _ in heard.told] == [STUCK, UNSTUCK]
    assert heard.told[0][1] == {"error": "database or disk is full", "damaged": False}
    assert len(heard.slept) == failures
    assert heard.slept == sorted(heard.slept)
    assert max(heard.slept) <= 2.0


def test_a_damaged_journal_is_told_as_such() -> None:
    journal, heard = FailingJournal(1, sqlite3.DatabaseError("file is not a database")), Heard()
    heard.intake(journal).take(17, b"event")
    assert heard.told[0] == (STUCK, {"error": "file is not a database", "damaged": True})


def test_events_that_come_while_it_is_stuck_wait_their_turn() -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        waiting.set()
        assert go_on.wait(10)

    journal, heard = FailingJournal(1), Heard()
    intake = heard.intake(journal, sleep)
    first = threading.Thread(target=intake.take, args=(17, b"first"))
    second = threading.Thread(target=intake.take, args=(17, b"second"))
    first.start()
    assert waiting.wait(10)
    second.start()
    assert heard.announced == []
    go_on.set()
    first.join(10)
    second.join(10)
    assert [payload for _, _, payload in heard.announced] == [b"first", b"second"]


def test_a_journal_that_leaves_an_append_unanswered_is_told_once_and_again_when_it_answers() -> None:
    reached, answered = threading.Event(), threading.Event()
    now = 100.0

    class Silent(FailingJournal):
        def append(self, generation: int, code: int, payload: bytes) -> int:
            reached.set()
            assert answered.wait(30)
            return super().append(generation, code, payload)

    heard = Heard()
    intake = heard.intake(Silent(0))
    intake.monotonic = lambda: now
    thread = threading.Thread(target=intake.take, args=(17, b"event"))
    thread.start()
    assert reached.wait(30)
    for now in (100.0 + journaling.UNANSWERED / 2, 100.0 + journaling.UNANSWERED, 110.0):
        intake.check_stuck()
        assert len(heard.told) == (now > 100.5)
    assert heard.told == [(STUCK, {"error": "the database does not answer", "damaged": False})]
    answered.set()
    thread.join(30)
    now = 200.0
    intake.check_stuck()
    assert [method for method, _ in heard.told] == [STUCK, UNSTUCK]
    assert heard.announced == [(1, 17, b"event")]


def test_what_comes_a_moment_after_leaving_is_still_waited_for() -> None:
    heard, journal = Heard(), FailingJournal(0)

    def sleep(seconds: float) -> None:
        if not journal.kept:
            intake.take(1, b"late")
        time.sleep(seconds)

    intake = heard.intake(journal, sleep)
    intake._last -= 60  # pyright: ignore[reportPrivateUsage]
    intake.wait_quiet()
    assert journal.kept == [(3, 1, b"late")]


def test_events_that_go_on_coming_are_waited_for_no_longer_than_its_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journaling, "_PATIENCE", 0.3)
    heard, journal = Heard(), FailingJournal(0)

    def sleep(seconds: float) -> None:
        intake.take(1, b"one more")
        time.sleep(seconds)
        assert len(journal.kept) < 1000

    intake = heard.intake(journal, sleep)
    intake.wait_quiet()
    assert len(journal.kept) > 2


def test_an_event_that_no_leader_would_read_leaves_a_mark_and_does_not_block_those_behind_it() -> None:
    journal, heard = FailingJournal(0), Heard()
    intake = heard.intake(journal)
    intake.take(13, bytes(EVENT_BYTES + 1))
    intake.take(17, b"hello")
    assert journal.kept == [(3, TOO_LARGE, b""), (3, 17, b"hello")]
    assert heard.announced == [(1, TOO_LARGE, b""), (2, 17, b"hello")]
