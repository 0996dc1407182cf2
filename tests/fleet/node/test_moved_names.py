"""The name of an account that has left the database gives nobody anything in the next one of that name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import led_accounts
from whatsapp_fleet.node.moving.claims import (
    arrive,
    claim_for_arrival,
    claim_for_departure,
    depart,
    former_of,
)
from whatsapp_fleet.tenancy import (
    change_principal,
    create_account,
    create_principal,
    forget_account,
    forgotten_among,
    principal_rows,
)
from whatsapp_mcp.errors import InvalidArgument


@pytest.fixture
def taken(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database), "dave") as account:
        create_account(account.session, "carol")
        yield account


def test_an_account_whose_name_was_forgotten_cannot_be_moved_in(taken: TakenAccount) -> None:
    forget_account(taken.session, taken.database, "carol")
    with pytest.raises(InvalidArgument, match="was forgotten"):
        claim_for_arrival(taken.session, taken.database, "carol")
    assert forgotten_among(taken.session, ["carol"]) == {"carol"}


def test_whoever_could_use_an_account_cannot_use_another_that_is_moved_in_under_its_name(
    taken: TakenAccount,
) -> None:
    create_principal(taken.session, "bot", ["read"], ["carol", "dave"])
    create_principal(taken.session, "operator", ["admin"], None)
    depart(claim_for_departure(taken.session, taken.database, former_of(taken.session, "dave")), "first")
    with pytest.raises(InvalidArgument, match="no account dave"):
        change_principal(taken.session, "bot", ["dave"], None)

    arrive(claim_for_arrival(taken.session, taken.database, "dave"), "second", "")

    assert [row.accounts for row in principal_rows(taken.session)] == [["carol"], None]


def test_an_account_that_comes_in_again_is_another_one_and_has_failed_nowhere(taken: TakenAccount) -> None:
    arrive(claim_for_arrival(taken.session, taken.database, "erin"), "first", "")
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET failed_runs = '{one}', failures = 2")
    depart(claim_for_departure(taken.session, taken.database, former_of(taken.session, "erin")), "second")
    arrive(claim_for_arrival(taken.session, taken.database, "erin"), "third", "")
    [row] = [row for row in led_accounts(taken.session) if row.account == "erin"]
    assert (row.failures, row.failed_runs) == (0, [])
