"""What `tools/list` says: strict, annotated, affordable, and changed only on purpose.

`python -m tests.server.test_schemas` writes the snapshots again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tokens import limits
from tests.tables import for_each
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Accounts, build, spec_of
from whatsapp_mcp.server.tools import toolsets

SNAPSHOTS = Path(__file__).parent / "schemas"


def listed(selection: str) -> dict[str, dict[str, Any]]:
    """The tools of a selection as `tools/list` carries them."""
    tools = build(toolsets.load_tools(selection), Accounts({}))
    return {
        tool.name: {
            "name": tool.name,
            "title": tool.title,
            "description": tool.description,
            "inputSchema": tool.parameters,
            "annotations": tool.annotations.model_dump(by_alias=True, exclude_none=True)
            if tool.annotations
            else {},
        }
        for tool in tools
    }


def test_each_tool_is_what_its_snapshot_says() -> None:
    tools = listed(toolsets.ALL_TOOLSETS)
    assert {path.stem for path in SNAPSHOTS.glob("*.json")} == set(tools)
    for name, tool in tools.items():
        kept = json.loads((SNAPSHOTS / f"{name}.json").read_text(encoding="utf-8"))
        assert kept == tool, f"{name} changed: run python -m tests.server.test_schemas"


@for_each("toolset", list(toolsets.TOOLSETS))
def test_every_tool_is_strict_lean_and_annotated(toolset: str) -> None:
    for name, tool in listed(toolset).items():
        text = json.dumps(tool["inputSchema"])
        assert tool["inputSchema"]["additionalProperties"] is False, name
        assert '"title"' not in text, name
        assert '"null"' not in text, name
        hints = tool["annotations"]
        assert ("destructiveHint" in hints) is not hints.get("readOnlyHint", False), name
        told = {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False}
        assert all(told.get(hint, value) is value for hint, value in hints.items()), name
        assert re.fullmatch(r"[A-Z][a-z]+( [a-z]+)*", tool["title"]), name
        assert tool["description"], name
        assert len(tool["description"]) < 300, name


def test_what_reads_is_not_what_acts() -> None:
    for function in toolsets.load_tools(toolsets.ALL_TOOLSETS):
        spec = spec_of(function)
        assert not (spec.reads and spec.destructive), spec.name
        assert spec.effect is not Effect.ACT or spec.audience is not Audience.NOBODY, spec.name
        assert spec.effect is not Effect.READ or spec.audience is Audience.NOBODY, spec.name


@for_each("toolset", list(toolsets.TOOLSETS))
def test_a_limit_says_how_high_it_may_be(toolset: str) -> None:
    for name, tool in listed(toolset).items():
        limit = tool["inputSchema"]["properties"].get("limit", {"maximum": 0})
        assert "maximum" in limit, name


@pytest.mark.anyio
async def test_the_tools_are_affordable() -> None:
    for what, figure, limit in await limits():
        assert figure <= limit, what


def test_a_toolset_is_named_exactly() -> None:
    assert toolsets.parse_selection("groups, core") == ("core", "groups")
    for wrong in ("cor", "", "core,,grups"):
        with pytest.raises(InvalidArgument, match="core"):
            toolsets.parse_selection(wrong)


def write_snapshots() -> None:
    """Write what is there now."""
    tools = listed(toolsets.ALL_TOOLSETS)
    for path in SNAPSHOTS.glob("*.json"):
        if path.stem not in tools:
            path.unlink()
    for name, tool in tools.items():
        text = json.dumps(tool, indent=2, ensure_ascii=False)
        (SNAPSHOTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_snapshots()
