"""State of a later version is refused with words, and left as it is."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.device.server_process import another_version, server_process
from tests.fixtures import command, mcp_client, said
from tests.upgrading.homes import PRESENT, SEED, STORED, home_of, shows
from whatsapp_mcp import __version__
from whatsapp_mcp.device.leader.serving import PROTOCOL
from whatsapp_mcp.settings import HOME_VARIABLE
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """The home of this version."""
    return home_of(PRESENT, tmp_path)


@contextmanager
def of_a_later_version(database: Path) -> Iterator[None]:
    """Give a database's schema a number that no version has yet, and see that it is not touched."""
    with closing(sqlite3.connect(database)) as db:
        [number] = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {number + 100}")
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    yield
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (number + 100,)
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == tables


@pytest.mark.parametrize("name", ["archive.db", "ledger.db"])
async def test_a_database_of_a_later_version_is_refused_and_left_alone(stored: Path, name: str) -> None:
    async with WhatsApp(seed=SEED) as whatsapp:
        await whatsapp.refuse()
        with of_a_later_version(stored / "accounts" / "default" / name):
            async with mcp_client(whatsapp, stored) as client:
                result = await client.call_tool("list_messages", {"chat": STORED.group})
                text = "".join(block.text for block in result.content if block.type == "text")
    assert result.is_error
    assert "written by a newer version of whatsapp-mcp." in text
    assert "Upgrade" in text


def test_a_setting_of_a_later_version_prevents_startup_with_its_line(stored: Path) -> None:
    config = stored / "config.toml"
    with config.open("a", encoding="utf-8") as file:
        file.write("[voyages]\nship = true\n")
    done = subprocess.run(
        command("serve"),
        env={**os.environ, HOME_VARIABLE: str(stored)},
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode != 0
    assert "voyages" in done.stderr
    assert "config.toml" in done.stderr


async def test_a_leader_of_a_later_protocol_is_not_misread(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with WhatsApp(seed=SEED) as whatsapp:
        await whatsapp.refuse()
        for name, value in whatsapp.environment().items():
            monkeypatch.setenv(name, value)
        later = another_version(tmp_path / "later", "99.1.0", PROTOCOL + 1)
        async with server_process(stored, later), mcp_client(whatsapp, stored) as client:
            told = await shows(client, "Upgrade", "connection_status")
            assert f"Upgrade this server (version {__version__}) and restart it." in told
            assert STORED.said in await said(client, "list_messages", chat=STORED.group)
