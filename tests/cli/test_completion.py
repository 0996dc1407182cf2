"""Shell completion: a TAB gets its answer and never starts a server."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp import cli

SHELLS = ["bash", "zsh", "fish", "powershell", "pwsh"]
SCRIPTS = Path(sys.executable).parent
ENVIRONMENT = {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb", "HOME": "/nonexistent"}
LIMIT = 30.0


def answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], program: str, **variables: str
) -> str:
    """What the program prints when it is started as a shell does for a completion: without arguments."""

    def serve(**_options: object) -> int:
        raise AssertionError("a completion has started a server")

    monkeypatch.setattr("whatsapp_mcp.cli.serve.serve", serve)
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setitem(sys.modules, "rich", None)  # as a completion does, and taken back afterwards
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        cli.main()
    return capsys.readouterr().out


def asked(line: str) -> dict[str, str]:
    """The variables in which shells tell what has been typed."""
    words = line.split(" ")
    return {
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words[-1],
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }


@for_each("shell", SHELLS)
def test_a_command_is_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
):
    variables = asked("whatsapp-mcp st") | {"_WHATSAPP_MCP_COMPLETE": f"complete_{shell}"}

    found = answer(monkeypatch, capsys, "whatsapp-mcp", **variables)

    assert "status" in found
    assert "serve" not in found


def test_the_other_name_of_the_command_is_completed_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    variables = asked("mcp-server-whatsapp st") | {"_MCP_SERVER_WHATSAPP_COMPLETE": "complete_bash"}

    assert answer(monkeypatch, capsys, "mcp-server-whatsapp", **variables) == "status\n"


@for_each("shell", SHELLS)
@for_each(
    ("line", "expected"),
    [
        ("whatsapp-mcp ", "client-config"),
        ("whatsapp-mcp serve --tr", "--transport"),
        ("whatsapp-mcp serve --transport h", "http"),
        ("whatsapp-mcp client-config claude-d", "claude-desktop"),
        ("whatsapp-mcp archive exp", "export"),
        ("whatsapp-mcp pau", "pause"),
        ("whatsapp-mcp pause --f", "--for"),
        ("whatsapp-mcp resu", "resume"),
        ("whatsapp-mcp install claude-c", "claude-code"),
        ("whatsapp-mcp serve --toolsets gro", "groups"),
        ("whatsapp-mcp serve --toolsets core,gro", "core,groups"),
        ("whatsapp-mcp token create laptop --scope read,s", "read,send"),
    ],
)
def test_options_choices_and_subcommands_are_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str, line: str, expected: str
):
    variables = asked(line) | {"_WHATSAPP_MCP_COMPLETE": f"complete_{shell}"}

    assert expected in answer(monkeypatch, capsys, "whatsapp-mcp", **variables)


@for_each(
    ("line", "expected"),
    [
        ("whatsapp-mcp status --account ", "family\nwork\n"),
        ("whatsapp-mcp status --account w", "work\n"),
        ("whatsapp-mcp --account w", "work\n"),
        ("whatsapp-mcp archive stats --account f", "family\n"),
        ("whatsapp-mcp accounts rename w", "work\n"),
        ("whatsapp-mcp token create laptop --accounts work,", "work,family\n"),
        ("whatsapp-mcp f", "\n"),
    ],
)
def test_accounts_that_are_here_are_completed_and_what_only_a_fleet_needs_is_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    line: str,
    expected: str,
):
    for name in ("work", "family", ".removing-old"):
        (tmp_path / "accounts" / name).mkdir(parents=True)
    variables = {"WHATSAPP_MCP_HOME": str(tmp_path), "_WHATSAPP_MCP_COMPLETE": "complete_bash"}

    assert answer(monkeypatch, capsys, "whatsapp-mcp", **asked(line) | variables) == expected


@for_each("shell", SHELLS)
def test_the_script_for_a_shell_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shell: str
):
    script = answer(monkeypatch, capsys, "whatsapp-mcp", _WHATSAPP_MCP_COMPLETE=f"source_{shell}")

    assert f"complete_{shell}" in script or "complete_powershell" in script
    assert "whatsapp-mcp" in script


class Terminal:
    """A shell at a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def types(self, text: str, until: str) -> str:
        """What the terminal shows after a text was typed, up to where it fits the pattern."""
        os.write(self._fd, text.encode())
        shown, deadline = "", time.monotonic() + LIMIT
        while re.search(until, shown) is None:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{until!r} was never shown: {shown!r}"
            shown += os.read(self._fd, 65536).decode(errors="replace")
        return shown


@contextmanager
def terminal(*shell: str) -> Generator[Terminal]:
    leader, follower = os.openpty()
    with subprocess.Popen(
        shell, stdin=follower, stdout=follower, stderr=follower, env=ENVIRONMENT, start_new_session=True
    ) as process:
        os.close(follower)
        try:
            yield Terminal(leader)
        finally:
            process.kill()
            os.close(leader)


BASH = ("bash", "--norc", "--noprofile", "-i")
ZSH = ("zsh", "-f", "-i")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no terminals of this kind")
@pytest.mark.parametrize(
    ("shell", "set_up"),
    [
        pytest.param(BASH, "", id="bash"),
        pytest.param(
            ZSH,
            "autoload -Uz compinit; compinit -u -D; ",
            id="zsh",
            marks=pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed"),
        ),
    ],
)
def test_a_tab_in_a_real_shell_completes_the_command(shell: tuple[str, ...], set_up: str):
    load = f'eval "$(_WHATSAPP_MCP_COMPLETE=source_{shell[0]} whatsapp-mcp)"; echo re""ady\n'
    with terminal(*shell) as at:
        at.types(set_up + load, r"ready\r?\n")
        at.types("whatsapp-mcp stat\t", r"whatsapp-mcp stat\S*us")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_the_command(tmp_path: Path):
    load = "_WHATSAPP_MCP_COMPLETE=source_fish whatsapp-mcp | source"
    ask = 'complete --do-complete "whatsapp-mcp st"'
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"{load}; {ask}"],
        env=ENVIRONMENT | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.stdout.startswith("status\t"), done.stderr
