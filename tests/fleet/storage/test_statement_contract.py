"""What every log of a ledger does: that of the tests in memory, and PostgreSQL's."""

from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.fleet.led import LedAccount
from tests.ledger.statement_logs import MemoryStatements
from whatsapp_mcp.storage import (
    Fenced,
    LedgerSnapshot,
    Pruned,
    Refused,
    StatementLog,
    StatementRow,
    Unavailable,
)


class Leaders(Protocol):
    """One after the other."""

    def following(self) -> StatementLog:
        """The log as the next leader sees it."""
        ...


class _Memory:
    def __init__(self) -> None:
        self._log = MemoryStatements()
        self._epoch = 0

    def following(self) -> StatementLog:
        self._epoch += 1
        return self._log.led_by(self._epoch)


class _Postgres:
    def __init__(self, led: LedAccount) -> None:
        self._led = led
        self.opened: list[StatementLog] = []

    def following(self) -> StatementLog:
        self._led.take_over()
        self.opened.append(self._led.statements())
        return self.opened[-1]


@pytest.fixture(params=["memory", "postgres"])
def leaders(request: pytest.FixtureRequest) -> Iterator[Leaders]:
    if request.param == "memory":
        yield _Memory()
        return
    with LedAccount(request.getfixturevalue("database")) as led:
        leaders = _Postgres(led)
        yield leaders
        for opened in leaders.opened:
            opened.close()


@pytest.fixture
def log(leaders: Leaders) -> StatementLog:
    return leaders.following()


def test_rows_are_numbered_from_one_and_read_in_order(log: StatementLog) -> None:
    assert log.last() == 0
    assert [log.append(body) for body in (b"a", b"b", b"c")] == [1, 2, 3]
    assert log.last() == 3
    assert log.read(1, 10) == [StatementRow(2, b"b"), StatementRow(3, b"c")]
    assert log.read(0, 1) == [StatementRow(1, b"a")]


def test_a_former_leader_appends_nothing(leaders: Leaders, log: StatementLog) -> None:
    log.append(b"a")
    following = leaders.following()
    with pytest.raises(Fenced):
        log.append(b"late")
    assert following.read(0, 10) == [StatementRow(1, b"a")]
    assert following.append(b"b") == 2


def test_a_former_leader_does_not_learn_what_the_last_row_is(leaders: Leaders, log: StatementLog) -> None:
    leaders.following()
    with pytest.raises(Fenced):
        log.last()


def test_there_is_no_snapshot_before_the_first(log: StatementLog) -> None:
    assert log.newest_snapshot() is None


def test_a_snapshot_takes_the_place_of_the_rows_before_its_last(log: StatementLog) -> None:
    for body in (b"a", b"b", b"c"):
        log.append(body)
    log.put_snapshot(2, b"\x00both")
    assert log.newest_snapshot() == LedgerSnapshot(2, b"\x00both")
    assert log.read(1, 10) == [StatementRow(2, b"b"), StatementRow(3, b"c")]
    with pytest.raises(Pruned):
        log.read(0, 10)


def test_a_newer_snapshot_takes_the_place_of_the_former(log: StatementLog) -> None:
    log.append(b"a")
    log.put_snapshot(1, b"one")
    log.append(b"b")
    log.put_snapshot(2, b"two")
    assert log.newest_snapshot() == LedgerSnapshot(2, b"two")


def test_a_former_leader_puts_no_snapshot(leaders: Leaders, log: StatementLog) -> None:
    log.append(b"a")
    log.append(b"b")
    following = leaders.following()
    with pytest.raises(Fenced):
        log.put_snapshot(2, b"late")
    assert following.newest_snapshot() is None
    assert len(following.read(0, 10)) == 2


def test_a_log_goes_on_after_a_snapshot_that_the_database_did_not_take(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_fleet.database.logs.SNAPSHOT_PATIENCE", 0.5)
    with LedAccount(database) as account, account.statements() as log:
        log.append(b"one")
        with account.session.transaction():
            account.session.execute("LOCK TABLE whatsapp_mcp.ledger_snapshots")
            with pytest.raises(Unavailable):
                log.put_snapshot(1, b"one")
        account.session.execute("ALTER TABLE whatsapp_mcp.ledger_snapshots RENAME TO elsewhere")
        with pytest.raises(Refused):
            log.put_snapshot(1, b"one")
        assert log.append(b"two") == 2


def test_a_snapshot_that_the_server_executes_late_does_not_undo_a_later_one(database: str) -> None:
    with LedAccount(database) as led, led.statements() as log:
        for body in (b"a", b"b"):
            log.append(body)
        log.put_snapshot(2, b"both")
        log.put_snapshot(1, b"late")
        assert log.newest_snapshot() == LedgerSnapshot(2, b"both")
