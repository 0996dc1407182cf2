"""Standard input and output, served by the SDK, and answers to requests that cannot be parsed.

Output alone is written in our own way, without a thread. The SDK drops an invalid message, on any transport,
and its sender would wait for ever. Applications do write such messages: a text that was cut in the middle of
an emoji ends in half a surrogate pair, which JSON allows and Unicode does not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

from whatsapp_mcp.processes.frames import scalar_members
from whatsapp_mcp.system import PipeOutput, claimed_output

if TYPE_CHECKING:
    from anyio import AsyncFile
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared._stream_protocols import ReadStream, WriteStream

    Read = SessionMessage | Exception


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


@asynccontextmanager
async def answering_invalid(
    read: ReadStream[Read], write: WriteStream[SessionMessage]
) -> AsyncIterator[MemoryObjectReceiveStream[Read]]:
    """The valid messages of a stream; an invalid request is answered here."""
    passed, messages = anyio.create_memory_object_stream["Read"](0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_pass_on, read, passed, write)
        yield messages
        tasks.cancel_scope.cancel()


async def _pass_on(
    read: ReadStream[Read], passed: MemoryObjectSendStream[Read], write: WriteStream[SessionMessage]
) -> None:
    async with passed:
        async for item in read:
            if not isinstance(item, Exception):
                await passed.send(item)
            elif (answer := refusal(item)) is not None:
                # An event stream may end before its last answer.
                with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await write.send(SessionMessage(answer))


def refusal(error: Exception) -> JSONRPCError | None:
    """The error for a request that could not be parsed; None for a notification or a response."""
    if not isinstance(error, ValidationError):
        return None
    errors = error.errors(include_url=False, include_context=False)
    code = PARSE_ERROR if errors[0]["type"] == "json_invalid" else INVALID_REQUEST
    request = _request(errors)
    if "id" not in request or "method" not in request:
        return None
    request_id = request["id"]
    # JSON-RPC 2.0 wants null where an id is invalid; and Python counts a boolean as an integer.
    if isinstance(request_id, bool) or not isinstance(request_id, int | str):
        request_id = None
    where = "".join(f"{part}: " for part in errors[0]["loc"][1:])
    message = (
        f"The request cannot be read: {where}{errors[0]['msg']}. Nothing was done; correct it and ask again."
    )
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=message))


def _request(errors: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The request itself, which pydantic quotes where a member is missing."""
    if errors[0]["type"] == "json_invalid":
        text = errors[0]["input"]
        return scalar_members(text if isinstance(text, str) else bytes(text).decode(errors="replace"))
    whole = (each["input"] for each in errors if each["type"] == "missing" and len(each["loc"]) == 2)
    return next((each for each in whole if isinstance(each, dict)), {})
