"""WhatsApp's encrypted backups on Android (`.crypt14`, `.crypt15`): decrypted block by block.

As WhatsApp-Chat-Exporter and others describe them. A file is

    varint    length of the header
    header    protobuf `BackupPrefix`: field 2 the key data of `.crypt14` (3: salt, 5: nonce), field 3 that of
              `.crypt15` (1: nonce), field 5 of a backup under a passkey
    content   AES-256-GCM with a nonce of 16 bytes, of a zlib stream of the database (or of the database)
    tag       16 bytes
    checksum  MD5 of all before it; files that are part of a larger backup have none

The key of `.crypt14` is in the file `key`. That of `.crypt15` is derived (HKDF-SHA256, without salt) from the
root key: what the app shows as 64 digits, and keeps in `encrypted_backup.key`. Both files are a Java array of
bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, Cipher, algorithms, modes

from whatsapp_mcp.errors import InvalidArgument, TooLong

RATIO: Final = 100
"""Most times its size that a backup may unpack to; databases have 2 to 10."""
SMALL: Final = 64 * 1024 * 1024
"""Bytes to which any backup may unpack."""
DATABASE: Final = b"SQLite format 3\0"
_BLOCK: Final = 1 << 18
_TAG: Final = 16
_CHECKSUM: Final = 16
_NONCE: Final = 16
_HEADER: Final = 1 << 16
_KEY: Final = 32
_JAVA_BYTES: Final = bytes.fromhex("aced0005757200025b42acf317f8060854e00200007870")
"""Beginning of a byte array that Java serialised, up to its length."""
_KEY_FILE: Final = 131
"""Bytes in the key file of `.crypt14`: versions, the salt at 3, and the key at the end."""
_WRITE_AHEAD: Final = slice(18, 20)
"""Bytes of a database that say whether it has a log beside it (https://sqlite.org/fileformat.html)."""

_NOT_ONE: Final = InvalidArgument(
    "The file is neither a database nor an encrypted backup that is read here.",
    "Give a backup of WhatsApp, a .vcf, or another server's database; or an exported .zip or .txt.",
)
_DAMAGED: Final = InvalidArgument("The encrypted backup is damaged.", "Give another copy of it.")
_NO_KEY: Final = InvalidArgument(
    "The backup is encrypted, so its key is needed.",
    "Run `whatsapp-mcp archive import` with --key - (64 digits) or --key-file.",
)
_WRONG_KEY: Final = InvalidArgument("The key does not fit this backup.", "Give the key of this backup.")
_WRONG_OR_DAMAGED: Final = InvalidArgument(
    "The key does not fit, or the file is damaged.", "Give the key of this backup."
)


class Key(NamedTuple):
    """A key that a person gave: its 32 bytes, and the salt beside it in the key file of `.crypt14`."""

    key: bytes
    salt: bytes | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an encrypted backup.

    Attributes:
        nonce: Of AES-GCM.
        derived: Whether its key is derived from the one that a person has (`.crypt15`).
        salt: What the key file has as well (`.crypt14`).
        size: Bytes of the file before the content.
    """

    nonce: bytes
    derived: bool
    salt: bytes | None
    size: int


def decrypt(source: BinaryIO, given: bytes | None, write: Callable[[bytes], object]) -> None:
    """Decrypt a backup. What was written counts only if this returns.

    Args:
        source: The file, at its beginning.
        given: The key, as a person has it: 32 bytes, 64 hexadecimal digits, or the content of a key file.
        write: Takes the database, block by block.

    Raises:
        InvalidArgument: It is no such backup, its key is another, or it is damaged.
        TooLong: It unpacks to more than 100 times its size.
    """
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    header = header_of(source.read(_HEADER))
    if given is None:
        raise _NO_KEY
    key = key_of(given)
    if key.salt is not None and header.salt is not None and key.salt != header.salt:
        raise _WRONG_KEY
    content = size - header.size - _TAG - _CHECKSUM
    if content <= 0:
        raise _DAMAGED
    source.seek(0)
    checksum = hashlib.md5(source.read(header.size), usedforsecurity=False)
    secret = derived(key.key) if header.derived else key.key
    cipher = Cipher(algorithms.AES(secret), modes.GCM(header.nonce)).decryptor()
    unpacked = _Unpacked(write, max(SMALL, RATIO * size))
    for block in _blocks(source, content):
        checksum.update(block)
        unpacked.add(cipher.update(block))
    end = source.read(_TAG + _CHECKSUM)
    checksum.update(end[:_TAG])
    _finish(end, checksum.digest(), cipher, unpacked)


def rehearse() -> None:
    """Decrypt a block: the library loads parts of itself at first use."""
    cipher = Cipher(algorithms.AES(bytes(_KEY)), modes.GCM(bytes(_NONCE))).decryptor()
    cipher.update(bytes(_BLOCK))
    with suppress(InvalidTag):
        cipher.finalize_with_tag(bytes(_TAG))
    hmac.digest(derived(bytes(_KEY)), hashlib.md5(usedforsecurity=False).digest(), "sha256")
    zlib.decompressobj().decompress(zlib.compress(b"x"))


def _finish(end: bytes, checksum: bytes, cipher: AEADDecryptionContext, unpacked: _Unpacked) -> None:
    """Look at the last 32 bytes: tag and checksum, or the last of the content and the tag."""
    whole = hmac.compare_digest(checksum, end[_TAG:])
    if not whole:
        unpacked.add(cipher.update(end[:_TAG]))
    try:
        cipher.finalize_with_tag(end[:_TAG] if whole else end[_TAG:])
    except InvalidTag:
        if whole:
            raise _WRONG_KEY from None
        raise (_DAMAGED if unpacked.is_database else _WRONG_OR_DAMAGED) from None
    if not unpacked.is_database:
        raise _NOT_ONE
    if not unpacked.is_whole:
        raise _DAMAGED


def header_of(start: bytes) -> Header:
    """Parse the header of a backup.

    Raises:
        InvalidArgument: It is none, or it is under a passkey.
    """
    try:
        length, offset = _varint(start, 0)
        if not 0 < length <= len(start) - offset:
            raise _NOT_ONE
        fields = dict(_fields(start[offset : offset + length]))
        for number, nonce_at in ((3, 1), (2, 5)):
            field = fields.get(number)
            if isinstance(field, bytes):
                data = dict(_fields(field))
                nonce, salt = data.get(nonce_at), data.get(3)
                if isinstance(nonce, bytes) and len(nonce) == _NONCE:
                    is_old = number == 2
                    return Header(
                        nonce,
                        not is_old,
                        salt if is_old and isinstance(salt, bytes) else None,
                        offset + length,
                    )
        if isinstance(fields.get(5), bytes):
            raise InvalidArgument(
                "The backup is protected with a passkey, which only the phone can use.",
                "Choose a 64-digit key in WhatsApp, then back up again.",
            )
    except IndexError:
        pass
    raise _NOT_ONE


def key_of(given: bytes) -> Key:
    """A key in one of its forms.

    Raises:
        InvalidArgument: It is none.
    """
    if len(given) == _KEY:
        return Key(given)
    if given.startswith(_JAVA_BYTES):
        content = given[len(_JAVA_BYTES) + 4 :]
        if len(content) == _KEY:
            return Key(content)
        if len(content) == _KEY_FILE:
            return Key(content[-_KEY:], content[3:35])
    else:
        digits = bytes(byte for byte in given if byte not in b" \t\r\n:-")
        if len(digits) == 2 * _KEY and not digits.strip(b"0123456789abcdefABCDEF"):
            return Key(bytes.fromhex(digits.decode()))
    raise InvalidArgument(
        "This is no key of a backup.",
        "Give 64 hexadecimal digits, or a file: `encrypted_backup.key`, or `key` for a .crypt14.",
    )


def derived(root: bytes) -> bytes:
    """The key of a `.crypt15` from its root key: HKDF-SHA256 (RFC 5869) of one block."""
    extracted = hmac.digest(bytes(_KEY), root, "sha256")
    return hmac.digest(extracted, b"backup encryption\x01", "sha256")


class _Unpacked:
    """The database out of what was decrypted, as far as it is one."""

    def __init__(self, write: Callable[[bytes], object], most: int) -> None:
        self._write = write
        self._left = most
        self._unpacker = zlib.decompressobj()
        self._start = b""
        self._packed: bool | None = None
        self._wrong = False

    @property
    def is_database(self) -> bool:
        """True if the unpacked data begins as a database."""
        return self._start.startswith(DATABASE)

    @property
    def is_whole(self) -> bool:
        """True if nothing of the unpacked data is missing."""
        return not self._wrong and (not self._packed or self._unpacker.eof)

    def add(self, data: bytes) -> None:
        """Take some more.

        Raises:
            TooLong: It unpacks to too much.
        """
        if self._wrong or not data:
            return
        if self._packed is None:
            self._packed = data[:1] == b"\x78"  # at each level of compression
        if not self._packed:
            self._give(data)
            return
        try:
            while data and not self._unpacker.eof:
                self._give(self._unpacker.decompress(data, _BLOCK))
                data = self._unpacker.unconsumed_tail
        except zlib.error:
            self._wrong = True

    def _give(self, data: bytes) -> None:
        if not self._start and data:
            self._start = data[: len(DATABASE)]
            if not self.is_database:
                self._wrong = True
                return
            # Its log is not in the backup, and SQLite cannot open one here.
            data = data[: _WRITE_AHEAD.start] + b"\1\1" + data[_WRITE_AHEAD.stop :]
        if self._wrong:
            return
        self._left -= len(data)
        if self._left < 0:
            raise TooLong(f"The backup unpacks to more than {RATIO} times its size.", "Use a smaller file.")
        self._write(data)


def _blocks(source: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0:
        block = source.read(min(_BLOCK, size))
        if not block:
            raise _DAMAGED
        size -= len(block)
        yield block


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of a protobuf message; fixed-width ones are passed over."""
    offset = 0
    while offset < len(message):
        tag, offset = _varint(message, offset)
        match tag & 7:
            case 0:
                value, offset = _varint(message, offset)
                yield tag >> 3, value
            case 1 | 5 as fixed:
                offset += 8 if fixed == 1 else 4
            case 2:
                length, offset = _varint(message, offset)
                if length > len(message) - offset:
                    raise IndexError
                yield tag >> 3, message[offset : offset + length]
                offset += length
            case _:
                raise IndexError


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """A number, and where the next begins; an `IndexError` where there is none."""
    value = 0
    for shift in range(0, 35, 7):
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise IndexError
