"""Whether the phone's address book has come: what is told of it, and how long it is looked for."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from benchmarks.soak.linking import End, interrupted_link
from tests.device.conftest import Lead
from tests.device.fake_clock import FakeClock
from tests.devices import ByName, direct
from whatsapp_mcp.device.connection import FileKeys, address_book, keys
from whatsapp_mcp.device.connection.address_book import (
    FETCH_LIMIT,
    LINKING_LIMIT,
    LOGIN_LIMIT,
    LOOK_LATER,
    AddressBook,
    until_fetched,
)
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control
from whatsapp_mcp.models import AddressBookState, ConnectionState, ConnectionStatus
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio

TABLES = """CREATE TABLE whatsmeow_app_state_sync_keys (key_id);
CREATE TABLE whatsmeow_app_state_version (name);
CREATE TABLE whatsmeow_contacts (their_jid, full_name);"""
KEY = "INSERT INTO whatsmeow_app_state_sync_keys VALUES ('k');"
VERSION = "INSERT INTO whatsmeow_app_state_version VALUES ('critical_unblock_low');"
CONTACT = "INSERT INTO whatsmeow_contacts VALUES ('1@s.whatsapp.net', 'Ann Byrne');"


class Subject:
    """An address book over a database that a test fills."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.arrivals = 0
        self.path = folder / "client.db"
        self.tell(TABLES)
        self.book = AddressBook(FileKeys(self.path), self.clock, self._count)

    def tell(self, sql: str) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            db.executescript(sql)

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]

    def _count(self) -> None:
        self.arrivals += 1


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    return Subject(tmp_path)


async def test_nothing_is_said_of_it_before_a_login(subject: Subject) -> None:
    assert await subject.book.state() is None


async def test_it_comes_after_linking_and_then_the_names_are_asked_for_once(subject: Subject) -> None:
    subject.book.expect(just_linked=True)
    assert await subject.book.state() is None
    subject.tell(KEY)
    assert await subject.book.state() is AddressBookState.COMING
    subject.tell(VERSION + CONTACT)
    assert await subject.book.state() is AddressBookState.HERE
    assert await subject.book.state() is AddressBookState.HERE
    assert subject.arrivals == 1


@pytest.mark.parametrize(
    ("told", "just_linked", "after"),
    [
        ("", True, LINKING_LIMIT),
        (KEY, True, FETCH_LIMIT),
        (KEY + VERSION, True, FETCH_LIMIT),
        (KEY, False, LOGIN_LIMIT),
    ],
    ids=["no key", "key", "killed between version and contacts", "linked by an earlier process"],
)
async def test_it_is_missing_after_a_while(
    subject: Subject, told: str, just_linked: bool, after: float
) -> None:
    subject.tell(told)
    subject.book.expect(just_linked=just_linked)
    assert await subject.book.state() is not AddressBookState.MISSING
    await subject.clock.advance(after)
    assert await subject.book.state() is AddressBookState.MISSING


async def test_a_process_that_did_not_link_never_waits_for_it(subject: Subject) -> None:
    subject.tell(KEY)
    subject.book.expect(just_linked=False)
    assert await subject.book.state() is None


async def test_it_is_looked_for_however_long_it_is_missing(subject: Subject) -> None:
    subject.book.expect(just_linked=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.book.run)
        await subject.clock.advance(7 * 24 * 3600)
        subject.tell(KEY + VERSION + CONTACT)
        with anyio.fail_after(30):
            while not subject.arrivals:
                await subject.clock.advance(LOOK_LATER)
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("is_expected", [False, True], ids=["no device has logged in", "it is here"])
async def test_it_is_not_looked_for(subject: Subject, is_expected: bool) -> None:
    subject.tell(KEY + VERSION + CONTACT)
    if is_expected:
        subject.book.expect(just_linked=True)
        assert await subject.book.state() is AddressBookState.HERE
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(subject.book.run)
        await subject.clock.advance(0)
        assert subject.clock.pending == 0
        tasks.cancel_scope.cancel()


async def test_another_phone_that_is_linked_has_another_one(subject: Subject) -> None:
    subject.tell(KEY + VERSION + CONTACT)
    subject.book.expect(just_linked=True)
    assert await subject.book.state() is AddressBookState.HERE
    subject.book.forget()
    assert await subject.book.state() is None


@pytest.mark.parametrize(
    ("stored", "lost"),
    [("", False), (KEY, False), (KEY + VERSION, True), (KEY + VERSION + CONTACT, False)],
    ids=["nothing", "key", "version without contacts", "all of it"],
)
def test_only_a_version_without_contacts_is_reset(subject: Subject, stored: str, lost: bool) -> None:
    subject.tell(stored)
    assert keys.reset_address_book(subject.path) is lost
    assert subject.count("whatsmeow_app_state_version") == (VERSION in stored and not lost)


def test_before_the_first_linking_there_is_nothing_to_reset(tmp_path: Path) -> None:
    assert not keys.reset_address_book(tmp_path / "client.db")
    assert list(tmp_path.iterdir()) == []


async def test_an_address_book_stored_without_its_contacts_comes_whole_with_the_next_change(
    wa: WhatsApp, lead: Lead, folder: AccountFolder
) -> None:
    """As a client leaves it that is killed after the library committed the version, before the contacts."""
    wa.me.app_state.name_contact(wa.person("Ann"), "Ann Byrne")
    wa.me.app_state.name_contact(wa.person("Cleo"), "Cleo Roth")
    async with lead() as first:
        shown = await direct(first.device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await first.until(ConnectionState.ONLINE)
        await wa.me.online()
        await wa.me.hand_over()
        await until_here(first.device)
    with closing(sqlite3.connect(folder.client_db)) as db, db:
        db.execute("UPDATE whatsmeow_contacts SET full_name = NULL, first_name = NULL")
    async with lead() as second:
        await second.until(ConnectionState.ONLINE)
        assert (await direct(second.device).do(control.status)).address_book is not AddressBookState.HERE
        wa.me.app_state.name_contact(wa.person("Ben"), "Ben Adeyemi")
        await until_here(second.device)
    with closing(sqlite3.connect(folder.client_db)) as db:
        rows = db.execute("SELECT full_name FROM whatsmeow_contacts WHERE full_name > '' ORDER BY full_name")
        assert [name for (name,) in rows] == ["Ann Byrne", "Ben Adeyemi", "Cleo Roth"]


async def until_here(device: LocalDevice) -> None:
    with anyio.fail_after(30):
        while (await direct(device).do(control.status)).address_book is not AddressBookState.HERE:  # noqa: ASYNC110
            await anyio.sleep(0.02)


class Telling(ByName):
    """Devices whose status tells this of the address book, call by call; the last for ever."""

    def __init__(self, states: list[AddressBookState | None], leader: int) -> None:
        self.states = states
        self.leader = leader
        self.asked = 0

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Telling]:
        yield self

    async def status(self) -> ConnectionStatus:
        self.asked += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        since = FakeClock().now()
        return ConnectionStatus(
            ConnectionState.ONLINE, since, "default", leader_pid=self.leader, address_book=state
        )


@pytest.mark.parametrize("last", [None, AddressBookState.HERE, AddressBookState.MISSING])
async def test_a_leader_that_ends_waits_only_while_it_comes(last: AddressBookState | None) -> None:
    telling = Telling([AddressBookState.COMING, AddressBookState.COMING, last], os.getpid())
    await until_fetched(cast("Any", telling))
    assert telling.asked == 3


async def test_a_follower_that_ends_waits_for_nothing() -> None:
    telling = Telling([AddressBookState.COMING], os.getpid() + 1)
    await until_fetched(cast("Any", telling))
    assert telling.asked == 1


async def test_a_link_that_is_interrupted_gets_all_the_names_or_says_that_they_are_missing(
    wa: WhatsApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_book, "LOGIN_LIMIT", 3.0)
    monkeypatch.setattr(address_book, "LOOK_LATER", 0.2)
    await interrupted_link(wa, wa.me, tmp_path, End.CLIENT, random.Random(1))
