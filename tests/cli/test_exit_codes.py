"""What each command tells the shell: the table of exit codes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.cli.fakes import NOON
from tests.command_line import LISTED
from tests.tables import for_each
from whatsapp_mcp import settings
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.command_line import Later
from whatsapp_mcp.cli.doctor import Finding
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import NotConnected
from whatsapp_mcp.models import ConnectionState, ConnectionStatus

INNARDS = {
    "serve": "whatsapp_mcp.server.main.serve",
    "link": "whatsapp_mcp.cli.connection.with_device",
    "unlink --yes": "whatsapp_mcp.cli.connection.device.with_device",
    "status": "whatsapp_mcp.device.leader.observed_status",
    "status --wait": "whatsapp_mcp.cli.connection.status.with_device",
    "status --watch": "whatsapp_mcp.cli.connection.status.known_account",
    "logs": "whatsapp_mcp.cli.connection.logs.known_account",
    "reconnect": "whatsapp_mcp.cli.connection.device.with_device",
    "pause --for 2h": "whatsapp_mcp.device.leader.pause",
    "resume": "whatsapp_mcp.device.leader.resume",
    "doctor": "whatsapp_mcp.cli.doctor.examination.examine",
    "demo": "whatsapp_mcp.cli.demo._run",
    "client-config claude-desktop": "whatsapp_mcp.cli.hosts.commands.snippet",
    "install claude-desktop": "whatsapp_mcp.cli.hosts.steps.to_install",
    "uninstall --dry-run": "whatsapp_mcp.cli.uninstall.installed_services",
    "service print": "whatsapp_mcp.cli.service._service",
    "service install": "whatsapp_mcp.cli.service._find_manager",
    "service uninstall": "whatsapp_mcp.cli.service._find_manager",
    "encryption enable": "whatsapp_mcp.device.leader.LeaderLock",
    "encryption change-key": "whatsapp_mcp.device.leader.LeaderLock",
    "encryption disable": "whatsapp_mcp.device.leader.LeaderLock",
    "encryption open FILE TARGET": "whatsapp_mcp.cli.encryption.known_account",
    "encryption status": "whatsapp_mcp.cli.encryption.known_account",
    "agent status": "whatsapp_mcp.cli.agents.answering._ask_status",
    "agent pair 123456": "whatsapp_mcp.cli.connection.with_known_device",
    "agent drop +15550002222": "whatsapp_mcp.cli.connection.with_known_device",
    "approve --list": "whatsapp_mcp.cli.agents.answering._ask_leader",
    "exposures": "whatsapp_mcp.cli.agents.answering.known_account",
    "audit": "whatsapp_mcp.cli.audit.known_account",
    "policy explain --tool send_message": "whatsapp_mcp.cli.agents.policy.known_account",
    "policy test /dev/null": "whatsapp_mcp.cli.agents.policy.known_account",
    "people list": "whatsapp_mcp.cli.people.known_account",
    "scheduled list": "whatsapp_mcp.cli.agents.scheduled.known_account",
    "accounts": "whatsapp_mcp.cli.accounts.finish_changes",
    "accounts add work": "whatsapp_mcp.cli.accounts.finish_changes",
    "accounts rename default work": "whatsapp_mcp.cli.accounts.finish_changes",
    "accounts remove default --yes": "whatsapp_mcp.cli.accounts.finish_changes",
    "token list": "whatsapp_mcp.cli.token._tokens",
    "page": "whatsapp_mcp.cli.app.known_account",
    "archive stats": "whatsapp_mcp.archive.open_archive",
    "archive check": "whatsapp_mcp.archive.care.check_file",
    "archive export -": "whatsapp_mcp.archive.open_archive",
    "archive purge --all --yes": "whatsapp_mcp.archive.open_archive",
}
"""A line for each command, and what it calls that may be interrupted or fail."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an account that nobody leads and that has no archive yet."""
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    settings.load().account_folder().create()
    return tmp_path


def code_of(line: str, answer: str | None = None) -> int:
    done = CliRunner().invoke(app, line.split(), input=answer)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code


def test_every_command_is_in_the_table() -> None:
    of_features = {name for name, command in LISTED.items() if isinstance(command, Later) and command.section}
    assert {line.split()[0] for line in INNARDS} == set(LISTED) - of_features


@for_each("line", INNARDS)
def test_ctrl_c_ends_with_130(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(INNARDS[line], interrupted)

    assert code_of(line) == ExitCode.INTERRUPTED


@for_each("line", [line for line in INNARDS if line not in {"doctor", "demo"}])
def test_a_failure_ends_with_1(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(*_: object, **__: object) -> None:
        raise NotConnected("It is down.")

    monkeypatch.setattr(INNARDS[line], failed)

    assert code_of(line) == ExitCode.FAILED


@for_each("line", INNARDS)
def test_an_option_that_is_none_ends_with_2(line: str) -> None:
    assert code_of(f"{line} --nope") == ExitCode.USAGE


@for_each("state", ConnectionState)
@for_each("line", ["status --wait", "status --wait --json", "reconnect"])
def test_only_an_account_that_is_online_is_told_with_0(
    line: str, state: ConnectionState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*_: object) -> ConnectionStatus:
        return ConnectionStatus(state, NOON, "default")

    monkeypatch.setattr(INNARDS[line.removesuffix(" --json")], told)

    assert code_of(line) == (ExitCode.OK if state is ConnectionState.ONLINE else ExitCode.FAILED)


@for_each("ok", [True, False])
@for_each("line", ["doctor", "doctor --json"])
def test_a_finding_of_the_doctor_is_told_with_1(line: str, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(*, over_network: bool) -> list[Finding]:
        return [Finding("home", ok, "as it is")]

    monkeypatch.setattr("whatsapp_mcp.cli.doctor.examination.examine", examine)

    assert code_of(line) == (ExitCode.OK if ok else ExitCode.FAILED)


def test_a_question_that_is_declined_ends_with_1() -> None:
    assert code_of("archive purge --all", "n\n") == ExitCode.FAILED


def test_ctrl_c_at_a_question_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(*_: object, **__: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise typer.Abort from None

    monkeypatch.setattr("whatsapp_mcp.cli.connection.device.with_device", ask)

    assert code_of("unlink --yes") == ExitCode.INTERRUPTED


def test_what_is_done_ends_with_0(home: Path) -> None:
    assert code_of("client-config claude-desktop") == ExitCode.OK
    assert code_of("archive optimize") == ExitCode.OK
    assert code_of("archive stats") == ExitCode.OK
    with closing(sqlite3.connect(settings.load().account_folder().archive_db)) as db:
        assert db.execute("PRAGMA quick_check").fetchone() == ("ok",)


@pytest.mark.parametrize("line", ["pause --for 2h", "resume"])
def test_a_pause_that_began_or_ended_is_told_with_0(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def told(*_: object, **__: object) -> ConnectionStatus:
        return ConnectionStatus(ConnectionState.PAUSED, NOON, "default")

    monkeypatch.setattr(INNARDS[line], told)

    assert code_of(line) == ExitCode.OK


@for_each("length", ["soon", "2", "0h", "-2h", "2026-12-01"])
def test_a_bad_length_of_a_pause_is_a_usage_error(length: str) -> None:
    done = CliRunner().invoke(app, ["pause", f"--for={length}"])

    assert done.exit_code == ExitCode.USAGE
    assert "Usage: " in done.output
    assert "is not a length of time. Give a length of time (30m, 6h, 3d, 2w, 5mo, 1y)." in " ".join(
        done.output.split()
    )
