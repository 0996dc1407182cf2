"""Checks of the processes that read: the client library's, and those that open files."""

from __future__ import annotations

import ctypes.util
import struct
import subprocess
import sys
import tempfile
from importlib import metadata
from typing import Final

import anyio

from whatsapp_mcp import media
from whatsapp_mcp.child_process import module_command
from whatsapp_mcp.cli.advice import advice
from whatsapp_mcp.cli.doctor.finding import Finding
from whatsapp_mcp.cli.installation import DISTRIBUTION
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.settings import Settings

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


def documents() -> Finding:
    """Read a document, in the process that reads what files say."""
    words = media.reads_words()
    try:
        memory = anyio.run(_read_a_document, media.ReaderOptions(words=words))
    except WhatsAppError as error:
        return Finding("reading", False, error.message, REINSTALL)
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


def speech(loaded: Settings) -> Finding:
    """What transcribes speech. A model is used, in the process that reads files; nothing is sent anywhere."""
    try:
        missing = media.why_no_speech(loaded)
        if missing is not None:
            if loaded.voice.engine == "off":  # somebody has decided that
                return Finding("speech", True, missing.message.removesuffix("."))
            is_wanted = loaded.voice.engine != "auto"
            return Finding("speech", not is_wanted, missing.message, advice(missing.code, missing.action))
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
