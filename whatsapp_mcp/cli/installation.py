"""The origin of this program: the distribution and its extras, what starts it again, and when it was built.

WhatsApp refuses clients that are too old for it, and says in advance neither which nor when; so what is known
of the build are dates, and no forecast.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import os
import re
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from datetime import date
from importlib import metadata, resources, util
from pathlib import Path
from typing import Final

from whatsapp_mcp.processes.child_process import module_command
from whatsapp_mcp.system import program_file

DISTRIBUTION: Final = "mcp-server-whatsapp"
"""Name of the distribution; the name of the import package belongs to another project on the package
index."""
SCRIPTS: Final = ("whatsapp-mcp", DISTRIBUTION)
"""Names of one program: `uvx` looks for that of the distribution."""
EXTRAS: Final = {
    "demo": "nacl",
    "encryption": "sqlcipher3",
    "iphone": "iphone_backup_decrypt",
    "media": "av",
    "metrics": "prometheus_client",
    "objects": "obstore",
    "ocr": "rapidocr",
    "otel": "opentelemetry.sdk",
    "pocketsphinx": "pocketsphinx",
    "postgres": "psycopg",
    "voice": "faster_whisper",
}
"""A module for each extra that only this extra installs."""
_UV_TOOL: Final = "uv-receipt.toml"
"""File that `uv tool install` leaves in the environment of a tool."""
_PIPX: Final = "pipx_metadata.json"
"""File that pipx leaves in the environment of a program."""
_UV_CACHE_FOLDERS: Final = {"archive-v0", "environments-v2"}
"""Folders of uv's cache, in which `uvx` makes environments. They may be deleted at any time, so a host has to
start `uvx` and not what is in them."""
BUILD_INFO: Final = "build_info.json"
"""Written into the package when a release is built; a checkout has none."""
_WHATSMEOW: Final = re.compile(rb"go\.mau\.fi/whatsmeow\tv\d+\.\d+\.\d+-(\d{8})\d{6}-[0-9a-f]{12}\b")
"""Go writes the modules of a program into it, each with its version: here that of the commit and its time.
https://go.dev/ref/mod#pseudo-versions"""
_SUFFIXES: Final = {".so", ".dylib", ".dll"}


def command() -> tuple[str, ...]:
    """Return the command that starts this installation from anywhere: a full path and its arguments."""
    if _UV_CACHE_FOLDERS & set(Path(sys.prefix).parts) and (uvx := _uvx()):
        return (uvx, *_uvx_arguments())
    script = _script()
    return (str(script),) if script else module_command("whatsapp_mcp")


def _script() -> Path | None:
    """The script that was started, else the one beside this Python."""
    started = Path(sys.argv[0]).absolute()
    files = [program_file(name) for name in SCRIPTS]
    scripts = [started.with_name(file) for file in files if program_file(started.name) == file]
    beside = Path(sysconfig.get_path("scripts")) / files[0]
    return next((path for path in (*scripts, beside) if path.is_file()), None)


def _uvx() -> str | None:
    """The `uvx` on the path, or the one beside the `uv` that runs this (it sets the variable `UV`)."""
    beside = Path(os.environ.get("UV", "")).parent
    return shutil.which("uvx") or shutil.which("uvx", path=str(beside))


def _uvx_arguments() -> tuple[str, ...]:
    wanted = requirement()
    return (DISTRIBUTION,) if wanted == DISTRIBUTION else ("--from", wanted, SCRIPTS[0])


def adding(extra: str) -> str:
    """The command of the installer in use that installs the same again with one more extra."""
    if Path(sys.prefix, _UV_TOOL).is_file():
        installer = "uv tool install --force"
    elif Path(sys.prefix, _PIPX).is_file():
        installer = "pipx install --force"
    else:
        installer = "pip install"
    return f"{installer} '{requirement(extra)}'"


def requirement(also: str | None = None) -> str:
    """Return the requirement (PEP 508) that installs the same again, extras included.

    Args:
        also: An extra that is wanted, too.
    """
    extras = ",".join(
        extra for extra, module in EXTRAS.items() if extra == also or importlib.util.find_spec(module)
    )
    name = f"{DISTRIBUTION}[{extras}]" if extras else DISTRIBUTION
    source = _source()
    return f"{name} @ {source}" if source else name


def _source() -> str | None:
    """The URL of the file, folder or repository it was installed from; None for a package index (PEP 610)."""
    try:
        recorded = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return None
    if not recorded:
        return None
    origin = json.loads(recorded)
    url = str(origin["url"])
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f"{url}#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else url


def owners() -> set[str]:
    """The distributions that have installed files of `whatsapp_mcp`; none knows of a checkout's."""
    return set(metadata.packages_distributions().get("whatsapp_mcp", ()))


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """The build information of a release.

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
    file = resources.files("whatsapp_mcp.cli").joinpath(BUILD_INFO)
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
    spec = util.find_spec("neonize")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    files = [file for folder in folders for file in folder.glob("neonize-*.*") if file.suffix in _SUFFIXES]
    return next((day for file in files if (day := _date_in(file))), None)


def _date_in(library: Path) -> date | None:
    # Mapped, so that a file of many megabytes is searched and not copied.
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        match = _WHATSMEOW.search(content)
        day = match.group(1).decode() if match else None
    return date.fromisoformat(day) if day else None
