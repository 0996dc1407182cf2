"""Checks of the MCP hosts on this computer: whether each starts this program."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from whatsapp_mcp.cli import hosts
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.hosts import Found, Launch, Machine
from whatsapp_mcp.settings import Settings, home_in


def applications(loaded: Settings, machine: Machine | None = None) -> Finding:
    """The hosts whose configuration has this server, and whether each starts the right program.

    Configurations are read, and nothing is started. A program that is not there is a fault; another one may
    be meant.
    """
    found = hosts.found(machine or Machine.here())
    if not found:
        return Finding("hosts", True, "no application is set up here", "Run `whatsapp-mcp install HOST`.")
    gone = [each for each in found if shutil.which(each.launch.command) is None]
    others = [each for each in found if each not in gone and not _is_this(each.launch, loaded.home)]
    if gone:
        said = f"{_titles(gone)}: the program that is to be started is not there"
        return Finding("hosts", False, said, _install(gone))
    if others:
        said = f"{_titles(others)}: another installation or another home folder is used"
        return Finding("hosts", True, said, f"If that is not meant: {_install(others)}")
    return Finding("hosts", True, f"this program is started by {_titles(found)}")


def _titles(found: Sequence[Found]) -> str:
    return ", ".join(sorted({each.host.title for each in found}))


def _install(found: Sequence[Found]) -> str:
    commands = [f"`whatsapp-mcp install {name}`" for name in sorted({each.host.name for each in found})]
    return f"Run {' and '.join(commands)}."


def _is_this(launch: Launch, home: Path) -> bool:
    """Whether a host starts the installation that runs now, with the home folder of now."""
    here = Launch.here(None)
    program = os.path.realpath(shutil.which(launch.command) or launch.command)
    if program != os.path.realpath(here.command) or launch.args[: len(here.args)] != here.args:
        return False
    return home_in(dict(launch.env)) == home
