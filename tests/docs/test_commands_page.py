"""The page of the command line names every command and exit code."""

import re
from pathlib import Path

import typer.main

from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.outcome import ExitCode

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_command_is_on_the_page_and_no_other() -> None:
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]

    assert set(re.findall(r"^\| .*`whatsapp-mcp ([\w-]+)` \|", PAGE, re.MULTILINE)) == commands


def test_every_exit_code_is_on_the_page_and_no_other() -> None:
    section = PAGE.partition("## Exit codes")[2].partition("##")[0]

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitCode)
