"""What `archive import` says of a mistake, before anything is made."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from whatsapp_mcp.cli.app import app


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["archive", "import", *arguments], env={"WHATSAPP_MCP_HOME": str(home)})


def test_a_home_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    answer = run(tmp_path / "file" / "home", __file__)

    assert (answer.exit_code, answer.stdout) == (2, "")
    [line] = answer.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / 'file'}")
    assert "WHATSAPP_MCP_HOME" in line


def test_a_file_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path) -> None:
    answer = run(tmp_path / "home", "no-chat.zip")

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert "'no-chat.zip' does not exist" in answer.stderr
    assert not (tmp_path / "home").exists()
