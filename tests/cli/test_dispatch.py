"""Which arguments go where, and what is not imported on the way."""

import gc
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.command_line import COMMANDS, LISTED
from tests.tables import for_each
from whatsapp_mcp import __version__, cli
from whatsapp_mcp.cli.app import app
from whatsapp_mcp.cli.command_line import Later
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.cli.serve import serve
from whatsapp_mcp.server.main import ServeOptions
from whatsapp_mcp.settings import Settings

GROUPS = [name for name, command in COMMANDS.items() if hasattr(command, "commands")]
HEAVY = {"anyio", "mcp", "neonize", "pydantic", "rich", "segno", "typer", "uvicorn"}


def python(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def imported_by(statement: str) -> set[str]:
    done = python("-c", f"import sys\n{statement}\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_entry_point_imports_nothing_heavy():
    assert imported_by("import whatsapp_mcp.cli") & HEAVY == set()


def test_serving_imports_neither_typer_nor_what_other_commands_need():
    serving = "import whatsapp_mcp.cli.serve, whatsapp_mcp.server.main"
    assert imported_by(serving) & {"typer", "rich", "segno"} == set()


ROOMS = {
    f"whatsapp_mcp.{name}"
    for name in ("archive", "device", "ledger", "media", "models", "policy", "server.calls", "settings")
}


def imported_on(line: str, **variables: str) -> set[str]:
    """What a line of the command line has loaded when it ends: packages, and rooms of this one."""
    script = (
        "import atexit, sys\n"
        "loaded = lambda: [name for name, each in sys.modules.items() if each]\n"
        "atexit.register(lambda: print(*loaded(), file=sys.stderr))\n"
        f"sys.argv = {['whatsapp-mcp', *line.split()]}\n"
        "from whatsapp_mcp import cli\n"
        "cli.main()"
    )
    done = python("-c", script, **variables)
    assert done.returncode == 0, done.stderr
    found = done.stderr.split()
    return {name.split(".")[0] for name in found} | {
        name for name in found if name.startswith("whatsapp_mcp.")
    }


@pytest.mark.parametrize("line", ["--version", "--help"])
def test_version_and_help_load_nothing_but_the_command_line(line: str):
    loaded = imported_on(line)

    assert loaded & (HEAVY - {"typer"} | ROOMS | {"whatsapp_mcp.system", "whatsapp_mcp.cli.archive"}) == set()


TYPED = ["", "install cl", "status --account w", "serve --toolsets co", *GROUPS]
COMPLETING = """
import os, sys
from whatsapp_mcp import cli
seen = set()
for words in {lines!r}:
    for shell in ("bash", "zsh"):
        os.environ |= {{
            "_WHATSAPP_MCP_COMPLETE": "complete_" + shell,
            "COMP_WORDS": "\\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_TYPER_COMPLETE_ARGS": " ".join(words),
        }}
        sys.argv = ["whatsapp-mcp"]
        try:
            cli.main()
        except SystemExit as end:
            assert not end.code, end.code
        loaded = {{name for name, each in sys.modules.items() if each}}
        print(" ".join([shell, *words]), *loaded - seen, sep="\t", file=sys.stderr)
        seen |= loaded
"""


def test_a_tab_loads_what_the_word_needs_and_not_what_its_command_does():
    lines = [["whatsapp-mcp", *line.split(), *([""] if line in {"", *GROUPS} else [])] for line in TYPED]

    done = python("-c", COMPLETING.format(lines=lines))

    assert done.returncode == 0, done.stderr
    # Typer converts the values of options with pydantic.
    heavy = HEAVY - {"typer", "pydantic", "anyio"} | ROOMS
    answers = [line.split("\t") for line in done.stderr.splitlines()]
    assert len(answers) == 2 * len(lines)
    assert {typed: found for typed, *loaded in answers if (found := heavy & {*loaded})} == {}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The options with which serving was begun; it ends with 7."""
    calls: list[dict[str, object]] = []

    def serve(**options: object) -> int:
        calls.append(options)
        return 7

    monkeypatch.setattr("whatsapp_mcp.cli.serve.serve", serve)
    return calls


def main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["whatsapp-mcp", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code


@for_each("command", [[], ["serve"]])
@for_each(
    ("options", "expected"),
    [
        ([], {}),
        (["--account", "work"], {"account": "work"}),
        (["--structured"], {"structured": True}),
        (["--structured", "--account", "work"], {"account": "work", "structured": True}),
    ],
)
def test_what_client_config_writes_is_served_before_typer_is_imported(
    monkeypatch: pytest.MonkeyPatch,
    served: list[dict[str, object]],
    command: list[str],
    options: list[str],
    expected: dict[str, object],
):
    monkeypatch.setitem(sys.modules, "whatsapp_mcp.cli.app", None)

    assert (main(monkeypatch, *command, *options), served) == (7, [expected])
    served.clear()


def test_garbage_is_collected_again_once_the_server_is_loaded(monkeypatch: pytest.MonkeyPatch):
    collected: list[bool] = []

    def serve_mcp(options: ServeOptions, settings: Settings) -> None:
        collected.append(gc.isenabled())

    monkeypatch.setattr("whatsapp_mcp.server.main.serve", serve_mcp)
    serve(account="work")
    assert collected == [True]


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_an_option_is_no_name_of_an_account(monkeypatch: pytest.MonkeyPatch, option: str):
    assert main(monkeypatch, "--account", option) == 2


@for_each("command", [[], ["serve"]])
@for_each(
    ("options", "expected"),
    [
        (["--account", "work"], {"account": "work"}),
        (["--account=work"], {"account": "work"}),
        (["--transport", "http", "--port", "0"], {"transport": "http", "port": 0}),
        (["--no-auth", "--host", "::1"], {"auth": False, "host": "::1"}),
        (["--toolsets", "all"], {"toolsets": "all"}),
    ],
)
def test_options_mean_the_same_with_serve_and_without_a_command(
    monkeypatch: pytest.MonkeyPatch,
    served: list[dict[str, object]],
    command: list[str],
    options: list[str],
    expected: dict[str, object],
):
    assert main(monkeypatch, *command, *options) == 7
    assert served.pop().items() >= expected.items()


def test_serve_has_the_defaults_of_the_server(
    monkeypatch: pytest.MonkeyPatch, served: list[dict[str, object]]
):
    main(monkeypatch, "serve", "--account", "default")

    assert ServeOptions(**served[0]) == ServeOptions("default")  # pyright: ignore[reportArgumentType]


def test_ctrl_c_while_it_starts_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def serve() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("whatsapp_mcp.cli.serve.serve", serve)

    assert main(monkeypatch) == 130


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_printed_on_stdout(option: str):
    assert invoke(option).stdout == f"whatsapp-mcp {__version__}\n"


def test_help_lists_every_command_by_what_it_is_for_and_the_exit_codes():
    text = invoke("--help").stdout

    sections = re.findall(r"^(\w+):\n((?:  .+\n)+)", text, re.MULTILINE)
    assert [title for title, _ in sections] == ["Options", "Start", "Use", "Accounts", "Operate"]
    listed = [line.split()[0] for _, lines in sections[1:] for line in lines.splitlines()]
    assert sorted(listed) == sorted(COMMANDS)
    assert all(str(int(code)) in text.partition("Exit codes:")[2] for code in ExitCode)


@pytest.mark.parametrize("line", [[], ["accounts"]])
def test_no_help_speaks_of_what_only_a_fleet_needs(line: list[str]):
    text = invoke(*line, "--help").stdout

    assert re.search(r"\b(fleet|nodes?|database|machines|move)\b", text) is None


@for_each("name", [name for name, command in LISTED.items() if isinstance(command, Later)])
def test_a_command_that_is_loaded_later_is_listed_with_its_own_words(name: str):
    assert LISTED[name].get_short_help_str(100) == COMMANDS[name].get_short_help_str(100)


@for_each("command", COMMANDS)
def test_every_command_explains_itself_in_one_look(command: str):
    answer = invoke(command, "--help")

    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.startswith(f"Usage: whatsapp-mcp {command} [OPTIONS]")
    assert "--help" in answer.stdout
    assert "<bool>" not in answer.stdout
    assert "╭" not in answer.stdout


def every_command() -> dict[str, Any]:
    inner = {f"{name} {sub}": command for name in GROUPS for sub, command in COMMANDS[name].commands.items()}
    return {**COMMANDS, **inner}


@for_each("name", every_command())
def test_the_list_of_commands_shows_their_whole_sentence(name: str):
    assert "..." not in every_command()[name].get_short_help_str()


@pytest.mark.parametrize(
    "arguments", [["serve", "--nope"], ["link", "--nope"], ["archive", "stats", "--nope"]]
)
def test_an_unknown_option_is_told_with_the_usage_of_its_command(arguments: list[str]):
    answer = invoke(*arguments)

    command = " ".join(arguments[:-1])
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"Usage: whatsapp-mcp {command} [OPTIONS]")
    assert "Error: No such option: --nope" in answer.stderr


@pytest.mark.parametrize("argument", ["--nope", "nope"])
def test_what_is_no_command_is_told_with_the_usage_of_all(argument: str):
    answer = invoke(argument)

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr.startswith("Usage: whatsapp-mcp [OPTIONS] COMMAND [ARGS]...")
    assert argument in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [["client-config", "emacs"], ["--transport", "smtp"], ["archive", "export", "-", "--format", "x"]],
)
def test_a_wrong_choice_is_told_with_the_right_ones_and_without_words_of_a_library(arguments: list[str]):
    answer = invoke(*arguments)

    assert (answer.exit_code, answer.stdout) == (2, "")
    assert f"'{arguments[-1]}' is not one of '" in answer.stderr
    assert "Value error" not in answer.stderr
