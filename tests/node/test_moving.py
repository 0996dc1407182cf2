"""An account moves from a folder to a database and back: messages go on, and it is in one place alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tests.archive.events import NOW
from tests.client.client_process import ClientUnderTest, client_process
from tests.client.test_calls import text
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.keys.test_keys_client import texts_in
from tests.node.stored import DEVICE, archived, stored
from tests.postgres import PostgresServer
from whatsapp_mcp.archive import LogStorage, open_archive
from whatsapp_mcp.client.client_storage import ClientStorage
from whatsapp_mcp.client.journal import Journal
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.fleet.database import (
    Database,
    PostgresLog,
    PostgresSnapshots,
    connect,
    end_run,
    lease_of,
    release,
)
from whatsapp_mcp.fleet.keys import journal_address, keys_address
from whatsapp_mcp.ledger import Exposure, open_ledger
from whatsapp_mcp.node.moving import (
    MoveIn,
    MoveOut,
    MoveRecord,
    arrival_in,
    forget_there,
    move_in,
    move_out,
    remove_keys,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.simulator import WhatsApp
from whatsapp_mcp.storage import Fenced

pytestmark = pytest.mark.anyio

SETTINGS = '[policy]\nmode = "read_only"\n'


@pytest.fixture
async def wa() -> AsyncGenerator[WhatsApp]:
    async with WhatsApp(seed=13) as whatsapp:
        yield whatsapp


@pytest.fixture
def url(postgres: PostgresServer, database: str) -> str:
    return leaders_url(postgres, database)


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    folder = AccountFolder("work", tmp_path / "home" / "accounts" / "work")
    folder.create()
    return folder


def at(url: str) -> Database:
    return Database(url, patience=60.0, allow_asynchronous=True)


class MovedAccount(TakenAccount):
    """The account in the database, for what leads it there."""

    def state(self) -> tuple[str, str]:
        """Its state and its settings."""
        row = self.session.execute("SELECT state, settings FROM whatsapp_mcp.accounts").fetchone()
        assert row is not None
        return row


@pytest.fixture
def account(url: str) -> Iterator[MovedAccount]:
    with MovedAccount(url) as taken:
        taken.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'moved'")
        yield taken


@asynccontextmanager
async def online(
    folder: Path, wa: WhatsApp, storage: ClientStorage | None = None
) -> AsyncIterator[ClientUnderTest]:
    """The client of a linked account."""
    given = ClientStorage() if storage is None else storage
    async with client_process(folder, wa.environment(), generation=2, storage=given) as client:
        await client.call("connect")
        await client.hear_state(EventCode.CONNECTED)
        yield client
    await wa.me.offline()


def texts(folder: AccountFolder) -> list[str]:
    """What the archive of a folder holds, oldest first."""
    with closing(sqlite3.connect(folder.archive_db)) as db:
        return [row[0] for row in db.execute("SELECT text FROM messages WHERE text > '' ORDER BY id")]


@asynccontextmanager
async def led(
    account: MovedAccount, wa: WhatsApp, tmp_path: Path
) -> AsyncIterator[tuple[ClientUnderTest, AccountFolder]]:
    """A node leads the account; what came is in its archive at the end, in the folder that is yielded."""
    login = await anyio.to_thread.run_sync(account.take_over)
    session, name, epoch = account.session, account.account, account.epoch()
    journal = journal_address(session, login, name, epoch, allow_asynchronous=True)
    node = AccountFolder(name, tmp_path / "node" / "accounts" / name)
    node.create()
    async with online(node.path, wa, ClientStorage(keys_address(session, login), journal)) as client:
        yield client, node
    about = (account.database, name, epoch)
    with account.journal() as reader:
        async with PostgresLog(*about) as log, PostgresSnapshots(*about) as snapshots:
            storage = LogStorage(log, reader, snapshots)
            async with open_archive(node, write=True, now=lambda: NOW, storage=storage) as archive:
                await archive.ingest(reader.read(await archive.position(), 1_000))
    lease = lease_of(session, name)
    assert lease is not None
    assert lease.run is not None
    end_run(session, lease.run)


async def test_an_account_goes_to_the_database_and_back_without_relinking(
    wa: WhatsApp, account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with client_process(folder.path, wa.environment()) as client:
        await client.link(wa.me)
        await ann.says("one")
        await client.call("send_message", to=str(ann.pn), message=text("from the folder"))
        with Journal(folder.inbox_db) as journal:
            await client.hear_of(lambda: "one" in texts_in(journal))
    await wa.me.offline()
    await archived(folder, whole=False)
    await move_in(folder, at(url), SETTINGS)
    remove_keys(folder)
    assert account.state() == ("active", SETTINGS)
    async with led(account, wa, tmp_path) as (client, node):
        await ann.says("two")
        await client.call("send_message", to=str(ann.pn), message=text("from the database"))
        with account.journal() as journal:
            await client.hear_of(lambda: "two" in texts_in(journal))
    assert texts(node) == ["one", "two"]
    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    record = await move_out(back, at(url))
    assert (record.settings, account.state()[0]) == (SETTINGS, "moved")
    assert texts(back) == ["one", "two"]
    async with online(back.path, wa) as client:
        await ann.says("three")
        await client.call("send_message", to=str(ann.pn), message=text("from the folder again"))
        with Journal(back.inbox_db) as journal:
            await client.hear_of(lambda: "three" in texts_in(journal))
    await archived(back)
    assert texts(back) == ["one", "two", "three"]
    assert [message.text for message in ann.inbox] == [
        "from the folder",
        "from the database",
        "from the folder again",
    ]


def places(folder: AccountFolder, account: MovedAccount) -> list[str]:
    """Where the account can be led."""
    here = folder.path.is_dir() and folder.client_db.exists() and not folder.moved.exists()
    return ["folder"] * here + ["database"] * (account.state()[0] == "active")


async def abandoned(move: MoveIn | MoveOut, steps: int) -> None:
    """Do the first steps of a move, which is then killed."""
    for step in move.steps[:steps]:
        await step()


async def test_a_move_that_is_killed_leaves_the_account_in_one_place_and_goes_on(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one", "two", "three", "four")
    count = len(MoveIn(folder, at(url), account.session, "").steps)
    for steps in range(1, count + 1):
        with closing(connect(at(url))) as session:
            await abandoned(MoveIn(folder, at(url), session, SETTINGS), steps)
        assert places(folder, account) == ["folder"] * (steps < count - 1) + ["database"] * (steps == count)
    moved = await move_in(folder, at(url), SETTINGS)
    assert places(folder, account) == ["database"]
    remove_keys(folder)

    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    count = len(MoveOut(back, at(url), account.session).steps)
    for steps in range(1, count + 1):
        with closing(connect(at(url))) as session:
            await abandoned(MoveOut(back, at(url), session), steps)
        assert account.state()[0] == ("moved" if steps == count else "drained")
    again = await move_out(back, at(url))
    assert again.settings == SETTINGS
    assert again.move != moved.move
    await archived(back)
    assert texts(back) == ["one", "two", "three", "four"]
    assert (back.media / "outgoing" / "picture.jpg").read_bytes() == b"picture"
    assert json.loads((back.path / "link.json").read_text()) == {"generation": 7}
    async with open_ledger(back) as ledger:
        await ledger.expose("agent", Exposure.CONTACT)  # it can be written to
        assert ledger.tainted() == {"agent": {Exposure.STRANGER, Exposure.CONTACT}}
    with closing(sqlite3.connect(back.client_db)) as db:
        assert db.execute("SELECT * FROM whatsmeow_device").fetchall() == [DEVICE]


async def test_a_mover_that_another_has_overtaken_changes_nothing(
    account: MovedAccount, url: str, folder: AccountFolder
) -> None:
    await stored(folder, "one")
    with closing(connect(at(url))) as session, closing(connect(at(url))) as other:
        stale = MoveIn(folder, at(url), session, "")
        await abandoned(stale, 3)
        await MoveIn(folder, at(url), other, SETTINGS).run()
        with pytest.raises(Fenced):
            await stale.arrive()
    assert account.state() == ("active", SETTINGS)


async def test_what_a_node_leads_is_fetched_once_its_run_has_ended(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    account.take_over()
    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")

    async def drain() -> None:
        """As a node does that sees the account drained."""
        while account.state()[0] != "drained":  # noqa: ASYNC110  no event
            await anyio.sleep(0.01)
        lease = lease_of(account.session, "work")
        assert lease is not None
        assert release(account.session, "work", lease)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(drain)
        await move_out(back, at(url))
    assert account.state()[0] == "moved"
    await forget_there("work", at(url), MoveRecord.read(arrival_in(back.path)) or MoveRecord.new())
    for table in ("log", "journal", "snapshots", "files", "ledger_snapshots"):
        assert account.session.execute(f"SELECT count(*) FROM whatsapp_mcp.{table}".encode()).fetchone() == (
            0,
        )
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'keys_work'"
    assert account.session.execute(tables).fetchone() == (0,)
