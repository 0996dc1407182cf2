"""Which arguments go where, and what is not imported on the way."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from whatsapp_mcp import __version__, cli
from whatsapp_mcp.cli.app import app

HEAVY = {"anyio", "mcp", "neonize", "pydantic", "rich", "segno", "typer", "uvicorn"}


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "whatsapp_mcp", *arguments)


def imported_by(statement: str) -> set[str]:
    done = python("-c", f"import sys\n{statement}\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_entry_point_imports_nothing_heavy():
    assert imported_by("import whatsapp_mcp.cli") & HEAVY == set()


def test_the_options_of_serve_are_read_before_anything_heavy_is_imported():
    assert imported_by("from whatsapp_mcp.cli.serve import parser; parser().parse_args([])") & HEAVY == set()


@pytest.mark.parametrize(
    ("arguments", "served"),
    [
        ([], []),
        (["serve"], []),
        (["serve", "--transport", "http"], ["--transport", "http"]),
        (["--account", "work"], ["--account", "work"]),
    ],
)
def test_no_command_and_serve_are_the_same(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], served: list[str]
):
    calls: list[list[str]] = []

    def serve(given: list[str]) -> int:
        calls.append(given)
        return 7

    monkeypatch.setattr("whatsapp_mcp.cli.serve.serve", serve)
    monkeypatch.setattr(sys, "argv", ["whatsapp-mcp", *arguments])

    with pytest.raises(SystemExit) as end:
        cli.main()

    assert (calls, end.value.code) == ([served], 7)


def test_ctrl_c_while_it_starts_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def serve(_given: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("whatsapp_mcp.cli.serve.serve", serve)
    monkeypatch.setattr(sys, "argv", ["whatsapp-mcp"])

    with pytest.raises(SystemExit) as end:
        cli.main()

    assert end.value.code == 130


def test_version_is_printed_on_stdout():
    assert run("--version").stdout == f"whatsapp-mcp {__version__}\n"


def test_help_names_every_command():
    text = run("--help").stdout

    for command in ("serve", "link", "unlink", "status", "reconnect", "doctor", "demo", "client-config"):
        assert command in text


@pytest.mark.parametrize(
    "command", ["link", "unlink", "status", "reconnect", "doctor", "demo", "client-config", "archive"]
)
def test_every_command_explains_itself(command: str):
    answer = CliRunner().invoke(app, [command, "--help"])

    assert (answer.exit_code, answer.stderr) == (0, "")
    assert "--help" in answer.stdout


def test_serving_explains_itself_and_names_where_the_other_commands_are():
    answer = run("serve", "--help")

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "whatsapp-mcp --help" in answer.stdout


@pytest.mark.parametrize(
    "arguments", [["serve", "--nonsense"], ["--nonsense"], ["nonsense"], ["link", "--nonsense"]]
)
def test_an_unknown_argument_ends_with_2_and_leaves_stdout_clean(arguments: list[str]):
    answer = run(*arguments)

    assert (answer.returncode, answer.stdout) == (2, "")
    assert "nonsense" in answer.stderr
