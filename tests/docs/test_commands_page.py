"""The page of the command line names every exit code."""

import re
from pathlib import Path

from whatsapp_mcp.cli.outcome import ExitCode

PAGE = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def test_every_exit_code_is_on_the_page_and_no_other() -> None:
    section = PAGE.partition("## Exit codes")[2].partition("##")[0]

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(ExitCode)
