"""Which node keeps copies of which accounts, and where."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, node
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import AccountRow, RunRow
from whatsapp_fleet.node.copies import Copies
from whatsapp_fleet.node.plan import View, plan
from whatsapp_fleet.node.replicas import Served
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.device.leader import background_tasks
from whatsapp_mcp.errors import Busy
from whatsapp_mcp.server.feed import ChangeFeed
from whatsapp_mcp.settings import AccountFolder, CurrentSettings

pytestmark = pytest.mark.anyio

ACCOUNTS = tuple("abcd")


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), *ACCOUNTS) as opened:
        yield opened


def has_archive(home: Path, account: str) -> bool:
    return AccountFolder(account, home / "accounts" / account).archive_db.exists()


async def test_each_of_two_nodes_keeps_copies_of_what_the_other_leads(fleet: Fleet, tmp_path: Path) -> None:
    async with (
        node("one", tmp_path, fleet.url, LONG_LEASE) as one,
        node("two", tmp_path, fleet.url, LONG_LEASE) as two,
    ):
        await fleet.until(lambda fleet: {*fleet.leaders().values()} == {"one", "two"})
        await fleet.until(lambda fleet: len(fleet.leaders()) == len(ACCOUNTS))
        others = {name: one if leader == "two" else two for name, leader in fleet.leaders().items()}
        await fleet.until(lambda _: all(has_archive(other.home, name) for name, other in others.items()))


def copied_by(run: str, leader: str, *nodes: str) -> bool:
    """Whether a run keeps a copy of an account that another one leads; the runs are called as their nodes."""
    runs = [RunRow(one, one, 1, capacity=1) for one in nodes]
    row = AccountRow("a", leader, 1, False, "active", True, 0, "")
    return plan(View(runs, [row], 0.0), run, ()).copy == ("a",)


def test_one_run_keeps_the_copy_and_not_the_leader() -> None:
    nodes = ("one", "two", "three")
    for leader in nodes:
        assert sum(copied_by(run, leader, *nodes) for run in nodes) == 1
        assert not copied_by(leader, leader, *nodes)
    assert not copied_by("one", "one", "one")


async def test_a_copy_that_takes_long_to_end_holds_up_nothing(tmp_path: Path) -> None:
    ended, asked = anyio.Event(), list[str]()

    async def end(account: str) -> None:
        asked.append(account)
        await ended.wait()
        followed.accounts = frozenset()

    followed: Any = SimpleNamespace(accounts=frozenset("a"), as_of={}.get, end=end, begin=asked.append)
    context: Any = SimpleNamespace(settings=FleetSettings(home=tmp_path), made={})
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            copies = Copies(tasks, context, followed)
            await copies.keep([])
            await anyio.wait_all_tasks_blocked()
            await copies.keep([])
            await copies.keep(["a"])  # it ends first
            assert asked == ["a"]
            ended.set()
            await anyio.wait_all_tasks_blocked()
            await copies.keep(["a"])
            assert asked == ["a", "a"]


async def test_a_copy_whose_services_fail_is_opened_again_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures, opened = [Busy("A newer version has written what follows.")], anyio.Event()

    async def fail() -> None:
        raise failures.pop()

    @asynccontextmanager
    async def services(settings: FleetSettings, account: str) -> AsyncGenerator[tuple[None, None, None]]:
        async with background_tasks() as tasks:
            if failures:
                tasks.start_soon(fail)
            else:
                opened.set()
            yield None, None, None

    async def fed(*services: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr("whatsapp_fleet.node.copies.copied_services", services)
    monkeypatch.setattr(ChangeFeed, "run", fed)
    settings = FleetSettings(home=tmp_path)
    current = CurrentSettings(settings, "a", lambda: "")
    context: Any = SimpleNamespace(
        settings=settings, served=Served(""), decoding=anyio.Semaphore(1), current={"a": current}.get
    )
    context.run, context.clock = SimpleNamespace(confirmed_at=lambda: 1.0), lambda: 2.0
    followed: Any = SimpleNamespace(accounts=frozenset(), as_of={}.get)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            copies = Copies(tasks, context, followed)
            copies.answer("a")
            await opened.wait()
            assert copies.in_use == {"a"}
            tasks.cancel_scope.cancel()
