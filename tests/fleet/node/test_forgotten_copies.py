"""A node keeps no copy of an account that was forgotten or has moved away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import DatabaseCalls, led_accounts
from whatsapp_fleet.node import delete_copies, take_folder
from whatsapp_fleet.node.moving.claims import (
    arrive,
    claim_for_arrival,
    claim_for_departure,
    depart,
    former_of,
)
from whatsapp_fleet.settings import FleetSettings
from whatsapp_fleet.tenancy import create_account, forget_account
from whatsapp_mcp.errors import InvalidArgument

pytestmark = pytest.mark.anyio


@pytest.fixture
def taken(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database), "kept") as account:
        create_account(account.session, "gone")
        create_account(account.session, "led")
        yield account


async def test_the_folder_of_a_forgotten_account_is_deleted_once_nothing_uses_it_and_no_other_is(
    taken: TakenAccount, tmp_path: Path
) -> None:
    for name in ("kept", "gone", "led", "of-no-database"):
        (tmp_path / "accounts" / name / "media").mkdir(parents=True)
        (tmp_path / "accounts" / name / "archive.db").write_bytes(b"words")

    def here() -> set[str]:
        return {path.name for path in (tmp_path / "accounts").iterdir()}

    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path, set)
        assert here() == {"kept", "gone", "led", "of-no-database"}
        for name in ("gone", "led"):
            forget_account(taken.session, taken.database, name)
        await delete_copies(calls, tmp_path, lambda: {"led"})
        assert here() == {"kept", "led", "of-no-database"}
        await delete_copies(calls, tmp_path, set)
        assert here() == {"kept", "of-no-database"}


async def test_the_copy_of_an_account_that_has_moved_is_deleted_and_an_account_with_keys_is_not(
    taken: TakenAccount, tmp_path: Path
) -> None:
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved'")
    for name in ("kept", "gone"):
        (tmp_path / "accounts" / name / "client").mkdir(parents=True)
    (tmp_path / "accounts" / "kept" / "client" / "client.db").touch()  # it was moved to this very home folder
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path, set)
    assert [path.name for path in (tmp_path / "accounts").iterdir()] == ["kept"]


def test_an_account_that_is_moved_in_is_told_from_the_one_that_left_under_its_name(
    taken: TakenAccount,
) -> None:
    def made() -> str:
        return next(row.made for row in led_accounts(taken.session) if row.account == "kept")

    first = made()
    depart(claim_for_departure(taken.session, taken.database, former_of(taken.session, "kept")), "first")
    arrive(claim_for_arrival(taken.session, taken.database, "kept"), "second", "")
    assert len({first, made()}) == 2
    assert len({row.made for row in led_accounts(taken.session)}) == 3


async def test_a_copy_that_is_used_again_since_the_database_was_asked_stays(
    taken: TakenAccount, tmp_path: Path
) -> None:
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved'")
    (tmp_path / "accounts" / "led").mkdir(parents=True)
    looks = iter([set[str](), {"led"}])
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path, lambda: next(looks))
    assert (tmp_path / "accounts" / "led").is_dir()


def test_what_a_node_that_was_off_has_of_a_former_account_is_not_the_next_ones_of_that_name(
    tmp_path: Path,
) -> None:
    folder = FleetSettings(home=tmp_path).account_folder("work")
    take_folder(folder, "first")
    folder.archive_db.write_bytes(b"words")
    (folder.media / "boat.jpg").write_bytes(b"boat")

    take_folder(folder, "first")
    assert folder.archive_db.exists()

    take_folder(folder, "second")
    assert not [path for path in folder.path.rglob("*") if path.is_file()]


def test_a_folder_that_holds_keys_is_no_copy_and_stays(tmp_path: Path) -> None:
    folder = FleetSettings(home=tmp_path).account_folder("work")
    folder.create()
    folder.client_db.write_bytes(b"keys")
    with pytest.raises(InvalidArgument, match="holds keys"):
        take_folder(folder, "first")
    assert folder.client_db.exists()


async def test_a_node_without_any_folder_asks_nothing(taken: TakenAccount, tmp_path: Path) -> None:
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path / "nowhere", set)
