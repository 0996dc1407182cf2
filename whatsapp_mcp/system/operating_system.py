"""Which operating system this is: asked here, and by the other modules of this room."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Final


class System(StrEnum):
    """An operating system, as far as it is treated in a way of its own; any other Unix counts as Linux."""

    LINUX = "linux"
    MACOS = "macos"
    WINDOWS = "windows"


def system_of(platform: str) -> System:
    """The system of a value of `sys.platform`."""
    return {"darwin": System.MACOS, "win32": System.WINDOWS}.get(platform, System.LINUX)


HERE: Final = system_of(sys.platform)
"""The system that this process runs on. A function that decides by it takes it as an argument, for tests."""
