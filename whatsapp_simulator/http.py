"""The part of HTTP/1.1 that a proxy, a websocket upgrade and a media server need."""

from dataclasses import dataclass
from http import HTTPStatus

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

_MAX_HEAD = 64 * 1024

BROKEN = (
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    anyio.IncompleteRead,
    OSError,
)
"""The exceptions that a stream raises when its peer is gone."""


class MalformedRequest(ValueError):
    """The bytes are not an HTTP request."""


@dataclass(slots=True)
class Request:
    """The head of a request; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


async def read_request(stream: BufferedByteReceiveStream) -> Request:
    """Read the head of one request.

    Raises:
        MalformedRequest: The bytes are not an HTTP request.
        anyio.EndOfStream, anyio.IncompleteRead: The peer has disconnected.
    """
    try:
        head = await stream.receive_until(b"\r\n\r\n", _MAX_HEAD)
    except anyio.DelimiterNotFound as error:
        raise MalformedRequest("no end of the head") from error
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3:
        raise MalformedRequest("no request line")
    pairs = (line.partition(":") for line in lines)
    return Request(parts[0], parts[1], {name.strip().lower(): value.strip() for name, _, value in pairs})


async def read_body(stream: BufferedByteReceiveStream, request: Request) -> bytes:
    """Read the body of `request`, by its length or in chunks."""
    if request.headers.get("transfer-encoding", "").lower() != "chunked":
        size = int(request.headers.get("content-length", "0"))
        return await stream.receive_exactly(size) if size else b""
    body = bytearray()
    while size := int((await stream.receive_until(b"\r\n", 64)).split(b";")[0], 16):
        body += await stream.receive_exactly(size)
        await stream.receive_exactly(2)
    await stream.receive_until(b"\r\n", 64)
    return bytes(body)


def response(status: int, headers: dict[str, str] | None = None, body: bytes | None = b"") -> bytes:
    """A whole response; with `body` None it has neither a body nor a length (1xx, CONNECT)."""
    fields = dict(headers or {})
    if body is not None:
        fields["Content-Length"] = str(len(body))
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Unknown"
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")
