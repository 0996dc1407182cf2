"""Keys copied between a file and PostgreSQL: the linked phone stays linked, and messages go on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from pathlib import Path

import anyio.to_thread
import pytest

from tests.client.client_process import client_process
from tests.client.test_calls import text
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.keys.test_keys_client import heard
from tests.postgres import PostgresServer
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.fleet.keys import Login, keys_address
from whatsapp_mcp.node.moving.keys import KeyTables, make_tables
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.storage import Fenced

pytestmark = pytest.mark.anyio


@pytest.fixture
async def wa() -> AsyncGenerator[WhatsApp]:
    async with WhatsApp(seed=12) as whatsapp:
        yield whatsapp


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


async def test_a_linked_phone_stays_linked_from_the_file_to_the_database_and_back(
    wa: WhatsApp, account: TakenAccount, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with client_process(tmp_path, wa.environment()) as client:
        await client.link(wa.me)
        await ann.says("one")
        await client.call("send_message", to=str(ann.pn), message=text("from the file"))
        await heard(client, tmp_path, "one")
    await wa.me.offline()
    login = await prepared(account, tmp_path)
    keys = tmp_path / "client.db"
    moved = tables_of(account).put(keys)
    assert moved == tables_of(account).digests() == tables_of(account).digests_of(keys)
    assert moved["whatsmeow_device"].rows == 1
    assert moved["whatsmeow_sessions"].rows > 0
    keys.unlink()
    storage = ClientStorage(keys_address(account.session, login))
    async with client_process(tmp_path, wa.environment(), generation=2, storage=storage) as client:
        await client.call("connect")
        await client.hear_state(EventCode.CONNECTED)
        await ann.says("two")
        await client.call("send_message", to=str(ann.pn), message=text("from the database"))
        await heard(client, tmp_path, "one", "two")
    await wa.me.offline()
    back = tmp_path / "back"
    back.mkdir()
    await make_tables(back)
    await anyio.to_thread.run_sync(account.take_over)
    assert tables_of(account).take(back / "client.db") == tables_of(account).digests()
    async with client_process(back, wa.environment(), generation=3) as client:
        await client.call("connect")
        await client.hear_state(EventCode.CONNECTED)
        await ann.says("three")
        await client.call("send_message", to=str(ann.pn), message=text("from the file again"))
        await heard(client, back, "three")
    said = [message.text for message in ann.inbox]
    assert said == ["from the file", "from the database", "from the file again"]


async def test_keys_of_another_version_of_the_library_are_not_copied(
    account: TakenAccount, tmp_path: Path
) -> None:
    await prepared(account, tmp_path)
    await make_tables(tmp_path)
    with closing(sqlite3.connect(tmp_path / "client.db")) as db, db:
        db.execute("UPDATE whatsmeow_version SET version = version - 1")
    with pytest.raises(Unsupported):
        tables_of(account).put(tmp_path / "client.db")


async def test_a_former_leader_copies_no_keys(account: TakenAccount, tmp_path: Path) -> None:
    await prepared(account, tmp_path)
    await make_tables(tmp_path)
    former = tables_of(account)
    account.take_over()
    with pytest.raises(Fenced):
        former.put(tmp_path / "client.db")
