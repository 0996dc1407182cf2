"""The cryptography of `encryption.json`, apart from it: it takes a while to load, few accounts need it."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_CONTEXT: Final = b"whatsapp-mcp encryption.json 1"
"""Authenticated with the key: what was locked for another purpose does not open here."""
_KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
"""As AES-GCM takes them; chance is enough, since a new salt makes each key a new one."""
_COST: Final = 1 << 15
"""Cost of scrypt, with blocks of 8: a tenth of a second and 32 MB a try, in case a person's key can be
guessed."""


def new_files_key() -> bytes:
    """A key of an account's files."""
    return AESGCM.generate_key(_KEY_BYTES * 8)


def locked(held: bytes, files_key: bytes) -> dict[str, str]:
    """The key of the files under AES-256-GCM, with one that is derived from the person's."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    key = AESGCM(_derived(held, salt)).encrypt(nonce, files_key, _CONTEXT)
    parts = {"salt": salt, "nonce": nonce, "key": key}
    return {name: b64encode(value).decode() for name, value in parts.items()}


def unlocked(held: bytes, locks: Iterable[Mapping[str, str]]) -> bytes | None:
    """The key of the files, if the person's opens one of the locks."""
    for lock in locks:
        salt, nonce, key = (b64decode(lock[name]) for name in ("salt", "nonce", "key"))
        try:
            return AESGCM(_derived(held, salt)).decrypt(nonce, key, _CONTEXT)
        except InvalidTag:
            continue
    return None


def key_for(files_key: bytes, purpose: str) -> bytes:
    """The key of one file, from which no other can be found."""
    # No salt: the input is a random key already, and the same purpose has to give the same key again.
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose.encode()).derive(files_key)


def _derived(held: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=_COST, r=8, p=1).derive(held)
