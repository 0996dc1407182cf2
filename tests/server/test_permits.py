"""What a server does itself it does only after the leader has let it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.server.fakes import FakeDevice, FakeSource, text_of
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.arguments import file_intake
from whatsapp_mcp.settings import Settings

pytestmark = pytest.mark.anyio
ANN = "15550001111@s.whatsapp.net"


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that were requested."""
    urls: list[str] = []

    async def fetch(url: str, *args: Any, **kwargs: Any) -> Any:
        urls.append(url)
        raise AssertionError("requested")

    monkeypatch.setattr(file_intake, "fetch", fetch)
    return urls


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("send_file", {"chat": "+15550001111", "url": "http://127.0.0.1/secret"}),
        ("update_profile", {"photo": "http://127.0.0.1/secret"}),
        ("post_status", {"file": "http://127.0.0.1/secret"}),
    ],
)
async def test_no_url_is_requested_before_it_is_allowed(
    archive: Archive, tmp_path: Path, fetched: list[str], tool: str, arguments: dict[str, str]
) -> None:
    device = FakeDevice(fails=ApprovalRequired("Ask first.", approval="abc"))
    source = FakeSource(device, archive, tmp_path)
    async with Client(create(source, "all")) as client:
        result = await client.call_tool(tool, arguments)
    assert "APPROVAL_REQUIRED" in text_of(result.content)
    assert device.asked[-1] == "permit fetch http://127.0.0.1/secret"
    assert fetched == []


async def test_the_urls_of_an_album_are_asked_about_as_one(
    archive: Archive, tmp_path: Path, fetched: list[str]
) -> None:
    device = FakeDevice(fails=ApprovalRequired("Ask first.", approval="abc"))
    source = FakeSource(device, archive, tmp_path)
    album = ["https://example.org/a.png", "data:image/png;base64,QUFB", "https://example.org/b.png"]
    async with Client(create(source, "all")) as client:
        result = await client.call_tool("send_file", {"chat": "+15550001111", "album": album})
    assert "APPROVAL_REQUIRED" in text_of(result.content)
    assert device.asked[-1] == f"permit fetch {album[0]} {album[2]}"
    assert fetched == []


async def test_no_chat_is_exported_before_it_is_allowed(source: FakeSource, tmp_path: Path) -> None:
    source.device.fails = ApprovalRequired("Ask first.", approval="abc")
    async with Client(create(source, "all")) as client:
        result = await client.call_tool("export_chat", {"chat": "Boat club", "since": "2026-11-01"})
    assert "APPROVAL_REQUIRED" in text_of(result.content)
    assert source.device.asked[-1].endswith("as text from 2026-11-01 00:00")
    assert not Settings(home=tmp_path).account_folder().exports.exists()


async def test_every_call_counts_as_one_of_its_principal(source: FakeSource) -> None:
    source.policy = Policy.in_mode("standard")
    ledger, day = (await source.services()).ledger, 24 * 3600
    async with Client(create(source, "core")) as client:
        await client.call_tool("list_chats", {})
        with sqlite3.connect(Settings(home=source.home).account_folder().ledger_db) as db:
            aged = time.time() - day + 60
            db.execute("INSERT INTO exposures VALUES ('stdio:mcp', 'stranger', ?)", (int(aged),))
        db.close()
        await client.call_tool("list_chats", {})
    (at,) = ledger._file.read(lambda db: db.execute("SELECT last_call FROM exposures").fetchone())
    assert at > aged + day - 120
