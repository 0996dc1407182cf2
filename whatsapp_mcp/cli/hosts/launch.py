"""How a host starts this server, and how an entry in a host's configuration shows that it does."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any, Final

from whatsapp_mcp.cli.installation import DISTRIBUTION, SCRIPTS, command
from whatsapp_mcp.settings import HOME_VARIABLE

SERVER_NAME: Final = "whatsapp"
"""What hosts call the server of the account `default`."""
_MODULE: Final = "whatsapp_mcp"
_REQUIREMENT: Final = re.compile(rf"{re.escape(DISTRIBUTION)}(\[[\w,-]*\])?( @ .*)?", re.DOTALL)
_COMMAND_KEYS: Final = ("command", "cmd")
_VARIABLE_KEYS: Final = ("env", "environment", "envs")


@dataclass(frozen=True, slots=True)
class Launch:
    """How an application starts this server: by absolute path, for its PATH may be another."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()

    @classmethod
    def here(cls, account: str, *arguments: str) -> Launch:
        """Start the installation that runs now, with its home folder when that is not the usual one."""
        program, *first = command()
        option = () if account == "default" else ("--account", account)
        home = os.environ.get(HOME_VARIABLE)
        env = ((HOME_VARIABLE, str(Path(home).expanduser().absolute())),) if home else ()
        return cls(program, (*first, *arguments, *option), env)

    def is_ours(self) -> bool:
        """Whether it starts some installation of this program, by the script, the module or `uvx`."""
        words = (self.command, *self.args)
        if any(_file_name(word) in SCRIPTS or _REQUIREMENT.fullmatch(word) for word in words):
            return True
        return any(pair == ("-m", _MODULE) for pair in pairwise(words))


def server_name(account: str) -> str:
    """What hosts call the server of an account: letters, digits, `_` and `-`, which all of them take."""
    return SERVER_NAME if account == "default" else f"{SERVER_NAME}-{re.sub(r'[^A-Za-z0-9_-]', '-', account)}"


def launch_of(entry: Any) -> Launch | None:
    """How the entry of a host starts its server; None if it starts no program, or is of an unknown form."""
    if not isinstance(entry, Mapping):
        return None
    given = next((entry[key] for key in _COMMAND_KEYS if key in entry), None)
    words: list[Any] = given if isinstance(given, list) else [given, *_list(entry.get("args"))]
    variables = next((entry[key] for key in _VARIABLE_KEYS if key in entry), None) or {}
    if not words or not all(isinstance(word, str) for word in words) or not isinstance(variables, Mapping):
        return None
    env = tuple((str(key), str(value)) for key, value in variables.items())
    return Launch(words[0], tuple(words[1:]), env)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _file_name(word: str) -> str:
    """The last part of a path of either kind of system, without `.exe`."""
    flavour = PureWindowsPath if "\\" in word else PurePath
    return flavour(word).name.removesuffix(".exe")
