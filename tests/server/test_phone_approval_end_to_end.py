"""From an MCP client to a stranger's phone, with the person's own phone in between."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest
from mcp import Client

from tests.fixtures import link, mcp_client
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.envelope import Received

pytestmark = pytest.mark.anyio


async def told(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    return "\n".join(block.text for block in result.content if block.type == "text")


async def question(whatsapp: WhatsApp) -> Received:
    """The next question on the phone."""
    while not (received := await whatsapp.me.receives()).text.startswith("*May this be done?*"):
        pass
    return received


async def test_a_thumb_on_the_phone_decides_what_an_agent_may_send(whatsapp: WhatsApp, home: Path) -> None:
    (home / "config.toml").write_text('[policy]\nmode = "standard"\n', encoding="utf-8")
    eve = whatsapp.person("Eve")
    async with mcp_client(whatsapp, home) as leader, mcp_client(whatsapp, home) as follower:
        await link(leader, whatsapp)
        for client, text in ((leader, "first"), (follower, "second")):
            answer = await told(client, "send_message", chat=eve.number, text=text)
            assert "APPROVAL_REQUIRED" in answer
            asked = await question(whatsapp)
            assert f"> │ {text}\n" in asked.text
            assert eve.number in asked.text
            assert eve.inbox == [] or text == "second"
            # An agent cannot answer: it finds no question to react to.
            assert text not in await told(client, "list_messages", chat="me")
            begun = time.perf_counter()
            await whatsapp.me.reacts(asked.id, "👍🏽")
            with anyio.fail_after(1):
                assert (await eve.receives()).text == text
            print(f"sent {time.perf_counter() - begun:.3f} s after the thumb")
        assert "APPROVAL_REQUIRED" in await told(leader, "send_message", chat=eve.number, text="third")
        await whatsapp.me.reacts((await question(whatsapp)).id, "👎")
        with anyio.fail_after(30):
            while "said no" not in await told(leader, "send_message", chat=eve.number, text="third"):
                pass
        assert [each.text for each in eve.inbox] == ["first", "second"]
