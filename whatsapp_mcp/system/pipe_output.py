"""Writing to a pipe from an event loop: at once where that does not wait, else in a worker thread."""

from __future__ import annotations

import os
import select
import stat
import sys

import anyio.to_thread


class PipeOutput:
    """A descriptor to write to, by one task at a time. It stays blocking: others may have it, too.

    Args:
        fd: A pipe, a socket or whatever else a process has for its output; it is not closed here.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._room: select.poll | None = None
        mode = os.fstat(fd).st_mode
        # Of a terminal, POSIX does not say how much it takes once it can be written to.
        if sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            self._room = select.poll()
            self._room.register(fd, select.POLLOUT)

    async def write(self, data: bytes) -> None:
        """Write all of it; waits while the other side does not read.

        Raises:
            OSError: The other side is gone.
        """
        # To a thread and back takes as long as all else that a notification costs.
        if self._takes_at_once(data):
            self._write(data)
        else:
            await anyio.to_thread.run_sync(self._write, data)

    def _takes_at_once(self, data: bytes) -> bool:
        """Whether writing it does not wait: what can be written to takes `PIPE_BUF` bytes."""
        return self._room is not None and len(data) <= select.PIPE_BUF and bool(self._room.poll(0))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
