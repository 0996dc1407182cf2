"""Every tool that makes a message takes a key under which it makes one at most."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from mcp import Client

from tests.server.fakes import FakeDevice
from tests.server.test_core_tools import answer
from tests.server.test_message_tools import ref_of
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import ToolSpec, spec_of
from whatsapp_mcp.server.render import SentData
from whatsapp_mcp.server.tools import toolsets

pytestmark = pytest.mark.anyio
SENDING: dict[str, dict[str, Any]] = {
    "send_message": {"chat": "Bob", "text": "hi"},
    "send_file": {"chat": "Bob", "data": base64.b64encode(b"Nothing").decode(), "file_name": "a.txt"},
    "send_location": {"chat": "Bob", "latitude": 1.5, "longitude": 2.5},
    "send_contact": {"chat": "Bob", "contact": "+15550001111"},
    "send_poll": {"chat": "Bob", "question": "When?", "options": ["Now", "Later"]},
    "forward_message": {"chat": "Bob"},
    "post_status": {"text": "hi"},
}
"""Every tool that makes a message, with the least that it takes."""


def makes_a_message(spec: ToolSpec) -> bool:
    """Whether others see a message more for each time that this is done."""
    seen = spec.effect is Effect.ACT and spec.audience in {Audience.CHAT, Audience.EVERYONE}
    return seen and spec.result is SentData and not spec.idempotent


def sending_tools() -> dict[str, Any]:
    return {
        spec.name: function
        for function in toolsets.load_tools(toolsets.ALL_TOOLSETS)
        if makes_a_message(spec := spec_of(function))
    }


def test_every_tool_that_makes_a_message_takes_an_idempotency_key() -> None:
    tools = sending_tools()
    assert [name for name in tools if "idempotency_key" not in tools[name].__annotations__] == []


def test_the_tools_that_make_a_message_are_those_that_are_tried_here() -> None:
    assert set(sending_tools()) == set(SENDING)


@pytest.mark.parametrize("tool", SENDING)
async def test_the_key_is_that_of_the_send(client: Client, device: FakeDevice, tool: str) -> None:
    arguments = SENDING[tool]
    if tool == "forward_message":
        arguments = {**arguments, "message": await ref_of(client, "needs")}
    await answer(client, tool, **arguments, idempotency_key="k1")
    assert [sent.idempotency_key for sent in device.sends] == ["k1"]
