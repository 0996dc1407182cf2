"""Frames on the pipes between a server and its decoding process: a JSON header and a body of bytes.

    server  {}                                          →
                                                        ←  {}                           as soon as it is ready
    server  {"job", "options", "size", "cpu_seconds"}   →
                                                        ←  {"read": [offset, size]}     any number of times
    server  {} + the bytes                              →
                                                        ←  {"answer": {…}} + its bytes, or {"error": {…}}

The process gets no file and no path: it asks for the bytes of the file that a job is about.
"""

from __future__ import annotations

import json
import struct
from typing import Any, Final

PREFIX: Final = struct.Struct(">II")
"""Bytes of the header, bytes of the body."""
MAX_HEADER: Final = 256 * 1024
"""Bytes; facts about a file take far less, and what is long is in the body."""
READ_BYTES: Final = 256 * 1024
"""Most bytes of the file requested at once."""


def frame(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One frame."""
    encoded = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((PREFIX.pack(len(encoded), len(body)), encoded, body))


def header_of(encoded: bytes) -> dict[str, Any]:
    """The header of a frame.

    Raises:
        ValueError: It is not a JSON object.
    """
    try:
        header = json.loads(encoded)
    except RecursionError:
        raise ValueError("a header is not nested") from None
    if not isinstance(header, dict):
        raise ValueError("a header is a JSON object")
    return header
