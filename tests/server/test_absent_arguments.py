"""What an optional argument may hold that was not meant to be given: hosts leave it out in several ways."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client
from mcp.server.mcpserver.tools import Tool
from pydantic import BaseModel

from tests.server.conftest import CLUB
from tests.server.fakes import CODE, FakeDevice, FakeSource, text_of
from tests.server.strict import filled
from tests.tables import for_each
from whatsapp_mcp.models import GroupChange
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.calls import Accounts, EmptyRemoves, build
from whatsapp_mcp.server.tools import toolsets
from whatsapp_mcp.server.tools.groups import TOOLS as GROUP_TOOLS

pytestmark = pytest.mark.anyio
TOOLS = {tool.name: tool for tool in build(toolsets.load_tools(toolsets.ALL_TOOLSETS), Accounts({}))}
NEEDED: dict[str, Any] = {"string": "1", "integer": 1, "number": 1, "boolean": True, "array": ["1"]}
"""A value of each type that an argument may have to be given."""


def arguments(tool: Tool) -> type[BaseModel]:
    return tool.fn_metadata.arg_model


def needed(tool: Tool) -> dict[str, Any]:
    """The least that the tool takes."""
    properties = tool.parameters["properties"]
    return {
        name: properties[name].get("enum", [NEEDED[properties[name]["type"]]])[0]
        for name in tool.parameters.get("required", ())
    }


def meant(tool: Tool, given: dict[str, Any]) -> dict[str, Any]:
    """What the tool is called with; nothing is nothing in each of its forms."""
    values = arguments(tool).model_validate(given).model_dump()
    return {name: value or None for name, value in values.items()}


@for_each("name", TOOLS)
def test_null_and_empty_are_as_good_as_left_out(name: str) -> None:
    tool = TOOLS[name]
    model, least = arguments(tool), needed(tool)
    without = model.model_validate(least)
    for argument, field in model.model_fields.items():
        if not field.is_required():
            assert model.model_validate({**least, argument: None}) == without, argument
        if not field.is_required() and EmptyRemoves not in field.metadata:
            assert model.model_validate({**least, argument: ""}) == without, argument


@for_each("name", TOOLS)
def test_each_argument_has_a_value_that_leaves_it_as_it_is(name: str) -> None:
    tool = TOOLS[name]
    least = needed(tool)
    assert meant(tool, filled(tool.parameters, least)) == meant(tool, least)


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("list_chats", {}),
        ("list_messages", {}),
        ("search_messages", {"query": "paint"}),
        ("get_message_context", {"message": "M3"}),
        ("search_contacts", {}),
        ("wait_for_messages", {"wait": 0}),
        ("send_message", {"chat": "Bob", "text": "hi"}),
        ("link_device", {}),
    ],
)
async def test_a_call_with_every_argument_is_answered_like_one_with_the_few_that_are_meant(
    source: FakeSource, tool: str, given: dict[str, Any]
) -> None:
    async with Client(create(source, "core", new_code=lambda: CODE)) as client:
        schemas = {each.name: each.input_schema for each in (await client.list_tools()).tools}
        few = await client.call_tool(tool, given)
        full = await client.call_tool(tool, filled(schemas[tool], given))
    assert not few.is_error
    assert text_of(full.content) == text_of(few.content)


@pytest.mark.parametrize("value", [True, "true"])
async def test_a_choice_between_two_sides_is_taken_as_a_word_and_as_a_boolean(
    source: FakeSource, value: object
) -> None:
    async with Client(create(source, "core", new_code=lambda: CODE)) as client:
        mine = await client.call_tool("list_messages", {"from_me": value})
    assert "Yes, at eight" in text_of(mine.content)
    assert "Who has the keys?" not in text_of(mine.content)


@pytest.mark.parametrize(
    ("given", "topic"),
    [
        ({"topic": "Sundays"}, "Sundays"),
        ({"topic": ""}, ""),
        ({"topic": None, "locked": True}, None),
        ({"topic": "", "remove_topic": False, "locked": True}, None),
        ({"topic": "Sundays", "remove_topic": False}, "Sundays"),
        ({"topic": "", "remove_topic": True}, ""),
        ({"remove_topic": True}, ""),
    ],
)
async def test_an_empty_topic_removes_it_unless_that_is_denied(
    source: FakeSource,
    device: FakeDevice,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    topic: str | None,
) -> None:
    changes: list[GroupChange] = []

    async def change_group(jid: str, change: GroupChange) -> None:
        changes.append(change)

    monkeypatch.setattr(device, "change_group", change_group, raising=False)
    async with Client(create(source, functions=GROUP_TOOLS)) as client:
        result = await client.call_tool("update_group", {"chat": CLUB, **given})
    assert not result.is_error, text_of(result.content)
    assert [change.topic for change in changes] == [topic]
