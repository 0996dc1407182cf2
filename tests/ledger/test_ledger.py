"""What was handed out is remembered, and what was asked is decided once."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import Busy, Denied, InvalidArgument, RateLimited
from whatsapp_mcp.ledger import Exposure, Incoming, Ledger, Question, Taint, open_ledger
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import ApprovalState, Caller, HandOnState
from whatsapp_mcp.settings import AccountFolder, Settings

pytestmark = pytest.mark.anyio
AGENT = Caller("stdio:agent", "agent", "send_message")
QUESTION = Question(("Send “hello” to Eve",), "not known", "digest-1", "send", {"request": {"text": "hello"}})


@dataclass
class Hand:
    """A clock that a test moves."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    return AccountFolder("default", tmp_path)


@pytest.fixture
async def ledger(folder: AccountFolder, clock: Hand) -> AsyncIterator[Ledger]:
    async with open_ledger(folder, clock) as opened:
        yield opened


@for_each("digests", [("digest-1", "digest-2"), ("digest-2", "digest-1")])
async def test_of_two_yeses_to_a_send_in_the_same_second_the_later_question_counts(
    ledger: Ledger, clock: Hand, digests: tuple[str, str]
) -> None:
    for digest in digests:
        held = await ledger.approvals.hold(replace(QUESTION, digest=digest), AGENT, clock())
        await ledger.approvals.note_send(held.approval.id, int(digests[0][-1]))
        await ledger.approvals.decide(held.approval.id, True, "page", clock())
        await ledger.approvals.use(held.approval.id)
    released = ledger.approvals.released(int(digests[0][-1]))
    assert released is not None
    assert released.digest == digests[1]


async def test_words_taint_their_principal_alone_for_a_day_after_its_last_call(
    ledger: Ledger, clock: Hand
) -> None:
    await ledger.expose("stdio:a", Exposure.STRANGER)
    assert (await ledger.taint("stdio:b")).sources == frozenset()
    for _ in range(3):
        clock.move(hours=23)
        assert (await ledger.taint("stdio:a")).counts("standard")
    clock.move(hours=24, minutes=1)
    assert not (await ledger.taint("stdio:a")).counts("standard")


async def test_a_contacts_words_taint_in_lockdown_alone(ledger: Ledger) -> None:
    await ledger.expose("stdio:a", Exposure.CONTACT)
    taint = await ledger.taint("stdio:a")
    assert taint.counts("lockdown")
    assert not taint.counts("standard")


async def test_every_server_of_the_account_knows_at_once_what_one_handed_out_or_a_person_cleared(
    ledger: Ledger, folder: AccountFolder, clock: Hand
) -> None:
    async with open_ledger(folder, clock) as other:
        await ledger.expose("token:x", Exposure.STRANGER)
        assert (await other.taint("token:x")).sources
        await other.clear("token:x")
        assert not (await ledger.taint("token:x")).sources
        await ledger.expose("token:x", Exposure.STRANGER)
        assert other.tainted() == {"token:x": {Exposure.STRANGER}}
        await other.clear()
        assert ledger.tainted() == {}


async def test_what_cannot_be_written_down_must_not_leave(ledger: Ledger, folder: AccountFolder) -> None:
    blocker = sqlite3.connect(folder.ledger_db)
    blocker.execute("PRAGMA user_version")
    (folder.path / "ledger.db").chmod(0o600)
    blocker.execute("DROP TABLE exposures")
    with pytest.raises(Busy):
        await ledger.expose("stdio:a", Exposure.STRANGER)
    blocker.close()


async def test_a_yes_is_used_once(ledger: Ledger, clock: Hand) -> None:
    approvals = ledger.approvals
    held = await approvals.hold(QUESTION, AGENT, clock())
    assert held.approval.state is ApprovalState.OPEN
    assert not await approvals.use(held.approval.id)
    await approvals.decide(held.approval.id, True, "terminal", clock())
    assert await approvals.use(held.approval.id)
    assert not await approvals.use(held.approval.id)
    kept = approvals.get(held.approval.id)
    assert (kept.approval.state, kept.arguments, kept.approval.question) == (ApprovalState.USED, None, ())


async def test_the_first_decision_is_final(ledger: Ledger, clock: Hand) -> None:
    approvals = ledger.approvals
    number = (await approvals.hold(QUESTION, AGENT, clock())).approval.id
    await approvals.decide(number, False, "phone", clock())
    with pytest.raises(InvalidArgument, match="denied"):
        await approvals.decide(number, True, "terminal", clock())
    assert not await approvals.use(number)


async def test_two_decisions_at_once_leave_one(ledger: Ledger, folder: AccountFolder, clock: Hand) -> None:
    number = (await ledger.approvals.hold(QUESTION, AGENT, clock())).approval.id
    outcomes: list[bool] = []

    async def decide(one: Ledger, approved: bool) -> None:
        try:
            await one.approvals.decide(number, approved, "page", clock())
            outcomes.append(approved)
        except InvalidArgument:
            pass

    async with AsyncExitStack() as stack, anyio.create_task_group() as tasks:
        for approved in (True, False) * 4:
            one = await stack.enter_async_context(open_ledger(folder, clock))
            tasks.start_soon(decide, one, approved)
        await anyio.lowlevel.checkpoint()
        while len(outcomes) < 1:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert len(outcomes) == 1
    state = ledger.approvals.get(number).approval.state
    assert state is (ApprovalState.APPROVED if outcomes[0] else ApprovalState.DENIED)


async def test_the_same_act_of_the_same_principal_waits_as_one_question(ledger: Ledger, clock: Hand) -> None:
    approvals = ledger.approvals
    first = await approvals.hold(QUESTION, AGENT, clock())
    assert (await approvals.hold(QUESTION, AGENT, clock())).approval.id == first.approval.id
    other = await approvals.hold(QUESTION, replace(AGENT, principal="token:x"), clock())
    assert other.approval.id != first.approval.id
    assert approvals.found("digest-1", "stdio:agent", clock()) == first
    assert approvals.found("digest-2", "stdio:agent", clock()) is None


async def test_after_a_no_the_same_act_is_refused_for_an_hour(ledger: Ledger, clock: Hand) -> None:
    approvals = ledger.approvals
    number = (await approvals.hold(QUESTION, AGENT, clock())).approval.id
    await approvals.decide(number, False, "phone", clock())
    clock.move(minutes=59)
    with pytest.raises(Denied, match="said no") as refused:
        await approvals.hold(QUESTION, AGENT, clock())
    assert refused.value.retry_after == 60
    await approvals.hold(replace(QUESTION, digest="digest-2"), AGENT, clock())
    clock.move(minutes=1)
    await approvals.hold(QUESTION, AGENT, clock())


async def test_three_questions_may_wait_and_an_hour_ends_them(ledger: Ledger, clock: Hand) -> None:
    approvals = ledger.approvals
    held = [await approvals.hold(replace(QUESTION, digest=str(n)), AGENT, clock()) for n in range(3)]
    with pytest.raises(RateLimited, match="3 questions"):
        await approvals.hold(QUESTION, AGENT, clock())
    assert approvals.open(clock()) == tuple(sorted(held, key=lambda one: one.approval.id))
    clock.move(hours=1)
    with pytest.raises(InvalidArgument, match="expired"):
        await approvals.decide(held[0].approval.id, True, "phone", clock())
    await approvals.hold(QUESTION, AGENT, clock())


async def test_as_many_questions_as_one_may_ask_keep_no_other_from_asking(
    ledger: Ledger, clock: Hand
) -> None:
    for number in range(3):
        await ledger.approvals.hold(replace(QUESTION, digest=str(number)), AGENT, clock())
    held = await ledger.approvals.hold(QUESTION, replace(AGENT, principal="stdio:another"), clock())
    assert held.approval.state is ApprovalState.OPEN


async def test_what_is_over_is_told_by_expire_alone_whatever_was_asked_before(
    ledger: Ledger, clock: Hand
) -> None:
    approvals = ledger.approvals
    over = await approvals.hold(QUESTION, AGENT, clock())
    clock.move(hours=1)
    again = await approvals.hold(QUESTION, AGENT, clock())
    with pytest.raises(InvalidArgument, match="expired"):
        await approvals.decide(over.approval.id, True, "phone", clock())
    (ended,) = await approvals.expire(clock())
    assert (ended.approval.id, ended.approval.state) == (over.approval.id, ApprovalState.EXPIRED)
    assert again.approval.id != over.approval.id


async def test_a_yes_expires_too(ledger: Ledger, clock: Hand) -> None:
    number = (await ledger.approvals.hold(QUESTION, AGENT, clock())).approval.id
    await ledger.approvals.decide(number, True, "phone", clock())
    await ledger.approvals.expire(clock.move(hours=1))
    assert not await ledger.approvals.use(number)


@pytest.mark.parametrize("column", ["digest", "principal", "expires_at"])
async def test_a_row_that_this_program_did_not_write_is_no_approval(
    ledger: Ledger, folder: AccountFolder, clock: Hand, column: str
) -> None:
    number = (await ledger.approvals.hold(QUESTION, AGENT, clock())).approval.id
    await ledger.approvals.decide(number, True, "phone", clock())
    with sqlite3.connect(folder.ledger_db) as db:
        db.execute(f"UPDATE approvals SET {column} = 4000000000 WHERE id = ?", (number,))
    db.close()
    assert not await ledger.approvals.use(number)


async def test_the_words_of_a_decided_question_leave_the_file(
    ledger: Ledger, folder: AccountFolder, clock: Hand
) -> None:
    number = (await ledger.approvals.hold(QUESTION, AGENT, clock())).approval.id
    await ledger.approvals.decide(number, False, "phone", clock())
    with sqlite3.connect(folder.ledger_db) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    assert b"hello" not in folder.ledger_db.read_bytes()


async def test_what_an_agent_gets_or_says_is_on_the_disk_before_it_does(ledger: Ledger, clock: Hand) -> None:
    await ledger.handed_on.add(1, [Incoming("ann", "command", 1, True)], clock())
    writer: sqlite3.Connection = vars(vars(ledger)["_file"])["_writer"]
    done: list[str] = []
    writer.set_trace_callback(done.append)
    (found,) = ledger.handed_on.open()
    assert await ledger.handed_on.move(found, HandOnState.TAKEN, clock(), is_try=True)
    writer.set_trace_callback(None)
    kinds = [" ".join(each.split()[:2]) for each in done]
    assert kinds == [
        "PRAGMA synchronous",
        "BEGIN IMMEDIATE",
        "UPDATE handed_on",
        "COMMIT",
        "PRAGMA synchronous",
    ]
    assert done[0].endswith("FULL")


async def test_texts_of_tainted_calls_are_known_to_every_server(
    ledger: Ledger, folder: AccountFolder, clock: Hand
) -> None:
    async with open_ledger(folder, clock) as other:
        assert other.tainted_words.taint("Meet at nine") == Taint()
        await ledger.tainted_words.add(["Meet at nine"], Taint(frozenset({Exposure.STRANGER})))
        await ledger.tainted_words.add(["Meet at ten"], Taint())
        assert other.tainted_words.taint("Meet at nine ").sources == {Exposure.STRANGER}
        assert other.tainted_words.taint("Meet at ten") == Taint()


async def test_a_purge_drops_what_agents_have_open_of_its_chat_and_time_alone(
    ledger: Ledger, clock: Hand
) -> None:
    record = ledger.handed_on

    async def going_out(seq: int, chat: str) -> int:
        await record.add(seq, [Incoming(chat, "command", seq, is_order=True)], clock())
        (found,) = record.latest(chat, 1)
        assert await record.move(found, HandOnState.ANSWERING, clock(), parts=["yes"])
        return found.id

    old = await going_out(1, "ann")
    before = clock.move(hours=1)
    ann, bob = await going_out(2, "ann"), await going_out(3, "bob")
    await ledger.purge(before)
    assert [each.id for each in record.open()] == [ann, bob]
    assert (dropped := record.get(old)) is not None
    assert (dropped.state, dropped.parts) == (HandOnState.DROPPED, ())
    await ledger.purge(chats={"ann", "ann@lid"})
    assert [each.id for each in record.open()] == [bob]
    await ledger.purge()
    assert record.open() == []


async def test_the_file_is_private(ledger: Ledger, folder: AccountFolder) -> None:
    assert (folder.ledger_db.stat().st_mode & 0o777, folder.approval_key.stat().st_mode & 0o777) == (
        0o600,
        0o600,
    )


async def test_no_two_strangers_wait_with_the_same_code(tmp_path: Path) -> None:
    codes = iter(["111111", "111111", "222222"])
    folder = Settings(home=tmp_path).account_folder()
    folder.create()
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    async with open_ledger(folder) as ledger:
        given = [await ledger.pairings.ask(chat, lambda: next(codes), now) for chat in ("1@lid", "2@lid")]
    assert [each.code for each in given if each is not None] == ["111111", "222222"]


async def test_numbers_that_use_up_codes_keep_others_out_for_minutes_alone(
    ledger: Ledger, clock: Hand
) -> None:
    codes = itertools.count(100_000)

    async def is_told(chat: str) -> bool:
        return await ledger.pairings.ask(chat, lambda: str(next(codes)), clock()) is not None

    assert [await is_told(f"{n}@lid") for n in range(6)] == [True] * 5 + [False]
    clock.move(minutes=11)
    assert await is_told("5@lid")
    assert len(ledger.pairings.all(clock())) == 6  # those before are valid for their hour


async def test_a_burst_is_handed_on_whole_in_as_many_parts_as_it_takes(ledger: Ledger, clock: Hand) -> None:
    burst = [Incoming("1@lid", "command", ref, True) for ref in range(1, 121)]
    await ledger.handed_on.add(1, burst, clock())
    refs = [found.refs for found in ledger.handed_on.open()]
    assert [len(each) for each in refs] == [50, 50, 20]
    assert [ref for each in refs for ref in each] == list(range(1, 121))


async def test_the_file_is_closed_after_the_query_that_runs_in_another_thread(tmp_path: Path) -> None:
    file = LedgerFile(tmp_path / "ledger.db")
    closing_may_begin, closed_early = threading.Event(), threading.Event()

    def close() -> None:
        closing_may_begin.wait(10)
        file.close()
        closed_early.set()

    def query(db: sqlite3.Connection) -> bool:
        closing_may_begin.set()
        return closed_early.wait(0.2) or not db.execute("SELECT 1").fetchone()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.to_thread.run_sync, close)
        assert not await anyio.to_thread.run_sync(file.read, query)
    with pytest.raises(Busy):
        file.read(lambda db: db.execute("SELECT 1").fetchone())
