"""The encryption of media, history and app state blobs for the media hosts.

IV, cipher key and MAC key are derived from a random 32-byte media key by HKDF, with an info string for each
kind. The blob is an AES-CBC ciphertext followed by 10 bytes of HMAC, also for link thumbnails, stickers and
documents.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from whatsapp_simulator.signal.primitives import (
    decrypt_cbc,
    encrypt_cbc,
    equal,
    hkdf,
    hmac_sha256,
)
from whatsapp_simulator.signal.xeddsa import Random

KindInfo = Literal[
    "WhatsApp Image Keys",
    "WhatsApp Video Keys",
    "WhatsApp Audio Keys",
    "WhatsApp Document Keys",
    "WhatsApp History Keys",
    "WhatsApp App State Keys",
    "WhatsApp Link Thumbnail Keys",
]
"""The HKDF info of each kind; stickers are images, voice messages audio."""

_MAC_LENGTH = 10


class MediaError(Exception):
    """A blob does not match its key or its hashes."""


@dataclass(frozen=True, slots=True)
class EncryptedMedia:
    """A blob as stored on a media host, with the fields of its message. Hashes are SHA-256."""

    ciphertext_with_mac: bytes
    file_sha256: bytes
    file_enc_sha256: bytes
    media_key: bytes
    file_length: int


def encrypt(
    kind_info: KindInfo, plaintext: bytes, media_key: bytes | None = None, random: Random = os.urandom
) -> EncryptedMedia:
    """Encrypt a blob, by default with a new media key."""
    key = random(32) if media_key is None else media_key
    iv, cipher_key, mac_key = _keys(kind_info, key)
    ciphertext = encrypt_cbc(cipher_key, iv, plaintext)
    blob = ciphertext + hmac_sha256(mac_key, iv + ciphertext)[:_MAC_LENGTH]
    return EncryptedMedia(blob, sha256(plaintext).digest(), sha256(blob).digest(), key, len(plaintext))


def decrypt(
    kind_info: KindInfo,
    ciphertext_with_mac: bytes,
    media_key: bytes,
    *,
    file_sha256: bytes | None = None,
    file_enc_sha256: bytes | None = None,
) -> bytes:
    """Decrypt a blob and verify its MAC and the given hashes.

    Raises:
        MediaError: The MAC, a hash or the padding is wrong.
    """
    if file_enc_sha256 is not None and sha256(ciphertext_with_mac).digest() != file_enc_sha256:
        raise MediaError("wrong hash of the ciphertext")
    iv, cipher_key, mac_key = _keys(kind_info, media_key)
    ciphertext, mac = ciphertext_with_mac[:-_MAC_LENGTH], ciphertext_with_mac[-_MAC_LENGTH:]
    if not equal(mac, hmac_sha256(mac_key, iv + ciphertext)[:_MAC_LENGTH]):
        raise MediaError("wrong MAC")
    try:
        plaintext = decrypt_cbc(cipher_key, iv, ciphertext)
    except ValueError as error:
        raise MediaError("wrong padding") from error
    if file_sha256 is not None and sha256(plaintext).digest() != file_sha256:
        raise MediaError("wrong hash of the plaintext")
    return plaintext


def _keys(kind_info: str, media_key: bytes) -> tuple[bytes, bytes, bytes]:
    """IV, cipher key and MAC key; the last 32 of the 112 bytes (`refKey`) are unused."""
    keys = hkdf(media_key, kind_info.encode(), 112)
    return keys[:16], keys[16:48], keys[48:80]
