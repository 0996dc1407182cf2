"""Answers that are lost, servers that restart, standbys that stop: nothing confirmed is lost or doubled."""

import os
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from tests.fault_proxy import FaultProxy, fault_proxy
from tests.fleet.led import ACCOUNT, LedAccount
from tests.fleet.postgres import PostgresServer, postgres_server, synchronous_pair
from whatsapp_fleet.database import (
    Database,
    NotAnswered,
    PostgresJournal,
    Renewal,
    begin_run,
    connect,
    renew,
)
from whatsapp_fleet.protocol import LeaseTimes, OwnLease
from whatsapp_mcp.storage import Fenced, Rewound, Unavailable

pytestmark = pytest.mark.anyio
LIMIT = 30.0
COMMITTED = b"SELECT 1\0"
"""In the answer to an append that was committed."""
_TICK = threading.Event()


@pytest.fixture
def led(database: str) -> Iterator[LedAccount]:
    with LedAccount(database) as account:
        yield account


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[FaultProxy]:
    with fault_proxy(postgres.port) as opened:
        yield opened


def through(proxy: FaultProxy, led: LedAccount, postgres: PostgresServer) -> str:
    return led.database.url.replace(f":{postgres.port}/", f":{proxy.port}/")


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        _TICK.wait(0.02)


def test_an_append_whose_answer_is_lost_is_there_once(
    led: LedAccount, proxy: FaultProxy, postgres: PostgresServer
) -> None:
    with led.journal(through(proxy, led, postgres)) as journal:
        for number in range(10):
            proxy.lose_answer(COMMITTED)
            assert journal.append(1, 17, b"%d" % number) == number + 1
        assert proxy.lost == 10
        assert [row.payload for row in journal.read(0, 100)] == [b"%d" % number for number in range(10)]


async def test_a_group_whose_answer_is_lost_is_there_once(
    led: LedAccount, proxy: FaultProxy, postgres: PostgresServer
) -> None:
    async with led.log(through(proxy, led, postgres)) as log:
        assert await log.append([b"a"]) == 1
        proxy.lose_answer(COMMITTED)
        assert await log.append([b"b", b"c", b"d"]) == 4
        assert await log.append([b"e"]) == 5
        assert proxy.lost == 1
        assert [row.body for row in await log.read(0, 100)] == [b"a", b"b", b"c", b"d", b"e"]


def test_a_takeover_between_a_lost_answer_and_its_retry_is_told(
    led: LedAccount, proxy: FaultProxy, postgres: PostgresServer
) -> None:
    """The row was committed under the old epoch, so the new leader reads it; the old one ends."""
    with led.journal(through(proxy, led, postgres)) as journal:
        journal.append(1, 17, b"a")
        led.session.execute(
            "CREATE FUNCTION raise_it() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN UPDATE whatsapp_mcp.heads SET epoch = epoch + 1; RETURN NULL; END'"
        )
        led.session.execute(
            "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON whatsapp_mcp.journal DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION raise_it()"
        )
        proxy.lose_answer(COMMITTED)
        with pytest.raises(Fenced):
            journal.append(1, 17, b"b")
    rows = led.session.execute("SELECT payload FROM whatsapp_mcp.journal ORDER BY seq").fetchall()
    assert rows == [(b"a",), (b"b",)]


async def test_who_stops_waiting_for_an_append_does_not_undo_it(led: LedAccount) -> None:
    async with led.log() as log:
        await log.append([b"a"])
        with led.session.transaction():
            led.session.execute("SELECT 1 FROM whatsapp_mcp.heads FOR UPDATE")
            with anyio.move_on_after(0.1) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(log.append, [b"b"])
                    # The statement waits for the lock until the scope above has been cancelled.
                    await anyio.to_thread.run_sync(wait_for_lock, led)
                    tasks.start_soon(log.append, [b"c"])
                    await anyio.to_thread.run_sync(release_when, led, scope)
        assert [row.body for row in await log.read(0, 10)][:2] == [b"a", b"b"]


@pytest.mark.parametrize("turns", range(6))
async def test_who_stops_waiting_leaves_the_appends_of_others_alone(led: LedAccount, turns: int) -> None:
    async with led.log() as log:
        async with anyio.create_task_group() as tasks:
            stops = anyio.CancelScope()

            async def append_and_stop() -> None:
                with stops:
                    await log.append([b"stopped"])

            tasks.start_soon(append_and_stop)
            tasks.start_soon(log.append, [b"other"])
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
            stops.cancel()
        rows = [row.body for row in await log.read(0, 10)]
        assert rows in ([b"other"], [b"stopped", b"other"])


def wait_for_lock(led: LedAccount) -> None:
    with connect(led.database) as other:
        wait_until(lambda: other.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None)


def release_when(led: LedAccount, scope: anyio.CancelScope) -> None:
    wait_until(lambda: scope.cancel_called)
    led.session.execute("COMMIT")
    led.session.execute("BEGIN")


def test_a_database_that_does_not_answer_is_given_up(led: LedAccount) -> None:
    with led.session.transaction(), led.journal(patience=0.5) as journal:
        led.session.execute("SELECT 1 FROM whatsapp_mcp.heads FOR UPDATE")
        with pytest.raises(Unavailable):
            journal.append(1, 17, b"a")
        with pytest.raises(Unavailable):
            journal.append(1, 17, b"b")


def test_a_database_that_is_not_there_is_given_up(led: LedAccount) -> None:
    with (
        led.journal("postgres://postgres@127.0.0.1:9/x", patience=0.3) as journal,
        pytest.raises(Unavailable),
    ):
        journal.append(1, 17, b"a")


def test_no_error_holds_the_password_or_what_the_driver_wrote(
    led: LedAccount, postgres: PostgresServer
) -> None:
    wrong = postgres.url("template1", password="secret-word")
    with led.journal(wrong, patience=0.3) as journal, pytest.raises(Unavailable) as raised:
        journal.append(1, 17, b"a")
    assert "secret-word" not in "".join(traceback.format_exception(raised.value)) + repr(Database(wrong))
    assert str(raised.value) == (
        "The database did not answer within 0 s (the password is wrong, or there is no such role)."
    )


def test_a_database_that_lacks_what_it_has_confirmed_is_noticed(led: LedAccount) -> None:
    with led.journal() as journal:
        for number in range(3):
            journal.append(1, 17, b"%d" % number)
        # As a standby would have it that had not received the last row.
        led.session.execute("DELETE FROM whatsapp_mcp.journal WHERE seq = 3")
        led.session.execute("UPDATE whatsapp_mcp.heads SET seq = 2 WHERE stream = 'journal'")
        end_connections(led)
        with pytest.raises(Rewound):
            journal.append(1, 17, b"x")


def test_a_database_that_has_another_row_in_its_place_is_noticed(led: LedAccount) -> None:
    with led.journal() as journal:
        journal.append(1, 17, b"a")
        led.session.execute("UPDATE whatsapp_mcp.journal SET n = n + 1000")
        end_connections(led)
        with pytest.raises(Rewound):
            journal.append(1, 17, b"b")


def end_connections(led: LedAccount) -> None:
    led.session.execute(
        "SELECT pg_terminate_backend(pid, 30000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


class Burst:
    """Appends one row after another from several threads until it is told to stop."""

    def __init__(self, log: PostgresJournal) -> None:
        self._log = log
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(3)
        self.confirmed: dict[bytes, int] = {}
        self._appending: list[Future[None]] = [self._pool.submit(self._append, number) for number in range(3)]

    def _append(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            body = b"%d/%d" % (thread, number)
            self.confirmed[body] = self._log.append(1, 17, body)
            number += 1

    def wait_for(self, more: int) -> None:
        """Until that many further rows are confirmed."""
        aim = len(self.confirmed) + more
        wait_until(lambda: len(self.confirmed) >= aim or any(one.done() for one in self._appending))

    def end(self) -> None:
        self._stop.set()
        self._pool.shutdown()
        for one in self._appending:
            one.result()


def check(burst: Burst, journal: PostgresJournal) -> None:
    rows = {row.seq: row.payload for row in journal.read(0, 1_000_000)}
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert {payload: seq for seq, payload in rows.items()} == burst.confirmed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["restarted", "crashed"])
def test_a_server_that_restarts_during_a_burst_loses_and_doubles_nothing(how: signal.Signals) -> None:
    with postgres_server() as server, LedAccount(server.new_database()) as led, led.journal() as journal:
        burst = Burst(journal)
        for _ in range(2):
            burst.wait_for(50)
            server.restart(how)
        burst.wait_for(50)
        burst.end()
        check(burst, journal)


@dataclass(frozen=True)
class LedOnPair:
    """An account on a pair of servers of its own."""

    primary: PostgresServer
    standby: PostgresServer
    led: LedAccount


@pytest.fixture
def on_pair() -> Iterator[LedOnPair]:
    with synchronous_pair() as pair, LedAccount(pair.primary.new_database()) as led:
        yield LedOnPair(pair.primary, pair.standby, led)


def test_a_failover_during_a_burst_loses_and_doubles_nothing(on_pair: LedOnPair) -> None:
    primary, standby, led = on_pair.primary, on_pair.standby, on_pair.led
    # The standby asks for no standby of its own: a node would refuse it, which is not the subject here.
    either = led.database.url.replace(
        f"127.0.0.1:{primary.port}/", f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}/"
    )
    with led.journal(f"{either}?target_session_attrs=read-write") as journal:
        burst = Burst(journal)
        burst.wait_for(50)
        primary.stop(signal.SIGQUIT)
        standby.promote()
        burst.wait_for(50)
        burst.end()
        check(burst, journal)


def test_a_commit_whose_wait_was_cut_short_is_not_confirmed_before_the_standby_has_it(
    on_pair: LedOnPair,
) -> None:
    primary, standby, led = on_pair.primary, on_pair.standby, on_pair.led
    database = Database(led.database.url, patience=LIMIT)
    with PostgresJournal(database, ACCOUNT, led.epoch) as journal, ThreadPoolExecutor(1) as pool:
        journal.append(1, 17, b"a")
        stop_receiving(standby, signal.SIGSTOP)
        append = pool.submit(journal.append, 1, 17, b"b")
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "1")
        primary.query(f"SELECT pg_terminate_backend(pid, 30000) {waits}")
        # The row is visible by now, and on one machine alone.
        wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "1")
        assert not append.done()
        stop_receiving(standby, signal.SIGCONT)
        assert append.result(LIMIT) == 2
        assert [row.payload for row in journal.read(0, 10)] == [b"a", b"b"]


def test_whoever_has_given_up_while_the_standby_is_away_leaves_nothing_that_waits_for_a_lock(
    on_pair: LedOnPair,
) -> None:
    primary, standby, database = on_pair.primary, on_pair.standby, on_pair.led.database
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = '{}' AND query LIKE 'UPDATE%'"
    stop_receiving(standby, signal.SIGSTOP)
    for _ in range(3):
        with connect(database) as session, pytest.raises(NotAnswered):
            session.deadline = session.monotonic() + 0.5
            session.execute("UPDATE whatsapp_mcp.accounts SET failures = failures + 1")
    wait_until(lambda: primary.query(waiting.format("Lock")) == "0")
    # A commit that waits for the standby was not cut short.
    assert primary.query(waiting.format("IPC")) == "1"
    stop_receiving(standby, signal.SIGCONT)
    wait_until(lambda: primary.query(waiting.format("IPC")) == "0")
    assert primary.query("SELECT failures FROM whatsapp_mcp.accounts", on_pair.led.session.info.dbname) == "1"


def test_a_warning_at_the_commit_is_no_confirmation(on_pair: LedOnPair) -> None:
    """`pg_cancel_backend` ends the wait with a warning and leaves the connection as it is."""
    primary, standby, led = on_pair.primary, on_pair.standby, on_pair.led
    with led.journal() as journal, ThreadPoolExecutor(1) as pool:
        journal.append(1, 17, b"a")
        stop_receiving(standby, signal.SIGSTOP)
        append = pool.submit(journal.append, 1, 17, b"b")
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        for _ in range(3):
            wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "1")
            primary.query(f"SELECT pg_cancel_backend(pid) {waits}")
        assert not append.done()
        stop_receiving(standby, signal.SIGCONT)
        assert append.result(LIMIT) == 2


def test_a_row_that_no_standby_has_is_not_read_before_one_has_it(on_pair: LedOnPair) -> None:
    primary, standby, led = on_pair.primary, on_pair.standby, on_pair.led
    with led.journal() as journal, led.journal() as reader, ThreadPoolExecutor(2) as pool:
        journal.append(1, 17, b"a")
        stop_receiving(standby, signal.SIGSTOP)
        append = pool.submit(journal.append, 1, 17, b"b")
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "1")
        primary.query(f"SELECT pg_cancel_backend(pid) {waits}")
        visible = "SELECT count(*) FROM whatsapp_mcp.journal"
        wait_until(lambda: primary.query(visible, led.session.info.dbname) == "2")
        read = pool.submit(reader.read, 0, 10)
        wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "2")
        assert not read.done()
        stop_receiving(standby, signal.SIGCONT)
        assert [row.payload for row in read.result(LIMIT)] == [b"a", b"b"]
        assert append.result(LIMIT) == 2


def test_a_renewal_whose_wait_was_cut_short_is_not_confirmed(on_pair: LedOnPair) -> None:
    primary, standby, led = on_pair.primary, on_pair.standby, on_pair.led
    with connect(led.database) as session, ThreadPoolExecutor(1) as pool:
        begin_run(session, "mine", "node", 1)
        stop_receiving(standby, signal.SIGSTOP)
        renewal = pool.submit(renew, session, "mine", OwnLease(LeaseTimes(), 1))
        waits = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        wait_until(lambda: primary.query(f"SELECT count(*) {waits}") == "1")
        primary.query(f"SELECT pg_cancel_backend(pid) {waits}")
        assert renewal.result(LIMIT) is Renewal.UNANSWERED
        stop_receiving(standby, signal.SIGCONT)
        assert renew(session, "mine", OwnLease(LeaseTimes(), 2)) is Renewal.CONFIRMED


def test_without_its_standby_nothing_is_confirmed_and_waiting_ends(on_pair: LedOnPair) -> None:
    led = on_pair.led
    with led.journal() as journal:
        journal.append(1, 17, b"a")
    on_pair.standby.stop(signal.SIGQUIT)
    with led.journal(patience=1) as journal, pytest.raises(Unavailable):
        journal.append(1, 17, b"b")


def stop_receiving(standby: PostgresServer, what: signal.Signals) -> None:
    """Stop the process of a standby that receives and confirms, or let it go on."""
    pids = subprocess.run(["pgrep", "-P", str(standby.pid)], capture_output=True, text=True, check=True)
    for pid in map(int, pids.stdout.split()):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as command:
            if "walreceiver" in command.read():
                os.kill(pid, what)
