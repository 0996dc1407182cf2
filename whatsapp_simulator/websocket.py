"""The server side of a websocket (RFC 6455), as far as WhatsApp uses it: binary messages both ways."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from whatsapp_simulator.faults import Faults
from whatsapp_simulator.http import Request, read_request, response

_PATH = "/ws/chat"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BINARY, _CLOSE, _PING, _PONG = 2, 8, 9, 10


class MalformedFrame(ValueError):
    """The peer violated RFC 6455, for example with an unmasked frame."""


class WebSocket:
    """An open websocket."""

    def __init__(
        self, stream: anyio.abc.ByteStream, buffered: BufferedByteReceiveStream, faults: Faults
    ) -> None:
        self._stream = stream
        self._buffered = buffered
        self._faults = faults
        self._writing = anyio.Lock()  # the reader writes too: pongs and the answer to a close

    @classmethod
    async def accept(cls, stream: anyio.abc.ByteStream, faults: Faults) -> WebSocket | None:
        """Answer the upgrade request on `stream`; None if the answer is an error."""
        buffered = BufferedByteReceiveStream(stream)
        request = await read_request(buffered)
        if faults.swallow_websocket:
            await anyio.sleep_forever()
        wanted = urlsplit(request.target).path == _PATH and _upgrades(request)
        if faults.websocket_status is not None or not wanted:
            await stream.send(response(faults.websocket_status or 400))
            return None
        digest = hashlib.sha1((request.headers.get("sec-websocket-key", "") + _GUID).encode()).digest()  # noqa: S324
        accept = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": base64.b64encode(digest).decode(),
        }
        await stream.send(response(101, accept, body=None))
        return cls(stream, buffered, faults)

    async def messages(self) -> AsyncIterator[bytes]:
        """The payload of each data frame, until the peer closes.

        Raises:
            MalformedFrame: The peer violated the framing.
        """
        while True:
            await self._faults.silence.passed()
            opcode, payload = await self._frame()
            if opcode == _CLOSE:
                await self._send(_CLOSE, payload)
                return
            if opcode == _PING:
                await self._send(_PONG, payload)
            elif opcode != _PONG:
                yield payload

    async def send(self, payload: bytes) -> None:
        """Send one binary message."""
        await self._send(_BINARY, payload)

    async def _send(self, opcode: int, payload: bytes) -> None:
        await self._faults.silence.passed()
        size = len(payload)
        if size < 126:
            head = bytes((0x80 | opcode, size))
        elif size < 1 << 16:
            head = bytes((0x80 | opcode, 126)) + size.to_bytes(2, "big")
        else:
            head = bytes((0x80 | opcode, 127)) + size.to_bytes(8, "big")
        await self._write(head + payload)

    async def _write(self, data: bytes) -> None:
        if self._faults.latency:
            await anyio.sleep(self._faults.latency)
        size = self._faults.trickle or len(data)
        async with self._writing:
            for start in range(0, len(data), size):
                await self._stream.send(data[start : start + size])

    async def _frame(self) -> tuple[int, bytes]:
        first, second = await self._buffered.receive_exactly(2)
        if not second & 0x80:
            raise MalformedFrame("a frame of a client is not masked")
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._buffered.receive_exactly(2 if size == 126 else 8), "big")
        mask = await self._buffered.receive_exactly(4)
        payload = await self._buffered.receive_exactly(size) if size else b""
        return first & 0x0F, _unmask(payload, mask)


def _upgrades(request: Request) -> bool:
    return request.headers.get("upgrade", "").lower() == "websocket"


def _unmask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
