"""What a replica knows of the fleet follows the database, and stays while that is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from anyio.abc import ByteStream

from whatsapp_fleet.database import AccountRow, DatabaseCalls, RunRow
from whatsapp_fleet.node import serve_replica
from whatsapp_fleet.node.replicas.directory import LEADER_LIMIT, FleetDirectory, _Seen
from whatsapp_fleet.node.replicas.figures import DATABASE_UP, LEADER_UP, ReplicaFigures
from whatsapp_fleet.node.replicas.fleet_accounts import FleetAccounts
from whatsapp_fleet.node.replicas.peers import Peers
from whatsapp_fleet.settings import FleetSettings
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.server.main import ServeOptions
from whatsapp_mcp.storage import Unavailable

pytestmark = pytest.mark.anyio
LIMIT = 30.0


def account(name: str, run: str | None, settings: str = "") -> AccountRow:
    return AccountRow(name, run, 1, False, "active", True, 0, settings)


def run(name: str) -> RunRow:
    return RunRow(name, name, 3, f"{name}:7420")


@dataclass
class Rows:
    """The database: what it has, or None while it is away."""

    seen: _Seen | None

    async def run(self, work: Callable[[Any], Any]) -> Any:
        if self.seen is None:
            raise Unavailable("It is away.")
        return self.seen


@dataclass
class Followed:
    """A directory and what it has told."""

    rows: Rows
    names: list[list[str]] = field(default_factory=list[list[str]])
    now: float = 0.0

    def __post_init__(self) -> None:
        calls = cast("DatabaseCalls", self.rows)
        self.directory = FleetDirectory(
            calls, lambda names: self.names.append([*names]), monotonic=lambda: self.now
        )

    async def has(self, accounts: list[AccountRow], runs: list[RunRow]) -> None:
        self.rows.seen = _Seen({row.account: row for row in accounts}, {row.run: row for row in runs})
        await self.directory._look()

    async def is_away(self) -> None:
        self.rows.seen = None
        await self.directory._look()


@pytest.fixture
def followed() -> Followed:
    return Followed(Rows(None))


async def test_a_leader_is_the_run_of_the_lease_while_it_has_not_ended(followed: Followed) -> None:
    await followed.has([account("work", "r1"), account("club", None)], [run("r1"), run("r2")])
    directory = followed.directory
    assert (directory.leader("work"), directory.leader("club")) == ("r1:7420", None)
    await followed.has([account("work", "r1")], [run("r2")])
    assert directory.leader("work") is None
    assert directory.holders("work") == ["r1:7420", "r2:7420"]
    assert followed.names == [["work", "club"], ["work"]]


async def test_an_account_is_stopped_until_it_is_active(followed: Followed) -> None:
    await followed.has([account("work", None), account("club", None)._replace(state="quarantined")], [])
    stopped = followed.directory.is_stopped
    assert (stopped("work"), stopped("club"), stopped("nobodys")) == (False, True, False)


async def test_another_leader_is_expected_for_a_while_after_the_last_one(followed: Followed) -> None:
    await followed.has([account("work", "r1")], [run("r1")])
    await followed.has([account("work", "r1")], [])
    followed.now += LEADER_LIMIT - 1
    await followed.has([account("work", "r1")], [])
    assert followed.directory.expects_leader("work")
    followed.now += 2
    assert not followed.directory.expects_leader("work")
    await followed.has([account("work", "r2")], [run("r2")])
    assert followed.directory.expects_leader("work")
    assert not followed.directory.expects_leader("nobodys")


async def test_what_was_known_stays_while_the_database_is_away_and_nobody_waits_for_it(
    followed: Followed,
) -> None:
    await followed.has([account("work", "r1", 'mode = "open"')], [run("r1")])
    await followed.is_away()
    directory = followed.directory
    assert not directory.is_current
    assert (directory.leader("work"), directory.settings_of("work")) == ("r1:7420", 'mode = "open"')
    assert not directory.expects_leader("work")
    assert followed.names == [["work"]]


async def test_whoever_asks_for_another_look_waits_for_it(followed: Followed) -> None:
    followed.rows.seen = _Seen({}, {})
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(followed.directory.run)
            await followed.directory.look_again()
            before = len(followed.names)
            await followed.directory.look_again()
            assert len(followed.names) > before
            tasks.cancel_scope.cancel()


async def test_a_replica_tells_of_the_accounts_that_a_token_may_use(followed: Followed) -> None:
    await followed.has([account("work", "r1"), account("club", None)], [run("r1")])
    accounts = FleetAccounts(FleetSettings(home=Path("unused")), followed.directory.settings_of)
    async with anyio.create_task_group() as tasks:
        accounts.update(["work", "club"], followed.directory, Peers(nowhere, "", tasks), tasks)
        figures = ReplicaFigures(accounts, followed.directory)
        assert figures.told(None)[LEADER_UP] == {("club",): 0.0, ("work",): 1.0}
        assert figures.told(frozenset({"work"}))[LEADER_UP] == {("work",): 1.0}
        assert figures.told(None)[DATABASE_UP] == {(): 1.0}
        accounts.update(["club"], followed.directory, Peers(nowhere, "", tasks), tasks)
        assert figures.told(None)[LEADER_UP] == {("club",): 0.0}


async def nowhere(address: str) -> ByteStream:
    raise ConnectionRefusedError


@pytest.mark.parametrize(
    "options",
    [
        ServeOptions(transport="stdio"),
        ServeOptions(transport="sse"),
        ServeOptions(transport="http", account="work"),
        ServeOptions(transport="http", chat="+15550001111"),
        ServeOptions(transport="http", auth=False),
    ],
)
def test_what_a_replica_cannot_serve_is_refused_before_anything_starts(options: ServeOptions) -> None:
    with pytest.raises(InvalidArgument):
        serve_replica(options, FleetSettings(home=Path("unused")))
