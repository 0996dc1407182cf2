"""A disk that forgets what was not synced: an SQLite VFS that keeps what would survive beside the real files.

Every write goes to the file and to a list of writes that the disk has not been told to keep. A sync moves the
list into the durable image. `crash` writes the images into another folder, with any part of the unsynced
writes, torn at 512 bytes, applied or not: what a power failure may leave.
"""

from __future__ import annotations

import ctypes
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_SECTOR: Final = 512
_VOID = ctypes.c_void_p
_X_CLOSE = ctypes.CFUNCTYPE(ctypes.c_int, _VOID)
_X_WRITE = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, _VOID, ctypes.c_int, ctypes.c_int64)
_X_TRUNCATE = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, ctypes.c_int64)
_X_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, ctypes.c_int)
_X_OPEN = ctypes.CFUNCTYPE(ctypes.c_int, _VOID, _VOID, _VOID, ctypes.c_int, _VOID)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, https://sqlite.org/c3ref/io_methods.html."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("close", _VOID),
        ("read", _VOID),
        ("write", _X_WRITE),
        ("truncate", _X_TRUNCATE),
        ("sync", _X_SYNC),
        ("rest", _VOID * 13),
    ]


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, https://sqlite.org/c3ref/vfs.html."""

    _fields_ = [
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("max_path", ctypes.c_int),
        ("next", _VOID),
        ("name", ctypes.c_char_p),
        ("data", _VOID),
        ("open", _X_OPEN),
        ("rest", _VOID * 17),
    ]


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    unsynced: list[tuple[int, bytes | None]] = field(default_factory=list[tuple[int, bytes | None]])

    def apply(self, image: bytearray, offset: int, data: bytes | None) -> None:
        if data is None:
            del image[offset:]
            image.extend(bytes(offset - len(image)))
            return
        if len(image) < offset:
            image.extend(bytes(offset - len(image)))
        image[offset : offset + len(data)] = data


class ForgetfulDisk:
    """Registers itself as SQLite's default VFS while it is entered."""

    def __init__(self) -> None:
        import _sqlite3

        self._lib = ctypes.CDLL(_sqlite3.__file__)
        self._lib.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._files: dict[str, _File] = {}
        self._open_files: dict[int, str] = {}
        self._kept: list[Any] = []

    def __enter__(self) -> ForgetfulDisk:
        original = self._lib.sqlite3_vfs_find(None).contents
        self._vfs = _Vfs.from_buffer_copy(original)
        self._vfs.name, self._vfs.next = b"forgetful", None
        self._vfs.open = _X_OPEN(self._opener(original.open))
        self._lib.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        return self

    def __exit__(self, *_: object) -> None:
        self._lib.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def _opener(self, original: Callable[..., int]) -> Callable[..., int]:
        def x_open(vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
            result = original(vfs, name, file, flags, out)
            if result == 0 and name is not None:
                self._adopt(file, ctypes.string_at(name).decode())
            return result

        return x_open

    def _adopt(self, file: int, name: str) -> None:
        path = Path(name)
        if name not in self._files:
            self._files[name] = _File(bytearray(path.read_bytes() if path.exists() else b""))
        self._open_files[file] = name
        pointer = ctypes.cast(file, ctypes.POINTER(ctypes.POINTER(_Methods)))
        original = pointer.contents.contents
        methods = _Methods.from_buffer_copy(original)
        write, truncate, sync = original.write, original.truncate, original.sync

        def x_write(handle: int, data: int, size: int, offset: int) -> int:
            known = self._files[self._open_files[handle]]
            known.unsynced.append((offset, ctypes.string_at(data, size)))
            return write(handle, data, size, offset)

        def x_truncate(handle: int, size: int) -> int:
            self._files[self._open_files[handle]].unsynced.append((size, None))
            return truncate(handle, size)

        def x_sync(handle: int, flags: int) -> int:
            known = self._files[self._open_files[handle]]
            for offset, data in known.unsynced:
                known.apply(known.durable, offset, data)
            known.unsynced.clear()
            return sync(handle, flags)

        methods.write, methods.truncate, methods.sync = (
            _X_WRITE(x_write),
            _X_TRUNCATE(x_truncate),
            _X_SYNC(x_sync),
        )
        self._kept.append(methods)
        pointer[0] = ctypes.pointer(methods)

    def crash(self, source: Path, target: Path, rng: random.Random) -> None:
        """Write into `target` what a power failure now may leave of the files below `source`."""
        for name, known in self._files.items():
            path = Path(name)
            if not path.is_relative_to(source) or not path.exists():
                continue
            image = bytearray(known.durable)
            for offset, data in known.unsynced:
                for start in range(0, max(len(data or b""), 1), _SECTOR):
                    if rng.random() < 0.5:
                        part = None if data is None else data[start : start + _SECTOR]
                        known.apply(image, offset + start if data else offset, part)
            where = target / path.relative_to(source)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_bytes(image)
