"""What a mistyped or unlucky command line is told: a sentence, the exit code, and nothing is changed."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tables import for_each
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.connection.device import BriefFormatter
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.cli.serve import serve

ARCHIVE_COMMANDS = [
    ["archive", "stats"],
    ["archive", "check"],
    ["archive", "optimize"],
    ["archive", "export", "-"],
    ["archive", "purge", "--all", "--yes"],
]


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in this process; a server must not come to serve, which would end it."""
    done = CliRunner().invoke(app, arguments, env={"WHATSAPP_MCP_HOME": str(home)})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


@for_each(
    "arguments",
    [
        ["link"],
        ["serve"],
        ["serve", "--transport", "http", "--port", "0"],
    ],
)
def test_a_home_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, arguments: list[str]):
    (tmp_path / "file").touch()

    answer = run(tmp_path / "file" / "home", *arguments)

    assert (answer.returncode, answer.stdout) == (2, "")
    [line] = answer.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path / 'file'}")
    assert "WHATSAPP_MCP_HOME" in line


@for_each(
    "arguments",
    [
        ["serve"],
        ["link"],
        ["unlink", "--yes"],
        ["status"],
        ["reconnect"],
        ["pause"],
        ["resume"],
        ["client-config", "claude-desktop"],
        *ARCHIVE_COMMANDS,
    ],
)
def test_a_bad_setting_ends_every_command_in_one_line(tmp_path: Path, arguments: list[str]):
    (tmp_path / "config.toml").write_text('[policy]\nmode = "reckless"\n')

    answer = run(tmp_path, *arguments)

    assert (answer.returncode, answer.stdout) == (2, "")
    [line] = answer.stderr.splitlines()
    assert line.startswith("Error: policy.mode:")
    assert "config.toml, line 2" in line


def test_a_program_that_links_is_told_of_a_bad_setting_in_json(tmp_path: Path):
    (tmp_path / "config.toml").write_text("nonsense = 1\n")

    answer = run(tmp_path, "link", "--json")

    told = json.loads(answer.stdout)
    assert (answer.returncode, answer.stderr) == (2, "")
    assert (told["event"], told["code"]) == ("failed", "INVALID_ARGUMENT")


def test_the_status_of_an_account_that_is_not_here_names_those_that_are(tmp_path: Path):
    for name in ("default", "home"):
        (tmp_path / "accounts" / name).mkdir(parents=True)

    answer = run(tmp_path, "status", "--account", "work", "--json")

    told = json.loads(answer.stdout)
    assert (answer.returncode, told["state"], told["account"]) == (1, "unlinked", "work")
    assert "default, home" in told["reason"]
    assert "link --account work" in told["action"]
    assert not (tmp_path / "accounts" / "work").exists()


def test_the_status_before_anything_was_linked_leaves_no_files(tmp_path: Path):
    answer = run(tmp_path / "home", "status")

    assert answer.returncode == 1
    assert "`whatsapp-mcp link`" in answer.stdout
    assert not (tmp_path / "home").exists()


@for_each("command", [["unlink"], ["reconnect"], ["pause"], ["resume"], *ARCHIVE_COMMANDS])
def test_an_account_that_is_not_here_is_told_and_not_made(tmp_path: Path, command: list[str]):
    answer = run(tmp_path / "home", *command, "--account", "work")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert "'work'" in answer.stderr
    assert "`whatsapp-mcp link --account work`" in answer.stderr
    assert not (tmp_path / "home").exists()


@for_each(
    "command",
    [["status"], ["unlink"], ["link"], ["client-config", "claude-desktop"], ["serve"], *ARCHIVE_COMMANDS],
)
def test_a_name_that_no_account_can_have_is_refused(tmp_path: Path, command: list[str]):
    answer = run(tmp_path / "home", *command, "--account", "../x")

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "'../x' is not a valid account name" in answer.stderr
    assert not (tmp_path / "home").exists()


def test_a_number_that_is_none_is_refused_before_anything_is_made(tmp_path: Path):
    person = run(tmp_path / "home", "link", "--phone", "nonsense")
    program = run(tmp_path / "home", "link", "--phone", "nonsense", "--json")

    assert (person.returncode, person.stdout) == (2, "")
    assert person.stderr.startswith("Error: 'nonsense' is not a phone number. ")
    told = json.loads(program.stdout)
    assert (program.returncode, told["event"], told["code"]) == (2, "failed", "INVALID_ARGUMENT")
    assert not (tmp_path / "home").exists()


@for_each("port", ["99999", "-1", "x", ""])
def test_a_number_that_is_no_port_is_refused_with_those_that_are(tmp_path: Path, port: str):
    answer = run(tmp_path / "home", "serve", "--transport", "http", f"--port={port}")

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "0 to 65535" in answer.stderr
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken_is_told_with_the_way_out(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        answer = run(tmp_path, "serve", "--transport", "http", "--port", port)

    assert (answer.returncode, answer.stdout) == (1, "")
    assert f"Error: Port {port} on 127.0.0.1 is already in use. " in answer.stderr
    assert "--port" in answer.stderr


def test_an_address_of_another_machine_is_refused(tmp_path: Path):
    (tmp_path / "config.toml").write_text("[server]\nallow_unencrypted = true\n")
    answer = run(tmp_path, "serve", "--transport", "http", "--host", "192.0.2.1", "--port", "0")

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "Give --host an address of this machine" in answer.stderr


@pytest.mark.parametrize("content", [b"short", b"\xff" * 20, b""])
def test_a_token_file_that_holds_no_token_is_told(tmp_path: Path, content: bytes):
    (tmp_path / "http-token").write_bytes(content)

    answer = run(tmp_path, "serve", "--transport", "http", "--port", "0")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert "http-token holds no usable token" in answer.stderr
    assert (tmp_path / "http-token").read_bytes() == content


def test_an_http_option_without_http_is_pointed_out(tmp_path: Path):
    answer = subprocess.run(
        [sys.executable, "-m", "whatsapp_mcp", "serve", "--port", "9000"],
        env=os.environ | {"WHATSAPP_MCP_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (answer.returncode, answer.stdout) == (0, "")
    assert "--port does nothing without --transport http" in answer.stderr


def test_a_person_who_starts_the_server_by_hand_is_told_what_it_waits_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))

    serve(account="../x")  # told before anything can go wrong

    told = capsys.readouterr()
    assert told.out == ""
    assert "waits for an application" in told.err
    assert "whatsapp-mcp install" in told.err


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_server_that_nobody_can_speak_to_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], closed: str
):
    monkeypatch.setattr(sys, closed, None)

    assert serve() == ExitCode.USAGE

    assert "Standard input or output is closed" in capsys.readouterr().err


def test_a_log_for_a_terminal_names_an_error_without_its_traceback():
    try:
        raise OSError("the disk is full")
    except OSError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())

    assert BriefFormatter("%(message)s").format(record) == "failed\nOSError: the disk is full"
