"""Command lines of the documentation, read by the program that would run them, which then does nothing."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
import typer.main
import yaml

from tests.command_line import COMMANDS
from tests.docs import site
from tests.docs.examples import PROGRAMS
from whatsapp_mcp.cli.command_line import Later

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*=.*")
_TARGETS: Final = re.compile(r"^(?:\.PHONY: )?([\w. /$()%-]+):", re.MULTILINE)
_LIMIT: Final = 60.0


def read(text: str) -> None:
    """Read each line of an example for a shell.

    Raises:
        AssertionError: A program would refuse its line, is not known here, or lacks a file.
    """
    shell = subprocess.run(
        ["bash", "-n", "-c", text], capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    assert shell.returncode == 0, shell.stderr
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and (words[0] == "export" or _ASSIGNMENT.fullmatch(words[0])):
            words = [] if "$(" in words[0] else words[1:]
        if words:
            program = "python" if words[0].startswith(".venv/bin/") else words[0]
            assert program in _PROGRAMS, f"no test reads lines of {program}"
            _PROGRAMS[program](words)


def group_at_the_end(words: Sequence[str]) -> bool:
    """Whether words of ours end with a group of commands, which alone does nothing but print its help."""
    command: Any = COMMANDS.get(words[0])
    for word in words[1:]:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
    return hasattr(command, "commands") and not command.invoke_without_command


def _root(program: str) -> Any:
    """All commands of a program of ours, loaded; each call makes others, which may be changed."""
    root: Any = typer.main.get_command(PROGRAMS[program])
    root.commands = {
        name: each.load() if isinstance(each, Later) else each for name, each in root.commands.items()
    }
    return root


def _ours(words: Sequence[str]) -> None:
    root = _root(words[0])
    _do_nothing(root)
    given = [os.path.expandvars(word) for word in words[1:]]
    with pytest.raises(SystemExit) as ended:
        root.main(given, prog_name=words[0])
    assert not ended.value.code, given


def _do_nothing(command: Any) -> None:
    def nothing(**_: Any) -> None:
        pass

    command.callback = nothing
    for below in getattr(command, "commands", {}).values():
        _do_nothing(below)


def _make(words: Sequence[str]) -> None:
    makefile = (site.ROOT / "Makefile").read_text(encoding="utf-8")
    targets = " ".join(_TARGETS.findall(makefile)).split()
    for word in words[1:]:
        assert "=" in word or word in targets or word.startswith(".venv/."), word


def _python(words: Sequence[str]) -> None:
    """A module, or tests by their paths."""
    if words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, words[2]
    else:
        assert [word for word in words[1:] if word[0] != "-" and not (site.ROOT / word).exists()] == []


def _docker(words: Sequence[str]) -> None:
    if words[1] != "compose":
        assert words[1:3] == ["volume", "rm"], words
        return
    rest = [*words[2:]]
    file = site.ROOT / (rest[1] if rest[0] == "-f" else "compose.yaml")
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    command, *rest = rest[2:] if rest[0] == "-f" else rest
    assert command in {"up", "exec", "cp", "stop", "rm"}
    if command == "exec" and rest[0] == "-u":
        rest = rest[2:]
    named = [word.partition(":")[0] for word in rest[:1] if word[0] != "-"]
    assert set(named) <= services.keys(), named
    if command == "exec" and rest[1] in PROGRAMS:
        _ours(rest[1:])


def _kubectl(words: Sequence[str]) -> None:
    """The files that it reads, and what it runs of ours; nothing here knows its options."""
    files = [word.lstrip("<") for word in words if word.startswith(("deploy/", "<"))]
    assert [file for file in files if not (site.ROOT / file).exists()] == []
    if "--" in words and words[words.index("--") + 1] in PROGRAMS:
        _ours(words[words.index("--") + 1 :])


def _ssh(words: Sequence[str]) -> None:
    """What OpenSSH makes of it."""
    if shutil.which("ssh") is not None:
        subprocess.run([words[0], "-G", *words[1:]], capture_output=True, timeout=_LIMIT, check=True)


def _installed(words: Sequence[str]) -> None:
    """What `tests/releasing/test_installing.py` runs."""
    assert words == ["uv", "tool", "install", "."], words


def _curl(words: Sequence[str]) -> None:
    """A call of a tool over the HTTP API."""
    [path] = [word.partition("/api/v1/")[2] for word in words if "/api/v1/" in word]
    assert f"### `{path}`" in (site.DOCS / "tools.md").read_text(encoding="utf-8")


_PROGRAMS: Final[dict[str, Callable[[Sequence[str]], None]]] = {
    **dict.fromkeys(PROGRAMS, _ours),
    "curl": _curl,
    "docker": _docker,
    "kubectl": _kubectl,
    "make": _make,
    "python": _python,
    "ssh": _ssh,
    "uv": _installed,
}
