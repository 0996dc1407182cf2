"""X25519 keys that also sign: XEdDSA as in libsignal's first generation.

A signature is an Ed25519 signature made with the clamped X25519 scalar. The sign bit of the Edwards
public key, which an X25519 public key does not contain, is in bit 7 of the signature's last byte.
Source: https://signal.org/docs/specifications/xeddsa/ and libsignal's Curve25519 signatures.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha512

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from nacl.bindings import crypto_scalarmult_ed25519_base_noclamp

Random = Callable[[int], bytes]
"""Returns that many random bytes; a seeded source makes all its users deterministic."""

_FIELD = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_NONCE_PREFIX = b"\xfe" + b"\xff" * 31
_SIGN_BIT = 0x80


def generate_private(random: Random = os.urandom) -> bytes:
    """A new private key: 32 bytes, clamped."""
    key = bytearray(random(32))
    key[0] &= 248
    key[31] &= 127
    key[31] |= 64
    return bytes(key)


def public_key(private: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def diffie_hellman(private: bytes, public: bytes) -> bytes:
    """The X25519 shared secret, 32 bytes.

    Raises:
        ValueError: The public key is not 32 bytes long, or is of low order.
    """
    return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))


def sign(private: bytes, message: bytes, random: Random = os.urandom) -> bytes:
    """Sign `message`; 64 bytes, different each time unless `random` is seeded."""
    edwards = _edwards_public(private)
    nonce = _scalar(_NONCE_PREFIX + private + message + random(64))
    commitment = crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
    challenge = _scalar(commitment + edwards + message)
    response = (nonce + challenge * int.from_bytes(private, "little")) % _ORDER
    signature = bytearray(commitment + response.to_bytes(32, "little"))
    signature[63] |= edwards[31] & _SIGN_BIT
    return bytes(signature)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return whether `signature` (64 bytes) over `message` was made with the private key of `public`."""
    if len(public) != 32 or len(signature) != 64:
        return False
    sign_bit = signature[63] & _SIGN_BIT
    plain = signature[:63] + bytes([signature[63] & ~_SIGN_BIT & 0xFF])
    try:
        _verifying_key(public, sign_bit).verify(plain, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=4096)
def _edwards_public(private: bytes) -> bytes:
    return crypto_scalarmult_ed25519_base_noclamp(private)


@lru_cache(maxsize=4096)
def _verifying_key(public: bytes, sign_bit: int) -> Ed25519PublicKey:
    """The Edwards key of a Montgomery u: y = (u - 1) / (u + 1)."""
    u = int.from_bytes(public, "little") & (2**255 - 1)
    y = (u - 1) * pow(u + 1, -1, _FIELD) % _FIELD
    edwards = bytearray(y.to_bytes(32, "little"))
    edwards[31] |= sign_bit
    return Ed25519PublicKey.from_public_bytes(bytes(edwards))


def _scalar(data: bytes) -> int:
    return int.from_bytes(sha512(data).digest(), "little") % _ORDER
