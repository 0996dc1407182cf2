"""The README's figures about toolsets and answers match the code."""

import re
from pathlib import Path

import pytest

from benchmarks.tokens import CALLS, answers, tool_tokens
from whatsapp_mcp.server.tools import toolsets

TEXT = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
TOOLSETS = {name: int(tools) for name, tools in re.findall(r"^\| `(\w+)` \| (\d+) \| \D", TEXT, re.MULTILINE)}


def test_the_readme_says_what_it_is_and_that_it_is_unofficial_in_its_first_ten_lines() -> None:
    opening = "\n".join(TEXT.splitlines()[:10])
    assert "Model Context Protocol" in opening
    assert "unofficial" in opening


def test_the_readme_lists_every_toolset_with_its_number_of_tools() -> None:
    assert {name: len(toolsets.load_tools(name)) for name in toolsets.TOOLSETS} == TOOLSETS


@pytest.mark.anyio
async def test_the_core_costs_about_what_the_readme_says() -> None:
    [said] = re.findall(r"`core`, which costs a model about ([\d,]+) tokens", TEXT)
    true = sum((await tool_tokens("core")).values())
    assert abs(true - int(said.replace(",", ""))) <= 150


@pytest.mark.anyio
async def test_a_model_gets_about_as_many_characters_as_the_readme_says() -> None:
    rows = re.findall(r"^\| `(\w+)`(?: \(20\))? \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", TEXT, re.MULTILINE)
    said = {name: [int(figure.replace(",", "")) for figure in figures] for name, *figures in rows}
    assert said.keys() == CALLS.keys()
    plain, structured = await answers(structured=False), await answers(structured=True)
    for name, figures in said.items():
        as_text = set(plain[name].values())
        instead = {structured[name][host] for host in ("Claude Code", "Codex", "pydantic-ai")}
        beside = {structured[name][host] for host in ("Gemini CLI", "opencode")}
        for true, figure in zip((as_text, instead, beside), figures, strict=True):
            assert [*true] == [pytest.approx(figure, rel=0.1)], name
