"""LTHash: a hash of a set that is updated when single items are added or removed.

WhatsApp keeps one over the value MACs of each app state collection, so that the phone and its companions can
check that they hold the same state without comparing it. An item is expanded to 64 little-endian 16-bit
numbers, which are added to (or subtracted from) those of the hash, each modulo 2**16.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from whatsapp_simulator.signal.primitives import hkdf

LENGTH = 128
EMPTY = bytes(LENGTH)
"""The hash of the empty set."""

_NUMBERS = struct.Struct("<64H")


def update(base: bytes, *, remove: Iterable[bytes] = (), add: Iterable[bytes] = ()) -> bytes:
    """The hash (128 bytes) after items were removed and added; their order does not matter."""
    numbers = list(_NUMBERS.unpack(base))
    for items, sign in ((remove, -1), (add, 1)):
        for item in items:
            stretched = _NUMBERS.unpack(hkdf(item, b"WhatsApp Patch Integrity", LENGTH))
            numbers = [number + sign * part for number, part in zip(numbers, stretched, strict=True)]
    return _NUMBERS.pack(*(number & 0xFFFF for number in numbers))
