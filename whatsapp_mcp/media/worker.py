"""`Worker`: does jobs on foreign files in a process that has nothing else in reach.

The process is started when a job comes, kept while jobs come, and ended after a quiet minute or after so many
jobs, whatever they leaked. A job that takes too long, or a process that dies, costs that job alone: the next
one gets a new process.
"""

from __future__ import annotations

import logging
import math
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Final

import anyio
import anyio.to_thread
from anyio.abc import Process, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from whatsapp_mcp.errors import (
    Busy,
    MediaUnavailable,
    TooLong,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.media.frames import MAX_HEADER, PREFIX, READ_BYTES, frame, header_of
from whatsapp_mcp.media.job import DEFAULT_LIMITS, SAID, Limits, Said, error_of, invalid_answer, place_in
from whatsapp_mcp.processes.child_process import kept_variables, module_command
from whatsapp_mcp.system import IDLE_PRIORITY, memory_of, resume, suspend, took_too_long

Source = bytes | IO[bytes]
"""Input of a job: bytes, or an open seekable file."""

PROGRAM: Final = module_command("whatsapp_mcp.media.jobs")
IDLE_SECONDS: Final = 60.0
"""Seconds that a process is kept without a job."""
START_SECONDS: Final = 20.0
"""Seconds to load the decoders and do each job once."""
JOBS_PER_PROCESS: Final = 200
"""Jobs after which a process is replaced, whatever they leaked."""
_PING_SECONDS: Final = 5.0
"""Seconds in which a process that was kept has to answer before it gets a job."""
_REAP_SECONDS: Final = 2.0
"""Seconds until a killed process is given up; the kernel may hold it in a system call."""
_QUEUE_SECONDS: Final = 120.0
"""Seconds that a job waits for its turn."""
_MAX_WAITING: Final = 64
"""Jobs that wait; each keeps its file open, or in memory."""
_ENVIRONMENT: Final = {"MALLOC_ARENA_MAX": "2"}
"""Arenas of malloc are address space, which is limited."""
_SMALLER: Final = "Use a smaller file."
_NOT_AGAIN: Final = "Do not use this file."
_GONE: Final = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, OSError)
"""Exceptions raised when a process has ended."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobResult:
    """Result of a job: JSON-able facts, and bytes."""

    facts: dict[str, Any]
    content: bytes


@asynccontextmanager
async def open_worker(
    program: tuple[str, ...] = PROGRAM,
    *,
    start_seconds: float = START_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
    jobs_per_process: int = JOBS_PER_PROCESS,
    turns: anyio.Semaphore | None = None,
    says: Said = SAID,
) -> AsyncIterator[Worker]:
    """A worker for as long as the body runs; its process is gone afterwards. For its arguments see there."""
    worker = Worker(
        program=program,
        idle_seconds=idle_seconds,
        start_seconds=start_seconds,
        jobs_per_process=jobs_per_process,
        turns=turns,
        says=says,
    )
    tasks = anyio.create_task_group()
    await tasks.__aenter__()
    try:
        await tasks.start(worker.keep)
        yield worker
    finally:
        tasks.cancel_scope.cancel()
        await tasks.__aexit__(None, None, None)


class Worker:
    """Does jobs one after the other. `keep` owns the process, so jobs are done only while that runs.

    Args:
        program: The process's command.
        idle_seconds: How long the process is kept without a job.
        start_seconds: How long it may take to be ready for the first one.
        jobs_per_process: After how many a new process does the next one.
        turns: As many as there may be jobs at a time of all workers that have it. Each waits with one job, so
            they take turns, however many wait at one of them.
        says: What errors of the jobs may say.
    """

    def __init__(
        self,
        *,
        program: tuple[str, ...] = PROGRAM,
        idle_seconds: float = IDLE_SECONDS,
        start_seconds: float = START_SECONDS,
        jobs_per_process: int = JOBS_PER_PROCESS,
        turns: anyio.Semaphore | None = None,
        says: Said = SAID,
    ) -> None:
        self._program = program
        self._says = says
        self._jobs_per_process = jobs_per_process
        self._idle_seconds = idle_seconds
        self._start_seconds = start_seconds
        self._turn = anyio.Lock()
        self._turns = turns or anyio.Semaphore(1)
        self._waiting = 0
        self._process: Process | None = None
        self._limit: anyio.CancelScope | None = None
        self._jobs_done = 0
        self._used = anyio.Event()
        self._is_kept = False

    async def keep(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Own the process until cancelled: end it after each quiet time, and at last with this task."""
        self._is_kept = True
        task_status.started()
        try:
            while True:
                await self._used.wait()
                self._used = anyio.Event()
                with anyio.move_on_after(self._idle_seconds) as quiet:
                    await self._used.wait()
                if quiet.cancelled_caught:
                    async with self._turn:
                        await self._end()
        finally:
            self._is_kept = False
            await self._end()

    @property
    def pid(self) -> int | None:
        """The number of the process; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def memory(self) -> int | None:
        """Bytes of memory that the process takes; None while there is none, and but on Linux."""
        return memory_of(self._process.pid) if self._process else None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the process, and the clock of its job with it, while the body runs, where `suspend` can."""
        process, limit = self._process, self._limit
        if process is None or limit is None or limit.cancel_called or not suspend(process):
            yield
            return
        left = limit.deadline - anyio.current_time()
        limit.deadline = math.inf
        try:
            yield
        finally:
            resume(process)
            limit.deadline = anyio.current_time() + left

    async def run(
        self,
        job: str,
        source: Source,
        options: dict[str, Any] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> JobResult:
        """Do one job, after those that came before. A caller that is cancelled ends the process.

        Args:
            job: Its name in the program.
            source: The file; it is read only as far as the job needs it, and left open.
            options: What else the job takes, JSON-able.
            limits: What it may cost.

        Raises:
            TooLong: It costs more than its limits, or the file is over one of the job's own.
            Unsupported: The file cannot be read, or made the process end.
            Busy: The process cannot be started, or too many jobs wait.
            InvalidArgument, MediaUnavailable: As the job raised it.
        """
        async with self._in_turn():
            # Until the reply is whole: a process left in the middle of a job would answer it to the next one.
            usable = False
            try:
                channel = await self._started()
                with anyio.fail_after(limits.seconds) as self._limit:
                    reply, content = await channel.ask(job, source, options or {}, limits)
                usable = "spent" not in reply
            except TimeoutError:
                what = f"Reading the file takes more than {limits.seconds:g} seconds."
                raise TooLong(what, _SMALLER) from None
            finally:
                self._limit = None
                self._jobs_done += 1
                # A process without a job makes room for that of another worker.
                others = self._turns.statistics().tasks_waiting
                if not usable or others or self._jobs_done >= self._jobs_per_process:
                    await self._end()
                self._used.set()
        if "error" in reply:
            error = error_of(reply["error"], self._says)
            logger.info("decoding: %s failed: %s", job, place_in(reply.get("cause")) or error.code)
            raise error
        return JobResult(reply["answer"], content)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[None]:
        if self._waiting >= _MAX_WAITING:
            raise Busy("Too many files are waiting to be decoded.")
        self._waiting += 1
        try:
            with anyio.move_on_after(_QUEUE_SECONDS) as wait:
                await self._turn.acquire()
                try:
                    await self._turns.acquire()
                except BaseException:
                    # Cancelled meanwhile: the next job of this worker takes the place.
                    self._turn.release()
                    raise
        finally:
            self._waiting -= 1
        if wait.cancelled_caught:
            raise Busy("Other files are still being decoded.")
        try:
            yield
        finally:
            self._turns.release()
            self._turn.release()

    async def _started(self) -> _WorkerPipes:
        """The channel to a process that answers: the one that is there, or a new one."""
        self._require_owner()
        if self._process is not None:
            channel = _WorkerPipes(self._process)
            if await channel.answers(_PING_SECONDS):
                return channel
            await self._end()
        try:
            self._process = await _spawn(self._program)
        except OSError as error:
            raise Busy(
                f"The decoding process could not be started: {error.strerror}.",
                "Tell the user to check the free memory and disk space.",
            ) from error
        self._require_owner()  # which may have ended meanwhile; `run` ends the process then
        self._jobs_done = 0
        channel = _WorkerPipes(self._process)
        if not await channel.answers(self._start_seconds):
            raise Busy("The decoding process did not start.", "Run `whatsapp-mcp doctor`.")
        return channel

    def _require_owner(self) -> None:
        if not self._is_kept:
            raise Busy("The server is starting or stopping.")

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        # Shielded: a cancelled caller is the very case in which the process is busy and has to end.
        with anyio.CancelScope(shield=True), anyio.move_on_after(_REAP_SECONDS):
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await process.aclose()
        self._process = None


class _WorkerPipes:
    """The pipes of one process, for one job."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._send = process.stdin.send
        self._replies = BufferedByteReceiveStream(process.stdout)

    async def answers(self, seconds: float) -> bool:
        """Return whether the process is running and ready."""
        try:
            with anyio.fail_after(seconds):
                await self._send(frame({}))
                await self._receive(0)
        except (*_GONE, TimeoutError, ValueError):
            return False
        return True

    async def ask(
        self, job: str, source: Source, options: dict[str, Any], limits: Limits
    ) -> tuple[dict[str, Any], bytes]:
        """The header and the body of the reply to a job.

        Raises:
            TooLong: It answered more, or took more of the processor, than allowed.
            MediaUnavailable: The file's own disk fails.
            Unsupported: The process ended, or wrote something else than frames.
        """
        size = await _size_of(source)
        request = {"job": job, "options": options, "size": size, "cpu_seconds": limits.cpu_seconds}
        try:
            await self._send(frame(request))
            while True:
                header, body = await self._receive(limits.output_bytes)
                match header:
                    case {"read": [int(offset), int(length)]}:
                        await self._send(frame({}, await _read(source, offset, length)))
                    case {"answer": dict()} | {"error": dict()}:
                        return header, body
                    case _:
                        raise ValueError("neither a question nor an answer")
        except ValueError:
            raise invalid_answer() from None
        except _GONE:
            raise await self._why_it_ended(limits) from None

    async def _receive(self, body_limit: int) -> tuple[dict[str, Any], bytes]:
        header, body = PREFIX.unpack(await self._replies.receive_exactly(PREFIX.size))
        if header > MAX_HEADER:
            raise ValueError("the header is too large")
        decoded = header_of(await self._replies.receive_exactly(header))
        if body > body_limit:
            raise TooLong(f"The decoded file is larger than {body_limit / 1e6:g} MB.", _SMALLER)
        return decoded, await self._replies.receive_exactly(body)

    async def _why_it_ended(self, limits: Limits) -> WhatsAppError:
        # The pipes close a moment before the exit status is there.
        with anyio.move_on_after(_REAP_SECONDS):
            await self._process.wait()
        if took_too_long(self._process.returncode):
            what = f"Reading the file takes more than {limits.cpu_seconds} seconds of processor time."
            return TooLong(what, _SMALLER)
        logger.warning("decoding: process ended with status %s", self._process.returncode)
        return Unsupported("The file crashed the decoding process.", _NOT_AGAIN)


async def _spawn(program: tuple[str, ...]) -> Process:
    """Start the process with an environment and a folder that hold nothing."""
    folder = await anyio.to_thread.run_sync(tempfile.mkdtemp)
    try:
        return await anyio.open_process(
            program,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=kept_variables() | _ENVIRONMENT,
            start_new_session=True,
            creationflags=IDLE_PRIORITY,
        )
    finally:
        # POSIX lets a process stay where nothing can be made any more; Windows keeps the empty folder.
        with suppress(OSError):
            os.rmdir(folder)


async def _size_of(source: Source) -> int:
    if isinstance(source, bytes):
        return len(source)
    return await anyio.to_thread.run_sync(source.seek, 0, os.SEEK_END)


async def _read(source: Source, offset: int, length: int) -> bytes:
    if offset < 0 or not 0 < length <= READ_BYTES:
        raise ValueError("no part of a file")
    if isinstance(source, bytes):
        return source[offset : offset + length]
    try:
        return await anyio.to_thread.run_sync(_read_file, source, offset, length)
    except OSError as error:
        what = f"The file cannot be read from the disk: {error.strerror}."
        raise MediaUnavailable(what, "Tell the user.") from error


def _read_file(file: IO[bytes], offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
