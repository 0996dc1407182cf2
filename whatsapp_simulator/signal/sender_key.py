"""Sender keys: a group message is encrypted once for all members.

Each device has its own chain for each group and sends it to every member device in a distribution message,
through their session. Messages are signed, not MACed, since all members hold the chain key.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from whatsapp_simulator.signal.chain import Chain, DuplicateMessage
from whatsapp_simulator.signal.primitives import decrypt_cbc, encrypt_cbc, hkdf
from whatsapp_simulator.signal.session import IdentityKeyPair
from whatsapp_simulator.signal.wire import (
    KEY_TYPE,
    VERSION,
    SignalError,
    encode_bytes,
    encode_number,
    parse_fields,
    take_bytes,
    take_key,
    take_number,
    versioned,
)
from whatsapp_simulator.signal.xeddsa import Random, sign, verify

__all__ = ["DuplicateMessage", "SenderKey", "SenderKeyReceiver"]

_SIGNATURE_LENGTH = 64
_MAX_KEYS = 5


@dataclass(slots=True)
class SenderKey:
    """Our chain for one group."""

    key_id: int
    signing: IdentityKeyPair
    chain: Chain
    random: Random

    @classmethod
    def create(cls, random: Random = os.urandom) -> SenderKey:
        """A new chain, with a random id of 31 bits."""
        key_id = int.from_bytes(random(4), "big") >> 1
        return cls(key_id, IdentityKeyPair.generate(random), Chain(random(32)), random)

    def distribution(self) -> bytes:
        """The `SenderKeyDistributionMessage`, with which a member can read our next and later messages."""
        return (
            VERSION
            + encode_number(1, self.key_id)
            + encode_number(2, self.chain.index)
            + encode_bytes(3, self.chain.key)
            + encode_bytes(4, KEY_TYPE + self.signing.public)
        )

    def encrypt(self, plaintext: bytes) -> bytes:
        """An `skmsg`, the same for all members."""
        iteration = self.chain.index
        cipher_key, iv = _message_keys(self.chain.advance())
        message = (
            VERSION
            + encode_number(1, self.key_id)
            + encode_number(2, iteration)
            + encode_bytes(3, encrypt_cbc(cipher_key, iv, plaintext))
        )
        return message + sign(self.signing.private, message, self.random)


class SenderKeyReceiver:
    """The chains that one device of a group has sent us, newest first."""

    def __init__(self) -> None:
        self._keys: dict[int, tuple[bytes, Chain]] = {}

    @classmethod
    def from_distribution(cls, distribution: bytes) -> SenderKeyReceiver:
        """Create it from a device's first distribution message.

        Raises:
            SignalError: Malformed.
        """
        receiver = cls()
        receiver.update(distribution)
        return receiver

    def update(self, distribution: bytes) -> None:
        """Add a later distribution message; the last five keys stay usable, a known one stays unchanged.

        Raises:
            SignalError: Malformed.
        """
        fields = parse_fields(versioned(distribution, 0)[0])
        key_id = take_number(fields, 1)
        if key_id in self._keys:
            return
        chain = Chain(take_bytes(fields, 3), take_number(fields, 2))
        self._keys[key_id] = (take_key(fields, 4), chain)
        while len(self._keys) > _MAX_KEYS:
            del self._keys[next(iter(self._keys))]

    def decrypt(self, message: bytes) -> bytes:
        """Decrypt an `skmsg`, in any order.

        Raises:
            DuplicateMessage: It was decrypted before, or sent before we received its key.
            SignalError: Malformed, forged, too far ahead, or encrypted with a key that we do not have.
        """
        body, signature = versioned(message, _SIGNATURE_LENGTH)
        fields = parse_fields(body)
        key_id = take_number(fields, 1)
        if key_id not in self._keys:
            raise SignalError(f"no sender key {key_id}")
        signing, chain = self._keys[key_id]
        if not verify(signing, VERSION + body, signature):
            raise SignalError("bad signature")
        message_key, chain = chain.upto(take_number(fields, 2))
        cipher_key, iv = _message_keys(message_key)
        try:
            plaintext = decrypt_cbc(cipher_key, iv, take_bytes(fields, 3))
        except ValueError as error:
            raise SignalError("bad ciphertext") from error
        self._keys[key_id] = (signing, chain)
        return plaintext


def _message_keys(message_key: bytes) -> tuple[bytes, bytes]:
    """Cipher key and IV of one message."""
    keys = hkdf(message_key, b"WhisperGroup", 48)
    return keys[16:], keys[:16]
