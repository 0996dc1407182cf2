"""Where this program comes from: the distribution, its extras, and the command that starts it again."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Final

from whatsapp_mcp.processes.child_process import module_command
from whatsapp_mcp.system import program_file

DISTRIBUTION: Final = "mcp-server-whatsapp"
"""What is installed; the name of the import package belongs to somebody else on the package index."""
SCRIPTS: Final = ("whatsapp-mcp", DISTRIBUTION)
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
"""For each extra a module that only it brings."""
_UV_TOOL: Final = "uv-receipt.toml"
"""What `uv tool install` leaves in the environment of a tool."""
_PIPX: Final = "pipx_metadata.json"
"""What pipx leaves in the environment of a program."""
_UV_CACHE_FOLDERS: Final = {"archive-v0", "environments-v2"}


def command() -> tuple[str, ...]:
    """What starts this installation from anywhere: a full path and its arguments."""
    if _UV_CACHE_FOLDERS & set(Path(sys.prefix).parts) and (uvx := _uvx()):
        return (uvx, *_uvx_arguments())
    script = _script()
    return (str(script),) if script else module_command("whatsapp_mcp")


def _script() -> Path | None:
    """The script that was started, else the one beside this Python."""
    started = Path(sys.argv[0]).absolute()
    files = [program_file(name) for name in SCRIPTS]
    found = [started.with_name(file) for file in files if program_file(started.name) == file]
    beside = Path(sysconfig.get_path("scripts")) / files[0]
    return next((path for path in (*found, beside) if path.is_file()), None)


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
    """What an installer needs to be given in order to install the same again, extras included (PEP 508).

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
