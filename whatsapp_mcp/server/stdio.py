"""Standard input and output, served by the SDK; only written to in our own way, without a thread."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, cast

from mcp.server.stdio import stdio_server

from whatsapp_mcp.system import PipeOutput

if TYPE_CHECKING:
    from anyio import AsyncFile
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage

_OUTPUT: Final = 1
_LOG: Final = 2


class _Output:
    """What the SDK needs of a file; it writes each message whole, and then flushes."""

    def __init__(self, fd: int) -> None:
        self._output = PipeOutput(fd)

    async def write(self, text: str) -> None:
        """Write all of it."""
        await self._output.write(text.encode())

    async def flush(self) -> None:
        """Nothing to do: nothing is kept."""


@asynccontextmanager
async def stdio() -> AsyncGenerator[
    tuple[ReadStream[SessionMessage | Exception], WriteStream[SessionMessage]]
]:
    """The streams of the one connection; while they are served, what is printed goes to the log."""
    with _claimed_output() as output:
        async with stdio_server(stdout=output) as streams:
            yield streams


@contextmanager
def _claimed_output() -> Generator[AsyncFile[str] | None]:
    """Standard output for messages alone, as the SDK claims it; None where it has to do that itself."""
    if sys.platform == "win32":  # handles would have to be bound again
        yield None
        return
    sys.stdout.flush()
    fd = os.dup(_OUTPUT)
    os.dup2(_LOG, _OUTPUT)
    try:
        yield cast("AsyncFile[str]", _Output(fd))
    finally:
        os.dup2(fd, _OUTPUT)
        os.close(fd)
