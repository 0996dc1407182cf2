"""WhatsApp's transport encryption: Noise XX (X25519, AES-GCM, SHA-256) over a websocket, server side.

The messages of the websocket form one byte stream: four bytes of header, then frames of a 3-byte
big-endian length and data. Three frames form the handshake; each later one is an encrypted stanza.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import DecodeError

from whatsapp_mcp.protobufs import Cert, Wa6
from whatsapp_simulator.faults import Faults
from whatsapp_simulator.signal import xeddsa
from whatsapp_simulator.signal.primitives import hkdf
from whatsapp_simulator.signal.xeddsa import Random
from whatsapp_simulator.websocket import MalformedFrame, WebSocket

_HEADER = b"WA\x06\x03"
_PATTERN = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
_CERTIFICATE_LIFE = 30 * 24 * 3600


class NoiseError(Exception):
    """The peer violated the handshake or the framing."""


class _Cipher:
    """AES-GCM with one key and a counter as its nonce."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._counter = 0

    def _nonce(self) -> bytes:
        nonce = self._counter.to_bytes(12, "big")
        self._counter += 1
        return nonce

    def encrypt(self, plaintext: bytes, associated: bytes | None = None) -> bytes:
        return self._aead.encrypt(self._nonce(), plaintext, associated)

    def decrypt(self, ciphertext: bytes, associated: bytes | None = None) -> bytes:
        try:
            return self._aead.decrypt(self._nonce(), ciphertext, associated)
        except InvalidTag as error:
            raise NoiseError("a frame does not decrypt") from error


class _Handshake:
    """The symmetric state of the handshake: salt, key and running hash."""

    def __init__(self) -> None:
        self._hash = self._salt = _PATTERN
        self._cipher = _Cipher(_PATTERN)
        self.absorb(_HEADER)

    def absorb(self, data: bytes) -> None:
        self._hash = hashlib.sha256(self._hash + data).digest()

    def mix(self, secret: bytes) -> None:
        self._salt, key = _halves(hkdf(secret, b"", 64, self._salt))
        self._cipher = _Cipher(key)

    def encrypt(self, plaintext: bytes) -> bytes:
        ciphertext = self._cipher.encrypt(plaintext, self._hash)
        self.absorb(ciphertext)
        return ciphertext

    def decrypt(self, ciphertext: bytes) -> bytes:
        plaintext = self._cipher.decrypt(ciphertext, self._hash)
        self.absorb(ciphertext)
        return plaintext

    def finish(self) -> tuple[_Cipher, _Cipher]:
        """The ciphers from and to the client."""
        inward, outward = _halves(hkdf(b"", b"", 64, self._salt))
        return _Cipher(inward), _Cipher(outward)


def _halves(data: bytes) -> tuple[bytes, bytes]:
    return data[:32], data[32:]


class Server:
    """The server's keys: a root key that signs an intermediate key that signs the static key.

    Attributes:
        root_public: The root key that a client must trust, 32 bytes.
    """

    def __init__(self, random: Random = os.urandom) -> None:
        self._random = random
        self._root = xeddsa.generate_private(random)
        self._stranger = xeddsa.generate_private(random)
        self._static = xeddsa.generate_private(random)
        self._intermediate = xeddsa.generate_private(random)
        self.root_public = xeddsa.public_key(self._root)

    def _chain(self, root: bytes) -> bytes:
        valid_from = int(time.time()) - 3600
        leaf = self._certificate(self._intermediate, 2, 1, self._static, valid_from)
        intermediate = self._certificate(root, 1, 0, self._intermediate, valid_from)
        return Cert.CertChain(leaf=leaf, intermediate=intermediate).SerializeToString()

    def _certificate(self, signer: bytes, serial: int, issuer: int, subject: bytes, valid_from: int) -> Any:
        details = Cert.CertChain.NoiseCertificate.Details(
            serial=serial,
            issuerSerial=issuer,
            key=xeddsa.public_key(subject),
            notBefore=valid_from,
            notAfter=valid_from + _CERTIFICATE_LIFE,
        ).SerializeToString()
        signature = xeddsa.sign(signer, details, self._random)
        return Cert.CertChain.NoiseCertificate(details=details, signature=signature)

    async def accept(self, socket: WebSocket, faults: Faults) -> NoiseStream:
        """Perform the handshake with a client.

        Raises:
            NoiseError: The client violated the protocol.
        """
        try:
            return await self._shake_hands(socket, faults)
        except (ValueError, DecodeError) as error:
            raise NoiseError(f"a malformed handshake: {error}") from error

    async def _shake_hands(self, socket: WebSocket, faults: Faults) -> NoiseStream:
        frames = _Frames(socket)
        hello = _parse(await frames.read())
        if faults.swallow_noise:
            await anyio.sleep_forever()
        state = _Handshake()
        their_ephemeral = hello.clientHello.ephemeral
        state.absorb(their_ephemeral)
        ephemeral = xeddsa.generate_private(self._random)
        ephemeral_public = xeddsa.public_key(ephemeral)
        state.absorb(ephemeral_public)
        state.mix(xeddsa.diffie_hellman(ephemeral, their_ephemeral))
        static = state.encrypt(xeddsa.public_key(self._static))
        state.mix(xeddsa.diffie_hellman(self._static, their_ephemeral))
        chain = state.encrypt(self._chain(self._stranger if faults.bad_certificate else self._root))
        answer = Wa6.HandshakeMessage()
        answer.serverHello.ephemeral = ephemeral_public
        answer.serverHello.static = static
        answer.serverHello.payload = chain
        await socket.send(_frame(answer.SerializeToString()))
        finish = _parse(await frames.read()).clientFinish
        client_static = state.decrypt(finish.static)
        state.mix(xeddsa.diffie_hellman(ephemeral, client_static))
        payload = Wa6.ClientPayload.FromString(state.decrypt(finish.payload))
        return NoiseStream(socket, frames, state.finish(), client_static, payload)


class NoiseStream:
    """An encrypted stream of stanzas.

    Attributes:
        client_static: The client's Noise key, 32 bytes, by which the server identifies the device.
        client_payload: The client's login payload (`Wa6.ClientPayload`).
    """

    def __init__(
        self,
        socket: WebSocket,
        frames: _Frames,
        ciphers: tuple[_Cipher, _Cipher],
        client_static: bytes,
        client_payload: Any,
    ) -> None:
        self._socket = socket
        self._frames = frames
        self._inward, self._outward = ciphers
        self.client_static = client_static
        self.client_payload = client_payload

    async def stanzas(self) -> AsyncIterator[bytes]:
        """Each decrypted stanza, until the client closes.

        Raises:
            NoiseError: A frame is malformed or does not decrypt.
        """
        try:
            async for frame in self._frames:
                yield self._inward.decrypt(frame)
        except MalformedFrame as error:
            raise NoiseError(str(error)) from error

    def seal(self, stanza: bytes) -> bytes:
        """The frame of a stanza; frames must be sent in the order in which they were sealed."""
        return _frame(self._outward.encrypt(stanza))

    async def send(self, frames: bytes) -> None:
        """Send any number of sealed frames as one websocket message."""
        await self._socket.send(frames)


class _Frames:
    """The frames in the byte stream of a websocket's messages."""

    def __init__(self, socket: WebSocket) -> None:
        self._messages = aiter(socket.messages())
        self._buffer = bytearray()
        self._position = 0
        self._started = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._started:
            if await self._take(len(_HEADER)) != _HEADER:
                raise NoiseError("not WhatsApp's header")
            self._started = True
        size = int.from_bytes(await self._take(3), "big")
        return await self._take(size)

    async def read(self) -> bytes:
        """The next frame.

        Raises:
            NoiseError: The client closed the connection.
        """
        try:
            return await anext(self)
        except StopAsyncIteration as end:
            raise NoiseError("closed during the handshake") from end

    async def _take(self, size: int) -> bytes:
        while len(self._buffer) - self._position < size:
            del self._buffer[: self._position]
            self._position = 0
            self._buffer += await anext(self._messages)
        taken = bytes(self._buffer[self._position : self._position + size])
        self._position += size
        return taken


def _frame(data: bytes) -> bytes:
    return len(data).to_bytes(3, "big") + data


def _parse(frame: bytes) -> Any:
    try:
        return Wa6.HandshakeMessage.FromString(frame)
    except DecodeError as error:
        raise NoiseError("not a handshake message") from error
