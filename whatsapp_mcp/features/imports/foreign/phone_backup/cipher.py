"""A file of an encrypted backup, decrypted where it is read: AES-CBC with an empty first block, PKCS #7."""

from __future__ import annotations

import io
import os
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from typing_extensions import Buffer

_BLOCK: Final = 16
_BUFFER: Final = 1 << 18


class Decrypted(io.RawIOBase):
    """The plaintext of an encrypted file, readable from any position.

    Args:
        file: The encrypted one; it is closed with this one.
        key: Its key.

    Raises:
        ValueError: The key is another, or the file was cut.
    """

    def __init__(self, file: BinaryIO, key: bytes) -> None:
        super().__init__()
        self._file = file
        self._key = key
        self._at = 0
        encrypted = file.seek(0, os.SEEK_END)
        if encrypted % _BLOCK:
            raise ValueError("an encrypted file consists of blocks")
        self._size = encrypted
        if encrypted:
            end = self._plain(encrypted - _BLOCK, _BLOCK)
            padding = end[-1]
            if not 0 < padding <= _BLOCK or end[-padding:] != bytes([padding]) * padding:
                raise ValueError("the padding is none")
            self._size -= padding

    @classmethod
    def opened(cls, file: BinaryIO, key: bytes) -> io.BufferedReader:
        """The same, buffered."""
        return io.BufferedReader(cls(file, key), _BUFFER)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        """Return the current position."""
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Read some, as `io.RawIOBase` has it."""
        with memoryview(buffer).cast("B") as view:
            wanted = min(len(view), self._size - self._at)
            if wanted <= 0:
                return 0
            start = self._at - self._at % _BLOCK
            end = -(-(self._at + wanted) // _BLOCK) * _BLOCK
            plain = self._plain(start, end - start)[self._at - start :][:wanted]
            view[: len(plain)] = plain
        self._at += len(plain)
        return len(plain)

    def close(self) -> None:
        """Close both."""
        self._file.close()
        super().close()

    def _plain(self, start: int, size: int) -> bytes:
        """Whole blocks; the one before them is what the first was mixed with."""
        self._file.seek(max(start - _BLOCK, 0))
        before = self._file.read(_BLOCK) if start else bytes(_BLOCK)
        data = self._file.read(size)
        # A file that became shorter meanwhile; what is left of it is read.
        whole = len(data) - len(data) % _BLOCK
        if len(before) < _BLOCK or not whole:
            return b""
        return Cipher(algorithms.AES(self._key), modes.CBC(before)).decryptor().update(data[:whole])
