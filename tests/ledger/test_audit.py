"""The audit keeps one chain for all processes, and shows whatever was changed in it."""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.tables import for_each
from whatsapp_mcp.errors import Busy, RateLimited
from whatsapp_mcp.ledger import AuditEntry, Ledger, audit, open_ledger
from whatsapp_mcp.models import Caller, PastAct
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
AGENT = Caller("stdio:agent", "agent", "send_message")
ANN = "15550001111@s.whatsapp.net"
SEND = AuditEntry(AGENT, "send", (ANN,), rule='mode = "standard"', digest="d1", is_counted=True)
READING = AuditEntry(Caller("stdio:agent", "agent", "list_messages"), "messages", (ANN,), (1041, 1042))


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    return AccountFolder("default", tmp_path)


@pytest.fixture
def folders(paths: Callable[[], Path]) -> Callable[[], AccountFolder]:
    """What names the files of an account for each row of a table."""
    return lambda: AccountFolder("default", paths())


@pytest.fixture
async def ledger(folder: AccountFolder) -> AsyncIterator[Ledger]:
    async with open_ledger(folder, lambda: NOON) as opened:
        yield opened


async def written(ledger: Ledger, count: int = 3) -> None:
    for number in range(count):
        ledger.audit.end(await ledger.audit.begin(SEND, text=f"text {number}", keep_text=True), SEND)
    await ledger.audit.flush()


async def faults(folder: AccountFolder) -> list[str]:
    async with open_ledger(folder, lambda: NOON) as opened:
        return [fault.what for fault in opened.audit.verify()]


async def test_an_act_is_there_before_it_is_done_and_its_outcome_after(ledger: Ledger) -> None:
    number = await ledger.audit.begin(SEND)
    (begun,) = ledger.audit.rows()
    assert (begun.seq, begun.kind, begun.entry) == (number, "act", replace(SEND, outcome="begun"))
    ledger.audit.end(number, SEND, "REJECTED")
    await ledger.audit.flush()
    assert [(row.kind, row.about, row.entry.outcome) for row in ledger.audit.rows()] == [
        ("act", None, "begun"),
        ("outcome", number, "REJECTED"),
    ]


async def test_readings_are_written_with_the_next_batch_and_none_is_waited_for(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    write = ledger.audit.flush

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert ledger.audit.rows() == []

    async def flush() -> None:
        await write()
        tasks.cancel_scope.cancel()

    monkeypatch.setattr(ledger.audit, "flush", flush)
    for _ in range(5):
        ledger.audit.read(READING)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ledger.audit.run, pause)
    assert pauses == [audit.BATCH]
    assert audit.BATCH <= 0.5
    assert [row.entry for row in ledger.audit.rows()] == [READING] * 5


async def test_what_waits_is_written_when_the_server_ends(folder: AccountFolder) -> None:
    async with open_ledger(folder, lambda: NOON) as opened:
        opened.audit.end(await opened.audit.begin(SEND), SEND)
        opened.audit.read(READING)
        assert len(opened.audit.rows()) == 1
    async with open_ledger(folder, lambda: NOON) as opened:
        assert [row.kind for row in opened.audit.rows()] == ["act", "outcome", "reading"]
        assert opened.audit.verify() == []


async def test_an_outcome_is_written_with_the_next_act(ledger: Ledger) -> None:
    number = await ledger.audit.begin(SEND)
    ledger.audit.end(number, SEND)
    assert await ledger.audit.begin(SEND) == number + 2
    assert [(row.kind, row.about) for row in ledger.audit.rows()] == [
        ("act", None),
        ("outcome", number),
        ("act", None),
    ]
    assert ledger.audit.outcomes([number]) == {number: "done"}


async def test_an_outcome_is_not_lost_to_the_next_act_that_is_refused(ledger: Ledger) -> None:
    def refuse(past: Sequence[PastAct], planned: PastAct) -> None:
        raise RateLimited("Enough.", retry_after=60)

    number = await ledger.audit.begin(SEND)
    ledger.audit.end(number, SEND)
    with pytest.raises(RateLimited):
        await ledger.audit.begin(SEND, check=refuse)
    await ledger.audit.flush()
    assert [(row.kind, row.about) for row in ledger.audit.rows()] == [("act", None), ("outcome", number)]


async def test_no_text_is_kept_unless_asked_for(folder: AccountFolder) -> None:
    async with open_ledger(folder, lambda: NOON) as opened:
        await opened.audit.begin(SEND, text="the first secret sentence")
        await opened.audit.begin(SEND, text="the second secret sentence", keep_text=True)
        assert [row.text for row in opened.audit.rows()] == [None, "the second secret sentence"]
        await opened.audit.forget_texts()
        assert opened.audit.verify() == []
    for file in folder.path.iterdir():
        assert b"secret sentence" not in file.read_bytes()


async def test_a_refused_act_is_not_written_as_begun_and_the_budget_sees_all_before_it(
    ledger: Ledger,
) -> None:
    def check(past: Sequence[PastAct], planned: PastAct) -> None:
        same = [one for one in past if one.text == planned.text]
        if len(same) >= 2:
            raise RateLimited("Enough.", retry_after=60)

    for text in ("Hello  you", "hello you"):
        await ledger.audit.begin(SEND, text=text, check=check)
    await ledger.audit.begin(replace(SEND, is_counted=False), text="hello you")
    with pytest.raises(RateLimited):
        await ledger.audit.begin(SEND, text="HELLO YOU", check=check)
    assert len(ledger.audit.rows()) == 3


async def test_begun_acts_of_many_tasks_never_exceed_a_budget(ledger: Ledger) -> None:
    def check(past: Sequence[PastAct], planned: PastAct) -> None:
        if len(past) >= 3:
            raise RateLimited("Enough.", retry_after=60)

    refused: list[RateLimited] = []

    async def act() -> None:
        try:
            await ledger.audit.begin(SEND, check=check)
        except RateLimited as error:
            refused.append(error)

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(act)
    assert (len(ledger.audit.rows()), len(refused)) == (3, 7)


@for_each(
    "change",
    [
        "UPDATE audit SET outcome = 'DENIED' WHERE seq = 2",
        "UPDATE audit SET at = at + 1 WHERE seq = 3",
        "UPDATE audit SET chats = '[]' WHERE seq = 1",
        "UPDATE audit SET digest = NULL WHERE seq = 1",
        "UPDATE audit SET principal = 'person' WHERE seq = 6",
        "UPDATE audit SET text = 'other' WHERE seq = 1",
        "UPDATE audit SET text = 'added' WHERE seq = 2",
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = 6",
        "UPDATE audit SET seq = 7 WHERE seq = 6",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 6",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT 7, at, kind, about, principal, client, tool, operation, chats, refs,"
        " verdict, rule, approval, way, digest, outcome, counted, new_chat, text_mac, text_hash, text, hash"
        " FROM audit WHERE seq = 6",
        "UPDATE audit_chain SET last_seq = 5, last_hash = (SELECT hash FROM audit WHERE seq = 5)",
        "UPDATE audit_chain SET first_seq = 1, first_hash = (SELECT hash FROM audit WHERE seq = 1)",
        "UPDATE audit_chain SET seal = ''",
        "DELETE FROM audit_chain",
    ],
    folder="folders",
)
async def test_whatever_is_changed_in_the_file_is_found(folder: AccountFolder, change: str) -> None:
    async with open_ledger(folder, lambda: NOON) as opened:
        await written(opened)
        assert opened.audit.verify() == []
    with closing(sqlite3.connect(folder.ledger_db, isolation_level=None)) as db:
        db.execute(change)
    assert await faults(folder)


async def test_a_chain_cut_short_with_its_ends_made_to_fit_is_found(folder: AccountFolder) -> None:
    async with open_ledger(folder, lambda: NOON) as opened:
        await written(opened)
    with closing(sqlite3.connect(folder.ledger_db, isolation_level=None)) as db:
        db.execute("DELETE FROM audit WHERE seq > 4")
        db.execute("UPDATE audit_chain SET last_seq = 4, last_hash = (SELECT hash FROM audit WHERE seq = 4)")
    assert await faults(folder) == ["the seal is not that of this account's key"]


async def test_any_flipped_byte_of_a_row_is_found(folder: AccountFolder) -> None:
    async with open_ledger(folder, lambda: NOON) as opened:
        await written(opened)
        rows = opened.audit.rows()
    with closing(sqlite3.connect(folder.ledger_db)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = folder.ledger_db.read_bytes()
    places = [at for at in range(len(whole)) if whole[at : at + 11] == b"stdio:agent"]
    assert len(places) >= len(rows)
    chance = random.Random(7)
    for _ in range(60):
        at = chance.choice(places) + chance.randrange(150)
        changed = bytearray(whole)
        changed[at] ^= 1 << chance.randrange(8)
        folder.ledger_db.write_bytes(changed)
        try:
            async with open_ledger(folder, lambda: NOON) as opened:
                found = opened.audit.verify()
                unchanged = not found and opened.audit.rows() == rows
        except (Busy, ValueError, UnicodeDecodeError):
            continue
        assert found or unchanged


async def test_three_processes_write_one_chain(folder: AccountFolder) -> None:
    code = f"""
import sys, anyio
from datetime import datetime, UTC
from pathlib import Path
from whatsapp_mcp.ledger import AuditEntry, open_ledger
from whatsapp_mcp.models import Caller
from whatsapp_mcp.settings import AccountFolder
async def main():
    async with open_ledger(AccountFolder("default", Path({str(folder.path)!r}))) as ledger:
        for number in range(40):
            entry = AuditEntry(Caller(sys.argv[1]), "send")
            ledger.audit.end(await ledger.audit.begin(entry), entry)
            ledger.audit.read(AuditEntry(Caller(sys.argv[1]), "messages"))
            if number % 7 == 0:
                await ledger.audit.flush()
anyio.run(main)
"""
    ended: list[int] = []

    async def write(name: str) -> None:
        ended.append((await anyio.run_process([sys.executable, "-c", code, name])).returncode)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(write, f"stdio:{number}")
    assert ended == [0, 0, 0]
    async with open_ledger(folder) as opened:
        assert opened.audit.verify() == []
        rows = opened.audit.rows()
    assert [row.seq for row in rows] == list(range(1, 361))
    assert {row.entry.caller.principal for row in rows} == {"stdio:0", "stdio:1", "stdio:2"}


async def test_what_is_too_old_or_too_many_is_dropped_and_the_chain_holds(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST", 600)
    now = NOON
    async with open_ledger(folder, lambda: now) as opened:
        for _ in range(200):
            await opened.audit.note(SEND)
        now = NOON + audit.KEPT + timedelta(days=1)
        for _ in range(100):
            await opened.audit.note(SEND)
        assert opened.audit.rows()[0].seq == 201
        for _ in range(900):
            opened.audit.read(READING)
        await opened.audit.flush()
        rows = opened.audit.rows()
        assert (rows[0].seq, rows[-1].seq) == (601, 1200)
        assert opened.audit.verify() == []
        assert [row.seq for row in opened.audit.rows(limit=2)] == [1199, 1200]
    with closing(sqlite3.connect(folder.ledger_db, isolation_level=None)) as db:
        db.execute("DELETE FROM audit WHERE seq = 601")
    assert await faults(folder)


async def test_readings_wait_for_a_disk_that_takes_nothing(ledger: Ledger, folder: AccountFolder) -> None:
    with closing(sqlite3.connect(folder.ledger_db, isolation_level=None)) as db:
        db.execute("ALTER TABLE audit RENAME TO away")
        ledger.audit.read(READING)
        await ledger.audit.flush()
        db.execute("ALTER TABLE away RENAME TO audit")
    await ledger.audit.flush()
    assert [row.entry for row in ledger.audit.rows()] == [READING]


async def test_rows_are_told_from_a_time_on(folder: AccountFolder) -> None:
    now = NOON
    async with open_ledger(folder, lambda: now) as opened:
        await opened.audit.note(SEND)
        now = NOON + timedelta(hours=1)
        await opened.audit.note(replace(SEND, outcome="DENIED"))
        assert [row.entry.outcome for row in opened.audit.rows(since=NOON + timedelta(minutes=1))] == [
            "DENIED"
        ]
