"""Checks of what is installed: whose files these are, versions, the library's age, extras, SQLite."""

from __future__ import annotations

import sqlite3
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import whatsapp_mcp
from whatsapp_mcp.cli import build_info
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.doctor.readers import REINSTALL
from whatsapp_mcp.cli.installation import DISTRIBUTION, EXTRAS, owners

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
"""For each extra what it brings to one computer."""


def installation() -> Finding:
    """Whose files these are: the package index has another project with the same import package."""
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
    stamp = build_info.build_info()
    if stamp is not None and stamp.library != library:
        tested = f"{said}; this release was tested with {_LIBRARY} {stamp.library}"
        return Finding("versions", True, tested, f"If the client fails, install {_LIBRARY} {stamp.library}.")
    return Finding("versions", True, said)


def age() -> Finding:
    """The dates of this release and of the library; nobody knows when WhatsApp refuses the latter."""
    stamp, day = build_info.build_info(), build_info.library_date()
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
    """Whether Python's SQLite can search."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text, tokenize = 'trigram')")
    except sqlite3.OperationalError as error:
        action = "Use a Python whose SQLite is 3.34 or newer with FTS5."
        return Finding("database", False, f"SQLite {sqlite3.sqlite_version}: {error}", action)
    finally:
        connection.close()
    return Finding("database", True, f"SQLite {sqlite3.sqlite_version} with full-text search")
