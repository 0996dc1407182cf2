"""Encrypted backups of Android: cut, turned, with other keys and heads, and bombs."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from tests.features.imports.backups.encrypting import encrypted, header, key_file
from tests.features.imports.backups.hostile.bases import content
from tests.features.imports.backups.hostile.case import Case
from tests.features.imports.backups.protobuf import field, varint

KEY: Final = bytes(range(32))
OTHER: Final = bytes(range(1, 33))
_BASE: Final = "android 2025"


def files() -> Iterator[Case]:
    """All of them."""
    for version in (14, 15):
        yield from _of(version)
    yield from _heads()
    yield from _keys()
    yield from _bombs()


def _case(name: str, made: Callable[[], bytes], refused: str | None, *, key: bytes | None = KEY) -> Case:
    return Case("encrypted backup", name, partial(_written, made), refused, key)


def _written(made: Callable[[], bytes], folder: Path) -> Path:
    path = folder / "msgstore.db.crypt15"
    path.write_bytes(made())
    return path


def _whole(version: int) -> bytes:
    return encrypted(content(_BASE), KEY, version)


def _of(version: int) -> Iterator[Case]:
    of = f"crypt{version}"
    yield _case(f"{of} as it must be", lambda: _whole(version), "")
    yield _case(f"{of} without a key", lambda: _whole(version), "key is needed", key=None)
    yield _case(f"{of} with another key", lambda: _whole(version), "key does not fit", key=OTHER)
    for name, part in (("one byte", 0.0), ("its head", 0.002), ("half", 0.5), ("most of it", 0.97)):
        cut = partial(_cut, version, part)
        yield _case(f"{of} cut to {name}", cut, None)
    yield _case(f"{of} without its last byte", lambda: _whole(version)[:-1], "damaged")
    yield _case(f"{of} with more at its end", lambda: _whole(version) + b"more", "does not fit|damaged")
    for at in (0, 5, 60, 0.3, 0.6, -40, -20, -1):
        yield _case(f"{of} with a bit turned at {at}", partial(_turned, version, at), None)
    yield _case(f"{of} of no database", lambda: encrypted(b"x" * 9_000, KEY, version), "neither a database")
    yield _case(f"{of} of nothing", lambda: encrypted(b"", KEY, version), "neither a database|damaged")
    yield _case(f"{of} of a head alone", lambda: encrypted(content(_BASE)[:100], KEY, version), "damaged")
    yield _case(
        f"{of} of half a database", lambda: encrypted(content(_BASE)[: 1 << 15], KEY, version), "damaged"
    )
    yield _case(f"{of} that is not packed", lambda: encrypted(content(_BASE), KEY, version, packed=False), "")
    yield _case(
        f"{of} of a stream that ends early",
        lambda: encrypted(zlib.compress(content(_BASE))[:-9], KEY, version, packed=False),
        "damaged",
    )


def _cut(version: int, part: float) -> bytes:
    whole = _whole(version)
    return whole[: max(1, int(len(whole) * part))]


def _turned(version: int, at: float) -> bytes:
    data = bytearray(_whole(version))
    data[int(at * len(data)) if 0 < at < 1 else int(at)] ^= 1
    return bytes(data)


def _heads() -> Iterator[Case]:
    heads = {
        "a head without end": b"\xff" * 200,
        "a head of no bytes": b"\0" * 200,
        "a head longer than the file": varint(1 << 20) + b"x" * 200,
        "a head that is no protobuf": varint(50) + b"\x07" * 250,
        "a field longer than the head": varint(20) + b"\x1a\xff\x7f" + b"x" * 300,
        "a head under a passkey": _head(field(5, field(1, b"x"))),
        "a nonce of one byte": _head(field(3, field(1, b"x"))),
        "a nonce of a thousand bytes": _head(field(3, field(1, b"x" * 1_000))),
        "a nonce that is a number": _head(field(3, field(1, 7))),
        "fields without end": _head(field(1, 1) * 20_000),
        "the head of crypt12": b"\0\1" + bytes(range(65)) + b"x" * 300,
        "text": b"Dear sir or madam,\n" * 50,
        "a head and nothing else": header(15),
        "a head and a tag alone": header(15) + bytes(32),
    }
    for name, made in heads.items():
        yield _case(name, partial(bytes, made), "neither a database|passkey|damaged|no key|does not fit")


def _head(fields: bytes) -> bytes:
    return varint(len(fields)) + fields + b"x" * 300


def _keys() -> Iterator[Case]:
    keys = {
        "a key of 31 bytes": KEY[:31],
        "no bytes as key": b"",
        "63 digits": KEY.hex().encode()[:63],
        "digits that are none": b"g" * 64,
        "a key file of another kind": key_file(KEY, 14)[:40],
        "a key file with a length that is not": key_file(KEY)[:-9],
        "a key that is a text": "клю́ч".encode(),
        "a key of a megabyte": b"k" * 1_000_000,
    }
    for name, key in keys.items():
        yield _case(name, lambda: _whole(15), "no key of a backup|key file is not one", key=key)
    yield _case(
        "a key file with another salt", lambda: _whole(14), "does not fit", key=key_file(KEY, 14, salt=OTHER)
    )
    yield _case("a key of a plain database", lambda: content(_BASE), "")


def _bombs() -> Iterator[Case]:
    yield Case(
        "encrypted backup",
        "a thousand megabytes of nothing",
        partial(_written, lambda: encrypted(content(_BASE)[:100] + bytes(1_000_000_000), KEY)),
        "more than 100 times",
        KEY,
        is_slow=True,
    )
    yield Case(
        "encrypted backup",
        "seventy megabytes of nothing",
        partial(_written, lambda: encrypted(content(_BASE)[:100] + bytes(70_000_000), KEY)),
        "more than 100 times",
        KEY,
        is_slow=True,
    )
