"""A process that reads foreign files for a server, with nothing else in reach.

It loads its libraries, gives up everything but its pipes (`confinement.py`) and does one job after the other
until its server closes them. The file of a job is read through the server, block by block. Its jobs are those
of the program that calls `run`: `jobs.py`, or the reading process of `readers/`.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

from typing_extensions import Buffer

from whatsapp_mcp.media.confinement import MEMORY_BYTES, confine, limit_processor_time
from whatsapp_mcp.media.frames import PREFIX, READ_BYTES, frame, header_of
from whatsapp_mcp.media.job import Job, done


class Channel:
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

    def __init__(self, channel: Channel, size: int) -> None:
        self._channel = channel
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
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


def serve(channel: Channel, jobs: Mapping[str, Job]) -> None:
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
    channel = Channel(sys.stdin.buffer, os.fdopen(outgoing, "wb"))
    confine(memory_bytes, written_bytes, is_background=is_background)
    try:
        serve(channel, jobs)
    except (BrokenPipeError, EOFError):
        return
