"""What a model gets of our answers, through the rule of each host it may run in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult

from tests.server.conftest import BOB, incoming
from tests.server.fakes import NOON, FakeDevice, FakeSource, text_of
from tests.server.hosts import HOSTS, Rule
from tests.server.linked import png
from tests.tables import for_each
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.models import ConnectionState
from whatsapp_mcp.protobufs import Neonize
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
PREFER_STRUCTURED = ("Claude Code", "Codex", "pydantic-ai")


@pytest.fixture
async def client(source: FakeSource) -> AsyncIterator[Client]:
    """A client of a server as it is started without options."""
    async with Client(create(source, "core")) as connected:
        yield connected


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A downloaded picture."""
    path = tmp_path / "boat.png"
    path.write_bytes(png(8, 8))
    return path


async def called(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    return result


@for_each("rule", HOSTS.values())
async def test_what_others_wrote_reaches_the_model_fenced(client: Client, rule: Rule) -> None:
    result = await called(client, "list_messages", chat="Bob")
    seen = rule(result).text
    assert seen == text_of(result.content)
    before, _, fenced = seen.partition("<messages")
    assert "Who has the keys?" in fenced
    assert "Who has the keys?" not in before


@for_each("rule", HOSTS.values())
async def test_an_error_reaches_the_model_in_words(client: Client, rule: Rule) -> None:
    assert rule(await called(client, "list_messages", chat="Nobody")).text.startswith("CHAT_NOT_FOUND: ")


@pytest.mark.parametrize("rule", HOSTS.values(), ids=HOSTS)
async def test_the_qr_of_linking_is_shown(client: Client, device: FakeDevice, rule: Rule) -> None:
    device.state, device.number = ConnectionState.UNLINKED, None
    seen = rule(await called(client, "link_device"))
    assert (seen.images, seen.text.split(":")[0]) == (1, "linking")


@pytest.mark.parametrize("rule", HOSTS.values(), ids=HOSTS)
async def test_a_downloaded_picture_is_shown(
    client: Client, device: FakeDevice, archive: Archive, picture: Path, rule: Rule
) -> None:
    event = incoming(20, BOB, BOB, "", NOON + timedelta(days=1))
    message = Neonize.Message.FromString(event.payload)
    message.Message.Clear()
    message.Message.imageMessage.mimetype = "image/png"
    message.Message.imageMessage.mediaKey = bytes(32)
    message.Message.imageMessage.URL = "https://mmg.whatsapp.net/x"
    await archive.ingest([replace(event, payload=message.SerializePartialToString())])
    device.file = str(picture)
    seen = rule(await called(client, "download_media", message="M20"))
    assert (seen.images, device.file in seen.text) == (1, True)


@pytest.mark.parametrize("host", PREFER_STRUCTURED)
async def test_with_structured_answers_such_a_host_loses_the_fence(source: FakeSource, host: str) -> None:
    async with Client(create(source, "core", structured=True)) as client:
        seen = HOSTS[host](await called(client, "list_messages", chat="Bob"))
    assert seen.text.startswith("{")
    assert "<messages" not in seen.text
