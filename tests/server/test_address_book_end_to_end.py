"""A server that ends in the middle of fetching the address book, and the next one."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from mcp import Client

from benchmarks.soak.fleet import GONE
from tests import simulated
from tests.fixtures import call, link, mcp_client, said
from tests.server.fakes import FakeSource
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.connection import address_book
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.server.application import create
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
LATENCY = 0.1
"""Seconds that everything takes to arrive: four of them pass from the first answer to the address book."""
MISSING = "address book has not come"


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
async def test_a_server_that_ends_while_it_fetches_the_address_book_leaves_all_of_it_to_the_next(
    whatsapp: WhatsApp, home: Path, killed: bool
) -> None:
    whatsapp.me.app_state.name_contact(whatsapp.person("Ann"), "Ann Byrne")
    with suppress(*GONE):
        async with mcp_client(whatsapp, home) as first:
            await link(first, whatsapp)
            pid = (await call(first, "connection_status"))["leader_pid"]
            await until_in_the_middle(whatsapp)
            if killed:
                os.kill(pid, signal.SIGKILL)
    whatsapp.recover()
    async with mcp_client(whatsapp, home) as second:
        with anyio.fail_after(30):
            while "Ann Byrne" not in await said(second, "search_contacts", query="Ann"):
                assert MISSING not in await said(second, "connection_status")
                await anyio.sleep(0.1)


async def test_the_status_says_that_names_are_missing_until_a_changed_contact_brings_them(
    whatsapp: WhatsApp, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address_book, "LOGIN_LIMIT", 0.5)
    monkeypatch.setattr(address_book, "LOOK_LATER", 0.1)
    simulated.use(whatsapp, monkeypatch)
    whatsapp.me.app_state.name_contact(whatsapp.person("Ann"), "Ann Byrne")
    folder = Settings(home=home).account_folder()
    with suppress(*GONE):
        async with mcp_client(whatsapp, home) as first:
            await link(first, whatsapp)
            server = (await call(first, "connection_status"))["leader_pid"]
            client = int((folder.client / "client.lock").read_text())
            await until_in_the_middle(whatsapp)
            for pid in (client, server):
                os.kill(pid, signal.SIGKILL)
    with closing(sqlite3.connect(folder.client_db)) as db:
        assert db.execute("SELECT COUNT(*) FROM whatsmeow_contacts WHERE full_name > ''").fetchone() == (0,)
    whatsapp.recover()
    async with open_archive(folder, write=True) as archive, background_tasks() as tasks:
        settings = CurrentSettings(Settings(home=home))
        device = LocalDevice(folder, settings, archive, tasks, owner=stored_device(folder.client_db))
        await device.start()
        source = FakeSource(cast("Any", device), archive, home)
        async with Client(create(source, "core")) as second:
            with anyio.fail_after(30):
                while MISSING not in await said(second, "connection_status"):  # noqa: ASYNC110
                    await anyio.sleep(0.1)
                whatsapp.me.app_state.name_contact(whatsapp.person("Ben"), "Ben Adeyemi")
                while "Ann Byrne" not in await said(second, "search_contacts", query="Ann"):  # noqa: ASYNC110
                    await anyio.sleep(0.1)
            assert "Ben Adeyemi" in await said(second, "search_contacts", query="Ben")
            assert MISSING not in await said(second, "connection_status")


async def until_in_the_middle(whatsapp: WhatsApp) -> None:
    """Return once a companion has asked for the first of its collections, over a slow line."""
    whatsapp.slow(LATENCY)
    whatsapp.me.app_state.share_key()
    await whatsapp.me.app_state.fetched("critical_block")
