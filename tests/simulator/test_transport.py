"""HTTP, websocket and Noise over in-memory streams, against a small test client."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from anyio.streams.buffered import BufferedByteReceiveStream
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.tables import for_each
from whatsapp_mcp.protobufs import Cert, Wa6
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.http import MalformedRequest, read_body, read_request, response
from whatsapp_simulator.noise import NoiseError, NoiseStream, Server
from whatsapp_simulator.signal import xeddsa
from whatsapp_simulator.signal.primitives import hkdf
from whatsapp_simulator.websocket import MalformedFrame, WebSocket

pytestmark = pytest.mark.anyio

_MASK = b"\x01\x02\x03\x04"
_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"


class _End(ByteStream):
    """One end of a connection in memory."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._arrived = anyio.Event()
        self.other = self

    async def receive(self, max_bytes: int = 65536) -> bytes:
        while not self._chunks:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._chunks.popleft()

    async def send(self, item: bytes) -> None:
        self.other._chunks.append(item)
        self.other._arrived.set()

    async def send_eof(self) -> None: ...

    async def aclose(self) -> None: ...


def _pipe() -> tuple[_End, _End]:
    here, there = _End(), _End()
    here.other, there.other = there, here
    return here, there


def _masked(payload: bytes, opcode: int = 2) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


async def _opened() -> tuple[_End, WebSocket]:
    """A client's end after the upgrade, and the server's websocket."""
    client, server = _pipe()
    await client.send(
        b"GET /ws/chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    socket = await WebSocket.accept(server, Faults())
    assert socket is not None
    answer = await client.receive()
    # The example of RFC 6455, section 1.3.
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    return client, socket


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
async def test_websocket_messages_come_whole_however_tcp_cuts_them(payloads: list[bytes], piece: int) -> None:
    client, socket = await _opened()
    data = b"".join(map(_masked, payloads)) + _masked(b"", opcode=8)
    for start in range(0, len(data), piece):
        await client.send(data[start : start + piece])
    assert [payload async for payload in socket.messages()] == payloads


@for_each("size", [0, 125, 126, 65_535, 65_536])
async def test_websocket_messages_of_every_length_form_come_through(size: int) -> None:
    client, socket = await _opened()
    await client.send(_masked(bytes(size)))
    assert await anext(aiter(socket.messages())) == bytes(size)
    await socket.send(bytes(size))
    answer = await client.receive()
    assert answer.endswith(bytes(size))
    assert len(answer) - size in (2, 4, 10)


async def test_a_ping_is_answered_and_a_close_is_returned() -> None:
    client, socket = await _opened()
    await client.send(_masked(b"are you there", opcode=9) + _masked(b"\x03\xe8", opcode=8))
    assert [payload async for payload in socket.messages()] == []
    assert await client.receive() == bytes((0x8A, 13)) + b"are you there"
    assert await client.receive() == bytes((0x88, 2)) + b"\x03\xe8"


async def test_what_is_no_websocket_request_is_refused() -> None:
    client, server = _pipe()
    await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await WebSocket.accept(server, Faults()) is None
    assert (await client.receive()).startswith(b"HTTP/1.1 400 ")


async def test_a_websocket_on_another_path_is_refused() -> None:
    client, server = _pipe()
    await client.send(
        b"GET /ws/other HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    )
    assert await WebSocket.accept(server, Faults()) is None


async def test_a_frame_that_is_not_masked_is_malformed() -> None:
    client, socket = await _opened()
    await client.send(b"\x82\x03abc")
    with pytest.raises(MalformedFrame, match="not masked"):
        await anext(aiter(socket.messages()))


async def test_bodies_are_read_by_length_and_in_chunks() -> None:
    client, server = _pipe()
    stream = BufferedByteReceiveStream(server)
    await client.send(b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello")
    await client.send(
        b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    )
    for path in ("/a", "/b"):
        request = await read_request(stream)
        assert (request.target, await read_body(stream, request)) == (path, b"hello")
    await client.send(b"nonsense\r\n\r\n")
    with pytest.raises(MalformedRequest):
        await read_request(stream)


def test_a_response_has_its_length() -> None:
    assert response(404, body=b"no") == b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"


class _Client:
    """The client's side of the handshake, according to the specification of Noise XX."""

    def __init__(self, stream: _End) -> None:
        self._stream = stream
        self._hash = self._salt = self._key = _PATTERN
        self._counter = 0
        self.static = xeddsa.generate_private()
        self._absorb(b"WA\x06\x03")

    def _absorb(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def _mix(self, private: bytes, public: bytes) -> None:
        mixed = hkdf(xeddsa.diffie_hellman(private, public), b"", 64, self._salt)
        self._salt, self._key, self._counter = mixed[:32], mixed[32:], 0

    def _nonce(self) -> bytes:
        self._counter += 1
        return (self._counter - 1).to_bytes(12, "big")

    def _open(self, data: bytes) -> bytes:
        plaintext = AESGCM(self._key).decrypt(self._nonce(), data, self._hash)
        self._absorb(data)
        return plaintext

    def _seal(self, data: bytes) -> bytes:
        ciphertext = AESGCM(self._key).encrypt(self._nonce(), data, self._hash)
        self._absorb(ciphertext)
        return ciphertext

    async def _say(self, message: Any, header: bytes = b"") -> None:
        data = message.SerializeToString()
        await self._stream.send(_masked(header + len(data).to_bytes(3, "big") + data))

    async def handshake(self, root: bytes) -> tuple[bytes, bytes]:
        """The keys to and from the server; `root` must have signed its certificates."""
        ephemeral = xeddsa.generate_private()
        public = xeddsa.public_key(ephemeral)
        self._absorb(public)
        hello = Wa6.HandshakeMessage()
        hello.clientHello.ephemeral = public
        await self._say(hello, b"WA\x06\x03")
        frame = await self._stream.receive()
        answer = Wa6.HandshakeMessage.FromString(frame[frame.index(b"\x1a") :]).serverHello
        self._absorb(answer.ephemeral)
        self._mix(ephemeral, answer.ephemeral)
        server_static = self._open(answer.static)
        self._mix(ephemeral, server_static)
        chain = Cert.CertChain.FromString(self._open(answer.payload))
        intermediate = Cert.CertChain.NoiseCertificate.Details.FromString(chain.intermediate.details)
        leaf = Cert.CertChain.NoiseCertificate.Details.FromString(chain.leaf.details)
        assert xeddsa.verify(root, chain.intermediate.details, chain.intermediate.signature)
        assert xeddsa.verify(intermediate.key, chain.leaf.details, chain.leaf.signature)
        assert leaf.key == server_static
        finish = Wa6.HandshakeMessage()
        finish.clientFinish.static = self._seal(xeddsa.public_key(self.static))
        self._mix(self.static, answer.ephemeral)
        finish.clientFinish.payload = self._seal(Wa6.ClientPayload(username=15550001111).SerializeToString())
        await self._say(finish)
        keys = hkdf(b"", b"", 64, self._salt)
        return keys[:32], keys[32:]


async def _shaken(faults: Faults | None = None) -> tuple[_End, NoiseStream, bytes, bytes]:
    stream, socket = await _opened()
    server, client = Server(), _Client(stream)
    accepted: list[NoiseStream] = []
    keys: list[tuple[bytes, bytes]] = []

    async def accept() -> None:
        accepted.append(await server.accept(socket, faults or Faults()))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(accept)
        keys.append(await client.handshake(server.root_public))
    assert accepted[0].client_static == xeddsa.public_key(client.static)
    assert accepted[0].client_payload.username == 15550001111
    return stream, accepted[0], *keys[0]


async def test_stanzas_travel_encrypted_in_both_directions() -> None:
    stream, noise, outward, inward = await _shaken()
    frames = b"".join(
        _framed(AESGCM(outward).encrypt(number.to_bytes(12, "big"), text, None))
        for number, text in enumerate([b"one", b"two"])
    )
    await stream.send(_masked(frames[:10]) + _masked(frames[10:]) + _masked(b"", opcode=8))
    assert [stanza async for stanza in noise.stanzas()] == [b"one", b"two"]
    await noise.send(noise.seal(b"three"))
    assert await stream.receive() == bytes((0x88, 0))
    sent = (await stream.receive())[2:]
    assert AESGCM(inward).decrypt(bytes(12), sent[3:], None) == b"three"


async def test_a_frame_that_does_not_decrypt_ends_the_stream() -> None:
    stream, noise, _, _ = await _shaken()
    await stream.send(_masked(_framed(bytes(40))))
    with pytest.raises(NoiseError):
        await anext(aiter(noise.stanzas()))


@for_each("first", [b"", b"XX\x06\x03", b"WA\x06\x03\0\0\x05hello", b"WA\x06\x03\0\0\0"])
async def test_a_client_that_breaks_the_handshake_is_turned_away(first: bytes) -> None:
    stream, socket = await _opened()
    await stream.send(_masked(first) + _masked(b"", opcode=8))
    with pytest.raises(NoiseError):
        await Server().accept(socket, Faults())


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + data
