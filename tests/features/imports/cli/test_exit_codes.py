"""How `archive import` ends where it is interrupted or fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.test_exit_codes import code_of, home
from tests.tables import for_each
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import NotConnected

__all__ = ["home"]

INNARDS = {
    "archive import --list": "whatsapp_mcp.cli.connection.with_known_device",
    "archive import --undo 1 --yes": "whatsapp_mcp.cli.connection.with_known_device",
    "archive import /dev/null": "whatsapp_mcp.cli.connection.with_device",
}
"""Lines, and what each calls that may be interrupted or fail."""


@for_each("line", INNARDS)
def test_ctrl_c_ends_with_130_and_a_failure_with_1(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code in (
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (NotConnected("It is down."), ExitCode.FAILED),
    ):

        def ends(*_: object, error: BaseException = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(INNARDS[line], ends)
        assert code_of(line) == code


def test_an_exported_chat_is_imported_once_its_chat_is_given(home: Path) -> None:
    source = home / "_chat.txt"
    source.write_text("[14/11/2023, 10:00:00] Ana: earlier\n")
    refused = CliRunner().invoke(app, ["archive", "import", str(source)])
    assert refused.exit_code == 2
    assert "--chat" in refused.output
    done = CliRunner().invoke(app, ["archive", "import", str(source), "--chat", "+15550000001"])
    brought = "1 new message, 0 known already; from 2023-11-14 to 2023-11-14."
    assert (done.exit_code, done.output.splitlines()[0]) == (0, brought)
    assert "`whatsapp-mcp archive import --undo 1`" in done.output


def test_it_answers_programs_in_json(home: Path) -> None:
    source = home / "_chat.txt"
    source.write_text("[14/11/2023, 10:00:00] Ana: earlier\n")
    line = ["archive", "import", str(source), "--chat", "+15550000001", "--json"]
    told = json.loads(CliRunner().invoke(app, line).output)
    assert (told["state"], told["numbers"], told["report"]["new"]) == ("done", [1], 1)
