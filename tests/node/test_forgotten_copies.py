"""A node keeps no copy of an account that was forgotten or has moved away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.postgres import PostgresServer
from whatsapp_mcp.fleet.database import DatabaseCalls
from whatsapp_mcp.fleet.tenancy import create_account, forget_account
from whatsapp_mcp.node import delete_copies

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
        (tmp_path / "accounts" / name / "media").mkdir(parents=True)
    (tmp_path / "accounts" / "kept" / "client.db").touch()  # it was moved to this very home folder
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path, set)
    assert [path.name for path in (tmp_path / "accounts").iterdir()] == ["kept"]


async def test_a_copy_that_is_used_again_since_the_database_was_asked_stays(
    taken: TakenAccount, tmp_path: Path
) -> None:
    taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved'")
    (tmp_path / "accounts" / "led").mkdir(parents=True)
    looks = iter([set[str](), {"led"}])
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path, lambda: next(looks))
    assert (tmp_path / "accounts" / "led").is_dir()


async def test_a_node_without_any_folder_asks_nothing(taken: TakenAccount, tmp_path: Path) -> None:
    async with DatabaseCalls(taken.database) as calls:
        await delete_copies(calls, tmp_path / "nowhere", set)
