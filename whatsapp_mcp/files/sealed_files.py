"""Files of an encrypted account: `NAME.sealed` beside or in place of `NAME`.

A sealed file is AES-256-GCM in chunks, under a key of its own (HKDF of the key of the files, with a salt that
is drawn for each). The nonce of a chunk is its number and whether it is the last, so that none can be left
out, moved or appended (the STREAM construction, Hoang et al., 2015).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from whatsapp_mcp.errors import Busy
from whatsapp_mcp.system import is_draft, replaced, sync_folder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SEALED: Final = ".sealed"
_MAGIC: Final = b"wa-seal1"
"""Authenticated with every chunk as well, so that no other version passes for this one."""
_SALT_BYTES: Final = 16
_CHUNK: Final = 64 * 1024
"""Bytes of content under one tag: a reader holds no more, and gives out none that is not verified."""
_TAG: Final = 16
"""Bytes that AES-GCM adds to a chunk."""


def sealed(path: Path) -> Path:
    """Return the path of a file's sealed form."""
    return path.with_name(path.name + SEALED)


def seal(path: Path, files_key: bytes) -> None:
    """Seal a file in its place; one that is cut off leaves the file as it was.

    Raises:
        OSError: It cannot be read or written.
    """
    salt = os.urandom(_SALT_BYTES)
    cipher = _cipher(files_key, salt)
    with path.open("rb") as plain, replaced(sealed(path)) as part, part.open("wb") as out:
        out.write(_MAGIC + salt)
        for nonce, chunk in _numbered(_chunks(plain, _CHUNK)):
            out.write(cipher.encrypt(nonce, chunk, _MAGIC))
        out.flush()
        os.fsync(out.fileno())
    path.unlink()


def unseal(path: Path, files_key: bytes) -> None:
    """Write a file as it was before it was sealed; the sealed one stays.

    Raises:
        Busy: The sealed file is damaged, or sealed with another key.
        OSError: There is none, or it cannot be read or written.
    """
    with replaced(path) as part, part.open("wb") as out:
        for chunk in read_sealed(sealed(path), files_key):
            out.write(chunk)


def read_sealed(path: Path, files_key: bytes) -> Generator[bytes]:
    """The content of a sealed file, chunk by chunk.

    Raises:
        Busy: It is damaged, or sealed with another key.
        OSError: It cannot be read.
    """
    from cryptography.exceptions import InvalidTag

    with path.open("rb") as file:
        head = file.read(len(_MAGIC) + _SALT_BYTES)
        cipher = _cipher(files_key, head[len(_MAGIC) :])
        try:
            for nonce, chunk in _numbered(_chunks(file, _CHUNK + _TAG)):
                yield cipher.decrypt(nonce, chunk, head[: len(_MAGIC)])
        except InvalidTag as error:
            raise Busy(f"{path.name} is damaged and cannot be read.", "Delete it.") from error


def seal_all(paths: Iterable[Path], files_key: bytes) -> None:
    """Seal those of these files that are plain; drafts that a killed process left are deleted.

    Raises:
        OSError: One cannot be read or written; those before it are sealed.
    """
    for path in paths:
        if is_draft(path):
            path.unlink()
        elif path.suffix != SEALED:
            seal(path, files_key)


def unseal_all(paths: Iterable[Path], files_key: bytes) -> None:
    """Make those of these files plain that are sealed.

    Raises:
        Busy: One is damaged; those before it are plain.
        OSError: One cannot be read or written.
    """
    for path in paths:
        if is_draft(path):
            path.unlink()
        elif path.suffix == SEALED:
            plain = path.with_suffix("")
            unseal(plain, files_key)
            # The plain file is the only copy from the next line on, so it has to outlive a power failure.
            with plain.open("rb+") as written:
                os.fsync(written.fileno())
            sync_folder(plain.parent)
            path.unlink()


def _cipher(files_key: bytes, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from whatsapp_mcp.files.locking import key_for

    return AESGCM(key_for(files_key, f"file {salt.hex()}"))


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """The parts of a file, and whether each is the last; at least one."""
    chunk = file.read(size)
    while True:
        following = file.read(size)
        yield chunk, not following
        if not following:
            return
        chunk = following


def _numbered(chunks: Iterator[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bytes]]:
    """The nonce of each chunk, and the chunk."""
    for number, (chunk, is_last) in enumerate(chunks):
        # 12 bytes, as AES-GCM takes them. A counter is safe: no other file has this key.
        yield number.to_bytes(11, "big") + bytes((is_last,)), chunk
