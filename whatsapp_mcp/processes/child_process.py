"""Commands and environments of child processes: this Python, a module of this package, and little else.

Applications start their servers in whatever folder the person works in, which may hold a stranger's files.
Python puts that folder before all others on `sys.path`, unless it is told not to. On Linux a command can be
started so that it ends with this process, however that ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Final

_KEPT_VARIABLES: Final = (
    "HOME",
    "LD_LIBRARY_PATH",
    "PYTHONHOME",
    "PYTHONPATH",
    "SYSTEMROOT",
    "USERPROFILE",
)
"""Environment variables that finding Python's modules and the system's libraries may depend on."""
SENDING: Final = "sending"
"""The folder beside that of a client process in which the leader puts what it uploads."""
RECEIVED: Final = "received"
"""The folder in that of a client process in which it puts what the leader has asked for."""
_BOUND: Final = "whatsapp_mcp.processes.bound_process"
"""The kernel binds only the process that asks for it, so this module asks and then becomes the command."""


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module with this Python.

    Whoever runs it names a working folder as well, one of our own: an empty part of `PYTHONPATH` or
    `LD_LIBRARY_PATH` (pylibmagic leaves one in the latter) means the current folder too.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def short_command(program: str) -> tuple[str, ...]:
    """The command that runs a program's text with this Python; it imports nothing but Python's own."""
    return (sys.executable, "-P", "-S", "-c", program)


def kept_variables() -> dict[str, str]:
    """The variables of this process without which a child may not find its libraries; no others."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}


kept_descriptors: Final = ContextVar[tuple[int, ...]]("kept_descriptors", default=())
"""File descriptors that client processes keep open beside their pipes: one end of a pipe by which their
parent sees that they are alive."""
_CLIENT: Final = module_command("whatsapp_mcp.client")
client_program: Final = ContextVar("client_program", default=_CLIENT)
"""The command of client processes. The demo, and tests, set one that is pointed at the simulated WhatsApp."""


def bound(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the command and environment to start; on Linux, wrapped so that it ends with this process."""
    if sys.platform != "linux":
        return command, dict(environment)
    # The module that binds needs them to be found; it drops them again, for the command has its own.
    ours = {name: _named(value) for name, value in kept_variables().items() if name not in environment}
    dropped = ",".join(ours)
    started = module_command(_BOUND, str(os.getpid()), dropped, *command)
    return started, {**ours, **environment}


def _named(folders: str) -> str:
    """A variable without its empty folders: they mean the current one, in which the command writes."""
    return os.pathsep.join(filter(None, folders.split(os.pathsep)))
