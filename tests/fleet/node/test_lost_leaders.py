"""An account whose leaders are lost one after another rests, and each loss counts once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.keys.taken import leaders_url
from tests.fleet.node.fleet_of_tests import LONG_LEASE, Fleet, node
from tests.fleet.postgres import PostgresServer

pytestmark = pytest.mark.anyio


@pytest.fixture
def fleet(postgres: PostgresServer, database: str) -> Iterator[Fleet]:
    with Fleet(leaders_url(postgres, database), "a") as opened:
        yield opened


def let(fleet: Fleet, change: str) -> None:
    """Change the row of the account."""
    fleet.session.execute(f"UPDATE whatsapp_mcp.accounts SET {change} WHERE account = 'a'".encode())


async def test_an_account_that_has_rested_is_led_again_and_the_loss_counts_once(
    fleet: Fleet, tmp_path: Path
) -> None:
    async with node("one", tmp_path, fleet.url, LONG_LEASE) as one:
        await fleet.until(lambda fleet: "a" in fleet.leaders())
        let(fleet, "failures = 5")
        one.kill()
    fleet.session.execute("UPDATE whatsapp_mcp.runs SET ended = true")
    async with node("two", tmp_path, fleet.url, LONG_LEASE):
        await fleet.until(lambda fleet: fleet.rows()["a"].failures == 6)
        assert not fleet.rows()["a"].is_due
        assert "a" not in fleet.leaders()
        let(fleet, "not_before = now()")
        await fleet.until(lambda fleet: fleet.leaders().get("a") == "two")
        assert fleet.rows()["a"].failures == 6
