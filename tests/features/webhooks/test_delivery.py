"""Events are delivered at least once, in order and under the same id, whatever receivers and processes do."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whatsapp_mcp.features.webhooks.delivery import ATTEMPTS, LONGEST_PAUSE, Delivery
from whatsapp_mcp.features.webhooks.sender import Event, Failure
from whatsapp_mcp.features.webhooks.signing import event_id
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import Change
from whatsapp_mcp.server.feed import Batch
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMIT = 30.0


class Killed(Exception):
    """The process ends here."""


class HastyClock:
    """Whoever sleeps on it has slept at once."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds
        await anyio.lowlevel.checkpoint()

    def limit(self, seconds: float | None) -> anyio.CancelScope:
        return anyio.CancelScope()


@dataclass
class Story:
    """A feed of so many changes, events of them, and a receiver that behaves as it is told.

    Attributes:
        script: What each attempt comes to: `takes`, `refuses`, `away`; `dies` before it was posted, or
            `taken, dies`: the process ends before it has written down that it was taken. Then it takes all.
        hidden: The changes of which nothing is told.
    """

    count: int
    script: list[str] = field(default_factory=list[str])
    hidden: frozenset[int] = frozenset()
    refused_always: frozenset[int] = frozenset()
    batch: int = 3
    first: int = 1
    posted: list[str] = field(default_factory=list[str])
    taken: list[str] = field(default_factory=list[str])
    clock: HastyClock = field(default_factory=HastyClock)

    @property
    def changes(self) -> list[Change]:
        return [
            Change(seq, START, "message", message_id=f"M{seq}") for seq in range(self.first, self.count + 1)
        ]

    async def follow(self, after: int | None = None) -> AsyncGenerator[Batch]:
        assert after is not None
        kept = [change for change in self.changes if change.seq > after]
        if after + 1 < self.first:
            yield Batch((), self.first - 1, missed=True)
        for at in range(0, len(kept), self.batch):
            part = tuple(kept[at : at + self.batch])
            yield Batch(part, part[-1].seq)
        await anyio.sleep_forever()

    async def wanted(self, changes: Sequence[Change]) -> list[Change]:
        return list(changes)

    async def event(self, change: Change) -> Event | None:
        return None if change.seq in self.hidden else Event(event_id(change), f"{change.seq}".encode())

    async def find(self, seq: int) -> Change | None:
        return next((change for change in self.changes if change.seq == seq), None)

    def missed(self, after: int, seq: int) -> Event:
        return Event(f"missed_{after}_{seq}", b"")

    async def post(self, event: Event) -> Failure | None:
        does = self.script.pop(0) if self.script else "takes"
        if does == "dies":
            raise Killed
        self.posted.append(event.id)
        if does == "away":
            return Failure("It cannot be reached.")
        if does == "refuses" or (event.body and int(event.body) in self.refused_always):
            return Failure("It answered 500.", refused=True)
        self.taken.append(event.id)
        if does == "taken, dies":
            raise Killed
        return None

    async def deliver(self, ledger: Ledger, start: int = 0) -> None:
        """Processes follow one another until everything has been told or given up."""
        with anyio.fail_after(LIMIT):
            while not self.is_told(ledger):
                try:
                    await self.until(lambda: self.is_told(ledger), ledger, start)
                except* Killed:
                    pass  # the next process goes on

    def is_told(self, ledger: Ledger) -> bool:
        """Whether everything has been told or given up."""
        known = ledger.webhooks.progress("n8n")
        return known is not None and known.seq >= self.count

    async def until(self, met: Callable[[], object], ledger: Ledger, start: int = 0) -> None:
        """One process delivers until a condition is met."""
        delivery = Delivery("n8n", ledger.webhooks, self, self, self.post, self.clock, chance=lambda: 0.5)
        with anyio.fail_after(LIMIT):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(delivery.run, start)
                while not met():
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(AccountFolder("default", tmp_path))


def ids(story: Story) -> list[str]:
    """The ids of what is told, in order."""
    return [event_id(change) for change in story.changes if change.seq not in story.hidden]


ATTEMPT = st.sampled_from(["takes", "refuses", "away", "dies", "taken, dies"])


@given(
    count=st.integers(1, 12),
    script=st.lists(ATTEMPT, max_size=30),
    hidden=st.frozensets(st.integers(1, 12)),
    batch=st.integers(1, 5),
)
def test_every_event_comes_at_least_once_in_order_and_is_doubled_only_where_a_process_died(
    count: int, script: list[str], hidden: frozenset[int], batch: int
) -> None:
    story = Story(count, list(script), hidden, batch=batch)
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(AccountFolder("default", Path(folder)))
        anyio.run(story.deliver, ledger)
        failed = {event_id(Change(one.seq, START, "message", message_id=f"M{one.seq}"))
                  for one in ledger.webhooks.failed("n8n")}  # fmt: skip
        ledger.close()
    told = [one for one, _ in groupby(story.taken)]
    assert told == [one for one in ids(story) if one not in failed or one in told]
    assert {*told} | failed == {*ids(story)}
    assert len(story.taken) - len(told) <= script.count("taken, dies")


async def test_what_a_receiver_refuses_for_ever_is_kept_as_failed_and_holds_nothing_up(
    ledger: Ledger,
) -> None:
    story = Story(4, refused_always=frozenset({2}))
    await story.deliver(ledger)
    everything = ids(story)
    assert story.taken == [everything[0], *everything[2:]]
    assert story.posted.count(everything[1]) == ATTEMPTS
    [failed] = ledger.webhooks.failed("n8n")
    assert (failed.seq, failed.reason) == (2, "It answered 500.")


async def test_a_receiver_that_is_away_is_tried_until_it_is_back_and_nothing_is_given_up(
    ledger: Ledger,
) -> None:
    story = Story(2, ["away"] * (3 * ATTEMPTS))
    await story.deliver(ledger)
    assert story.taken == ids(story)
    assert ledger.webhooks.failed("n8n") == ()
    assert story.clock.passed > 10 * LONGEST_PAUSE


async def test_how_often_it_was_refused_outlasts_the_process(ledger: Ledger) -> None:
    story = Story(1, ["refuses", "dies"] * (ATTEMPTS - 1) + ["refuses"])
    await story.deliver(ledger)
    assert len(story.posted) == ATTEMPTS
    assert [one.seq for one in ledger.webhooks.failed("n8n")] == [1]


async def test_what_failed_is_delivered_again_when_a_person_asks_for_it(ledger: Ledger) -> None:
    story = Story(3, refused_always=frozenset({2}))
    await story.deliver(ledger)
    assert await ledger.webhooks.replay("n8n") == 1
    story.refused_always = frozenset()
    await story.until(lambda: not ledger.webhooks.failed("n8n"), ledger)
    assert story.taken[-1] == ids(story)[1]


async def test_what_fails_again_is_kept_until_it_is_asked_for_again(ledger: Ledger) -> None:
    story = Story(3, refused_always=frozenset({2}))
    await story.deliver(ledger)
    await ledger.webhooks.replay("n8n")
    attempts = len(story.posted)
    await story.until(lambda: not ledger.webhooks.failed("n8n", replay=True), ledger)
    assert len(story.posted) == attempts + 1
    assert [one.seq for one in ledger.webhooks.failed("n8n")] == [2]


async def test_a_webhook_that_is_new_begins_with_what_happens_from_now_on(ledger: Ledger) -> None:
    story = Story(5)
    await story.deliver(ledger, start=3)
    assert story.taken == ids(story)[3:]


async def test_it_is_told_what_was_missed_while_nobody_delivered(ledger: Ledger) -> None:
    await ledger.webhooks.begin("n8n", 2)
    story = Story(8, first=7)
    await story.deliver(ledger)
    assert story.taken == ["missed_2_6", *ids(story)]


async def test_that_changes_were_missed_is_told_again_under_its_former_id_when_a_person_asks_for_it(
    ledger: Ledger,
) -> None:
    await ledger.webhooks.begin("n8n", 2)
    story = Story(8, ["refuses"] * ATTEMPTS, first=7)
    await story.deliver(ledger)
    [failed] = ledger.webhooks.failed("n8n")
    assert (failed.missed_after, failed.seq) == (2, 6)
    assert story.taken == ids(story)

    await ledger.webhooks.replay("n8n")
    story.script = ["refuses"]
    await story.until(lambda: not ledger.webhooks.failed("n8n", replay=True), ledger)
    await ledger.webhooks.replay("n8n")
    await story.until(lambda: not ledger.webhooks.failed("n8n"), ledger)
    assert story.taken == [*ids(story), "missed_2_6"]


async def test_a_webhook_that_is_taken_out_of_the_settings_is_forgotten(ledger: Ledger) -> None:
    story = Story(3, refused_always=frozenset({2}))
    await story.deliver(ledger)
    await ledger.webhooks.begin("other", 1)
    await ledger.webhooks.forget(frozenset({"other"}))
    assert ledger.webhooks.progress("n8n") is None
    assert ledger.webhooks.failed("n8n") == ()
    assert ledger.webhooks.progress("other") is not None
