"""The launch of this server by a host on a computer, and how an entry of the host shows that it does.

The computer is a parameter (its system, where hosts keep their files, how its shell quotes words), so that
what is done on one system can be tested on another.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Final

from whatsapp_mcp.cli.installation import DISTRIBUTION, SCRIPTS, command
from whatsapp_mcp.files.home import HOME_VARIABLE
from whatsapp_mcp.system import HERE, System, command_line

_DEFAULTS: Final = {
    "APPDATA": "~/AppData/Roaming",
    "LOCALAPPDATA": "~/AppData/Local",
    "XDG_CONFIG_HOME": "~/.config",
}
"""Default folders of a system, for variables that the environment does not set."""
_VARIABLE: Final = re.compile(r"\$\{(\w+):-(.+?)\}|\$(\w+)|~")
SERVER_NAME: Final = "whatsapp"
"""Name in hosts of the server of all accounts, or of the account `default`."""
_MODULE: Final = "whatsapp_mcp"
_REQUIREMENT: Final = re.compile(
    rf"{DISTRIBUTION.replace('-', '[-_.]+')}\s*(\[[^]]*\])?\s*([@=<>!~;].*)?", re.DOTALL | re.IGNORECASE
)
"""Our name with any extras and version (PEP 508), or with a version as `uvx` takes it."""
_PYTHON: Final = re.compile(r"(python|pypy)w?[\d.]*")
_RUNNERS: Final = (("uvx",), ("uv", "tool", "run"), ("pipx", "run"))
"""Programs that install a distribution and run a script of it."""
_SOURCES: Final = ("--from", "--spec")
"""The options of those runners that name what is installed, where it is not what is run."""
_WITH_VALUE: Final = frozenset(
    {
        *("-p", "--python", "-w", "--with", "--with-editable", "--with-requirements", "-c", "--constraints"),
        *("-i", "--index", "--default-index", "--index-url", "--extra-index-url", "-f", "--find-links"),
        *("--directory", "--project", "--cache-dir", "--config-file", "--env-file", "--exclude-newer"),
        *("--upgrade-package", "--refresh-package", "--pip-args", "-W", "-X"),
    }
)
"""Options of the runners, and of Python, whose value is the next word."""
_COMMAND_KEYS: Final = ("command", "cmd")
"""What hosts call the program; in some it is a list, with the arguments behind it."""
_VARIABLE_KEYS: Final = ("env", "environment", "envs")


@dataclass(frozen=True, slots=True)
class Machine:
    """A person's computer.

    Attributes:
        system: Its system.
        home: The person's home folder.
        environment: The variables that may name folders, and PATH.
    """

    system: System
    home: str
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def here(cls) -> Machine:
        """This computer, for the person who runs this."""
        return cls(HERE, str(Path.home()), dict(os.environ))

    def file(self, places: Sequence[str]) -> str:
        """The file that a host reads, of the places in which it may be.

        That is the first that is there, else the first whose folder is there, else the first. A place begins
        with `~`, with a variable of the system (`$APPDATA`) or with one of the host and what counts without
        it (`${CLAUDE_CONFIG_DIR:-~}`), may hold a `*`, and has `/` between its parts.
        """
        paths = [path for place in places for path in self._paths(place)]
        files = [path for path in paths if Path(path).is_file()]
        return (files or [path for path in paths if Path(path).parent.is_dir()] or paths)[0]

    def program(self, name: str) -> str | None:
        """The full path of a program on the PATH."""
        return shutil.which(name, path=self.environment.get("PATH", ""))

    def line(self, words: Sequence[str]) -> str:
        """A command as it is typed into this system's shell."""
        return command_line(words, self.system)

    def _paths(self, place: str) -> list[str]:
        begin = _VARIABLE.match(place)
        assert begin is not None
        own, default, shared = begin.groups()
        base = self._folder(own or shared or "", default or _DEFAULTS.get(shared, "~"))
        parts = place[begin.end() + 1 :].split("/")
        if "*" not in place:
            return [str(base.joinpath(*parts))]
        before = parts[: next(i for i, part in enumerate(parts) if "*" in part)]
        return sorted(map(str, Path(base, *before).glob("/".join(parts[len(before) :]))))

    def _folder(self, variable: str, default: str) -> PurePath:
        flavour = PureWindowsPath if self.system is System.WINDOWS else PurePosixPath
        given = flavour(self.environment.get(variable, ""))
        # Relative folders are to be ignored (https://specifications.freedesktop.org/basedir-spec/).
        return given if given.is_absolute() else flavour(self.home, *default.split("/")[1:])


@dataclass(frozen=True, slots=True)
class Launch:
    """The command with which an application starts this server: an absolute path, as its PATH may differ."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @classmethod
    def here(cls, account: str | None, *arguments: str) -> Launch:
        """Start the installation that runs now, with its home folder when that is not the usual one.

        Args:
            account: The one that it serves; None for all that are there when it starts.
            arguments: What else stands on its command line.
        """
        program, *first = command()
        option = () if account is None else ("--account", account)
        home = os.environ.get(HOME_VARIABLE)
        env = ((HOME_VARIABLE, str(Path(home).expanduser().absolute())),) if home else ()
        return cls(program, (*first, *arguments, *option), env)

    @property
    def program(self) -> str:
        """The file name of the command alone: the folders before it may name a person."""
        return _file_name(self.command)

    def is_ours(self) -> bool:
        """Return whether it starts an installation of this program: as a script, a module or by `uvx` etc."""
        program = self.program
        if program in SCRIPTS:
            return True
        if _PYTHON.fullmatch(program):
            index = _after_options(self.args, ("-m",))
            return self.args[index : index + 2] == ("-m", _MODULE)
        words = (program, *self.args)
        runner = next((each for each in _RUNNERS if words[: len(each)] == each), None)
        wanted = _source_of(words[len(runner) :]) if runner else None
        return wanted is not None and _REQUIREMENT.fullmatch(wanted) is not None


def server_name(account: str | None) -> str:
    """Return the name of an account's server in hosts: all of them take letters, digits, `_` and `-`."""
    if account in (None, "default"):
        return SERVER_NAME
    return f"{SERVER_NAME}-{re.sub(r'[^A-Za-z0-9_-]', '-', account)}"


def launch_of(entry: Any) -> Launch | None:
    """Return how a host's entry starts its server; None if it starts no program or has an unknown form."""
    if not isinstance(entry, Mapping):
        return None
    given = next((entry[key] for key in _COMMAND_KEYS if key in entry), None)
    words: list[Any] = given if isinstance(given, list) else [given, *_list(entry.get("args"))]
    variables = next((entry[key] for key in _VARIABLE_KEYS if key in entry), None) or {}
    if not words or not all(isinstance(word, str) for word in words) or not isinstance(variables, Mapping):
        return None
    env = tuple((str(key), str(value)) for key, value in variables.items())
    return Launch(words[0], tuple(words[1:]), env)


def _source_of(words: Sequence[str]) -> str | None:
    """Return the requirement that a runner is told to install; None if there is none."""
    index = _after_options(words, _SOURCES)
    option, equals, value = words[index].partition("=") if index < len(words) else ("", "", "")
    if option not in _SOURCES:
        return option + equals + value or None
    return value if equals else next(iter(words[index + 1 :]), None)


def _after_options(words: Sequence[str], sought: Sequence[str]) -> int:
    """The place of the first word that is no option and no value of one, or is an option that is sought."""
    index = 0
    while (
        index < len(words) and words[index].startswith("-") and words[index].partition("=")[0] not in sought
    ):
        index += 2 if words[index] in _WITH_VALUE else 1
    return index


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _file_name(word: str) -> str:
    """The last part of a path of either kind of system, without `.exe`."""
    flavour = PureWindowsPath if "\\" in word else PurePath
    return flavour(word).name.removesuffix(".exe")
