"""Keys copied between a file and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio.to_thread
import psycopg
import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url, plant, ran_as
from tests.fleet.node.stored import DEVICE, empty_tables
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.keys import PostgresKeys, keys_address
from whatsapp_fleet.node.moving import keys
from whatsapp_fleet.node.moving.keys import KeyTables, key_tables, make_tables
from whatsapp_mcp.errors import Unsupported

pytestmark = pytest.mark.anyio

LIMIT = 60.0


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


@asynccontextmanager
async def prepared(account: TakenAccount, folder: Path) -> AsyncIterator[KeyTables]:
    """The tables of the library, as a new leader has them."""
    login = await anyio.to_thread.run_sync(account.take_over)
    await make_tables(folder, keys_address(account.session, login))
    async with key_tables(account.database, login, LIMIT) as tables:
        yield tables


async def test_every_kind_of_value_comes_back_as_it_was(account: TakenAccount, tmp_path: Path) -> None:
    keys, back = tmp_path / "client.db", tmp_path / "back"
    back.mkdir()
    async with prepared(account, tmp_path) as tables:
        (back / "client.db").write_bytes(await empty_tables())
        own = DEVICE[0]
        rows: dict[str, tuple[object, ...]] = {
            "device": DEVICE,
            "pre_keys": (own, 1, bytes(range(32)), True),
            "sessions": (own, "15550002222:1", b"\x00\xff\\session"),
            "app_state_version": (own, "regular", 1 << 40, bytes(128)),
            "app_state_mutation_macs": (own, "regular", 1 << 40, bytes(32), bytes(32)),
            "contacts": (own, "a@s.whatsapp.net", "Ann\t\\N", None, "Аня \U0001f600", "", None),
            "chat_settings": (own, "a@s.whatsapp.net", -1, False, True),
            "lid_map": ("990001", "15550002222"),
        }
        with closing(sqlite3.connect(keys)) as db, db:
            for table, row in rows.items():
                values = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO whatsmeow_{table} VALUES ({values})", row)
        moved = tables.put(keys)
        assert moved == tables.digests() == tables.digests_of(keys)
        assert tables.put(keys) == moved  # instead of what is there
        assert tables.take(back / "client.db") == moved
        with closing(sqlite3.connect(back / "client.db")) as db:
            for table, row in rows.items():
                assert db.execute(f"SELECT * FROM whatsmeow_{table}").fetchall() == [row]
        with closing(sqlite3.connect(keys)) as db, db:
            db.execute("UPDATE whatsmeow_sessions SET session = X'00'")
        assert tables.digests_of(keys) != moved


async def test_keys_of_another_version_of_the_library_are_not_copied(
    account: TakenAccount, tmp_path: Path
) -> None:
    async with prepared(account, tmp_path) as tables:
        with closing(sqlite3.connect(tmp_path / "client.db")) as db, db:
            db.execute("UPDATE whatsmeow_version SET version = version - 1")
        with pytest.raises(Unsupported):
            tables.put(tmp_path / "client.db")


async def test_a_former_leader_copies_no_keys(account: TakenAccount, tmp_path: Path) -> None:
    async with prepared(account, tmp_path) as former:
        account.take_over()
        with pytest.raises(psycopg.OperationalError):
            former.put(tmp_path / "client.db")


async def test_a_former_leader_opens_no_connection(account: TakenAccount) -> None:
    former = account.take_over()
    account.take_over()
    with pytest.raises(psycopg.OperationalError):
        async with key_tables(account.database, former, LIMIT):
            pass


async def test_code_that_a_client_has_planted_among_its_keys_does_not_run_when_they_are_copied(
    account: TakenAccount, tmp_path: Path
) -> None:
    async with prepared(account, tmp_path):
        login = account.take_over()
        with account.log_in(login) as client:
            plant(client, login)
            for event in ("INSERT", "DELETE"):
                client.execute(
                    f"CREATE TRIGGER spying_{event} BEFORE {event} ON whatsmeow_contacts".encode()
                    + b" FOR EACH STATEMENT EXECUTE FUNCTION spy_on_rows()"
                )
            async with key_tables(account.database, login, LIMIT) as tables:
                for copy in (tables.put, tables.take):
                    with pytest.raises(Unsupported, match="not as the client library keeps them"):
                        copy(tmp_path / "client.db")
            assert ran_as(client) == (False, False)


async def test_the_address_book_of_the_librarys_own_tables_is_reset(
    account: TakenAccount, tmp_path: Path
) -> None:
    async with prepared(account, tmp_path) as tables:
        own = DEVICE[0]
        with closing(sqlite3.connect(tmp_path / "client.db")) as db, db:
            for table, row in {
                "device": DEVICE,
                "app_state_version": (own, "critical_unblock_low", 1, bytes(128)),
                "app_state_mutation_macs": (own, "critical_unblock_low", 1, bytes(32), bytes(32)),
            }.items():
                values = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO whatsmeow_{table} VALUES ({values})", row)
        tables.put(tmp_path / "client.db")
    login = account.take_over()
    with closing(PostgresKeys(account.database, login)) as store:
        assert await store.reset_address_book()
        assert not await store.reset_address_book()
    with account.log_in(login) as client:
        assert client.execute(b"SELECT FROM whatsmeow_app_state_mutation_macs").fetchall() == []


@pytest.mark.parametrize(("limit", "most"), [("_MOST_ROWS", 2), ("_MOST_BYTES", 100), ("_MOST_COLUMNS", 9)])
async def test_more_keys_than_a_mover_can_hold_are_not_copied(
    account: TakenAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    async with prepared(account, tmp_path):
        login = account.take_over()
    async with key_tables(account.database, login, LIMIT) as tables:
        with account.log_in(login) as client:
            client.execute(
                b"INSERT INTO whatsmeow_lid_map SELECT n::text, repeat('1', 40) || n"
                b" FROM generate_series(1, 3) AS n"
            )
        assert tables.take(tmp_path / "client.db")["whatsmeow_lid_map"].rows == 3
        monkeypatch.setattr(keys, limit, most)
        with pytest.raises(Unsupported, match="too many"):
            tables.take(tmp_path / "client.db")
