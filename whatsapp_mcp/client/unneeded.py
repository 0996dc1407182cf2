"""Keeps packages out of a client process that neonize imports and no call here needs.

They are its link previewer, its HTTP clients and its terminal tools (neonize 0.5.2). Loading them takes half
of a client's start, for which a dead link waits, and a fourth of its memory. Without them neonize fetches no
page or file by its address.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

PACKAGES: Final = frozenset({"httpx", "linkpreview", "requests", "segno", "tqdm"})


class Unneeded(Exception):
    """Stands for whatever is imported from them; an exception, since some of it is named in `except`."""


class _Empty(ModuleType):
    def __getattr__(self, name: str) -> type[Unneeded]:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unneeded


class _Finder(MetaPathFinder, Loader):
    """Finds and loads them, before the real ones are looked for."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `MetaPathFinder.find_spec`."""
        if fullname.partition(".")[0] in PACKAGES:
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See `Loader.create_module`."""
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """It stays empty."""


def keep_out() -> None:
    """Let them be imported as empty modules from here to the end of this process."""
    sys.meta_path.insert(0, _Finder())
