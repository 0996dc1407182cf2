"""Lists say of voice notes what is missing, and nothing of those that are going to be transcribed."""

from __future__ import annotations

from pathlib import Path

import pytest
from mcp import Client

from tests.server.conftest import archive, device
from tests.server.fakes import FakeDevice, FakeSource, text_of
from tests.server.test_core_tools import answer
from tests.server.test_file_readings import client, stocked
from whatsapp_mcp.archive import Archive
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
__all__ = ["archive", "client", "device", "stocked"]


async def test_what_is_missing_for_a_transcript_is_named(client: Client) -> None:
    why = "Speech is not transcribed here: it needs the model small."
    text, data = await answer(client, "list_messages", chat="Ann Lee")
    assert "[voice 0:42, not transcribed]" in text
    assert text.count(why) == data["notes"].count(why) == 1


async def test_nothing_is_said_where_a_service_transcribes(
    stocked: Archive, device: FakeDevice, tmp_path: Path
) -> None:
    service = {"engine": "service", "url": "https://voice.example/v1/audio/transcriptions"}
    source = FakeSource(device, stocked, tmp_path, sections={"voice": service})
    async with Client(create(source, "core")) as transcribing:
        result = await transcribing.call_tool("list_messages", {"chat": "Ann Lee"})
        assert "Ann Lee: [voice 0:42]\n" in text_of(result.content)
        assert "not transcribed" not in text_of(result.content)
