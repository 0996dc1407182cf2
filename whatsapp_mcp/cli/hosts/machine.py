"""Which system this is, where its hosts keep their files, and how its shell quotes words.

All of it is in parameters, so that what is done on one system can be tested on another.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from whatsapp_mcp.system import HERE, System, command_line

_DEFAULTS: Final = {
    "APPDATA": "~/AppData/Roaming",
    "CLAUDE_CONFIG_DIR": "~",
    "CODEX_HOME": "~/.codex",
    "COPILOT_HOME": "~/.copilot",
    "GEMINI_CLI_HOME": "~",
    "LOCALAPPDATA": "~/AppData/Local",
    "QWEN_HOME": "~/.qwen",
    "XDG_CONFIG_HOME": "~/.config",
}
"""Where a folder is that hosts take from the environment, if it does not say."""


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
        with `~` or with a variable (`$APPDATA`), may hold a `*`, and has `/` between its parts.
        """
        paths = [path for place in places for path in self._paths(place)]
        found = [path for path in paths if Path(path).is_file()]
        return (found or [path for path in paths if Path(path).parent.is_dir()] or paths)[0]

    def program(self, name: str) -> str | None:
        """The full path of a program on the PATH."""
        return shutil.which(name, path=self.environment.get("PATH", ""))

    def line(self, words: Sequence[str]) -> str:
        """A command as it is typed into this system's shell."""
        return command_line(words, self.system)

    def _paths(self, place: str) -> list[str]:
        first, *parts = place.split("/")
        base = self._folder(first)
        if "*" not in place:
            return [str(base.joinpath(*parts))]
        before = parts[: next(i for i, part in enumerate(parts) if "*" in part)]
        return sorted(map(str, Path(base, *before).glob("/".join(parts[len(before) :]))))

    def _folder(self, name: str) -> PurePath:
        flavour = PureWindowsPath if self.system is System.WINDOWS else PurePosixPath
        given = flavour(self.environment.get(name.removeprefix("$"), "")) if name != "~" else flavour()
        if given.is_absolute():
            return given
        default = "~" if name == "~" else _DEFAULTS[name.removeprefix("$")]
        return flavour(self.home, *default.split("/")[1:])
