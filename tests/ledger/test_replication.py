"""A ledger that is made of a log: the next leader, on another machine, has all that was written."""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.archive.recorded import path_of
from tests.ledger.statement_logs import MemoryStatements
from tests.properties import examples
from whatsapp_mcp import ledger as ledger_room
from whatsapp_mcp.errors import Busy, WhatsAppError
from whatsapp_mcp.ledger import (
    AuditEntry,
    Exposure,
    FailedDelivery,
    Incoming,
    Ledger,
    PhoneMessage,
    Question,
    Taint,
    begin_log,
    dump_ledger,
    follow_ledger,
    open_ledger,
    restore_ledger,
    set_aside,
)
from whatsapp_mcp.ledger.database import LedgerFile
from whatsapp_mcp.models import Caller, HandOnState
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import (
    Fenced,
    LedgerStorage,
    PrivateFile,
    Refused,
    Rewound,
    StorageError,
    Unavailable,
)

pytestmark = pytest.mark.anyio
AGENT = Caller("stdio:agent", "agent", "send_message")
SEND = AuditEntry(AGENT, "send", ("15550001111@s.whatsapp.net",), is_counted=True)
QUESTION = Question(("Send “purplemonkey” to Eve",), "not known", "digest", "send", {"text": "purplemonkey"})
START = datetime(2026, 11, 24, 12, tzinfo=UTC)


@dataclass
class Nodes:
    """Machines that lead one account in turn.

    Attributes:
        path: Below it each has a folder.
        log: What they share, with `key`.
        now: The wall clock of all.
    """

    path: Path
    log: MemoryStatements = field(default_factory=MemoryStatements)
    now: datetime = START
    epochs: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def folder(self, node: str) -> AccountFolder:
        path = self.path / node
        path.mkdir(exist_ok=True)
        return AccountFolder("work", path)

    def storage(self) -> LedgerStorage:
        return LedgerStorage(self.log.led_by(next(self.epochs)), PrivateFile(self.path / "shared.key"))

    def leading(self, node: str) -> AbstractAsyncContextManager[Ledger]:
        return open_ledger(self.folder(node), lambda: self.now, self.storage())

    @asynccontextmanager
    async def killed(self, node: str) -> AsyncIterator[Ledger]:
        """A leader whose readings that wait are never written."""
        async with self.leading(node) as ledger:
            yield ledger
            self.log.led_by(next(self.epochs))

    def dumped(self, node: str) -> bytes:
        return dump_ledger(self.folder(node))

    def digest(self, node: str) -> str:
        return hashlib.sha256(self.dumped(node)).hexdigest()


@pytest.fixture
def nodes(tmp_path: Path) -> Nodes:
    return Nodes(tmp_path)


async def _approve(ledger: Ledger, now: datetime, number: int) -> None:
    question = Question(("x",), "y", f"digest {number}", "send", {"bytes": number})
    with suppress(WhatsAppError):  # three are open, or it was denied
        held = await ledger.approvals.hold(question, AGENT, now)
        await ledger.approvals.note_send(held.approval.id, number)
        await ledger.approvals.decide(held.approval.id, number % 3 != 0, "terminal", now)
        if number % 2:
            await ledger.approvals.use(held.approval.id)


async def _audit(ledger: Ledger, now: datetime, number: int) -> None:
    act = await ledger.audit.begin(SEND, text=f"text {number}", keep_text=bool(number % 2))
    ledger.audit.end(act, SEND)
    await ledger.audit.flush()


async def _hand_on(ledger: Ledger, now: datetime, number: int) -> None:
    seq = (ledger.handed_on.up_to() or 0) + 1
    await ledger.handed_on.add(seq, [Incoming(f"chat {number % 2}", "channel", number, True)], now)
    for found in ledger.handed_on.open()[:1]:
        await ledger.handed_on.move(found, HandOnState.ANSWERED, now, cost=0.1)
    await ledger.handed_on.note_phone([PhoneMessage(f"M{number}", "words")], now)


async def _webhook(ledger: Ledger, now: datetime, number: int) -> None:
    await ledger.webhooks.begin("hook", number)
    await ledger.webhooks.give_up(FailedDelivery("hook", number, now, "refused"))
    await ledger.webhooks.advance("hook", number + 1, now)


async def _pair(ledger: Ledger, now: datetime, number: int) -> None:
    await ledger.pairings.ask(f"chat {number}", lambda: f"code {number}", now)


async def _expose(ledger: Ledger, now: datetime, number: int) -> None:
    await ledger.expose(f"token {number % 3}", Exposure.STRANGER)
    await ledger.tainted_words.add([f"topic {number}"], Taint(frozenset({Exposure.STRANGER})))


async def _pause(ledger: Ledger, now: datetime, number: int) -> None:
    await ledger.pauses.timelocked(now)


WRITES: list[Callable[[Ledger, datetime, int], Awaitable[None]]] = [
    _approve, _audit, _hand_on, _webhook, _pair, _expose, _pause,
]  # fmt: skip


async def everything(ledger: Ledger, now: datetime) -> None:
    for number, write in enumerate(WRITES * 2):
        await write(ledger, now, number)


async def test_a_leader_on_another_machine_has_approvals_budgets_audit_exposures_and_pauses(
    nodes: Nodes,
) -> None:
    async with nodes.killed("a") as former:
        held = await former.approvals.hold(QUESTION, AGENT, nodes.now)
        await former.approvals.decide(held.approval.id, True, "terminal", nodes.now)
        await former.audit.begin(SEND, text="purplemonkey", keep_text=True)
        await former.expose("token", Exposure.STRANGER)
        until = await former.pauses.timelocked(nodes.now)
        past = former.audit.past()
    async with nodes.leading("b") as ledger:
        (approved,) = ledger.approvals.approved()
        assert await ledger.approvals.use(approved.approval.id)
        assert ledger.audit.past() == past
        assert ledger.audit.verify() == []
        assert (await ledger.taint("token")).counts("standard")
        assert ledger.pauses.now().timelocked_until == until
        await ledger.audit.begin(SEND)
        assert ledger.audit.verify() == []


async def test_every_table_is_the_same_on_a_machine_that_applies_the_log(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await everything(ledger, nodes.now)
    async with nodes.leading("b"):
        pass
    assert nodes.digest("b") == nodes.digest("a")


async def test_every_table_is_the_same_on_a_machine_that_begins_with_a_snapshot(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await everything(ledger, nodes.now)
        await ledger.purge(before=nodes.now)  # makes a snapshot
        await everything(ledger, nodes.now + timedelta(minutes=1))
    async with nodes.leading("b"):
        pass
    assert nodes.digest("b") == nodes.digest("a")
    assert min(nodes.log.rows) > 1


async def test_a_machine_that_led_before_applies_what_it_lacks(nodes: Nodes) -> None:
    for node in ("a", "b", "a", "b"):
        nodes.now += timedelta(minutes=2)
        async with nodes.leading(node) as ledger:
            await everything(ledger, nodes.now)
            assert ledger.audit.verify() == []
    async with nodes.leading("a"):
        pass
    assert nodes.digest("a") == nodes.digest("b")


async def test_what_a_change_writes_is_in_the_log_before_it_is_here(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        nodes.log.failure = lambda when: Unavailable("It does not answer.") if when == "before" else None
        with pytest.raises(Busy):
            await ledger.audit.begin(SEND)
        assert ledger.audit.rows() == []


async def test_what_is_in_the_log_and_was_not_committed_here_is_applied_when_it_is_opened_again(
    nodes: Nodes,
) -> None:
    async with nodes.leading("a") as ledger:
        nodes.log.failure = lambda when: Unavailable("It does not answer.") if when == "after" else None
        with pytest.raises(Busy):
            await ledger.audit.begin(SEND)
        assert ledger.audit.rows() == []
    nodes.log.failure = lambda when: None
    async with nodes.leading("a") as ledger:
        assert [row.entry.outcome for row in ledger.audit.rows()] == ["begun"]


async def test_what_a_check_refuses_is_not_in_the_log(nodes: Nodes) -> None:
    def refuse(*_: object) -> None:
        raise Busy("No.", "Wait.")

    async with nodes.leading("a") as ledger:
        with pytest.raises(Busy, match="No"):
            await ledger.audit.begin(SEND, check=refuse)
    assert nodes.log.rows == {}


async def test_a_former_leader_writes_nothing_and_is_told_that_it_has_ended(nodes: Nodes) -> None:
    async with nodes.leading("a") as former:
        await former.audit.begin(SEND)
        async with nodes.leading("b") as following:
            with pytest.raises(Busy):
                await former.audit.begin(SEND)
            with anyio.fail_after(30):
                assert isinstance(await former.wait_ended(), Fenced)
            await following.audit.begin(SEND)
        assert len(former.audit.rows()) == 1
    async with nodes.leading("a") as again:
        assert len(again.audit.rows()) == 2
        assert again.audit.verify() == []


async def test_the_file_of_another_log_is_set_aside_and_made_again(nodes: Nodes) -> None:
    async with open_ledger(nodes.folder("a")) as alone:
        await alone.audit.begin(SEND)
    async with nodes.leading("a") as ledger:
        assert ledger.audit.rows() == []
    assert (nodes.folder("a").path / "ledger.db.damaged").exists()


async def test_an_empty_file_is_no_difference(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND)
    async with open_ledger(nodes.folder("b")):
        pass
    async with nodes.leading("b") as ledger:
        assert len(ledger.audit.rows()) == 1
    assert not (nodes.folder("b").path / "ledger.db.damaged").exists()


async def test_a_damaged_file_is_set_aside_and_made_again(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND)
    nodes.folder("a").ledger_db.write_bytes(b"no database" * 1_000)
    async with nodes.leading("a") as ledger:
        assert len(ledger.audit.rows()) == 1


async def restored_under(nodes: Nodes) -> Nodes:
    """A log as it was restored, which has something else than the ledger of `a`."""
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND)
    restored = Nodes(nodes.path)
    async with restored.leading("b") as ledger:
        await ledger.expose("token", Exposure.STRANGER)
    return restored


async def test_a_leader_whose_ledger_is_not_of_its_log_ends_each_time_until_the_file_is_set_aside(
    nodes: Nodes,
) -> None:
    restored = await restored_under(nodes)
    for _ in range(2):
        with pytest.raises(Rewound):
            async with restored.leading("a"):
                pass
    set_aside(nodes.folder("a"))
    async with restored.leading("a") as ledger:
        assert ledger.audit.rows() == []
        assert ledger.tainted()


async def test_a_leader_whose_ledger_is_ahead_of_its_log_ends(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND)
    with pytest.raises(Rewound):
        async with Nodes(nodes.path).leading("a"):
            pass


async def test_a_copy_that_is_not_of_the_log_is_made_again(nodes: Nodes) -> None:
    restored = await restored_under(nodes)
    follow_ledger(nodes.folder("a"), restored.log)
    assert restored.digest("a") == restored.digest("b")


async def test_a_copy_that_missed_a_purge_keeps_nothing_of_what_was_deleted(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND, text="purplemonkey", keep_text=True)
    async with nodes.leading("b") as ledger:
        await ledger.purge()
        await ledger.expose("token", Exposure.STRANGER)
    assert b"purplemonkey" not in b"".join(nodes.log.rows.values())
    async with nodes.leading("a") as ledger:
        assert len(ledger.audit.rows()) == 1
    for path in nodes.folder("a").path.iterdir():
        assert b"purplemonkey" not in path.read_bytes()


async def test_a_snapshot_is_made_once_the_log_has_grown_or_what_is_new_is_old(tmp_path: Path) -> None:
    seconds, log = 0.0, MemoryStatements()
    file = LedgerFile(tmp_path / "ledger.db", log=log, monotonic=lambda: seconds)

    async def write(size: int) -> None:
        values = (random.Random(size).randbytes(size),)
        await file.write(
            lambda db: db.execute("INSERT OR REPLACE INTO phone_messages VALUES ('a', 1, ?)", values)
        )

    assert not file.is_snapshot_due()
    await write(100)
    assert not file.is_snapshot_due()
    seconds = 3_600.0
    assert file.is_snapshot_due()
    await file.snapshot()
    seconds = 90_000.0
    assert not file.is_snapshot_due()
    await write(900_000)
    assert file.is_snapshot_due()
    await file.snapshot()
    assert list(log.rows) == [2]
    file.close()


@pytest.mark.parametrize(
    "failure", [Unavailable("No answer."), Refused("Too large."), StorageError("Not durable.")]
)
async def test_a_snapshot_that_cannot_be_put_ends_nothing(
    failure: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise failure

    log = MemoryStatements()
    with closing(LedgerFile(tmp_path / "ledger.db", log=log)) as file:
        monkeypatch.setattr(log, "put_snapshot", fails)
        with pytest.raises(Busy):
            await file.snapshot()
        await file.write(lambda db: db.execute("INSERT INTO phone_messages VALUES ('a', 1, ?)", (b"x",)))
        with anyio.move_on_after(0) as scope:
            await file.wait_ended()
    assert scope.cancelled_caught
    assert len(log.rows) == 1


async def test_a_follower_keeps_a_copy_that_writes_nothing(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await ledger.audit.begin(SEND)
        follow_ledger(nodes.folder("b"), nodes.log)
        await ledger.audit.begin(SEND)
        follow_ledger(nodes.folder("b"), nodes.log)
    assert nodes.digest("b") == nodes.digest("a")
    async with open_ledger(nodes.folder("b")) as copy:
        with pytest.raises(Busy, match="copy"):
            await copy.audit.begin(SEND)
        assert len(copy.audit.rows()) == 2


async def test_a_ledger_that_is_moved_out_of_the_log_is_written_again(nodes: Nodes) -> None:
    async with nodes.leading("a") as ledger:
        await everything(ledger, nodes.now)
    restore_ledger(nodes.folder("home"), nodes.dumped("a"))
    nodes.folder("home").approval_key.write_bytes(nodes.folder("a").approval_key.read_bytes())
    assert nodes.digest("home") == nodes.digest("a")
    async with open_ledger(nodes.folder("home")) as alone:
        await alone.audit.begin(SEND)
        assert alone.audit.verify() == []


async def test_a_ledger_is_moved_into_a_log_as_its_first_snapshot(nodes: Nodes) -> None:
    async with open_ledger(nodes.folder("home")) as alone:
        await everything(alone, nodes.now)
    nodes.log.put_snapshot(0, nodes.dumped("home"))
    PrivateFile(nodes.path / "shared.key").write(nodes.folder("home").approval_key.read_bytes())
    for node in ("a", "b", "a"):
        async with nodes.leading(node) as ledger:
            await ledger.audit.begin(SEND)
            assert ledger.audit.verify() == []


async def test_a_log_that_a_newer_version_has_written_is_not_applied(nodes: Nodes) -> None:
    nodes.log.append(bytes(32) + b'[["INSERT INTO inventions VALUES (?)",[1]]]')
    with pytest.raises(Busy, match="newer version"):
        async with nodes.leading("a"):
            pass


async def test_what_the_disk_refuses_after_the_log_has_it_is_applied_before_the_next_write(
    nodes: Nodes,
) -> None:
    async with nodes.leading("a") as ledger:
        nodes.log.failure = lambda when: sqlite3.OperationalError("disk is full") if when == "after" else None
        with pytest.raises(Busy):
            await ledger.audit.begin(SEND)
        assert ledger.audit.rows() == []
        nodes.log.failure = lambda when: None
        assert await ledger.audit.begin(SEND) == 2
        assert ledger.audit.verify() == []


def test_no_statement_depends_on_time_chance_or_row_numbers() -> None:
    folder = Path(str(ledger_room.__file__)).parent
    words = re.compile(
        r"\b(random|randomblob|last_insert_rowid|changes|date|time|datetime|julianday|strftime|unixepoch)\("
        r"|current_(date|time|timestamp)",
        re.IGNORECASE,
    )
    for module in folder.glob("*.py"):
        for literal in re.findall(r'"""(.*?)"""|"(.*?)"', module.read_text(), re.DOTALL):
            text = "".join(literal)
            if re.search(r"\b(INSERT|UPDATE|DELETE|REPLACE)\b", text):
                assert not words.search(text), (module.name, text)


@dataclass(frozen=True)
class Led:
    """What happens while a node leads.

    Attributes:
        fails: When the log does, at the last write: before it, after it, or not at all.
        purges: Whether what is old is purged.
    """

    node: str
    fails: str
    writes: Sequence[Callable[[Ledger, datetime, int], Awaitable[None]]]
    purges: bool


# Drawn before the test: what a draw raises to end an example would end the loop that runs all tests.
LEADERS = st.lists(
    st.builds(
        Led,
        st.sampled_from("ab"),
        st.sampled_from(["", "before", "after"]),
        st.lists(st.sampled_from(WRITES), max_size=6),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=examples(25))
@given(LEADERS)
async def test_whatever_is_killed_and_whoever_leads_next_nothing_that_was_confirmed_is_lost(
    leaders: list[Led],
) -> None:
    with TemporaryDirectory() as path:
        nodes = Nodes(Path(path))
        acts = 0
        for led in leaders:
            async with nodes.killed(led.node) as ledger:
                assert len(ledger.audit.rows()) >= acts
                assert ledger.audit.verify() == []
                for number, write in enumerate(led.writes):
                    nodes.now += timedelta(minutes=7)
                    await write(ledger, nodes.now, number)
                if led.purges:
                    await ledger.purge(before=nodes.now - timedelta(hours=1))
                acts = len(ledger.audit.rows())
                nodes.log.failure = _failing(led.fails)
                try:
                    await ledger.audit.begin(SEND)
                    acts += 1
                except Busy:
                    assert led.fails
                nodes.log.failure = _failing("")
        async with nodes.leading("c"):
            pass
        async with nodes.leading("a"):
            pass
        assert nodes.digest("a") == nodes.digest("c")


def _failing(at: str) -> Callable[[str], Exception | None]:
    return lambda when: Unavailable("It does not answer.") if when == at else None


@pytest.mark.parametrize("former", [None, "first"])
async def test_a_copy_of_a_former_log_is_made_again_from_the_dump_that_the_next_one_begins_with(
    tmp_path: Path, former: str | None
) -> None:
    home, copy = path_of(tmp_path, "home"), path_of(tmp_path, "copy")
    for folder in (home, copy):
        folder.create()
    async with open_ledger(home) as ledger:
        await ledger.expose("agent", Exposure.CONTACT)
    log = MemoryStatements()
    if former is not None:
        begin_log(log, dump_ledger(home), former)
    follow_ledger(copy, log)
    async with open_ledger(home) as ledger:
        await ledger.expose("agent", Exposure.STRANGER)
    log = MemoryStatements()
    begin_log(log, dump_ledger(home), "second")
    follow_ledger(copy, log)
    assert dump_ledger(copy) == dump_ledger(home)
