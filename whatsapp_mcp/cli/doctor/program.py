"""Checks of what is installed: whose files these are, versions, the library's age, extras, SQLite.

And of the processes that read: the client library's, and those that open files.
"""

from __future__ import annotations

import ctypes.util
import sqlite3
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import anyio

import whatsapp_mcp
from whatsapp_mcp import media
from whatsapp_mcp.cli import installation as this_build
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.installation import DISTRIBUTION, EXTRAS, owners
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.processes.child_process import module_command

_LIBRARY: Final = "neonize"
_ADDS: Final = {
    "demo": "the simulated WhatsApp of `whatsapp-mcp demo`",
    "encryption": "encrypted accounts",
    "iphone": "encrypted backups of iPhones",
    "media": "voice notes, GIFs, previews of videos and pictures of iPhones",
    "metrics": "figures for Prometheus",
    "ocr": "words in pictures",
    "otel": "traces for OpenTelemetry",
    "pocketsphinx": "rough transcripts of English speech without a model",
    "voice": "transcripts of speech",
}
"""Features that each extra adds on one computer."""
_PICTURE: Final = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")
"""A GIF of one pixel."""
_LOAD_LIMIT: Final = 60.0
"""Seconds for the client library to load; it takes about one."""
REINSTALL: Final = f"Install {DISTRIBUTION} again in a fresh environment."
_LOAD_LIBRARY: Final = module_command("whatsapp_mcp.client.load")
_MAGIC: Final = "pylibmagic"


def installation() -> Finding:
    """Check who owns these files: another project on the package index has the same import package."""
    place = Path(whatsapp_mcp.__file__).parent
    if strangers := owners() - {DISTRIBUTION}:
        named = " and ".join(sorted(strangers))
        action = f"Uninstall {named}, then install {DISTRIBUTION} again, best in an environment of its own."
        return Finding("installation", False, f"{place} has files of another project, {named}", action)
    try:
        version = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Finding("installation", False, f"{place} was not installed by {DISTRIBUTION}", REINSTALL)
    return Finding("installation", True, f"{DISTRIBUTION} {version} in {place}")


def versions() -> Finding:
    """The versions of what matters, and whether the library is the one that this release was tested with."""
    library = metadata.version(_LIBRARY)
    said = f"Python {sys.version.split()[0]}, mcp {metadata.version('mcp')}, {_LIBRARY} {library}"
    stamp = this_build.build_info()
    if stamp is not None and stamp.library != library:
        tested = f"{said}; this release was tested with {_LIBRARY} {stamp.library}"
        return Finding("versions", True, tested, f"If the client fails, install {_LIBRARY} {stamp.library}.")
    return Finding("versions", True, said)


def age() -> Finding:
    """The dates of this release and of the library; nobody knows when WhatsApp refuses the latter."""
    stamp, day = this_build.build_info(), this_build.library_date()
    release = f"released {stamp.released} from {stamp.commit[:12]}" if stamp else "a checkout, no release"
    if day is None:
        return Finding(
            "library age", False, f"{release}; the client library does not say its date", REINSTALL
        )
    return Finding("library age", True, f"{release}; the client library is of {day}")


def extras() -> Finding:
    """Which extras are installed, and what the others would add."""
    there = [extra for extra, module in EXTRAS.items() if find_spec(module)]
    missing = [f"`{extra}` would add {_ADDS[extra]}" for extra in _ADDS if extra not in there]
    said = f"installed: {', '.join(there) or 'none'}"
    return Finding("extras", True, "; ".join((said, *missing)))


def sqlite() -> Finding:
    """Check whether Python's SQLite has full-text search."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text)")
    except sqlite3.OperationalError as error:
        action = "Use a Python whose SQLite has FTS5."
        return Finding("database", False, f"SQLite {sqlite3.sqlite_version}: {error}", action)
    finally:
        connection.close()
    return Finding("database", True, f"SQLite {sqlite3.sqlite_version} with full-text search")


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
    """Describe how a client process is confined, from the answer of `client.load`."""
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
    """Report the source of libmagic, which the client library imports, without loading it here."""
    if sys.platform == "win32":
        return Finding("libmagic", True, "brought by the client library's own dependency")
    try:
        return Finding("libmagic", True, f"brought by {_MAGIC} {metadata.version(_MAGIC)}")
    except metadata.PackageNotFoundError:
        library_name = ctypes.util.find_library("magic")
    if library_name:
        return Finding("libmagic", True, f"the system's ({library_name})")
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
