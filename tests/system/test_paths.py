"""Paths, permissions and command lines, by the rules of each system."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp.system import (
    System,
    command_line,
    is_foreign,
    open_to_others,
    program_file,
    variables_of_a_command,
    working_in,
)
from whatsapp_mcp.system.machine import system_of

WORDS = ["/opt/my tools/run", "--name", "it's", 'say "hi"', "", "$HOME", "a\\b\\", "100%"]
POSIX = (System.LINUX, System.MACOS)


@for_each(
    "platform, system",
    [
        ("linux", System.LINUX),
        ("darwin", System.MACOS),
        ("win32", System.WINDOWS),
        ("freebsd14", System.LINUX),
        ("cygwin", System.LINUX),
    ],
)
def test_what_python_calls_a_system(platform: str, system: System) -> None:
    assert system_of(platform) is system


def words_of_windows(line: str) -> list[str]:
    """The words that a program of Windows finds in its command line: the rules of its C runtime.

    https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments
    """
    words: list[str] = []
    word, in_quotes, begun, i = "", False, False, 0
    while i < len(line):
        slashes = len(line) - i - len(line[i:].lstrip("\\"))
        i += slashes
        if i < len(line) and line[i] == '"':
            word += "\\" * (slashes // 2)
            begun = True
            if slashes % 2:
                word += '"'
            else:
                in_quotes = not in_quotes
        else:
            word += "\\" * slashes
            begun = begun or slashes > 0
            if i == len(line):
                break
            if line[i] in " \t" and not in_quotes:
                if begun:
                    words.append(word)
                word, begun = "", False
            else:
                word, begun = word + line[i], True
        i += 1
    return [*words, word] if begun else words


@pytest.mark.parametrize("system", [*System])
def test_a_command_line_means_the_words_that_it_was_made_of(system: System) -> None:
    line = command_line(WORDS, system)
    assert (words_of_windows(line) if system is System.WINDOWS else shlex.split(line)) == WORDS


@pytest.mark.parametrize("given", ["whatsapp-mcp", "whatsapp-mcp.exe"])
def test_a_program_is_a_file_with_a_suffix_on_windows_alone(given: str) -> None:
    assert program_file(given, System.WINDOWS) == "whatsapp-mcp.exe"
    assert {program_file(given, system) for system in POSIX} == {given}


@for_each("mode, said", [(0o600, None), (0o700, None), (0o640, 0o640), (0o604, 0o604), (0o701, 0o701)])
def test_modes_tell_who_else_may_use_a_file_but_on_windows(
    tmp_path: Path, mode: int, said: int | None
) -> None:
    found = os.stat_result((0o100000 | mode, *[0] * 9))
    assert {open_to_others(found, system) for system in POSIX} == {said}
    assert open_to_others(found, System.WINDOWS) is None


def test_a_file_of_ones_own_is_not_foreign(tmp_path: Path) -> None:
    assert not is_foreign(tmp_path.stat())


def test_a_command_on_windows_also_gets_what_programs_there_are_found_by() -> None:
    assert {"PATHEXT", "SYSTEMROOT", "USERPROFILE", "PATH"} <= {*variables_of_a_command(System.WINDOWS)}
    for system in POSIX:
        assert not {"PATHEXT", "SYSTEMROOT"} & {*variables_of_a_command(system)}
        assert {"PATH", "HOME", "TMPDIR"} <= {*variables_of_a_command(system)}


def test_work_in_a_folder_ends_in_the_former_one_even_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(ValueError, match="work"), working_in(tmp_path):
        raise ValueError("work")
    assert Path.cwd() == tmp_path.parent
