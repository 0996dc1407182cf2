"""Writing to a pipe from an event loop: at once where that does not wait, else in a worker thread."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import anyio.to_thread

_OUTPUT: Final = 1
"""Descriptor of standard output: libraries in C and Go write to it past `sys.stdout`."""
_LOG: Final = 2
"""Descriptor of standard error."""


def _tells_room(fd: int) -> bool:
    """Return whether POSIX says how much `fd` takes once writable: a pipe or socket, not a terminal."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


if sys.platform != "win32":

    class _Room:
        """Room that a pipe or socket has at once."""

        def __init__(self, fd: int) -> None:
            self._poll = select.poll()
            self._poll.register(fd, select.POLLOUT)

        def is_enough_for(self, data: bytes) -> bool:
            """Return whether writing `data` does not wait: what is writable takes `PIPE_BUF` bytes."""
            return len(data) <= select.PIPE_BUF and bool(self._poll.poll(0))


class PipeOutput:
    """A descriptor to write to, by one task at a time. It stays blocking: others may have it, too.

    Args:
        fd: A pipe, a socket or whatever else a process has for its output; it is not closed here.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._room = _Room(fd) if sys.platform != "win32" and _tells_room(fd) else None

    async def write(self, data: bytes) -> None:
        """Write all of it; waits while the other side does not read.

        Raises:
            OSError: The other side is gone.
        """
        # To a thread and back takes as long as all else that a notification costs.
        if self._room is not None and self._room.is_enough_for(data):
            self._write(data)
        else:
            await anyio.to_thread.run_sync(self._write, data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        # A signal can cut even a blocking write short (write(2)).
        while rest:
            rest = rest[os.write(self._fd, rest) :]


@contextmanager
def claimed_output() -> Generator[PipeOutput | None]:
    """Standard output, for the holder alone: what others print in the body goes to standard error.

    None on Windows, where handles would have to be bound again.
    """
    if sys.platform == "win32":
        yield None
        return
    # Text that is still buffered would otherwise come out on standard error.
    sys.stdout.flush()
    fd = os.dup(_OUTPUT)
    os.dup2(_LOG, _OUTPUT)
    try:
        yield PipeOutput(fd)
    finally:
        os.dup2(fd, _OUTPUT)
        os.close(fd)
