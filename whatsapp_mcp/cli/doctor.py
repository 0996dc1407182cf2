"""`whatsapp-mcp doctor`: checks this installation, without any request over the network."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import anyio
import typer
from rich.console import Console
from rich.markup import escape

import whatsapp_mcp
from whatsapp_mcp import media
from whatsapp_mcp import settings as settings_module
from whatsapp_mcp.child_process import module_command
from whatsapp_mcp.cli.advice import advice
from whatsapp_mcp.cli.installation import DISTRIBUTION, owners
from whatsapp_mcp.cli.outcome import ExitCode
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.redaction import without_credentials

_PICTURE: Final = bytes.fromhex("47494638396101000100800000ffffff0000002c00000000010001000002024401003b")
"""A GIF of one pixel."""
_SILENCE: Final = b"".join(
    (
        b"RIFF" + struct.pack("<I", 36 + 16_000) + b"WAVE",
        b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8_000, 8_000, 1, 8),
        b"data" + struct.pack("<I", 16_000) + b"\x80" * 16_000,
    )
)
"""Two seconds of it, as WAV."""
_LOAD_LIMIT: Final = 60.0
"""Seconds for the client library to load; it takes about one."""
_REINSTALL: Final = f"Install {DISTRIBUTION} again in a fresh environment."
_LOAD_LIBRARY: Final = module_command("whatsapp_mcp.client.load")


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `action` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    action: str | None = None


def examine() -> list[Finding]:
    """Run every check; a failed one does not stop the others."""
    return [check() for check in _CHECKS]


def print_findings(*, as_json: bool = False) -> ExitCode:
    """Run the checks and print the findings for a person or a program."""
    findings = examine()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        out = Console(highlight=False)
        for finding in findings:
            mark = "[green]ok  [/green]" if finding.ok else "[red]FAIL[/red]"
            out.print(f"{mark} {finding.name}: {escape(finding.detail)}", soft_wrap=True)
            if finding.action:
                out.print(f"     {escape(finding.action)}", soft_wrap=True)
    return ExitCode.OK if all(finding.ok for finding in findings) else ExitCode.FAILED


def _installation() -> Finding:
    """Whose files these are: the package index has another project with the same import package."""
    place = Path(whatsapp_mcp.__file__).parent
    if strangers := owners() - {DISTRIBUTION}:
        named = " and ".join(sorted(strangers))
        action = f"Uninstall {named}, then install {DISTRIBUTION} again, best in an environment of its own."
        return Finding("installation", False, f"{place} has files of another project, {named}", action)
    try:
        version = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return Finding("installation", False, f"{place} was not installed by {DISTRIBUTION}", _REINSTALL)
    return Finding("installation", True, f"{DISTRIBUTION} {version} in {place}")


def _versions() -> Finding:
    parts = [f"{name} {metadata.version(name)}" for name in ("mcp", "neonize")]
    return Finding("versions", True, f"Python {sys.version.split()[0]}, {', '.join(parts)}")


def _settings() -> Finding:
    from whatsapp_mcp.server import tools

    try:
        loaded = settings_module.load()
        tools.parse_selection(loaded.server.toolsets)
    except WhatsAppError as error:
        return Finding("settings", False, error.message, error.action)
    said = f"home {loaded.home}, toolsets {loaded.server.toolsets}, policy {loaded.policy.mode}"
    proxy = loaded.network.proxy_url
    return Finding("settings", True, f"{said}, proxy {without_credentials(proxy)}" if proxy else said)


def _home() -> Finding:
    try:
        home = settings_module.load().home
    except WhatsAppError:
        return Finding("home folder", False, "not known", "Correct the settings first.")
    try:
        if not home.exists():
            parent = next(parent for parent in home.parents if parent.exists())
            return _writable(parent, f"{home} will be made at first use")
        if os.name == "posix" and home.is_dir() and (mode := stat.S_IMODE(home.stat().st_mode)) & 0o077:
            return Finding(
                "home folder", False, f"{home} can be read by others ({mode:o})", f"chmod 700 {home}"
            )
        return _writable(home, str(home))
    except OSError as error:
        return _unusable(home, error)


def _writable(folder: Path, detail: str) -> Finding:
    """Whether something can be made in a folder: permissions alone do not show a read-only disk."""
    try:
        with tempfile.TemporaryDirectory(prefix=".whatsapp-mcp-", dir=folder):
            return Finding("home folder", True, detail)
    except OSError as error:
        return _unusable(folder, error)


def _unusable(folder: Path, error: OSError) -> Finding:
    action = f"Make it a folder that you can write, or set {settings_module.HOME_VARIABLE} to another."
    return Finding("home folder", False, f"{folder} cannot be used: {error.strerror}", action)


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
        landlock = done.stdout.strip() != "0"
        how = "confined by Landlock" if landlock else "not confined: this system has no Landlock"
        return Finding("client library", True, f"loads; its process is {how}")
    last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return Finding("client library", False, last, _REINSTALL)


def _encryption() -> Finding:
    """Whether the key of each encrypted account opens it."""
    try:
        loaded = settings_module.load()
        folders = [loaded.account_folder(name) for name in loaded.accounts()]
        encrypted = [folder for folder in folders if folder.vault.exists]
        for folder in encrypted:
            folder.vault.unlock()
            if folder.vault.step is not None:
                said = f"{folder.vault.step} of account {folder.name} was interrupted"
                return Finding("encryption", False, said, "Run `whatsapp-mcp encryption status`.")
    except WhatsAppError as error:
        return Finding("encryption", False, error.message, error.action)
    if not encrypted:
        return Finding("encryption", True, "no account is encrypted")
    names = ", ".join(folder.name for folder in encrypted)
    return Finding("encryption", True, f"the key opens {names}; client.db is not encrypted")


def _media() -> Finding:
    """Read a picture, in the process that reads every file."""
    try:
        anyio.run(_read_a_picture)
    except WhatsAppError as error:
        return Finding("media", False, error.message, _REINSTALL)
    if media.reads_recordings():
        return Finding("media", True, "pictures, videos and sound can be read")
    missing = "voice notes, GIFs and previews of videos need the extra `media`"
    return Finding("media", True, f"pictures can be read; {missing}")


async def _read_a_picture() -> None:
    async with media.open_worker() as worker:
        await media.look_at_picture(worker, _PICTURE)


def _reading() -> Finding:
    """Read a document, in the process that reads what files say."""
    words = media.reads_words()
    try:
        memory = anyio.run(_read_a_document, media.ReaderOptions(words=words))
    except WhatsAppError as error:
        return Finding("reading", False, error.message, _REINSTALL)
    what = f"documents and words in pictures are read ({media.WRITING})" if words else "documents are read"
    missing = "" if words else "; words in pictures need the extra `ocr`"
    taken = f"; the process takes {memory / 1e6:.0f} MB" if memory else ""
    return Finding("reading", True, f"{what}{missing}{taken}")


async def _read_a_document(options: media.ReaderOptions) -> int | None:
    """What the process takes, in bytes, that read a line of text, and looked for words in a picture."""
    async with media.open_reader(options) as reader:
        await reader.document(b"Words")
        if options.words:
            await reader.picture(_PICTURE)
        return reader.memory


def _speech() -> Finding:
    """What transcribes speech. A model is used, in the process that reads files; nothing is sent anywhere."""
    try:
        loaded = settings_module.load()
        missing = media.why_no_speech(loaded)
        if missing is not None:
            action = advice(missing.code, missing.action)
            if loaded.voice.engine in ("auto", "off"):
                return Finding("speech", True, f"{missing.message} {action}")
            return Finding("speech", False, missing.message, action)
        options = media.speech_options(loaded)
        if (away := media.sends_away(loaded)) is not None:
            return Finding("speech", True, away.removesuffix("."))
        return Finding("speech", True, f"transcribed here by {anyio.run(_transcribe_silence, options)}")
    except WhatsAppError as error:
        return Finding("speech", False, error.message, advice(error.code, error.action))


async def _transcribe_silence(speech: media.SpeechOptions | None) -> str:
    """The name of the engine that found nothing in two seconds of silence."""
    async with media.open_reader(media.ReaderOptions(speech=speech)) as reader:
        return (await reader.recording(_SILENCE)).engine


_CHECKS: tuple[Callable[[], Finding], ...] = (
    _installation,
    _versions,
    _settings,
    _home,
    _database,
    _encryption,
    _library,
    _media,
    _reading,
    _speech,
)
