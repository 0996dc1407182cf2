"""The keys of an encrypted backup, by its password.

The keybag and the keys in it are read by iphone-backup-decrypt, which gets bytes here and opens nothing: its
own way of opening a backup opens files by their names and writes the decrypted list of them to the disk.
"""

from __future__ import annotations

import importlib.util
import plistlib
import struct
from contextlib import suppress
from typing import Any, BinaryIO, Final, NoReturn
from xml.parsers.expat import ExpatError

from whatsapp_mcp.errors import InvalidArgument, Unsupported

_MOST_BYTES: Final = 64 * 1024 * 1024
"""Most bytes of `Manifest.plist`, which lists the apps of the phone."""
_WRAPPED: Final = 44
"""Bytes of a key that is wrapped: its class, and 40."""
_AVAILABLE: Final = importlib.util.find_spec("iphone_backup_decrypt") is not None
_FAILURES: Final = (
    *(ArithmeticError, AttributeError, ExpatError, LookupError, RecursionError, TypeError, ValueError),
    struct.error,
)
"""Errors that the library and `plistlib` raise for invalid content."""
_SMALL_BAG: Final = b"".join(
    tag + struct.pack(">L", len(value)) + value
    for tag, value in (
        *((b"UUID", bytes(16)), (b"WRAP", b"\0\0\0\1"), (b"SALT", bytes(20)), (b"ITER", b"\0\0\0\1")),
        *((b"DPSL", bytes(20)), (b"DPIC", b"\0\0\0\1"), (b"UUID", bytes(16))),
        *((b"CLAS", b"\0\0\0\1"), (b"WRAP", b"\0\0\0\2"), (b"WPKY", bytes(40))),
    )
)


class Keys:
    """The keys that a password opens.

    Args:
        properties: `Manifest.plist`.
        password: What the person gave the backup.

    Raises:
        InvalidArgument: The password is another, or the file is damaged.
        Unsupported: The library is not installed.
    """

    def __init__(self, properties: BinaryIO, password: bytes) -> None:
        utils, unsafe = _library()
        try:
            property_list: dict[str, Any] = plistlib.loads(properties.read(_MOST_BYTES))
            bag = utils.BackupKeyBag(property_list["BackupKeyBag"])
            fits: bool = bag.unlock_with_passphrase(password)
            wrapped = property_list["ManifestKey"]
        except (*_FAILURES, unsafe):
            _damaged()
        if not fits:
            raise InvalidArgument(
                "The password does not fit this backup.", "Give the password of the backup."
            )
        self._bag = bag
        self.manifest = self._unwrapped(wrapped)
        """The key of `Manifest.db`."""

    def of(self, record: object) -> bytes | None:
        """The key of a file, of its record in `Manifest.db`; None for an empty file, which has none.

        Raises:
            InvalidArgument: The record is damaged.
        """
        utils, _ = _library()
        try:
            file = utils.FilePlist(record)
            number, wrapped = struct.pack("<l", file.protection_class), file.encryption_key
            return None if wrapped is None else self._unwrapped(number + wrapped)
        except _FAILURES:
            _damaged()

    def _unwrapped(self, wrapped: object) -> bytes:
        if not isinstance(wrapped, bytes) or len(wrapped) != _WRAPPED:
            _damaged()
        (number,) = struct.unpack("<l", wrapped[:4])
        try:
            return self._bag.unwrap_key_for_class(number, wrapped[4:])
        except _FAILURES:
            _damaged()


def rehearse() -> None:
    """Open a keybag: the library loads parts of itself at first use."""
    if _AVAILABLE:
        utils, _ = _library()
        utils.BackupKeyBag(_SMALL_BAG).unlock_with_passphrase(b"x")
        with suppress(*_FAILURES):
            plistlib.loads(plistlib.dumps({}, fmt=plistlib.FMT_BINARY))
            plistlib.loads(plistlib.dumps({}))


def _library() -> tuple[Any, type[Exception]]:
    """The library, and what it raises where a keybag asks for more work than a phone ever does."""
    if not _AVAILABLE:
        raise Unsupported(
            "The backup is encrypted, and reading such ones needs the extra `iphone`.",
            "Install the extra `iphone`, or make a local backup that is not encrypted.",
        )
    from iphone_backup_decrypt import exceptions, utils

    return utils, exceptions.UnsafeBackupError


def _damaged() -> NoReturn:
    raise InvalidArgument("The encrypted backup is damaged.", "Give another copy of it.") from None
