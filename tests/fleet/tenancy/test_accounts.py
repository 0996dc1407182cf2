"""What operators do with accounts: they are made, changed, and forgotten until nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.object_stores import store_of
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import MIGRATIONS, begin_run, connect, end_run, release
from whatsapp_fleet.database.leases import lease_of
from whatsapp_fleet.tenancy import (
    ACCOUNT_TABLES,
    account_overview,
    account_overviews,
    create_account,
    create_principal,
    drain_node,
    forget_account,
    forgotten_among,
    node_overviews,
    principal_rows,
    remains,
    set_account_settings,
    set_account_state,
)
from whatsapp_mcp.errors import Busy, InvalidArgument

ACCOUNT, OTHER = "acme-7", "acme-7_1"
_OF_ACCOUNTS = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'whatsapp_mcp' AND column_name = 'account'
"""
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'whatsapp_mcp' AND table_name = %s AND column_name <> 'account'
    AND is_nullable = 'NO' AND column_default IS NULL
"""
_VALUES = {"text": "'x'", "bigint": "1", "integer": "1", "bytea": "'\\x00'"}


@pytest.fixture
def taken(postgres: PostgresServer, database: str, tmp_path: Path) -> Iterator[TakenAccount]:
    """An account of a database in which another one is made, which is no account of the tests below."""
    with TakenAccount(leaders_url(postgres, database), "bystander") as account:
        account.database = replace(account.database, objects=store_of("folder", tmp_path))
        create_account(account.session, ACCOUNT, "[policy]\n")
        create_account(account.session, OTHER)
        yield account


def fill(taken: TakenAccount, account: str) -> None:
    """Put a row into every table of accounts that has none yet, whatever its other columns are."""
    session, objects = taken.session, taken.database.objects
    assert objects is not None
    row = [account, objects.identity(), objects.url]
    session.execute("INSERT INTO whatsapp_mcp.account_stores VALUES (%s, %s, %s)", row)
    filled = ("account_stores", "heads", "accounts", "leases")
    for table in reversed([each for each in ACCOUNT_TABLES if each not in filled]):
        needed = session.execute(_COLUMNS, [table]).fetchall()
        columns = sql.SQL(", ").join(map(sql.Identifier, ["account", *(name for name, _ in needed)]))
        values = sql.SQL(", ".join(["%s", *(_VALUES[kind] for _, kind in needed)]))  # pyright: ignore[reportArgumentType]
        session.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
                sql.Identifier("whatsapp_mcp", table), columns, values
            ),
            [account],
        )


def led(taken: TakenAccount, account: str) -> str:
    """A run that leads the account."""
    run = f"run of {account}"
    begin_run(taken.session, run, "node-a", MIGRATIONS[-1].version)
    taken.session.execute("UPDATE whatsapp_mcp.leases SET run = %s WHERE account = %s", [run, account])
    return run


def test_an_account_that_was_made_may_be_led_and_has_a_place_for_its_keys(taken: TakenAccount) -> None:
    row = account_overview(taken.session, ACCOUNT)
    assert (row.state, row.settings, row.run, row.not_before) == ("active", "[policy]\n", None, None)
    assert [each.name for each in account_overviews(taken.session)] == [ACCOUNT, OTHER, "bystander"]
    schemas = taken.session.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'keys%'").fetchall()
    assert ("keys_acme-7",) in schemas


def test_of_two_who_make_an_account_at_once_one_is_told_that_it_is_there(taken: TakenAccount) -> None:
    def make(settings: str) -> str:
        with taken.connect() as session:
            try:
                create_account(session, "new", settings)
            except InvalidArgument:
                return ""
            return settings

    with ThreadPoolExecutor(2) as pool:
        done = [each for each in pool.map(make, ["[policy]\n", "[media]\n"]) if each]
    assert [account_overview(taken.session, "new").settings] == done


def test_what_operators_change_is_seen_with_who_leads(taken: TakenAccount) -> None:
    run = led(taken, ACCOUNT)
    set_account_state(taken.session, ACCOUNT, "quarantined", "spam reports")
    set_account_settings(taken.session, ACCOUNT, "[retention]\ndays = 1\n")
    row = account_overview(taken.session, ACCOUNT)
    assert (row.state, row.reason, row.run, row.node) == ("quarantined", "spam reports", run, "node-a")
    assert row.settings == "[retention]\ndays = 1\n"

    end_run(taken.session, run)
    assert account_overview(taken.session, ACCOUNT).run is None


def test_an_account_that_is_let_go_on_is_not_put_off_any_longer(taken: TakenAccount) -> None:
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET failures = 5, not_before = now() + '1 hour'")
    set_account_state(taken.session, ACCOUNT, "active")
    row = account_overview(taken.session, ACCOUNT)
    assert (row.failures, row.not_before) == (0, None)
    assert account_overview(taken.session, OTHER).failures == 5


def test_an_account_that_has_moved_elsewhere_is_not_made_active_here(taken: TakenAccount) -> None:
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved' WHERE account = %s", [ACCOUNT])
    with pytest.raises(InvalidArgument, match="has moved"):
        set_account_state(taken.session, ACCOUNT, "active")


def test_an_account_that_is_not_there_is_changed_by_nobody(taken: TakenAccount) -> None:
    for change in (
        lambda: account_overview(taken.session, "nobody"),
        lambda: set_account_state(taken.session, "nobody", "drained"),
        lambda: set_account_settings(taken.session, "nobody", ""),
    ):
        with pytest.raises(InvalidArgument, match="There is no account nobody"):
            change()


def test_a_node_is_drained_by_its_name(taken: TakenAccount) -> None:
    led(taken, ACCOUNT)
    assert drain_node(taken.session, "node-b") == 0
    assert drain_node(taken.session, "node-a") == 1
    assert [(run.node, run.draining, run.leads) for run in node_overviews(taken.session)] == [
        ("node-a", True, 1)
    ]


def test_every_table_with_rows_of_an_account_is_cleared_when_it_is_forgotten(taken: TakenAccount) -> None:
    tables = {name for (name,) in taken.session.execute(_OF_ACCOUNTS).fetchall()}
    assert tables == set(ACCOUNT_TABLES)


def test_of_an_account_that_was_forgotten_nothing_is_left_and_the_others_keep_everything(
    taken: TakenAccount,
) -> None:
    fill(taken, ACCOUNT)
    fill(taken, OTHER)
    create_principal(taken.session, "bot", ["read"], [ACCOUNT, OTHER])
    create_principal(taken.session, "operator", ["admin"], None)
    # The name of one account begins that of the other.
    before = remains(taken.session, OTHER)
    assert len(remains(taken.session, ACCOUNT)) == len(before) == len(ACCOUNT_TABLES) + 5

    forget_account(taken.session, taken.database, ACCOUNT)

    assert remains(taken.session, ACCOUNT) == []
    assert remains(taken.session, OTHER) == before
    assert [row.accounts for row in principal_rows(taken.session)] == [[OTHER], None]
    stored = taken.session.execute("SELECT * FROM whatsapp_mcp.forgotten").fetchall()
    assert len(stored) == 1
    assert ACCOUNT not in str(stored)


def test_an_account_whose_client_is_connected_is_forgotten_once_that_has_ended(
    postgres: PostgresServer, database: str
) -> None:
    with TakenAccount(leaders_url(postgres, database), ACCOUNT) as account:
        login = account.take_over()
        with account.log_in(login) as client:
            client.execute("CREATE TABLE whatsmeow_device (jid text)")
            lease = lease_of(account.session, ACCOUNT)
            assert lease is not None
            release(account.session, ACCOUNT, lease)

            forget_account(account.session, account.database, ACCOUNT)

            with pytest.raises(psycopg.OperationalError):
                client.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError):
            account.log_in(login)
        assert remains(account.session, ACCOUNT) == []


def test_an_account_that_is_led_is_not_forgotten_until_its_leader_has_let_it_go(taken: TakenAccount) -> None:
    run = led(taken, ACCOUNT)
    with pytest.raises(Busy):
        forget_account(taken.session, taken.database, ACCOUNT)
    assert forgotten_among(taken.session, [ACCOUNT]) == set()

    end_run(taken.session, run)
    forget_account(taken.session, taken.database, ACCOUNT)
    assert remains(taken.session, ACCOUNT) == []


@pytest.mark.parametrize("statement", ["ALTER ROLE", "DROP SCHEMA", "DELETE FROM", "UPDATE"])
def test_forgetting_that_was_interrupted_at_any_step_is_completed_when_it_is_repeated(
    taken: TakenAccount, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(taken, ACCOUNT)
    with connect(taken.database) as session:
        execute, left = session.execute, [2 if statement == "UPDATE" else 1]

        def break_off(query: object, *values: object, **options: object) -> object:
            text = query.as_string() if isinstance(query, sql.Composable) else str(query)
            if statement in text and not text.startswith("SELECT"):
                left[0] -= 1
                if left[0] == 0:
                    session.close()
            return execute(query, *values, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]

        monkeypatch.setattr(session, "execute", break_off)
        with pytest.raises(psycopg.OperationalError):
            forget_account(session, taken.database, ACCOUNT)

    assert remains(taken.session, ACCOUNT) != []
    # No copy of it is deleted before all the rest is.
    assert forgotten_among(taken.session, [ACCOUNT]) == set()
    forget_account(taken.session, taken.database, ACCOUNT)
    assert remains(taken.session, ACCOUNT) == []


def test_a_name_that_was_forgotten_is_told_to_whoever_has_a_copy_and_never_given_again(
    taken: TakenAccount,
) -> None:
    forget_account(taken.session, taken.database, ACCOUNT)
    assert forgotten_among(taken.session, [ACCOUNT, OTHER, "nobody"]) == {ACCOUNT}
    with pytest.raises(InvalidArgument, match="was forgotten"):
        create_account(taken.session, ACCOUNT)
