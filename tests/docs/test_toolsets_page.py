"""The figures about toolsets and answers match the code, on their page and in the README."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.tokens import CALLS, answers, tool_tokens
from tests.core import CORE_TOOLS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "toolsets.md").read_text(encoding="utf-8")
README = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
TOOLSETS = {name: int(tools) for name, tools in re.findall(r"^\| `(\w+)` \| (\d+) \| \D", TEXT, re.MULTILINE)}


def test_the_page_lists_every_toolset_with_its_number_of_tools() -> None:
    assert Counter(spec.toolset for spec in CORE_TOOLS.values()) == TOOLSETS


@pytest.mark.anyio
async def test_the_core_costs_about_what_is_said() -> None:
    said = re.findall(r"costs? a model about ([\d,]+) tokens", TEXT + README)
    true = sum((await tool_tokens("core")).values())
    assert len(said) == 2
    assert all(abs(true - int(each.replace(",", ""))) <= 150 for each in said)


@pytest.mark.anyio
async def test_a_model_gets_about_as_many_characters_as_the_page_says() -> None:
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


def test_the_readme_says_what_the_page_does() -> None:
    assert f"{TOOLSETS['core']} tools cost" in README
    [(_, characters)] = re.findall(r"(20 messages) (?:take )?about ([\d,]+) characters", README)
    assert f"20 messages take about {characters} characters" in TEXT
