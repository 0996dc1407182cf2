"""`whatsapp-mcp doctor`: is this installation sound? Looks only at this machine and asks nobody else."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.child_process import module_command
from whatsapp_mcp.errors import WhatsAppError

_LOAD_LIMIT: Final = 60.0
"""Seconds for the client library to load; it takes about one."""
_REINSTALL: Final = "Install whatsapp-mcp again in a fresh environment."
_LOAD_LIBRARY: Final = module_command("whatsapp_mcp.client.load")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `action` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    action: str | None = None


def examine() -> list[Finding]:
    """Look at everything; a check never stops the others."""
    return [check() for check in _CHECKS]


def _versions() -> Finding:
    parts = [f"{name} {metadata.version(name)}" for name in ("whatsapp-mcp", "mcp", "neonize")]
    return Finding("versions", True, f"Python {sys.version.split()[0]}, {', '.join(parts)}")


def _settings() -> Finding:
    from whatsapp_mcp.server import toolsets

    try:
        loaded = settings_module.load()
        toolsets.parse(loaded.server.toolsets)
    except WhatsAppError as error:
        return Finding("settings", False, error.message, error.action)
    offered = f"toolsets {loaded.server.toolsets}, policy {loaded.policy.mode}"
    return Finding("settings", True, f"home {loaded.home}, {offered}")


def _home() -> Finding:
    try:
        home = settings_module.load().home
    except WhatsAppError:
        return Finding("home folder", False, "not known", "Mend the settings first.")
    if not home.exists():
        return _writable(_existing_parent(home), f"{home} will be made at first use")
    if not home.is_dir():
        return _writable(home, str(home))
    if os.name == "posix" and (mode := stat.S_IMODE(home.stat().st_mode)) & 0o077:
        return Finding("home folder", False, f"{home} can be read by others ({mode:o})", f"chmod 700 {home}")
    return _writable(home, str(home))


def _writable(folder: Path, detail: str) -> Finding:
    ok = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    action = None if ok else f"Make it one, or set {settings_module.HOME_VARIABLE} to another folder."
    return Finding("home folder", ok, detail if ok else f"{folder} is no folder that you can write", action)


def _existing_parent(folder: Path) -> Path:
    return next(parent for parent in folder.parents if parent.exists())


def _database() -> Finding:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE probe USING fts5(text, tokenize = 'trigram')")
    except sqlite3.OperationalError as error:
        action = "Use a Python whose SQLite is 3.34 or newer with FTS5."
        return Finding("database", False, f"SQLite {sqlite3.sqlite_version}: {error}", action)
    finally:
        connection.close()
    return Finding("database", True, f"SQLite {sqlite3.sqlite_version} with full-text search")


def _library() -> Finding:
    """Load the client library where a crash does no harm: in a process of its own."""
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
        return Finding(
            "client library", False, f"did not load within {_LOAD_LIMIT:.0f} s", "Install it again."
        )
    if done.returncode == 0:
        return Finding("client library", True, "loads")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding("client library", False, last, _REINSTALL)


def _media() -> Finding:
    if importlib.util.find_spec("av") is not None:
        return Finding("media", True, "voice notes and previews can be made")
    return Finding("media", True, "voice notes and previews need the extra: whatsapp-mcp[media]")


_CHECKS: tuple[Callable[[], Finding], ...] = (_versions, _settings, _home, _database, _library, _media)
