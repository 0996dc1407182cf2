"""Requests on standard input that cannot be read are answered, too.

The SDK drops a line that it cannot parse, and whoever asked would wait for ever. Applications write such
lines: a text that was cut in the middle of an emoji ends in half a surrogate pair, which JSON allows and
Unicode does not.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared._stream_protocols import ReadStream, WriteStream

    Read = SessionMessage | Exception


@asynccontextmanager
async def answering(
    read: ReadStream[Read], write: WriteStream[SessionMessage]
) -> AsyncIterator[MemoryObjectReceiveStream[Read]]:
    """What is read, without what could not be: that is answered here."""
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
                await write.send(SessionMessage(answer))


def refusal(error: Exception) -> JSONRPCError | None:
    """What answers a request that could not be parsed; None where nobody waits for an answer."""
    if not isinstance(error, ValidationError):
        return None
    first = error.errors(include_url=False, include_context=False)[0]
    try:
        request = json.loads(first["input"])
        request_id = request["id"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    if isinstance(request_id, bool) or not isinstance(request_id, int | str) or "method" not in request:
        return None
    message = f"The request cannot be read: {first['msg']}. Nothing was done; correct it and ask again."
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=PARSE_ERROR, message=message))
