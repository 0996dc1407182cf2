"""What is known of this build: when it was released, and how old the client library is.

WhatsApp refuses clients that are too old for it, and says in advance neither which nor when; so these are
dates, and no forecast.
"""

from __future__ import annotations

import json
import mmap
import re
from dataclasses import dataclass
from datetime import date
from importlib import resources, util
from pathlib import Path
from typing import Final

FILE: Final = "build_info.json"
"""Written into the package when a release is built; a checkout has none."""
_WHATSMEOW: Final = re.compile(rb"go\.mau\.fi/whatsmeow\tv\d+\.\d+\.\d+-(\d{8})\d{6}-[0-9a-f]{12}\b")
"""Go writes the modules of a program into it, each with its version: here that of the commit and its time.
https://go.dev/ref/mod#pseudo-versions"""

_SUFFIXES: Final = {".so", ".dylib", ".dll"}


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What a release was stamped with.

    Attributes:
        commit: The full hash of the commit that it was made from.
        released: The day of that commit (UTC).
        library: The version of neonize that it was tested with.
        library_date: The day of whatsmeow's newest commit in that version (UTC), where it could be read.
    """

    commit: str
    released: date
    library: str
    library_date: date | None


def build_info() -> BuildInfo | None:
    """The stamp of this release; None in a checkout."""
    file = resources.files("whatsapp_mcp.cli").joinpath(FILE)
    if not file.is_file():
        return None
    info = json.loads(file.read_text(encoding="utf-8"))
    return BuildInfo(
        commit=info["commit"],
        released=date.fromisoformat(info["released"]),
        library=info["library"],
        library_date=date.fromisoformat(info["library_date"]) if info["library_date"] else None,
    )


def library_date() -> date | None:
    """The day of whatsmeow's newest commit (UTC) in the installed client library; None if it does not say.

    Reads the library's file and does not load it. Takes about 0.1 s.
    """
    found = util.find_spec("neonize")
    folders = [Path(folder) for folder in (found.submodule_search_locations or ())] if found else []
    files = [file for folder in folders for file in folder.glob("neonize-*.*") if file.suffix in _SUFFIXES]
    return next((day for file in files if (day := _date_in(file))), None)


def _date_in(library: Path) -> date | None:
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = _WHATSMEOW.search(content)
        day = found.group(1).decode() if found else None
    return date.fromisoformat(day) if day else None
