"""The parts of a node, each by itself: its socket, its home, its settings, and what becomes of an account."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from pydantic import SecretStr, ValidationError

from tests.fleet.keys.taken import leaders_url
from tests.fleet.led import patient
from tests.fleet.node.fleet_of_tests import LIMIT, LOOK, Fleet
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import (
    MIGRATIONS,
    DatabaseCalls,
    add_account,
    begin_run,
    live_runs,
    note_crash,
    note_failure,
    note_stable,
    raise_epoch,
)
from whatsapp_fleet.node import NodeAccount, run_node, sockets
from whatsapp_fleet.node.home import FormerRun, NodeHome
from whatsapp_fleet.node.node import Node, Watcher
from whatsapp_fleet.node.plan import View, plan
from whatsapp_fleet.node.run import NodeRun
from whatsapp_fleet.node.services import keep_open
from whatsapp_fleet.node.serving import _claimed, _NodeProcess, _unless
from whatsapp_fleet.node.sockets import (
    address_of,
    contact,
    held,
    listening_socket,
    local_address,
    this_machine,
)
from whatsapp_fleet.objects import ObjectStore, open_objects
from whatsapp_fleet.protocol import Contact, Lease, LeaseTimes
from whatsapp_fleet.settings import FleetSettings, HostPort, NodeSettings
from whatsapp_mcp.errors import InvalidArgument, Unsupported
from whatsapp_mcp.media import Worker
from whatsapp_mcp.storage import Fenced, Refused, Rewound, StorageError, Unavailable, Unwritable

pytestmark = pytest.mark.anyio

ACCOUNT = "work"
GIF = bytes.fromhex(
    "47494638396110001000800000ffffff00000021f90400000000002c0000000010001000000210848fa9cbed0fa39cb4da8bb3de3c0500"
)
CLIENT = "import sys; sys.stdin.read()"
"""A program that ends when its input does."""


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), ACCOUNT) as opened:
        yield opened


@pytest.fixture
def holders(monkeypatch: pytest.MonkeyPatch) -> list[anyio.abc.Process]:
    """The processes that hold sockets of nodes, as they are started."""
    started: list[anyio.abc.Process] = []

    async def start(*arguments: Any, **more: Any) -> anyio.abc.Process:
        started.append(await anyio.open_process(*arguments, **more))
        return started[-1]

    monkeypatch.setattr(sockets, "open_process", start)
    return started


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(LIMIT):
        while not await condition():  # noqa: ASYNC110  the system tells nobody
            await anyio.sleep(LOOK)


def sockets_of(pid: int) -> list[str]:
    """The sockets that a process holds."""
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()]
    return [link for link in links if link.startswith("socket:")]


async def test_an_address_refuses_once_a_node_and_its_clients_have_ended_which_hold_no_socket_of_it(
    holders: list[anyio.abc.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_END_LIMIT", 0.01)
    listener = await listening_socket(NodeSettings())
    place = str(local_address(listener))

    async def refuses() -> bool:
        return await contact(place, this_machine()) is Contact.REFUSED

    async with held(listener) as descriptor:
        client = await anyio.open_process([sys.executable, "-c", CLIENT], pass_fds=(descriptor,))
    listener.close()  # as the kernel does for a node that was killed
    async with client:
        if sys.platform == "linux":
            assert sockets_of(client.pid) == []
        assert not await refuses()
        assert client.stdin is not None
        await client.stdin.aclose()
        await until(refuses)
        await holders[0].wait()


async def test_what_holds_the_socket_of_a_node_is_started_again(holders: list[anyio.abc.Process]) -> None:
    async def is_started_again() -> bool:
        return len(holders) == 2

    listener = await listening_socket(NodeSettings())
    place = str(local_address(listener))
    async with held(listener):
        holders[0].kill()
        await until(is_started_again)
        listener.close()
        assert await contact(place, this_machine()) is Contact.ACCEPTED
    assert await contact(place, this_machine()) is Contact.REFUSED


async def test_files_of_two_accounts_are_decoded_in_two_processes_that_take_turns() -> None:
    context: Any = SimpleNamespace(decoding=anyio.Semaphore(1))
    workers: list[Worker] = []

    class Kept:
        async def run(self, worker: Worker) -> None:
            workers.append(worker)
            await worker.run("look_at_picture", GIF)

    runtimes: list[Any] = [Kept(), Kept()]
    async with anyio.create_task_group() as tasks, context.decoding:
        for runtime in runtimes:
            tasks.start_soon(keep_open, context, runtime)
        while context.decoding.statistics().tasks_waiting < 2:
            await anyio.lowlevel.checkpoint()
    assert workers[0] is not workers[1]


async def test_a_name_and_the_loopback_of_another_machine_prove_nothing() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    assert await contact(f"localhost:{port}", this_machine()) is Contact.UNKNOWN
    assert await contact(f"127.0.0.1:{port}", "another machine") is Contact.UNKNOWN
    assert await contact(f"0.0.0.0:{port}", this_machine()) is Contact.UNKNOWN
    assert await contact("", this_machine()) is Contact.UNKNOWN


async def test_others_are_told_the_address_that_is_set_and_the_port_that_was_found() -> None:
    with closing(await listening_socket(NodeSettings())) as listener:
        port = listener.getsockname()[1]
        assert address_of(NodeSettings(address="10.0.0.5:0"), listener) == ("10.0.0.5", port)
        assert address_of(NodeSettings(address="10.0.0.5:7420"), listener) == ("10.0.0.5", 7420)
        assert local_address(listener) == ("127.0.0.1", port)


async def test_a_port_that_another_program_uses_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whatsapp_fleet.node.sockets.BIND_LIMIT", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        settings = NodeSettings(listen=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(InvalidArgument, match="another program listens there"):
            await listening_socket(settings)


@pytest.mark.parametrize(
    "faulty",
    [
        {"listen": "0.0.0.0:7420"},
        {"listen": "7420"},
        {"address": "node1"},
        {"certificate": "/etc/node.pem"},
        {"accounts": 0},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(faulty: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NodeSettings(**faulty)


def test_a_home_folder_is_used_by_one_node_and_remembers_its_run(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    with home.locked():
        with pytest.raises(InvalidArgument, match="uses the home folder"), NodeHome(tmp_path).locked():
            pass
        assert home.former() is None
        home.remember(FormerRun("one 1", HostPort("127.0.0.1", 7420), "a machine"))
    assert NodeHome(tmp_path).former() == ("one 1", ("127.0.0.1", 7420), "a machine")


async def test_a_node_that_cannot_note_its_run_says_why(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "node.json").mkdir()  # what even root cannot replace by a file
    settings: Any = SimpleNamespace(home=tmp_path, node=NodeSettings())
    with closing(await listening_socket(NodeSettings())) as listener:
        rest: list[Any] = [patient(fleet.url), None, None, listener, LeaseTimes(), None, ""]
        process = _NodeProcess(settings, NodeHome(tmp_path), *rest)
        with pytest.raises(InvalidArgument, match=r"cannot write to its home folder .*directory"):
            await process.until_signal()


@pytest.mark.parametrize(("machine", "ended"), [(this_machine(), True), ("another machine", False)])
async def test_the_last_run_of_a_folder_is_ended_at_once_on_its_own_machine_alone(
    machine: str, ended: bool, fleet: Fleet, tmp_path: Path
) -> None:
    [run] = begin(fleet, "one")
    with closing(await listening_socket(NodeSettings())) as listener:
        async with DatabaseCalls(patient(fleet.url)) as calls:
            process: Any = SimpleNamespace(listener=listener, calls=calls)
            former = FormerRun(run, local_address(listener), machine)
            await _NodeProcess._end_former(process, former)
    assert (run not in fleet.nodes()) == ended


async def test_a_node_refuses_a_database_that_may_lose_what_it_confirms(fleet: Fleet, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="may lose what it confirms"):
        await run_node(FleetSettings(home=tmp_path, database=SecretStr(fleet.url)))


async def test_a_node_refuses_the_object_store_of_another_fleet_and_waits_for_none_that_is_away(
    tmp_path: Path,
) -> None:
    (tmp_path / "objects").mkdir()
    url = (tmp_path / "objects").as_uri()
    for _ in range(2):
        await _claimed(objects_at(url), "one")
    with pytest.raises(InvalidArgument, match="another fleet"):
        await _claimed(objects_at(url), "other")
    await _claimed(objects_at((tmp_path / "not-mounted").as_uri()), "one")


def objects_at(url: str) -> ObjectStore:
    opened = open_objects(url)
    assert opened is not None
    return opened


async def test_a_node_without_a_database_says_which_setting_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="database"):
        await run_node(FleetSettings(home=tmp_path))


async def settled(
    fleet: Fleet, home: Path, reason: StorageError | None, *, answers: bool = True
) -> tuple[str, int]:
    """The state of the account and its failures, after a leadership has ended for a reason."""
    row = fleet.rows()[ACCOUNT]
    begin_run(fleet.session, "one 1", "one", MIGRATIONS[-1].version)
    assert raise_epoch(fleet.session, ACCOUNT, row.lease, "one 1") is not None
    if not answers:
        fleet.session.execute("ALTER TABLE whatsapp_mcp.accounts RENAME COLUMN reason TO elsewhere")
    async with DatabaseCalls(patient(fleet.url)) as calls:
        await NodeAccount(context_of(calls, home), row)._settle(reason)
    if not answers:
        fleet.session.execute("ALTER TABLE whatsapp_mcp.accounts RENAME COLUMN elsewhere TO reason")
    row = fleet.rows()[ACCOUNT]
    return row.state, row.failures


@pytest.mark.parametrize("reason", [None, Fenced("A newer leader."), Unavailable("No answer.")])
async def test_what_is_no_fault_of_the_account_costs_it_nothing(
    reason: StorageError | None, fleet: Fleet, tmp_path: Path
) -> None:
    assert await settled(fleet, tmp_path, reason) == ("active", 0)


async def test_a_rewound_database_quarantines_the_account_and_asks_to_link_it_again(
    fleet: Fleet, tmp_path: Path
) -> None:
    folder = FleetSettings(home=tmp_path).account_folder(ACCOUNT)
    folder.create()
    folder.archive_db.write_bytes(b"")
    folder.ledger_db.write_bytes(b"")
    assert await settled(fleet, tmp_path, Rewound("It has 3 rows.")) == ("quarantined", 0)
    assert fleet.rows()[ACCOUNT].run is None
    [(reason,)] = fleet.session.execute("SELECT reason FROM whatsapp_mcp.accounts").fetchall()
    assert "link it again" in reason
    assert not folder.archive_db.exists()
    assert not folder.ledger_db.exists()


async def test_an_account_whose_quarantine_cannot_be_noted_is_not_released_and_keeps_its_files(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whatsapp_fleet.node.account._QUARANTINE_LIMIT", 0.1)
    folder = FleetSettings(home=tmp_path).account_folder(ACCOUNT)
    folder.create()
    folder.archive_db.write_bytes(b"")
    await settled(fleet, tmp_path, Rewound("It has 3 rows."), answers=False)
    assert fleet.rows()[ACCOUNT].run == "one 1"
    assert folder.archive_db.exists()


@pytest.mark.parametrize(
    "reason", [StorageError("It does not fence."), Refused("No room."), Unwritable("No room.")]
)
async def test_a_leadership_that_fails_is_counted(reason: StorageError, fleet: Fleet, tmp_path: Path) -> None:
    assert await settled(fleet, tmp_path, reason) == ("active", 1)


def context_of(calls: DatabaseCalls, home: Path) -> Any:
    """Of a node, for leaderships that do not come far."""
    run = SimpleNamespace(name="one 1", holds=lambda: True)
    logins = anyio.CapacityLimiter(1)
    return SimpleNamespace(
        run=run, calls=calls, clock=lambda: 0.0, settings=FleetSettings(home=home), logins=logins
    )


async def test_an_account_that_this_version_cannot_lead_goes_to_others_and_is_never_quarantined(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cannot(*_: object) -> None:
        raise Unsupported("An operation is of another version.", "Upgrade.")

    monkeypatch.setattr(NodeAccount, "_take", cannot)
    [run, other] = begin(fleet, "one", "two")
    async with DatabaseCalls(patient(fleet.url)) as calls:
        for is_due in (True, False):
            await NodeAccount(context_of(calls, tmp_path), fleet.rows()[ACCOUNT]).lead(_nothing, _nothing)
            row = fleet.rows()[ACCOUNT]
            assert (row.state, row.failures, row.failed_runs) == ("active", 0, [run])
            assert row.is_due is is_due
    note_stable(fleet.session, ACCOUNT, other)
    assert fleet.rows()[ACCOUNT].is_due
    assert fleet.rows()[ACCOUNT].failed_runs == [run]


async def test_an_account_that_is_given_up_while_it_waits_for_its_turn_is_not_taken(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fence(_: NodeAccount) -> None:
        raise AssertionError

    monkeypatch.setattr(NodeAccount, "_fence", fence)
    async with DatabaseCalls(patient(fleet.url)) as calls:
        context = context_of(calls, tmp_path)
        account = NodeAccount(context, fleet.rows()[ACCOUNT])
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                await context.logins.acquire_on_behalf_of("another")
                tasks.start_soon(account.lead, _nothing, _nothing)
                while not context.logins.statistics().tasks_waiting:  # noqa: ASYNC110  a thread comes before
                    await anyio.sleep(0.01)
                account.end()
    assert fleet.rows()[ACCOUNT].failures == 0


async def test_an_account_that_is_given_up_while_it_is_opened_is_not_led_first(
    fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = anyio.Event()

    async def open_for_long(*_: object) -> None:
        opening.set()
        await anyio.sleep_forever()

    def fenced(_: NodeAccount) -> bool:
        return True

    monkeypatch.setattr(NodeAccount, "_fence", fenced)
    monkeypatch.setattr(NodeAccount, "_lead", open_for_long)
    async with DatabaseCalls(patient(fleet.url)) as calls:
        account = NodeAccount(context_of(calls, tmp_path), fleet.rows()[ACCOUNT])
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(account.lead, _nothing, _nothing)
                await opening.wait()
                account.end()
    assert fleet.rows()[ACCOUNT].failures == 0


def _nothing() -> None:
    """Nobody is told."""


def begin(fleet: Fleet, *nodes: str) -> list[str]:
    """Runs of these nodes."""
    for node in nodes:
        begin_run(fleet.session, f"{node} 1", node, 3, address="", machine="", capacity=9)
    return [f"{node} 1" for node in nodes]


def test_an_account_that_keeps_failing_rests_and_is_quarantined(fleet: Fleet) -> None:
    runs = begin(fleet, "one", "two") * 5
    pauses = [
        note_failure(fleet.session, ACCOUNT, run, "It crashes.", before) for before, run in enumerate(runs)
    ]
    assert [pause.seconds for pause in pauses if pause is not None][:4] == [0, 0, 10, 20]
    assert pauses[-1] is None
    assert fleet.rows()[ACCOUNT].state == "quarantined"


def test_a_node_on_which_all_fails_quarantines_nothing_and_another_is_to_lead_it(fleet: Fleet) -> None:
    bad, good = begin(fleet, "bad", "good")
    for before in range(12):
        note_failure(fleet.session, ACCOUNT, bad, "Its disk is full.", before)
    fleet.session.execute("UPDATE whatsapp_mcp.accounts SET not_before = now()")
    assert fleet.rows()[ACCOUNT].state == "active"
    runs = live_runs(fleet.session)
    view = View(runs, [*fleet.rows().values()], 0.0)
    assert [row.account for row in plan(view, good, ()).take] == [ACCOUNT]
    note_stable(fleet.session, ACCOUNT, good)
    view = View(runs, [*fleet.rows().values()], 0.0)
    assert view.accounts[0].failures == 0
    assert not plan(view, good, {ACCOUNT}).move
    assert not plan(view, bad, ()).take


def test_a_failure_that_is_noted_again_after_a_lost_answer_counts_once(fleet: Fleet) -> None:
    [run] = begin(fleet, "one")
    for _ in range(2):
        note_failure(fleet.session, ACCOUNT, run, "It crashes.", 0)
    assert fleet.rows()[ACCOUNT].failures == 1


async def test_a_run_ends_when_its_counter_has_gone_back(fleet: Fleet) -> None:
    [name] = begin(fleet, "one")
    run = NodeRun(patient(fleet.url), name, LeaseTimes(ttl=3600, margin=1, interval=0.02))
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run.keep)
            while not run.holds():  # noqa: ASYNC110  a thread renews
                await anyio.sleep(0.01)
            fleet.session.execute("UPDATE whatsapp_mcp.runs SET counter = -1")
            while not run.ended:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert run.rewound
    assert not run.holds()


async def test_a_node_whose_database_was_rewound_quarantines_every_account_of_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    for account, state in (("drained", "drained"), ("moved", "moved")):
        add_account(fleet.session, account)
        fleet.set(account, state)
    async with DatabaseCalls(patient(fleet.url)) as calls:
        run = SimpleNamespace(name="one 1", times=LeaseTimes(), ended=True, rewound=True)
        context: Any = SimpleNamespace(run=run, calls=calls, clock=lambda: 0.0)
        copies: Any = None
        node = Node(context, copies, rewound=2)
        await node.run()
    assert {name: row.state for name, row in fleet.rows().items()} == {
        ACCOUNT: "quarantined",
        "drained": "quarantined",
        "moved": "moved",
    }
    assert node.rewound == 3


async def watched(fleet: Fleet, *seen: Contact) -> list[int]:
    """How many runs a watcher ends at each look, at which it sees this of the only one."""
    begin(fleet, "one")
    came = iter(seen)

    async def connect(address: str, machine: str) -> Contact:
        return next(came)

    async with DatabaseCalls(patient(fleet.url)) as calls:
        watcher = Watcher("two 1", LeaseTimes(), calls, lambda: 100.0, connect)
        return [await watcher.challenge(View(live_runs(fleet.session), [], 100.0)) for _ in seen]


async def test_a_run_whose_address_refuses_is_ended_at_once_if_it_was_reached(fleet: Fleet) -> None:
    assert await watched(fleet, Contact.ACCEPTED, Contact.UNKNOWN, Contact.REFUSED) == [0, 0, 1]


async def test_a_run_that_was_never_reached_is_not_ended_because_something_refuses(fleet: Fleet) -> None:
    assert await watched(fleet, Contact.UNKNOWN, Contact.REFUSED, Contact.REFUSED) == [0, 0, 0]


async def test_a_run_that_lives_is_connected_to_until_it_was_reached(fleet: Fleet) -> None:
    begin(fleet, "one")
    tried: list[float] = []
    now = 100.0

    async def connect(address: str, machine: str) -> Contact:
        tried.append(now)
        return Contact.ACCEPTED if len(tried) == 2 else Contact.UNKNOWN

    rows = [row._replace(lock_held=True) for row in live_runs(fleet.session)]
    calls: Any = None
    watcher = Watcher("two 1", LeaseTimes(), calls, lambda: now, connect)
    for now in (100.0, 101.0, 111.0, 112.0, 130.0):
        await watcher.challenge(View([row._replace(counter=int(now)) for row in rows], [], now))
    assert tried == [100.0, 111.0]


def test_the_crash_of_a_run_that_has_not_ended_is_not_counted(fleet: Fleet) -> None:
    pause = note_crash(fleet.session, ACCOUNT, Lease("one 1", 1), "Its leader is gone.")
    assert pause is not None
    assert fleet.rows()[ACCOUNT].failures == 0


@pytest.mark.anyio
async def test_what_waits_for_the_database_ends_when_the_node_is_asked_to_end() -> None:
    draining = anyio.Event()
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_unless, draining, anyio.sleep_forever)
            draining.set()


async def test_what_a_process_does_before_its_end_is_done_once() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    await _unless(anyio.Event(), work)
    assert done == ["work"]
