"""Blocks imports of neonize that no call here needs (neonize 0.5.2).

Packages: its link previewer, its HTTP clients, its terminal tools and its builders of buttons. Loading them
takes half of a client's start, for which a dead connection waits, and a fourth of its memory. Without them
neonize fetches no page or file by its address.

`neonize.download`: it fetches a shared library from the web, unchecked, when there is none or its version is
another. A module that refuses takes its place.

`os.popen`: neonize runs a shell that runs `uname -a`, to see whether this is Android. Nothing may be run here
(`confinement.py`), so the answer is given without.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Final, NoReturn

PACKAGES: Final = frozenset({"httpx", "linkpreview", "neonize.ext", "requests", "segno", "tqdm"})
DOWNLOAD: Final = "neonize.download"
_VERSION: Final = "__GONEONIZE_VERSION__"
"""Name of neonize's constant: the version that its shared library must have."""


class Unneeded(Exception):
    """Stands for whatever is imported from them; an exception, since some of it is named in `except`."""


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> type[Unneeded]:
        # The import system asks modules for such names, and takes any answer for a real one.
        if name.startswith("__"):
            raise AttributeError(name)
        return Unneeded


class _Finder(MetaPathFinder, Loader):
    """Finds and loads them, before the real ones are looked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for blocked modules; None leaves all others to the next finder."""
        if any(f"{fullname}.".startswith(f"{package}.") for package in PACKAGES):
            return ModuleSpec(fullname, self, is_package=True)
        if fullname == DOWNLOAD:
            return ModuleSpec(fullname, _Refusal(path or ()))
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Create a stand-in whose attributes are `Unneeded`."""
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


class _Refusal(Loader):
    """Loads what stands for `neonize.download`: the version it names, and a `download` that refuses.

    Args:
        folders: Where the package `neonize` is.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders

    def exec_module(self, module: ModuleType) -> None:
        """Give the module neonize's library version and a `download` that refuses."""
        # Read as text: to import it would load what is kept out here.
        named = (_version_named_in(Path(folder, "download.py")) for folder in self._folders)
        setattr(module, _VERSION, next(filter(None, named), "unknown"))
        setattr(module, "download", _refuse)  # noqa: B010  a module has no such attribute for a type checker


def _version_named_in(file: Path) -> str | None:
    match = re.search(rf'^{_VERSION} = "([^"]+)"', file.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else None


def _refuse() -> NoReturn:
    raise ImportError("neonize's shared library is missing or of another version, and none is fetched")


def _uname(command: str) -> io.StringIO:
    """Return the output of `uname -a`, in place of a shell that runs it.

    Raises:
        PermissionError: It is another command.
    """
    if command != "uname -a":
        raise PermissionError("the client process runs no other program")
    system = "Android" if hasattr(sys, "getandroidapilevel") else ""
    return io.StringIO(" ".join((*os.uname(), system)))


def keep_out() -> None:
    """Let them be imported as what stands for them, from here to the end of this process."""
    sys.meta_path.insert(0, _Finder())
    if sys.platform == "linux":
        setattr(os, "popen", _uname)  # noqa: B010  another signature than the one it takes the place of
