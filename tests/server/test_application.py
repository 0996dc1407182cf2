"""The application as a whole: whatever is asked, it answers in our form; schemas tell the truth."""

from __future__ import annotations

import random
from typing import Any, Literal

import jsonschema
import pytest
from mcp import Client
from mcp.types import CallToolResult

from tests.server.conftest import BOB, CLUB
from tests.server.fakes import FakeSource, text_of
from whatsapp_mcp import errors
from whatsapp_mcp.server.application import create

pytestmark = pytest.mark.anyio
CODES = {
    kind.code
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.WhatsAppError)
}
ODD: list[Any] = [
    None,
    "",
    " ",
    "Ann",
    "Bob",
    BOB,
    CLUB,
    "#1",
    "#99999999999999999999",
    "M5",
    -1,
    0,
    1,
    10**30,
    1.5,
    True,
    [],
    ["Bob"],
    {},
    {"a": [1]},
    "\u202e\x00\x1b[31m",
    "x" * 70_000,
    "2026-13-45",
    "' OR 1=1 --",
    "../../etc/passwd",
]


@pytest.mark.parametrize("seed", range(4))
async def test_no_arguments_get_anything_but_an_answer_in_our_form(source: FakeSource, seed: int) -> None:
    chance = random.Random(seed)
    async with Client(create(source, "all", structured=True)) as client:
        tools = (await client.list_tools()).tools
        for _ in range(120):
            tool = chance.choice(tools)
            names = [*tool.input_schema.get("properties", {}), "nonsense"]
            given = {name: chance.choice(ODD) for name in chance.sample(names, chance.randint(0, len(names)))}
            if "wait" in names:
                given["wait"] = 0
            result = await client.call_tool(tool.name, given)
            assert isinstance(result, CallToolResult)
            if result.is_error:
                error = (result.structured_content or {})["error"]
                assert error["code"] in CODES, (tool.name, given)
                assert text_of(result.content).startswith(f"{error['code']}: ")


@pytest.mark.parametrize(("selection", "left_out"), [("core", True), ("all", False)])
async def test_the_model_is_told_what_the_user_could_add(
    source: FakeSource, selection: str, left_out: bool
) -> None:
    instructions = create(source, selection).instructions or ""
    assert ("can add with --toolsets: messages, groups, " in instructions) is left_out
    assert len(instructions) < 2000


async def test_a_tool_of_a_toolset_that_is_not_selected_says_so(source: FakeSource) -> None:
    async with Client(create(source, "core")) as client:
        result = await client.call_tool("send_poll", {})
    assert isinstance(result, CallToolResult)
    assert "toolset messages" in text_of(result.content)


async def test_structured_answers_and_their_schemas_come_on_demand_and_fit_each_other(
    source: FakeSource,
) -> None:
    calls: dict[str, dict[str, Any]] = {
        "connection_status": {},
        "link_device": {},
        "list_chats": {},
        "list_messages": {},
        "search_messages": {"query": "paint"},
        "get_message_context": {"message": "M3"},
        "search_contacts": {},
        "get_contact": {"contact": "Bob"},
        "send_message": {"chat": "Bob", "text": "hi"},
        "react": {"message": "M5", "emoji": "👍"},
        "wait_for_messages": {"wait": 0},
    }
    async with Client(create(source, "core", structured=True)) as client:
        schemas = {tool.name: tool.output_schema for tool in (await client.list_tools()).tools}
        for name, arguments in calls.items():
            result = await client.call_tool(name, arguments)
            assert isinstance(result, CallToolResult)
            assert not result.is_error, name
            assert schemas[name] is not None, name  # the client has validated the answer against it


async def test_structured_errors_fit_the_schema_of_the_answer_that_they_replace(source: FakeSource) -> None:
    async with Client(create(source, "core", structured=True)) as client:
        for tool in (await client.list_tools()).tools:
            result = await client.call_tool(tool.name, {"no_such": "argument"})
            assert isinstance(result, CallToolResult)
            assert result.is_error, tool.name
            jsonschema.validate(result.structured_content, tool.output_schema or {})


async def test_by_default_an_answer_is_its_text(source: FakeSource) -> None:
    async with Client(create(source, "core")) as client:
        assert all(tool.output_schema is None for tool in (await client.list_tools()).tools)
        for name, arguments in {
            "list_chats": {},
            "list_messages": {"chat": "Nobody"},
            "send_poll": {},
        }.items():
            result = await client.call_tool(name, arguments)
            assert isinstance(result, CallToolResult)
            assert result.structured_content is None
            assert text_of(result.content)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_server_says_what_it_is_and_offers_only_what_it_serves(
    source: FakeSource, mode: Literal["auto", "legacy"]
) -> None:
    application = create(source, "core")
    async with Client(application, mode=mode) as client:
        offered = client.server_capabilities.model_dump(exclude_none=True)
        assert offered.keys() - {"extensions"} == {"tools", "prompts", "resources", "completions"}
        assert offered["tools"] == {"list_changed": True}
        assert offered["resources"] == {"subscribe": True, "list_changed": True}
        if mode == "auto":
            extensions = {"io.modelcontextprotocol/ui", "io.modelcontextprotocol/skills"}
            assert offered["extensions"].keys() == extensions
        server = client.server_info
        assert server is not None
        assert (server.title, server.website_url) == ("WhatsApp", None)
        assert server.icons is not None
        assert server.icons[0].src.startswith("data:image/png;base64,")
        assert len(server.icons[0].src) < 500
    application.prompt("one")(lambda: "hello")
    application.resource("test://one", name="one")(lambda: "hello")
    async with Client(application, mode=mode) as client:
        offered = client.server_capabilities.model_dump(exclude_none=True)
        assert offered.keys() - {"extensions"} == {"prompts", "resources", "tools", "completions"}
