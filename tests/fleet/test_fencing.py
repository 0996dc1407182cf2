"""Who leads may append; who has led may not, whatever it has under way."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fleet.led import ACCOUNT, LedAccount, patient, take_over
from tests.fleet.postgres import PostgresServer
from tests.properties import examples
from whatsapp_fleet.database import (
    PostgresJournal,
    Renewal,
    add_account,
    begin_run,
    connect,
    counter_of,
    end_run,
    lease_of,
    raise_epoch,
    release,
    renew,
)
from whatsapp_fleet.protocol import Lease, LeaseTimes, OwnLease
from whatsapp_mcp.storage import Fenced, JournalStore, Snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        yield account


def test_a_former_leader_appends_nothing(led: LedAccount) -> None:
    with led.journal() as stale:
        stale.append(1, 17, b"before")
        led.take_over()
        with pytest.raises(Fenced):
            stale.append(1, 17, b"after")
    with led.journal() as journal:
        assert [row.payload for row in journal.read(0, 10)] == [b"before"]


async def test_a_former_leader_adds_nothing_to_the_log(led: LedAccount) -> None:
    async with led.log() as stale:
        await stale.append([b"before"])
        led.take_over()
        with pytest.raises(Fenced):
            await stale.append([b"after"])
        with pytest.raises(Fenced):
            await stale.append([b"once more"])
    async with led.log() as log:
        assert [row.body for row in await log.read(0, 10)] == [b"before"]


def prune(journal: JournalStore) -> None:
    journal.prune(1)


def continue_after(journal: JournalStore) -> None:
    journal.continue_after(7)


def last_seq(journal: JournalStore) -> None:
    journal.last_seq()


@pytest.mark.parametrize("act", [prune, continue_after, last_seq])
def test_a_former_leader_changes_nothing_else_in_the_journal(
    led: LedAccount, act: Callable[[JournalStore], None]
) -> None:
    with led.journal() as stale:
        stale.append(1, 17, b"kept")
        led.take_over()
        with pytest.raises(Fenced):
            act(stale)
    with led.journal() as journal:
        assert (len(journal.read(0, 10)), journal.last_seq()) == (1, 1)


async def test_a_former_leader_prunes_nothing_of_the_log(led: LedAccount) -> None:
    async with led.log() as stale:
        await stale.append([b"kept"])
        led.take_over()
        with pytest.raises(Fenced):
            await stale.prune(1)
    async with led.log() as log:
        assert len(await log.read(0, 10)) == 1


async def test_a_former_leader_moves_no_pointer_and_deletes_no_snapshot(
    led: LedAccount, tmp_path: Path
) -> None:
    file = tmp_path / "snapshot"
    await anyio.Path(file).write_bytes(b"kept")
    old, counts = Snapshot(1, "aa", 1), Snapshot(2, "bb", 1)
    async with led.snapshots() as stale:
        await stale.put(old, file)
        await stale.put(counts, file)
        await stale.point_to(counts)
        led.take_over()
        await stale.keep_from(2)
        with pytest.raises(Fenced):
            await stale.point_to(old)
    async with led.snapshots() as snapshots:
        assert await snapshots.newest() == counts
    assert led.session.execute("SELECT count(*) FROM whatsapp_mcp.snapshots").fetchone() == (2,)


async def test_rows_tell_the_epoch_that_wrote_them(led: LedAccount) -> None:
    async with led.log() as log:
        await log.append([b"first"])
    led.take_over()
    async with led.log() as log:
        await log.append([b"second"])
        assert [row.epoch for row in await log.read(0, 10)] == [1, 2]


def test_a_takeover_waits_for_an_append_under_way_and_fences_the_next(led: LedAccount) -> None:
    with led.session.transaction(), ThreadPoolExecutor(1) as pool, led.journal() as stale:
        # As the takeover does: the heads are locked, the new epoch is not committed yet.
        led.session.execute("UPDATE whatsapp_mcp.heads SET epoch = epoch + 1 WHERE stream = 'journal'")
        append = pool.submit(stale.append, 1, 17, b"under way")
        while not led.session.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchall():
            assert not append.done()
        led.session.execute("COMMIT")
        assert isinstance(append.exception(30), Fenced)
        led.session.execute("BEGIN")


def test_writers_of_one_epoch_never_give_the_same_stamp(led: LedAccount) -> None:
    with led.journal() as first, led.journal() as second:
        for _ in range(3):
            first.append(1, 17, b"first")
            second.append(2, 17, b"second")
    stamps = led.session.execute("SELECT epoch, n FROM whatsapp_mcp.journal").fetchall()
    assert len(set(stamps)) == 6


def test_accounts_are_numbered_and_fenced_by_themselves(led: LedAccount) -> None:
    add_account(led.session, "home")
    epoch = take_over(led.session, "home")
    take_over(led.session, "home")
    with led.journal() as mine, PostgresJournal(patient(led.database.url), "home", epoch + 1) as other:
        assert (mine.append(1, 17, b"mine"), other.append(1, 17, b"other")) == (1, 1)
        assert [row.payload for row in mine.read(0, 10)] == [b"mine"]


@given(acts=st.lists(st.sampled_from(["append", "take over", "stale"]), max_size=12))
@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_appends_when_the_numbers_have_no_gaps_and_no_epoch_falls(
    postgres: PostgresServer, acts: list[str]
) -> None:
    kept = list[bytes]()
    with LedAccount(shared(postgres)) as led, ExitStack() as stack:
        former = now = stack.enter_context(led.journal())
        base = now.last_seq()
        for number, act in enumerate(acts):
            body = b"%d" % number
            if act == "take over":
                led.take_over()
                former, now = now, stack.enter_context(led.journal())
            elif act == "append":
                now.append(1, 17, body)
                kept.append(body)
            elif former is not now:
                with pytest.raises(Fenced):
                    former.append(1, 17, body)
        rows = now.read(base, 100)
        epochs = led.session.execute("SELECT epoch FROM whatsapp_mcp.journal ORDER BY seq").fetchall()
    assert [row.payload for row in rows] == kept
    assert [row.seq for row in rows] == list(range(base + 1, base + len(kept) + 1))
    assert epochs == sorted(epochs)


def shared(postgres: PostgresServer) -> str:
    """One database for all examples: making one takes longer than an example."""
    if postgres.query("SELECT count(*) FROM pg_database WHERE datname = 'examples'") == "0":
        postgres.query("CREATE DATABASE examples")
    return postgres.url("examples")


def test_one_of_two_challengers_becomes_the_leader(led: LedAccount) -> None:
    seen = lease_of(led.session, ACCOUNT)
    assert seen is not None
    assert seen.run is not None
    end_run(led.session, seen.run)

    def challenge(run: str) -> Lease | None:
        with connect(led.database) as session:
            begin_run(session, run, "node", 1)
            return raise_epoch(session, ACCOUNT, seen, run)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(challenge, ["a", "b", "c", "d"]))
    [winner] = [lease for lease in answers if lease is not None]
    assert lease_of(led.session, ACCOUNT) == winner
    assert winner.epoch == seen.epoch + 1


def test_a_leader_whose_run_has_not_ended_keeps_its_account(led: LedAccount) -> None:
    seen = lease_of(led.session, ACCOUNT)
    assert seen is not None
    begin_run(led.session, "challenger", "node", 1)
    assert raise_epoch(led.session, ACCOUNT, seen, "challenger") is None
    assert lease_of(led.session, ACCOUNT) == seen


def test_raising_the_epoch_again_after_a_lost_answer_changes_nothing(led: LedAccount) -> None:
    lease = lease_of(led.session, ACCOUNT)
    assert lease is not None
    assert lease.run is not None
    with led.journal() as journal:
        journal.append(1, 17, b"by the new leader")
        assert raise_epoch(led.session, ACCOUNT, Lease(None, lease.epoch - 1), lease.run) == lease
        assert journal.append(1, 17, b"and another") == 2


def asked(attempt: int, confirmed: int = 0) -> OwnLease:
    """A lease with this attempt under way."""
    return OwnLease(LeaseTimes(), attempt, confirmed)


def test_a_run_that_renews_cannot_be_ended_by_who_saw_an_older_counter(led: LedAccount) -> None:
    begin_run(led.session, "mine", "node", 1)
    seen = counter_of(led.session, "mine")
    assert renew(led.session, "mine", asked(1)) is Renewal.CONFIRMED
    assert not end_run(led.session, "mine", seen)
    assert renew(led.session, "mine", asked(2, confirmed=1)) is Renewal.CONFIRMED
    assert counter_of(led.session, "mine") == 2


def test_a_run_that_was_ended_stays_ended(led: LedAccount) -> None:
    begin_run(led.session, "mine", "node", 1)
    assert end_run(led.session, "mine", counter_of(led.session, "mine"))
    begin_run(led.session, "mine", "node", 1)
    assert renew(led.session, "mine", asked(1)) is Renewal.LOST
    assert counter_of(led.session, "mine") is None


def test_a_run_whose_counter_has_gone_back_finds_its_database_rewound(led: LedAccount) -> None:
    begin_run(led.session, "mine", "node", 1)
    assert renew(led.session, "mine", asked(1)) is Renewal.CONFIRMED
    led.session.execute("UPDATE whatsapp_mcp.runs SET counter = 0 WHERE run = 'mine'")
    assert renew(led.session, "mine", asked(3, confirmed=1)) is Renewal.REWOUND
    assert counter_of(led.session, "mine") == 0


def test_a_run_that_is_gone_finds_its_database_rewound(led: LedAccount) -> None:
    assert renew(led.session, "mine", asked(1)) is Renewal.REWOUND


def test_an_attempt_whose_answer_was_lost_changes_nothing_when_it_is_executed_late(led: LedAccount) -> None:
    begin_run(led.session, "mine", "node", 1)
    assert renew(led.session, "mine", asked(2)) is Renewal.CONFIRMED
    renew(led.session, "mine", asked(1))
    assert renew(led.session, "mine", asked(3, confirmed=2)) is Renewal.CONFIRMED


def test_an_account_that_was_given_up_can_be_taken_at_once(led: LedAccount) -> None:
    lease = lease_of(led.session, ACCOUNT)
    assert lease is not None
    assert release(led.session, ACCOUNT, lease)
    begin_run(led.session, "next", "node", 1)
    assert raise_epoch(led.session, ACCOUNT, Lease(None, lease.epoch), "next") == ("next", lease.epoch + 1)
    assert not release(led.session, ACCOUNT, lease)
