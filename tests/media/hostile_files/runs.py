"""What becomes of hostile files in the real processes: read or refused, in which time and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.media.hostile_files.hostile_file import HostileFile, Kind
from whatsapp_mcp.errors import Busy, Unsupported, WhatsAppError
from whatsapp_mcp.media import (
    Worker,
    look_at_picture,
    look_at_recording,
    open_worker,
    picture,
    voice_note,
)
from whatsapp_mcp.media.child import MEMORY_BYTES

SECONDS: Final = {Kind.DOCUMENT: 65.0, Kind.PICTURE: 100.0, Kind.RECORDING: 130.0}
"""What reading one may take: the limit of the job, or of its jobs together, and a little for the process."""
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


class _Process(Protocol):
    @property
    def pid(self) -> int | None: ...


Job = Callable[[HostileFile, bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Opened:
    """A process that opens foreign files.

    Attributes:
        jobs: What is done with each kind, one job after the other; of one that is refused the next may still
            be done, and what comes of the last is the outcome.
        most: Megabytes that it may have: what it takes with its libraries alone, and its limit.
    """

    process: _Process
    jobs: Mapping[Kind, Sequence[Job]]
    most: int

    async def run(self, file: HostileFile) -> Run:
        """Have a file read by each job that takes its kind."""
        run = Run(file)
        content = file.made()
        self._forget_peak()
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
        run.megabytes = peak(self.process.pid)
        run.is_over = run.megabytes > self.most or run.seconds > SECONDS[file.kind]
        return run

    def _forget_peak(self) -> None:
        # 5: the peak becomes what is there now; see proc(5).
        with suppress(OSError):
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    async def _read(self, file: HostileFile, content: bytes) -> None:
        *others, last = self.jobs[file.kind]
        for job in others:
            try:
                await job(file, content)
            except WhatsAppError as error:
                if isinstance(error, Busy) or _DEAD in error.message:
                    raise
        await last(file, content)

    async def failures(self, files: Iterable[HostileFile]) -> list[str]:
        """What went wrong with these."""
        found: list[str] = []
        for file in files:
            run = await self.run(file)
            if run.is_crash or run.is_dead or run.is_over:
                found.append(f"{file}: {run.outcome} {run.sentence} {run.seconds:.1f} s {run.megabytes} MB")
        return found


async def _shown(worker: Worker, content: bytes) -> object:
    return await picture(worker, content, 1_600)


def peak(pid: int | None) -> int:
    """The most megabytes that a process had at once."""
    if sys.platform != "linux":
        return 0
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
    return 0


@asynccontextmanager
async def open_decoder() -> AsyncIterator[Opened]:
    """The process that decodes pictures and recordings."""
    async with open_worker() as worker:

        def job(function: Callable[[Worker, bytes], Awaitable[object]]) -> Job:
            return lambda file, content: function(worker, content)

        with suppress(WhatsAppError):
            await look_at_picture(worker, b"")
        jobs = {
            Kind.PICTURE: (job(look_at_picture), job(_shown)),
            Kind.RECORDING: (job(look_at_recording), job(voice_note)),
        }
        yield Opened(worker, jobs, peak(worker.pid) + MEMORY_BYTES // 2**20)
