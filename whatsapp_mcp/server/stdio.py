"""Standard input and output, served by the SDK; only written to in our own way, without a thread."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from mcp.server.stdio import stdio_server

from whatsapp_mcp.system import PipeOutput, claimed_output

if TYPE_CHECKING:
    from anyio import AsyncFile
    from mcp.shared._stream_protocols import ReadStream, WriteStream
    from mcp.shared.message import SessionMessage


class _Output:
    """Output file as the SDK needs it: the SDK writes each message whole, and then flushes."""

    def __init__(self, output: PipeOutput) -> None:
        self._output = output

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
    with claimed_output() as output:
        # Without it the SDK claims standard output itself.
        file = None if output is None else cast("AsyncFile[str]", _Output(output))
        async with stdio_server(stdout=file) as streams:
            yield streams
