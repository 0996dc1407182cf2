"""Starts a command so that it ends with this process, however that ends; on Linux alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

from whatsapp_mcp.processes.child_process import kept_variables, module_command

_BOUND: Final = "whatsapp_mcp.processes.sandbox.bound_process"


def bound(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """What to start instead of a command, and with which variables; elsewhere that is the command itself."""
    if sys.platform != "linux":
        return command, dict(environment)
    ours = {name: _named(value) for name, value in kept_variables().items() if name not in environment}
    dropped = ",".join(ours)
    started = module_command(_BOUND, str(os.getpid()), dropped, *command)
    return started, {**ours, **environment}


def _named(folders: str) -> str:
    """A variable without its empty folders: they mean the current one, in which the command writes."""
    return os.pathsep.join(filter(None, folders.split(os.pathsep)))
