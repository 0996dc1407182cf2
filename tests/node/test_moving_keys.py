"""Keys copied between a file and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest

from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.node.stored import DEVICE, empty_tables
from tests.postgres import PostgresServer
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.fleet.keys import Login, keys_address
from whatsapp_mcp.node.moving.keys import KeyTables, make_tables
from whatsapp_mcp.storage import Fenced

pytestmark = pytest.mark.anyio


@pytest.fixture
def account(postgres: PostgresServer, database: str) -> Iterator[TakenAccount]:
    with TakenAccount(leaders_url(postgres, database)) as taken:
        yield taken


def tables_of(account: TakenAccount) -> KeyTables:
    account.session.deadline = account.database.monotonic() + 60
    return KeyTables(account.session, account.account, account.epoch())


async def prepared(account: TakenAccount, folder: Path) -> Login:
    """A new leader, and the tables of the library for it."""
    login = await anyio.to_thread.run_sync(account.take_over)
    await make_tables(folder, keys_address(account.session, login))
    return login


async def test_every_kind_of_value_comes_back_as_it_was(account: TakenAccount, tmp_path: Path) -> None:
    keys, back = tmp_path / "client.db", tmp_path / "back"
    back.mkdir()
    await prepared(account, tmp_path)
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
    moved = tables_of(account).put(keys)
    assert moved == tables_of(account).digests() == tables_of(account).digests_of(keys)
    assert tables_of(account).put(keys) == moved  # instead of what is there
    assert tables_of(account).take(back / "client.db") == moved
    with closing(sqlite3.connect(back / "client.db")) as db:
        for table, row in rows.items():
            assert db.execute(f"SELECT * FROM whatsmeow_{table}").fetchall() == [row]
    with closing(sqlite3.connect(keys)) as db, db:
        db.execute("UPDATE whatsmeow_sessions SET session = X'00'")
    assert tables_of(account).digests_of(keys) != moved


async def test_keys_of_another_version_of_the_library_are_not_copied(
    account: TakenAccount, tmp_path: Path
) -> None:
    await prepared(account, tmp_path)
    with closing(sqlite3.connect(tmp_path / "client.db")) as db, db:
        db.execute("UPDATE whatsmeow_version SET version = version - 1")
    with pytest.raises(Unsupported):
        tables_of(account).put(tmp_path / "client.db")


async def test_a_former_leader_copies_no_keys(account: TakenAccount, tmp_path: Path) -> None:
    await prepared(account, tmp_path)
    former = tables_of(account)
    account.take_over()
    with pytest.raises(Fenced):
        former.put(tmp_path / "client.db")
