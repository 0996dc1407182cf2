"""Frameworks that make every argument required: their converters take our tools, and such calls still work.

openai-agents does so on request, pydantic-ai for a tool that is declared strict. They keep or drop defaults,
and a model then has to fill in each argument.
"""

from __future__ import annotations

import copy
import importlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import pytest
from mcp import Client
from mcp.types import Tool

from tests.server import conftest
from tests.server.fakes import CODE, FakeSource, text_of
from tests.server.strict import filled
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.tools import toolsets

pytestmark = [pytest.mark.anyio, pytest.mark.hosts]
archive, device, source = conftest.archive, conftest.device, conftest.source

Schema = Mapping[str, Any]
Converter = Callable[[Schema], Schema]
ANYBODYS: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "description", "items", "enum", "maximum"}
)
"""Keywords that OpenAI's strict mode takes, and `default`, which openai-agents leaves in."""
CALLS: Final[dict[str, dict[str, Any]]] = {
    "connection_status": {},
    "list_chats": {},
    "list_messages": {},
    "search_messages": {"query": "paint"},
    "get_message_context": {"message": "M3"},
    "search_contacts": {},
    "get_contact": {"contact": "Bob"},
    "send_message": {"chat": "Bob", "text": "hi"},
    "react": {"message": "M5", "emoji": "👍"},
    "mark_read": {"chat": "Bob"},
    "wait_for_messages": {"wait": 0},
}


def openai_agents(schema: Schema) -> Schema:
    """As `MCPUtil.to_function_tool` converts it."""
    convert = importlib.import_module("agents.strict_schema").ensure_strict_json_schema
    return convert(copy.deepcopy(dict(schema)), _reject_open_objects=True)


def pydantic_ai(schema: Schema) -> Schema:
    """As its OpenAI models convert it."""
    transformer = importlib.import_module("pydantic_ai.profiles.openai").OpenAIJsonSchemaTransformer
    return transformer(copy.deepcopy(dict(schema)), strict=True).walk()


CONVERTERS: Final[dict[str, Converter]] = {"openai-agents": openai_agents, "pydantic-ai": pydantic_ai}


@pytest.fixture(params=CONVERTERS)
def convert(request: pytest.FixtureRequest) -> Converter:
    """One of the converters."""
    return CONVERTERS[request.param]


@pytest.fixture
async def client(source: FakeSource) -> AsyncIterator[Client]:
    """A client of the core tools."""
    async with Client(create(source, "core", new_code=lambda: CODE)) as connected:
        yield connected


async def tools(source: FakeSource, selection: str) -> list[Tool]:
    async with Client(create(source, selection)) as connected:
        return (await connected.list_tools()).tools


async def test_every_tool_is_converted(source: FakeSource, convert: Converter) -> None:
    for tool in await tools(source, toolsets.ALL_TOOLSETS):
        strict = convert(tool.input_schema)
        assert strict["required"] == list(strict["properties"]), tool.name
        assert strict["additionalProperties"] is False, tool.name
        for part in (strict, *strict["properties"].values()):
            assert part.keys() - {"default"} <= ANYBODYS, tool.name
            assert "type" in part, tool.name


async def test_a_tool_with_every_argument_filled_in_answers_as_with_the_few_that_matter(
    client: Client, convert: Converter
) -> None:
    for tool in (await client.list_tools()).tools:
        if tool.name not in CALLS:
            continue
        given = CALLS[tool.name]
        strict = convert(tool.input_schema)["properties"]
        defaults = {
            name: schema["default"]
            for name, schema in tool.input_schema["properties"].items()
            if "default" in schema
        }
        few = await client.call_tool(tool.name, given)
        every = await client.call_tool(tool.name, filled({"properties": strict}, defaults | given))
        assert not few.is_error, text_of(few.content)
        assert text_of(every.content) == text_of(few.content), tool.name


async def test_google_is_given_no_choice_that_it_refuses(source: FakeSource) -> None:
    transformer = importlib.import_module("pydantic_ai.profiles.google").GoogleJsonSchemaTransformer
    for tool in await tools(source, toolsets.ALL_TOOLSETS):
        converted = transformer(copy.deepcopy(tool.input_schema), strict=True).walk()
        for name, schema in converted["properties"].items():
            assert all(isinstance(word, str) and word for word in schema.get("enum", ())), (tool.name, name)
