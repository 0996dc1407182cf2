"""What the pages refer to exists: pages, headings, files, commands, options, tools."""

import ast
import json
import re
import tomllib
from pathlib import Path

from tests.command_line import COMMANDS
from tests.docs import site
from tests.docs.command_lines import group_at_the_end
from tests.docs.examples import examples
from tests.tables import for_each
from whatsapp_mcp.archive.operations import OPERATIONS
from whatsapp_mcp.server.calls import spec_of
from whatsapp_mcp.server.tools import toolsets

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "whatsapp_mcp"
MODES = {"read_only"}
"""Modes of the policy whose names look like those of tools."""
SIMULATOR = ROOT / "whatsapp_simulator"
FLEET = ROOT / "whatsapp_fleet"
MODULES = {path.stem for package in (PACKAGE, SIMULATOR, FLEET) for path in package.rglob("*.py")}
PAGES = [ROOT / "README.md", *site.pages()]
TOOLS = {spec_of(function).name for function in toolsets.load_tools(toolsets.ALL_TOOLSETS)}
FILE = re.compile(r"`((?:[\w-]+/)+(?:[\w.-]+\.\w+)?|[\w-]+\.py)`")
"""`path/to/file.ext`, `path/to/folder/` or `module.py`."""
MODULE_NAMES = {
    path.name for folder in (PACKAGE, SIMULATOR, FLEET, ROOT / "tests") for path in folder.rglob("*.py")
}


@for_each("page", PAGES)
def test_every_linked_page_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@for_each("page", PAGES)
def test_every_linked_heading_exists(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert anchor in _anchors(page.parent / target if target else page), f"{target}#{anchor}"


@for_each("page", PAGES)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for command, options in re.findall(
        r"whatsapp-mcp ([a-z][a-z-]*)((?: --?[a-z-]+(?: [^\s`-]\S*)?)*)", text
    ):
        if command not in COMMANDS:
            continue
        known = _options(command)
        for option in re.findall(r"--[a-z-]+", options):
            assert option in known, f"{command} {option}"


@for_each("page", PAGES)
def test_a_command_that_a_page_names_does_more_than_print_its_help(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.name == "commands.md":  # a table with the commands of each group
        text = re.sub(r"^\| `whatsapp-mcp [a-z]+` \|", "", text, flags=re.MULTILINE)
    commands = re.findall(r"`whatsapp-mcp((?: [a-z][a-z-]*)+)[^`]*`", text)
    assert [command for command in commands if group_at_the_end(command.split())] == []


@for_each("page", PAGES)
def test_no_page_installs_somebody_elses_package(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"(?:pip|pipx|tool|uv) install [^\n`]*\bwhatsapp-mcp\b", text) == []
    assert re.findall(r"uvx (?:--from \S+ )?'?whatsapp-mcp", text) == []
    assert "whatsapp-mcp[" not in text


@for_each("page", PAGES)
def test_only_what_is_published_is_installed_by_name(page: Path) -> None:
    today, _, _ = page.read_text(encoding="utf-8").partition("### Once it is published")

    assert re.findall(r"(?:\binstall|uvx|run) '?mcp-server-whatsapp", today) == []


@for_each("page", PAGES)
def test_every_tool_that_a_page_names_exists(page: Path) -> None:
    if page.name in {
        "tools.md",
        "migration.md",
        "importing.md",
        "upstream.md",
    }:  # compared with the source whole, by other tests; or names tables and functions of other programs
        return
    verbs = {name.split("_")[0] for name in TOOLS if "_" in name}
    for name in re.findall(r"`([a-z]+_[a-z_]+)`", page.read_text(encoding="utf-8")):
        if name.split("_")[0] in verbs and name not in MODULES | MODES | OPERATIONS.keys():
            assert name in TOOLS, name


@for_each("page", PAGES)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    for name in FILE.findall(page.read_text(encoding="utf-8")):
        if name.startswith(("accounts/", "tokens/")):  # in the home folder
            continue
        if "/" in name:
            assert any((folder / name).exists() for folder in (ROOT, PACKAGE, SIMULATOR, FLEET)), name
        else:
            assert name in MODULE_NAMES or (page.parent / name).exists(), name


@for_each("page", PAGES)
def test_every_code_block_is_well_formed(page: Path) -> None:
    readers = {"python": ast.parse, "toml": tomllib.loads, "json": json.loads}
    for block in examples(page):
        readers.get(block.language, str)(block.body)


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, formed as GitHub forms them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _options(command: str) -> set[str]:
    return {option for each in COMMANDS[command].params for option in (*each.opts, *each.secondary_opts)}
