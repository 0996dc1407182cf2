"""The commands of the page of accounts do what it says, in a home with one account."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from whatsapp_mcp import settings
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.server.transports import Tokens
from whatsapp_mcp.settings import load

PAGE = (Path(__file__).parents[2] / "docs" / "accounts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"<!-- run by [^>]+ -->\n```sh\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_of_the_page_work_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    settings.load().account_folder().create()
    lines = [line for block in BLOCKS for line in block.splitlines()]
    assert len(lines) == 4
    for line in lines:
        words = shlex.split(line)
        assert words.pop(0) == "whatsapp-mcp"
        assert CliRunner().invoke(app, words).exit_code == 0, line
    assert settings.load().accounts() == ["private", "work"]
    assert [token.accounts for token in Tokens(tmp_path).all()] == [{"work"}]


def test_the_settings_of_the_page_are_of_one_account(tmp_path: Path) -> None:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "config.toml").write_text(block)
    assert load(tmp_path).for_account("work").policy.mode == "read_only"
    assert load(tmp_path).policy.mode == "standard"
