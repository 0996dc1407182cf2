"""Checks of the processes that read: the client library's, and those that open files."""

from __future__ import annotations

import ctypes.util
import subprocess
import sys
import tempfile
from importlib import metadata
from typing import Final

import anyio

from whatsapp_mcp import media
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.installation import DISTRIBUTION
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.processes.child_process import module_command

_PICTURE: Final = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")
"""A GIF of one pixel."""
_LOAD_LIMIT: Final = 60.0
"""Seconds for the client library to load; it takes about one."""
REINSTALL: Final = f"Install {DISTRIBUTION} again in a fresh environment."
_LOAD_LIBRARY: Final = module_command("whatsapp_mcp.client.load")
_MAGIC: Final = "pylibmagic"


def library() -> Finding:
    """Load the client library where a crash does no harm: in a process of its own."""
    name = "client library"
    try:
        with tempfile.TemporaryDirectory(prefix="whatsapp-mcp-") as folder:
            done = subprocess.run(
                _LOAD_LIBRARY,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LOAD_LIMIT,
                check=False,
            )
    except subprocess.TimeoutExpired:
        return Finding(name, False, f"did not load within {_LOAD_LIMIT:.0f} s", "Install it again.")
    if done.returncode == 0:
        return Finding(name, True, f"loads; {_confinement(done.stdout)}")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding(name, False, last, REINSTALL)


def _confinement(answer: str) -> str:
    """What holds for a client process, from what `client.load` has answered."""
    landlock, seccomp = map(int, answer.split())
    held = [name for name, is_there in (("Landlock", landlock), ("seccomp", seccomp)) if is_there]
    if not held:
        return "its process is not confined: this system has neither Landlock nor seccomp for it"
    lacking: list[str] = []
    if not landlock:
        lacking.append("it can open every file of this user: there is no Landlock")
    if not seccomp:
        lacking.append("it can start processes: there is no seccomp for it")
    return "; ".join((f"its process is confined by {' and '.join(held)}", *lacking))


def libmagic() -> Finding:
    """Where libmagic comes from, which the client library imports; it is not loaded here."""
    if sys.platform == "win32":
        return Finding("libmagic", True, "brought by the client library's own dependency")
    try:
        return Finding("libmagic", True, f"brought by {_MAGIC} {metadata.version(_MAGIC)}")
    except metadata.PackageNotFoundError:
        found = ctypes.util.find_library("magic")
    if found:
        return Finding("libmagic", True, f"the system's ({found})")
    return Finding("libmagic", False, f"neither {_MAGIC} nor the system has it", REINSTALL)


def pictures() -> Finding:
    """Read a picture, in the process that reads every file."""
    try:
        anyio.run(_read_a_picture)
    except WhatsAppError as error:
        return Finding("media", False, error.message, REINSTALL)
    if media.reads_recordings():
        return Finding("media", True, "pictures, videos and sound can be read")
    missing = "voice notes, GIFs and previews of videos need the extra `media`"
    return Finding("media", True, f"pictures can be read; {missing}")


async def _read_a_picture() -> None:
    async with media.open_worker() as worker:
        await media.look_at_picture(worker, _PICTURE)
