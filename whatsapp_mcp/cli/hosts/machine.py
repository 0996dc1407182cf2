"""Which system this is, where its hosts keep their files, and how its shell quotes words.

All of it is in parameters, so that what is done on one system can be tested on another.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Final

from whatsapp_mcp.system import HERE, System, command_line

_DEFAULTS: Final = {
    "APPDATA": "~/AppData/Roaming",
    "LOCALAPPDATA": "~/AppData/Local",
    "XDG_CONFIG_HOME": "~/.config",
}
"""Where a system has folders that the environment may name, if it does not."""
_VARIABLE: Final = re.compile(r"\$\{(\w+):-(.+?)\}|\$(\w+)|~")


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
        found = [path for path in paths if Path(path).is_file()]
        return (found or [path for path in paths if Path(path).parent.is_dir()] or paths)[0]

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
        return given if given.is_absolute() else flavour(self.home, *default.split("/")[1:])
