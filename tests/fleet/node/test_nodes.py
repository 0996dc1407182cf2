"""Nodes in processes of their own: they share accounts, and take over what another has left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, node
from tests.fleet.postgres import PostgresServer

pytestmark = pytest.mark.anyio

ACCOUNTS = tuple("abcdef")


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), *ACCOUNTS) as opened:
        yield opened


def are_led(fleet: Fleet, *nodes: str) -> bool:
    """Whether each account is led, by all of these nodes together."""
    leaders = fleet.leaders()
    return len(leaders) == len(ACCOUNTS) and set(leaders.values()) == set(nodes)


async def test_the_accounts_of_a_node_that_is_killed_are_taken_over_before_its_lease_is_over(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with (
        node("one", tmp_path, fleet.url, LONG_LEASE) as one,
        node("two", tmp_path, fleet.url, LONG_LEASE),
    ):
        await fleet.until(lambda fleet: are_led(fleet, "one", "two"))
        before = fleet.rows()
        shares = fleet.leaders()
        one.kill()
        await fleet.until(lambda fleet: are_led(fleet, "two"))
        after = fleet.rows()
        for name, leader in shares.items():
            assert after[name].epoch == before[name].epoch + (leader == "one")


async def test_a_node_that_is_asked_to_end_gives_everything_up_and_ends_its_run(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with node("one", tmp_path, fleet.url) as one:
        await fleet.until(lambda fleet: are_led(fleet, "one"))
        assert await one.terminate() == 0
        assert not fleet.nodes()
        assert {row.run for row in fleet.rows().values()} == {None}
        assert {row.failures for row in fleet.rows().values()} == {0}


async def test_a_node_that_stands_still_has_lost_its_accounts_when_it_goes_on(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with node("one", tmp_path, fleet.url) as one, node("two", tmp_path, fleet.url):
        await fleet.until(lambda fleet: are_led(fleet, "one", "two"))
        former = {run for run, name in fleet.nodes().items() if name == "one"}
        one.stop()
        await fleet.until(lambda fleet: are_led(fleet, "two"))
        one.go_on()
        await fleet.until(lambda fleet: are_led(fleet, "one", "two"))
        assert former.isdisjoint(fleet.nodes())


async def test_a_node_that_is_started_again_does_not_wait_for_the_lease_of_its_last_process(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with node("one", tmp_path, fleet.url, LONG_LEASE) as one:
        await fleet.until(lambda fleet: are_led(fleet, "one"))
        former = set(fleet.nodes())
        one.kill()
    async with node("one", tmp_path, fleet.url, LONG_LEASE):
        await fleet.until(lambda fleet: former.isdisjoint(fleet.nodes()) and are_led(fleet, "one"))


async def test_no_node_leads_more_than_its_number(fleet: Fleet, tmp_path: Path) -> None:
    async with node("one", tmp_path, fleet.url, accounts="2"):
        await fleet.until(lambda fleet: len(fleet.leaders()) == 2)
        async with node("two", tmp_path, fleet.url, accounts="4"):
            await fleet.until(lambda fleet: are_led(fleet, "one", "two"))
            assert Counter(fleet.leaders().values()) == {"one": 2, "two": 4}


async def test_an_account_that_is_drained_is_given_up_and_taken_again_when_it_is_active(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with node("one", tmp_path, fleet.url):
        await fleet.until(lambda fleet: are_led(fleet, "one"))
        fleet.set("a", "drained")
        await fleet.until(lambda fleet: fleet.rows()["a"].run is None)
        fleet.set("a", "active")
        await fleet.until(lambda fleet: are_led(fleet, "one"))
        assert fleet.rows()["a"].epoch == 2
