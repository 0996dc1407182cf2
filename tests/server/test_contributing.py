"""The examples of CONTRIBUTING.md: its tool passes its test, and its state fits into what there is."""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from mcp import Client

from tests.device import test_state
from tests.server import test_chats
from tests.server.fakes import CODE, FakeSource
from whatsapp_mcp.device.connection import state
from whatsapp_mcp.models import connection
from whatsapp_mcp.server import arguments, render
from whatsapp_mcp.server.application import create
from whatsapp_mcp.server.tools import chats

PAGE = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r"^ *```python\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
]


def block(start: str) -> str:
    [found] = [each for each in BLOCKS if each.startswith(start)]
    return found


@pytest.mark.anyio
async def test_the_tool_of_the_page_passes_the_test_of_the_page(
    source: FakeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = vars(arguments) | vars(render) | vars(chats)
    exec(block("@tool("), names)
    monkeypatch.setattr(chats, "TOOLS", (*chats.TOOLS, names["chat_beginning"]))
    tests: dict[str, Any] = {**vars(test_chats)}
    exec(block("async def test_"), tests)
    async with Client(create(source, "all", structured=True, new_code=lambda: CODE)) as client:
        await tests["test_a_chat_says_when_it_begins"](client)


def test_the_state_of_the_page_is_one() -> None:
    names: dict[str, Any] = {**vars(connection)}
    exec(block("THROTTLED"), names)
    name, traits = names["THROTTLED"]
    assert name == "throttled"
    assert isinstance(traits, connection.StateTraits)


@pytest.mark.parametrize(("start", "module"), [("match event", state), ("def test_a_throttled", test_state)])
def test_what_the_page_does_with_the_state_is_written_in_the_words_of_its_module(
    start: str, module: ModuleType
) -> None:
    tree = ast.parse(block(start))
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    own |= {capture.name for capture in ast.walk(tree) if isinstance(capture, ast.MatchAs) if capture.name}
    new = {"Throttled", "event", "moment", "connection"}
    assert {node.id for node in names} - own - new <= {*vars(module), *vars(builtins)}
