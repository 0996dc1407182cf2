"""The tables of the page about other servers name tools and arguments that exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from whatsapp_mcp.server.calls import ToolSpec, spec_of
from whatsapp_mcp.server.tools import toolsets

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text(encoding="utf-8")
CALL = re.compile(r"`(\w+)\(([^)`]*)\)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table of a section."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]


def tools_of(toolset: str) -> dict[str, ToolSpec]:
    return {spec.name: spec for spec in map(spec_of, toolsets.load_tools(toolset))}


def test_each_successor_of_a_tool_of_lharries_server_fits_a_tool() -> None:
    tools = tools_of("core")
    for row in rows("From lharries/whatsapp-mcp"):
        calls = CALL.findall(row[1])
        assert calls, row
        for name, arguments in calls:
            named = {each.partition("=")[0] for each in arguments.split(", ")}
            assert named <= inspect.signature(tools[name].function).parameters.keys(), name


@pytest.mark.parametrize("heading", ["From GOWA (go-whatsapp-web-multidevice)", "From wacli"])
def test_the_tools_in_place_of_another_servers_are_in_the_toolset_that_is_named(heading: str) -> None:
    for _, here, toolset in rows(heading):
        if "–" not in here:
            tools = tools_of(toolset.strip(" `"))
            named = [name for name in re.findall(r"`(\w+)`", here) if name not in {"link_preview", "kind"}]
            assert named
            assert {*named} <= tools.keys()


@pytest.mark.parametrize("argument", ["link_preview", "kind"])
def test_the_arguments_that_the_table_names_exist(argument: str) -> None:
    tools = tools_of("core")
    [name] = re.findall(rf"`(\w+)` \(with `{argument}`\)", PAGE)
    assert argument in inspect.signature(tools[name].function).parameters
