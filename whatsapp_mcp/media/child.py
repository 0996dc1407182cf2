"""A process that reads foreign files for a server, with nothing else in reach.

It loads its libraries, gives up everything but its pipes and does one job after the other until its server
closes them. The file of a job is read through the server, block by block. Its jobs are those of the program
that calls `run`: `jobs.py`, or the reading process of `readers/`.

A decoder reads what strangers made. Some formats name further files or addresses, and a flaw in a decoder may
do anything that its process can. After `confine`, on Linux:

* seccomp lets the process compute and use its pipes, and nothing else, on x86-64 and AArch64;
* Landlock takes away files, TCP, sockets and signals, as far as this kernel knows them;
* limits keep it from opening a file, socket or pipe, from writing to a disk, and from taking more memory.

macOS has the last alone, without the one on memory. They stop a decoder that is led to open something, not
code that has taken it over: that closes a pipe, and opens a file in its place. Windows has nothing.
"""

from __future__ import annotations

import ctypes
import io
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from typing_extensions import Buffer

from whatsapp_mcp.media.frames import PREFIX, READ_BYTES, frame, header_of
from whatsapp_mcp.media.job import Job, done
from whatsapp_mcp.processes.landlock import (
    ABSTRACT_UNIX_SOCKET,
    BIND_TCP,
    CONNECT_TCP,
    SIGNAL,
    apply_landlock,
)
from whatsapp_mcp.processes.seccomp import compute_only
from whatsapp_mcp.processes.system_calls import forbid_core_dumps, no_new_privileges
from whatsapp_mcp.system import lower_priority

MEMORY_BYTES: Final = 640 * 1024 * 1024
"""Most bytes of memory for decoding, beside the loaded libraries."""
_PR_SET_PDEATHSIG: Final = 1
_STATM: Final = Path("/proc/self/statm")


def confine(memory_bytes: int = MEMORY_BYTES, written_bytes: int = 0, *, is_background: bool = True) -> None:
    """Give up everything but what is open. Whatever is imported later must be loaded already.

    Args:
        memory_bytes: What may be taken beside what is loaded.
        written_bytes: How large a file may become that is open for writing.
        is_background: Whether nobody waits for it: it leaves the processors to others.
    """
    if is_background:
        lower_priority()
    if sys.platform == "win32":
        return
    import resource

    if sys.platform == "linux":
        # A job that computes for minutes does not look at its pipes, and would go on without its server.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        mapped = int(_STATM.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        _limit(resource.RLIMIT_AS, mapped + memory_bytes)
    forbid_core_dumps()
    _limit(resource.RLIMIT_FSIZE, written_bytes)
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel that refuses; what else there is holds all the same
            no_new_privileges()
            apply_landlock((), network=BIND_TCP | CONNECT_TCP, scopes=ABSTRACT_UNIX_SOCKET | SIGNAL)
    # The lowest free descriptor: nothing can be opened at or above the limit, and below it all are taken.
    free = os.dup(0)
    os.close(free)
    _limit(resource.RLIMIT_NOFILE, free)
    # Last: it forbids what the others need, such as files of /proc and the calls of Landlock.
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel without seccomp
            compute_only(sizes=written_bytes > 0)


def limit_processor_time(seconds: int) -> None:
    """End this process after so many further seconds of processor time, even if nobody is left to kill it."""
    if sys.platform == "win32":
        return
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    # The soft limit alone: the next job sets it higher again.
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + seconds, hard))


def _limit(kind: int, value: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # The hard limit as well: nothing in this process can raise it again.
    resource.setrlimit(kind, (value, value))


class ServerPipes:
    """The two pipes to the server."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    def receive(self) -> tuple[dict[str, Any], bytes]:
        """The server's next frame.

        Raises:
            EOFError: The server has closed its end or is gone.
        """
        header, body = PREFIX.unpack(self._exactly(PREFIX.size))
        return header_of(self._exactly(header)), self._exactly(body)

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        """Write a frame."""
        self._outgoing.write(frame(header, body))
        self._outgoing.flush()

    def _exactly(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if len(data) < size:
            raise EOFError
        return data


class ServedFile(io.RawIOBase):
    """A file of which the server has the bytes."""

    def __init__(self, channel: ServerPipes, size: int) -> None:
        self._channel = channel
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """Return True: the file is readable."""
        return True

    def seekable(self) -> bool:
        """Return True: the file is seekable."""
        return True

    def tell(self) -> int:
        """Return the position of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set where the next read begins."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill the buffer as far as one block goes."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), READ_BYTES, self._size - self._at)
        if wanted <= 0:
            return 0
        self._channel.send({"read": [self._at, wanted]})
        _, data = self._channel.receive()
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def serve(channel: ServerPipes, jobs: Mapping[str, Job]) -> None:
    """Do jobs until the server closes its pipe."""
    while True:
        try:
            request, _ = channel.receive()
        except EOFError:
            return
        if "job" not in request:
            channel.send({})  # the server asks whether this process is there
            continue
        limit_processor_time(request["cpu_seconds"])
        file = io.BufferedReader(ServedFile(channel, request["size"]), READ_BYTES)
        header, body = done(jobs[request["job"]], file, request["options"])
        channel.send(header, body)


def run(
    jobs: Mapping[str, Job],
    memory_bytes: int = MEMORY_BYTES,
    written_bytes: int = 0,
    *,
    is_background: bool = True,
) -> None:
    """Serve the pipes at descriptors 0 and 1 with these jobs, confined.

    Args:
        jobs: By name; they have been done once (`confine` says why).
        memory_bytes: What they may take beside what is loaded.
        written_bytes: How large a file may become that is open for writing.
        is_background: As in `confine`.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A library that prints must not write into the frames.
    outgoing = os.dup(1)
    os.dup2(2, 1)
    # Else a program that is started in its place had one free descriptor, enough to load its libraries.
    os.set_inheritable(outgoing, True)
    channel = ServerPipes(sys.stdin.buffer, os.fdopen(outgoing, "wb"))
    confine(memory_bytes, written_bytes, is_background=is_background)
    try:
        serve(channel, jobs)
    except (BrokenPipeError, EOFError):
        return
