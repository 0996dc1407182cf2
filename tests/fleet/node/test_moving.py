"""An account moves from a folder to a database and back: messages go on, and it is in one place alone."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest

from tests import simulated
from tests.fleet.keys.taken import TakenAccount, leaders_url
from tests.fleet.leading import LIMIT, LedAccount, led
from tests.fleet.node.fleet_of_tests import LONG_LEASE, node
from tests.fleet.node.stored import DEVICE, archived, stored
from tests.fleet.object_stores import objects_of, store_of
from tests.fleet.postgres import PostgresServer
from whatsapp_fleet.database import Database, connect, end_run, lease_of
from whatsapp_fleet.node.moving import (
    MoveIn,
    MoveOut,
    claims,
    forget_there,
    move_in,
    move_out,
    moves,
    remove_keys,
)
from whatsapp_fleet.objects import ObjectStore
from whatsapp_mcp.device.leader import lead_account
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.errors import Busy, InvalidArgument, Unsupported
from whatsapp_mcp.ledger import Exposure, open_ledger
from whatsapp_mcp.models import ConnectionState, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder, CurrentSettings, Settings
from whatsapp_mcp.storage import Fenced
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio

SETTINGS = '[policy]\nmode = "read_only"\n'


@pytest.fixture
async def wa(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WhatsApp]:
    async with WhatsApp(seed=13) as whatsapp:
        simulated.use(whatsapp, monkeypatch, "whatsapp_fleet.client")
        yield whatsapp


@pytest.fixture
def url(postgres: PostgresServer, database: str) -> str:
    return leaders_url(postgres, database)


@pytest.fixture
def folder(tmp_path: Path) -> AccountFolder:
    folder = AccountFolder("work", tmp_path / "home" / "accounts" / "work")
    folder.create()
    return folder


def at(url: str, objects: ObjectStore | None = None) -> Database:
    return Database(url, patience=60.0, allow_asynchronous=True, objects=objects)


class MovedAccount(TakenAccount):
    """The account in the database, for what leads it there."""

    def end(self) -> None:
        """End the run that leads it."""
        lease = lease_of(self.session, self.account)
        assert lease is not None
        assert lease.run is not None
        end_run(self.session, lease.run)

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


def texts(folder: AccountFolder) -> list[str]:
    """What the archive of a folder holds, oldest first."""
    with closing(sqlite3.connect(folder.archive_db)) as db:
        return [row[0] for row in db.execute("SELECT text FROM messages WHERE text > '' ORDER BY id")]


@asynccontextmanager
async def led_here(home: Path) -> AsyncIterator[LedAccount]:
    """A server of a computer leads the account from its files."""
    settings = Settings(home=home)
    async with lead_account(settings.account_folder("work"), CurrentSettings(settings, "work")) as it:
        yield LedAccount(it, 0, home)


async def say(account: LedAccount, person: Person, text: str, key: str) -> int:
    """Send something once; answers the number of the send."""
    sent = await account.device.do(
        sends.send, SendRequest(str(person.pn), TextContent(text), idempotency_key=key, wait=30.0)
    )
    assert sent.status is SendStatus.SENT
    return sent.send_id


async def test_a_node_leads_what_is_moved_in_and_gives_it_up_to_who_fetches_it(
    wa: WhatsApp, account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led_here(tmp_path / "home") as here:
        await here.link(wa)
        await ann.says("one")
        await here.archived("one")
    await wa.me.offline()
    await ann.says("two")
    back = AccountFolder("work", tmp_path / "back" / "accounts" / "work")
    async with node("node", tmp_path, url, {**wa.environment(), **LONG_LEASE}) as process:
        await move_in(folder, at(url), "")
        remove_keys(folder)
        await wa.me.online(LIMIT)  # after a process of Python has started
        await archives(process.home / "accounts" / "work", "two")
        record = await move_out(back, at(url))
        assert account.state()[0] == "moved"
    assert not list(process.home.rglob("client.db"))
    assert texts(back) == ["one", "two"]
    await wa.me.offline()
    await ann.says("three")
    async with led_here(tmp_path / "back") as again:
        await again.archived("three")
    await forget_there("work", at(url), record)
    for table in ("log", "journal", "snapshots", "files", "ledger_snapshots"):
        assert account.session.execute(f"SELECT count(*) FROM whatsapp_mcp.{table}".encode()).fetchone() == (
            0,
        )
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'keys_work'"
    assert account.session.execute(tables).fetchone() == (0,)


async def archives(folder: Path, text: str) -> None:
    """Return once the archive in a folder of another process holds a message."""
    with anyio.fail_after(LIMIT):
        while True:
            with suppress(sqlite3.OperationalError):  # there is no file yet
                if text in texts(AccountFolder("work", folder)):
                    return
            await anyio.sleep(0.05)


async def test_an_account_goes_to_the_database_and_back_without_relinking(
    wa: WhatsApp, account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    ann = wa.person("Ann")
    async with led_here(tmp_path / "home") as here:
        await here.link(wa)
        await ann.says("one")
        await here.archived("one")
        first = await say(here, ann, "from the folder", "a")
        await here.led.ledger.expose("agent", Exposure.STRANGER)
        generation = (await here.device.do(control.status)).generation
    await wa.me.offline()
    await move_in(folder, at(url), SETTINGS)
    remove_keys(folder)
    assert account.state() == ("active", SETTINGS)

    await ann.says("two")
    async with led(account, tmp_path / "node") as there:
        status = await there.until(ConnectionState.ONLINE)
        assert status.generation > generation
        await there.archived("one", "two")
        assert await say(there, ann, "from the folder", "a") == first  # not a second time
        second = await say(there, ann, "from the database", "b")
        assert there.led.ledger.tainted() == {"agent": {Exposure.STRANGER}}
        await there.led.ledger.expose("agent", Exposure.CONTACT)
        account.end()
    await wa.me.offline()

    back = AccountFolder("work", tmp_path / "back" / "accounts" / "work")
    record = await move_out(back, at(url))
    assert (record.settings, account.state()[0]) == (SETTINGS, "moved")
    await ann.says("three")
    async with led_here(tmp_path / "back") as again:
        assert (await again.until(ConnectionState.ONLINE)).generation > status.generation
        await again.archived("one", "two", "three")
        assert await say(again, ann, "from the database", "b") == second
        await say(again, ann, "from the folder again", "c")
        assert again.led.ledger.tainted() == {"agent": {Exposure.STRANGER, Exposure.CONTACT}}
    said = [message.text for message in ann.inbox]
    assert said == ["from the folder", "from the database", "from the folder again"]


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
    for steps in (2, 4, 5, count):
        with closing(connect(at(url))) as session:
            await abandoned(MoveIn(folder, at(url), session, SETTINGS), steps)
        assert places(folder, account) == ["folder"] * (steps < count - 1) + ["database"] * (steps == count)
    moved = await move_in(folder, at(url), SETTINGS)
    assert places(folder, account) == ["database"]
    remove_keys(folder)

    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    count = len(MoveOut(back, at(url), account.session).steps)
    for steps in (1, 4, count):
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


async def test_an_account_moves_by_an_object_store_of_which_it_leaves_nothing(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one", "two")
    database = at(url, store_of("folder", tmp_path))
    with closing(connect(database)) as session:
        await abandoned(MoveIn(folder, database, session, SETTINGS), 4)
    await move_in(folder, database, SETTINGS)
    assert len(objects_of(database)) == 2  # the archive and a picture, and nothing of the first try
    for table in ("snapshot_parts", "file_parts"):
        rows = account.session.execute(f"SELECT FROM whatsapp_mcp.{table}".encode())
        assert rows.fetchall() == []

    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    with pytest.raises(Busy, match="object store"):
        await move_out(back, at(url))
    assert account.state() == ("active", SETTINGS)
    record = await move_out(back, database)
    await archived(back)
    assert texts(back) == ["one", "two"]
    assert await anyio.Path(back.media / "outgoing" / "picture.jpg").read_bytes() == b"picture"
    await forget_there("work", database, record)
    assert objects_of(database) == []


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


async def test_a_commit_whose_answer_is_lost_is_asked_about_by_the_next_try(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(commit: Callable[..., None]) -> Callable[..., None]:
        def run(*arguments: Any) -> None:
            commit(*arguments)
            raise psycopg.OperationalError

        return run

    await stored(folder, "one")
    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    with monkeypatch.context() as patched:
        patched.setattr(moves, "arrive", lost(moves.arrive))
        patched.setattr(moves, "depart", lost(moves.depart))
        with pytest.raises(Busy):
            await move_in(folder, at(url), SETTINGS)
        assert places(folder, account) == ["database"]
        await move_in(folder, at(url), "")
        assert account.state() == ("active", SETTINGS)
        with pytest.raises(Busy):
            await move_out(back, at(url))
        assert account.state()[0] == "moved"
        assert (await move_out(back, at(url))).settings == SETTINGS
    assert account.state()[0] == "moved"


async def test_an_account_that_cannot_be_fetched_is_led_on(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    account.session.execute("UPDATE keys_work.whatsmeow_version SET version = version + 1")
    with pytest.raises(Unsupported):
        await move_out(AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work"), at(url))
    assert account.state() == ("active", SETTINGS)


async def test_an_account_that_was_drained_stays_so_when_it_cannot_be_fetched_and_the_error_says_it(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    account.session.execute("UPDATE keys_work.whatsmeow_version SET version = version + 1")
    account.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'drained'")
    with pytest.raises(Busy, match="is drained in the database"):
        await move_out(AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work"), at(url))
    assert account.state() == ("drained", SETTINGS)


async def test_a_quarantined_account_is_not_fetched(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path
) -> None:
    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    account.session.execute("UPDATE whatsapp_mcp.accounts SET state = 'quarantined'")
    with pytest.raises(InvalidArgument, match="quarantined"):
        await move_out(AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work"), at(url))
    assert account.state() == ("quarantined", SETTINGS)


@pytest.mark.parametrize(
    "failure", [OSError, sqlite3.OperationalError, psycopg.OperationalError, KeyboardInterrupt]
)
async def test_whatever_ends_a_fetch_lets_the_account_be_led_on_though_its_connection_is_gone(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path, failure: type[BaseException]
) -> None:
    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")

    async def failing(*_: object) -> None:
        session.close()
        raise failure

    with closing(connect(at(url))) as session, pytest.MonkeyPatch.context() as patched:
        patched.setattr(moves.contents, "take_files", failing)
        with pytest.raises(failure):
            await MoveOut(back, at(url), session).run()
    assert account.state() == ("active", SETTINGS)
    lease = lease_of(account.session, account.account)
    assert lease is not None
    assert lease.run is None


async def test_an_account_that_its_node_does_not_give_up_is_led_on(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Busy("The node that leads work does not give it up.")

    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    monkeypatch.setattr(claims, "_free_lease", refuse)
    with pytest.raises(Busy, match="does not give it up"):
        await move_out(AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work"), at(url))
    assert account.state() == ("active", SETTINGS)


async def test_what_was_fetched_is_on_the_disk_before_the_database_gives_the_account_up(
    account: MovedAccount, url: str, folder: AccountFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    await stored(folder, "one")
    await move_in(folder, at(url), SETTINGS)
    back = AccountFolder("work", tmp_path / "back" / "accounts" / ".arriving-work")
    move = MoveOut(back, at(url), account.session)
    monkeypatch.setattr(os, "fsync", noted)
    await abandoned(move, len(move.steps) - 1)
    picture = back.media / "outgoing" / "picture.jpg"
    for path in (picture, picture.parent, back.media, back.path):
        assert path.stat().st_ino in synced
