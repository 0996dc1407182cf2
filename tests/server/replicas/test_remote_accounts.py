"""A server whose accounts are led elsewhere: it tells them apart, asks, and goes on when a node dies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp import Client

from tests.server.fakes import FakeSource, text_of
from tests.server.replicas.rig import led
from tests.server.two_accounts import WORK, TwoAccounts, two_accounts
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
LIMIT = 30.0


@pytest.fixture
async def two(source: FakeSource, archive: Archive, tmp_path: Path) -> AsyncIterator[TwoAccounts]:
    home = tmp_path / "work-home"
    home.mkdir()
    async with two_accounts(home, source, archive) as both:
        yield both


@pytest.fixture
async def client(two: TwoAccounts) -> AsyncIterator[Client]:
    async with led(two.private, two.work) as accounts, Client(create(accounts, "all")) as connected:
        yield connected


async def test_what_is_read_across_accounts_is_what_a_server_with_their_files_says(
    two: TwoAccounts, client: Client
) -> None:
    async with Client(create(two.accounts, "all")) as local:
        for tool, arguments in (
            ("list_chats", {}),
            ("list_messages", {"limit": 3}),
            ("search_messages", {"query": "keys"}),
            ("search_contacts", {"query": "Carla"}),
            ("connection_status", {"account": WORK}),
        ):
            here = await local.call_tool(tool, arguments)
            there = await client.call_tool(tool, arguments)
            assert _unfenced(text_of(there.content)) == _unfenced(text_of(here.content)), tool
        assert (await local.list_tools()).tools == (await client.list_tools()).tools


def _unfenced(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith(("<messages ", "</messages ")))
