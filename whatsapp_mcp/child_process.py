"""How a child process of ours is started: this Python, a module of ours, and nothing from the current folder.

Applications start their servers in whatever folder the person works in, which may hold a stranger's files.
Python puts that folder before all others on `sys.path`, unless it is told not to.
"""

from __future__ import annotations

import sys


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this Python.

    Whoever runs it names a working folder as well, one of our own: an empty part of `PYTHONPATH` or
    `LD_LIBRARY_PATH` (pylibmagic leaves one in the latter) means the current folder too.
    """
    return (sys.executable, "-P", "-m", module, *arguments)
