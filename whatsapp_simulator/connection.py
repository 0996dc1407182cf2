"""A client's connection at the level of stanzas: receives and sends nodes, and queries the client."""

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from whatsapp_simulator.binary import SERVER, MalformedStanza, Node, decode, encode
from whatsapp_simulator.http import BROKEN
from whatsapp_simulator.noise import NoiseError, NoiseStream
from whatsapp_simulator.simulation import Anomaly

_QUERY_SECONDS = 10.0
_CLOSE_SECONDS = 1.0
_COMPRESS_ABOVE = 4096


class Connection:
    """A client's connection after the Noise handshake.

    Attributes:
        client_static: The client's Noise key.
        client_payload: Its login payload (`Wa6.ClientPayload`).
    """

    def __init__(self, stream: NoiseStream, log: list[Anomaly]) -> None:
        self._stream = stream
        self._log = log
        self._outgoing = bytearray()
        self._wake = anyio.Event()
        self._drained = anyio.Event()
        self._scope = anyio.CancelScope()
        self._numbers = itertools.count(1)
        self._answers: dict[str, _PendingReply] = {}
        self.client_static = stream.client_static
        self.client_payload: Any = stream.client_payload

    def send(self, node: Node) -> None:
        """Queue a stanza; stanzas stay in order, and one packet may contain several."""
        # Encrypted now, not when it is sent: the nonce counts the frames in their order.
        self._outgoing += self._stream.seal(encode(node, _COMPRESS_ABOVE))
        self._wake.set()

    def send_raw(self, stanza: bytes) -> None:
        """Queue bytes that need not be a stanza."""
        self._outgoing += self._stream.seal(stanza)
        self._wake.set()

    def garble(self) -> None:
        """Queue a frame that does not decrypt."""
        self._outgoing += b"\0\0\x20" + bytes(32)
        self._wake.set()

    @property
    def is_open(self) -> bool:
        """True while the connection is open."""
        return not self._scope.cancel_called

    async def drained(self) -> None:
        """Return once all queued stanzas are handed to TCP, or the connection has ended."""
        while self._outgoing and not self._scope.cancel_called:
            await self._drained.wait()

    async def query(self, content: list[Node], **attrs: str | int) -> Node:
        """Send the client a query; return its answer, `<iq type=result|error>`.

        Raises:
            TimeoutError: It did not answer.
        """
        number = f"q{next(self._numbers)}"
        answer = self._answers[number] = _PendingReply()
        self.send(Node("iq", {"from": SERVER, "id": number, "type": "set", **attrs}, content))
        try:
            with anyio.fail_after(_QUERY_SECONDS):
                await answer.arrived.wait()
        finally:
            del self._answers[number]
        assert answer.node is not None
        return answer.node

    async def serve(self, handle: Callable[[Node], Awaitable[None]]) -> None:
        """Pass every stanza that is not an answer to `handle`, in order, until the connection ends."""
        try:
            with self._scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._flush)
                    await self._read(handle)
                    tasks.cancel_scope.cancel()
        finally:
            self._scope.cancel()
            self._drained.set()

    async def close(self, delay: float) -> None:
        """Close the connection `delay` seconds after the queued stanzas are sent, if they can be."""
        with anyio.move_on_after(_CLOSE_SECONDS):
            await self.drained()
        await anyio.sleep(delay)
        self._scope.cancel()

    def abort(self) -> None:
        """Close the connection immediately."""
        self._scope.cancel()

    async def _flush(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            frames = bytes(self._outgoing)
            try:
                await self._stream.send(frames)
            except BROKEN:
                self._scope.cancel()
            del self._outgoing[: len(frames)]
            drained, self._drained = self._drained, anyio.Event()
            drained.set()

    async def _read(self, handle: Callable[[Node], Awaitable[None]]) -> None:
        try:
            async for stanza in self._stream.stanzas():
                try:
                    node = decode(stanza)
                except MalformedStanza as error:
                    self._log.append(Anomaly("malformed", str(error)))
                    continue
                answer = self._answers.get(node.get("id")) if node.tag == "iq" else None
                if answer is not None and node.get("type") in ("result", "error"):
                    answer.node = node
                    answer.arrived.set()
                else:
                    await handle(node)
        except NoiseError as error:
            self._log.append(Anomaly("malformed", str(error)))
        except BROKEN:
            return


class _PendingReply:
    def __init__(self) -> None:
        self.arrived = anyio.Event()
        self.node: Node | None = None
