"""Encrypts a database as WhatsApp on Android does: `.crypt14` and `.crypt15`, with their key files."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tests.features.imports.backups.protobuf import field, varint

JAVA_BYTES: Final = bytes.fromhex("aced0005757200025b42acf317f8060854e00200007870")
SALT: Final = bytes(range(32))
NONCE: Final = bytes(range(100, 116))


def header(version: int, *, salt: bytes = SALT, nonce: bytes = NONCE) -> bytes:
    """A `BackupPrefix`, with some of the fields that nobody needs."""
    if version == 15:
        key = field(3, field(1, nonce))
    else:
        parts = (b"\0\1", b"\2", salt, bytes(16), nonce)
        key = field(2, b"".join(field(number, part) for number, part in enumerate(parts, 1)))
    found = field(1, version - 14) + key + field(4, field(1, b"2.24.1.78") + field(22, 1)) + field(6, 1)
    return varint(len(found)) + found


def encrypted(
    content: bytes,
    key: bytes,
    version: int = 15,
    *,
    packed: bool = True,
    checksum: bool = True,
    salt: bytes = SALT,
) -> bytes:
    """The file of a backup; `key` is the root key of `.crypt15`, the key itself of `.crypt14`."""
    secret = key
    if version == 15:
        secret = HKDF(SHA256(), 32, None, b"backup encryption").derive(key)
    cipher = Cipher(algorithms.AES(secret), modes.GCM(NONCE)).encryptor()
    body = cipher.update(zlib.compress(content, 1) if packed else content) + cipher.finalize()
    found = header(version, salt=salt) + body + cipher.tag
    return found + hashlib.md5(found, usedforsecurity=False).digest() if checksum else found


def key_file(key: bytes, version: int = 15, *, salt: bytes = SALT) -> bytes:
    """`encrypted_backup.key`, or the file `key` of `.crypt14`."""
    content = key if version == 15 else b"\0\1\2" + salt + bytes(64) + key
    return JAVA_BYTES + len(content).to_bytes(4, "big") + content
