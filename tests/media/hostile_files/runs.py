"""What becomes of hostile files in the real processes: read or refused, in which time and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.media.hostile_files.hostile_file import HostileFile, Kind
from whatsapp_mcp.errors import Busy, Unsupported, WhatsAppError
from whatsapp_mcp.media import (
    Reader,
    ReaderOptions,
    Worker,
    look_at_picture,
    look_at_recording,
    open_reader,
    open_worker,
    picture,
    voice_note,
)
from whatsapp_mcp.media.confinement import MEMORY_BYTES
from whatsapp_mcp.media.readers import limits
from whatsapp_mcp.models import ReadingKind

SECONDS: Final = {Kind.DOCUMENT: 65.0, Kind.PICTURE: 100.0, Kind.RECORDING: 130.0}
"""What reading one may take: the limit of the job, or of its jobs together, and a little for the process."""
_SAID_SECONDS: Final = 10.0
"""How long a recording lasts by its message."""
_DEAD: Final = "crashed the decoding process"


@dataclass(slots=True)
class Run:
    """What became of one file.

    Attributes:
        file: Which.
        outcome: `read`, or the code of the error.
        sentence: What the error said.
        seconds: How long it took.
        megabytes: The most memory that a process had; 0 where the system does not tell.
        is_dead: Whether it ended the process that read it.
        is_crash: Whether something else than an error of ours came of it.
        is_over: Whether it took longer, or more memory, than is allowed.
    """

    file: HostileFile
    outcome: str = "read"
    sentence: str = ""
    seconds: float = 0.0
    megabytes: int = 0
    is_dead: bool = False
    is_crash: bool = False
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Processes:
    """The two processes that open foreign files.

    Attributes:
        reads: What the reader has loaded.
        most: Megabytes that each may have: what it takes with its libraries alone, and its limit.
    """

    reader: Reader
    worker: Worker
    reads: frozenset[ReadingKind]
    most: tuple[int, int]

    async def run(self, file: HostileFile) -> Run:
        """Have a file read by each job that takes its kind."""
        run = Run(file)
        content = file.made()
        self._forget_peaks()
        started = time.monotonic()
        try:
            await self._read(file, content)
        except WhatsAppError as error:
            run.outcome, run.sentence = error.code, error.message
            run.is_dead = isinstance(error, Unsupported) and _DEAD in error.message
            run.is_crash = isinstance(error, Busy)
        except Exception as error:  # noqa: BLE001  the server would have failed here
            run.outcome, run.is_crash = type(error).__name__, True
        run.seconds = time.monotonic() - started
        peaks = [_peak(process.pid) for process in (self.reader, self.worker)]
        run.megabytes = max(peaks)
        is_large = any(peak > most for peak, most in zip(peaks, self.most, strict=True))
        run.is_over = is_large or run.seconds > SECONDS[file.kind]
        return run

    async def _read(self, file: HostileFile, content: bytes) -> None:
        if file.kind is Kind.DOCUMENT:
            await self.reader.document(content, file.mime_type, "")
            return
        jobs = [look_at_picture, _shown] if file.kind is Kind.PICTURE else [look_at_recording, voice_note]
        refused: WhatsAppError | None = None
        for job in jobs:
            try:
                await job(self.worker, content)
            except WhatsAppError as error:
                refused = error
                if isinstance(error, Busy) or _DEAD in error.message:
                    raise
        if file.kind is Kind.PICTURE and ReadingKind.PICTURE in self.reads:
            await self.reader.picture(content)
        elif file.kind is Kind.RECORDING and ReadingKind.TRANSCRIPT in self.reads:
            await self.reader.recording(content, duration=_SAID_SECONDS)
        elif refused is not None:
            raise refused

    def _forget_peaks(self) -> None:
        for process in (self.reader, self.worker):
            # 5: the peak becomes what is there now; see proc(5).
            with suppress(OSError):
                Path(f"/proc/{process.pid}/clear_refs").write_text("5")


async def _shown(worker: Worker, content: bytes) -> object:
    return await picture(worker, content, 1_600)


def _peak(pid: int | None) -> int:
    """The most megabytes that a process had at once."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    return 0


@asynccontextmanager
async def open_processes(options: ReaderOptions, reads: frozenset[ReadingKind]) -> AsyncIterator[Processes]:
    """Both processes, for as long as the body runs."""
    async with open_reader(options) as reader, open_worker() as worker:
        with suppress(WhatsAppError):
            await reader.document(b"words")
            await look_at_picture(worker, b"")
        has_model = options.words or options.speech is not None
        allowed = (limits.MODEL_MEMORY_BYTES if has_model else limits.MEMORY_BYTES, MEMORY_BYTES)
        loaded = (_peak(reader.pid), _peak(worker.pid))
        most = (loaded[0] + allowed[0] // 2**20, loaded[1] + allowed[1] // 2**20)
        yield Processes(reader, worker, reads, most)
