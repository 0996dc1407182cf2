"""The phone's part in linking a companion: the QR code, the pairing code, and the signatures of ADV.

ADV is WhatsApp's "account device verification": the phone signs the companion's identity key with its
own, the companion signs back. The account signature key is the phone's Signal identity key.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from whatsapp_mcp.protobufs import Adv
from whatsapp_simulator.signal.primitives import hkdf, hmac_sha256
from whatsapp_simulator.signal.session import IdentityKeyPair
from whatsapp_simulator.signal.xeddsa import Random, diffie_hellman, sign, verify

_ACCOUNT_PREFIX = b"\x06\x00"
_DEVICE_PREFIX = b"\x06\x01"
_KEY_INDEX_PREFIX = b"\x06\x02"
_PBKDF2_ROUNDS = 131_072
_SALT_LENGTH, _IV_LENGTH, _NONCE_LENGTH = 32, 16, 12


class LinkingError(Exception):
    """The companion cannot be linked: an unreadable code, a wrong signature or key."""


@dataclass(frozen=True, slots=True)
class QrCode:
    """The content of a companion's QR code. Keys and secret are 32 bytes."""

    ref: str
    noise_public: bytes
    identity_public: bytes
    adv_secret: bytes


def parse_qr(text: str) -> QrCode:
    """Read `[https://wa.me/...#]ref,noise,identity,secret[,client type]`.

    Raises:
        LinkingError: The text is not a linking code.
    """
    parts = text.rpartition("#")[2].split(",")
    if len(parts) not in (4, 5):
        raise LinkingError("not a linking code")
    try:
        noise, identity, secret = (b64decode(part, validate=True) for part in parts[1:4])
    except Base64Error as error:
        raise LinkingError("not a linking code") from error
    if not len(noise) == len(identity) == len(secret) == 32:
        raise LinkingError("a key in the linking code is not 32 bytes")
    return QrCode(parts[0], noise, identity, secret)


def sign_companion(
    account: IdentityKeyPair,
    companion_identity: bytes,
    adv_secret: bytes,
    *,
    raw_id: int,
    timestamp: int,
    key_index: int,
    random: Random = os.urandom,
) -> bytes:
    """The `device-identity` of pair-success: an ADVSignedDeviceIdentityHMAC.

    Args:
        account: The phone's identity.
        companion_identity: The companion's identity key, 32 bytes.
        adv_secret: From the QR code or the pairing code; the companion refuses any other.
        raw_id: The account's number in ADV, the same for all its companions.
        timestamp: The time of linking, seconds.
        key_index: The companion's index, from 1, not reused.
        random: The source of the signature's nonce.
    """
    device = Adv.ADVDeviceIdentity(rawID=raw_id, timestamp=timestamp, keyIndex=key_index).SerializeToString()
    signature = sign(account.private, _ACCOUNT_PREFIX + device + companion_identity, random)
    identity = Adv.ADVSignedDeviceIdentity(
        details=device, accountSignatureKey=account.public, accountSignature=signature
    ).SerializeToString()
    proven = Adv.ADVSignedDeviceIdentityHMAC(details=identity, HMAC=hmac_sha256(adv_secret, identity))
    return proven.SerializeToString()


def sign_key_indexes(
    account: IdentityKeyPair,
    key_indexes: Sequence[int],
    *,
    raw_id: int,
    timestamp: int,
    random: Random = os.urandom,
) -> bytes:
    """The phone's list of its companions, by their key indexes: an ADVSignedKeyIndexList."""
    details = Adv.ADVKeyIndexList(
        rawID=raw_id, timestamp=timestamp, currentIndex=max(key_indexes), validIndexes=[0, *key_indexes]
    ).SerializeToString()
    signature = sign(account.private, _KEY_INDEX_PREFIX + details, random)
    return Adv.ADVSignedKeyIndexList(details=details, accountSignature=signature).SerializeToString()


def verify_companion_signature(
    device_identity: bytes, companion_identity: bytes, account_public: bytes
) -> bool:
    """Check whether an ADVSignedDeviceIdentity is signed by the account and by the companion itself.

    Args:
        device_identity: From pair-device-sign, or from a message with a `pkmsg`.
        companion_identity: The companion's identity key, 32 bytes.
        account_public: The phone's identity key, 32 bytes.
    """
    identity = Adv.ADVSignedDeviceIdentity.FromString(device_identity)
    by_account = _ACCOUNT_PREFIX + identity.details + companion_identity
    by_device = _DEVICE_PREFIX + identity.details + companion_identity + account_public
    return (
        identity.accountSignatureKey in (b"", account_public)
        and verify(account_public, by_account, identity.accountSignature)
        and verify(companion_identity, by_device, identity.deviceSignature)
    )


class LinkCodePhone:
    """The phone's half of linking with an eight-letter code that a person types into the phone.

    Each method derives a key from the code with PBKDF2, which takes about 50 ms of one core.
    """

    def __init__(self, identity: IdentityKeyPair, code: str, random: Random = os.urandom) -> None:
        self._identity = identity
        self._code = code.replace("-", "").encode()
        self._random = random
        self._ephemeral = IdentityKeyPair.generate(random)
        self._companion_ephemeral = b""

    def hello(self, wrapped_companion_ephemeral: bytes) -> bytes:
        """Unwrap the companion's key from `companion_hello`; return the phone's wrapped key (80 bytes).

        A wrong code is detected only in `finish`.
        """
        salt, iv, wrapped = _cut(wrapped_companion_ephemeral, _SALT_LENGTH, _IV_LENGTH)
        self._companion_ephemeral = self._stretched(salt, iv, wrapped)
        salt, iv = self._random(_SALT_LENGTH), self._random(_IV_LENGTH)
        return salt + iv + self._stretched(salt, iv, self._ephemeral.public)

    def finish(self, wrapped_key_bundle: bytes, companion_identity: bytes) -> bytes:
        """Decrypt the key bundle of `companion_finish`; return the ADV secret (32 bytes).

        Raises:
            LinkingError: The code was wrong, or the bundle names other identities.
        """
        shared = diffie_hellman(self._ephemeral.private, self._companion_ephemeral)
        salt, nonce, sealed = _cut(wrapped_key_bundle, _SALT_LENGTH, _NONCE_LENGTH)
        key = hkdf(shared, b"link_code_pairing_key_bundle_encryption_key", 32, salt)
        try:
            bundle = AESGCM(key).decrypt(nonce, sealed, None)
        except InvalidTag as error:
            raise LinkingError("the pairing code is wrong") from error
        if bundle[:64] != companion_identity + self._identity.public:
            raise LinkingError("the key bundle names other identities")
        between = diffie_hellman(self._identity.private, companion_identity)
        return hkdf(shared + between + bundle[64:], b"adv_secret", 32)

    def _stretched(self, salt: bytes, iv: bytes, data: bytes) -> bytes:
        key = hashlib.pbkdf2_hmac("sha256", self._code, salt, _PBKDF2_ROUNDS, 32)
        cipher = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
        return cipher.update(data) + cipher.finalize()


def _cut(data: bytes, first: int, second: int) -> tuple[bytes, bytes, bytes]:
    return data[:first], data[first : first + second], data[first + second :]
