"""What a version has stored is whole in this one, also while a server of that version still runs."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from tests.device.server_process import another_version, server_process
from tests.fixtures import mcp_client, said
from tests.upgrading.homes import SEED, STORED, home_of, run, shows, versions
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.archive.database import tables
from whatsapp_mcp.device.leader.serving import PROTOCOL
from whatsapp_mcp.settings import Settings
from whatsapp_mcp.settings.loading import load
from whatsapp_simulator import WhatsApp

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(os.name == "nt", reason="needs the simulated WhatsApp")]


@pytest.fixture(params=versions())
def version(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def stored(version: str, tmp_path: Path) -> Path:
    """The home that the version left."""
    return home_of(version, tmp_path)


@pytest.fixture
async def unreachable() -> AsyncIterator[WhatsApp]:
    """A WhatsApp that cannot be reached, so that nothing of a home changes by what it says."""
    async with WhatsApp(seed=SEED) as whatsapp:
        await whatsapp.refuse()
        yield whatsapp


def schema_of(home: Path) -> int:
    with closing(sqlite3.connect(home / "accounts" / "default" / "archive.db")) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


async def test_everything_that_was_stored_is_shown(unreachable: WhatsApp, stored: Path) -> None:
    async with mcp_client(unreachable, stored) as client:
        assert STORED.said in await said(client, "list_messages", chat=STORED.group)
        assert STORED.friend in await said(client, "search_contacts", query=STORED.friend)
        assert "rope" in await said(client, "search_messages", query="rope")
        chat = await said(client, "list_messages", chat=STORED.friend)
        assert STORED.answered in chat
        assert STORED.reaction in chat
    assert schema_of(stored) == tables.VERSION


async def test_what_was_to_be_sent_later_still_is(stored: Path) -> None:
    folder = Settings(home=stored).account_folder()
    async with open_archive(folder, write=True) as archive:
        [entry] = await archive.outbox_scheduled()
        assert await archive.check() == ()
    assert STORED.later in str(entry)


async def test_tokens_are_still_known(unreachable: WhatsApp, stored: Path) -> None:
    assert STORED.token in run(unreachable, stored, "token", "list")


async def test_settings_are_still_understood(stored: Path) -> None:
    settings = load(stored)
    assert "planning" in settings.server.toolsets
    assert settings.policy.budgets.gap_seconds == 0


async def test_a_server_of_an_earlier_protocol_leads_until_it_ends(
    version: str, stored: Path, tmp_path: Path, unreachable: WhatsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in unreachable.environment().items():
        monkeypatch.setenv(name, value)
    earlier = another_version(tmp_path / "earlier", f"{version}-old", PROTOCOL - 1)
    async with server_process(stored, earlier) as old, mcp_client(unreachable, stored) as client:
        told = await shows(client, "Upgrade", "connection_status")
        assert f"Upgrade the leader (version {version}-old) and restart it." in told
        assert STORED.said in await said(client, "list_messages", chat=STORED.group)
        old.kill()
        with anyio.fail_after(20):
            while "Upgrade" in await said(client, "connection_status"):  # noqa: ASYNC110
                await anyio.sleep(0.05)
