"""Cursors: opaque to callers, a keyset inside, and refused when they are not ours or of another list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Final

from whatsapp_mcp.errors import InvalidArgument

MAX_LIMIT: Final = 500


def fingerprint(*parts: object) -> str:
    """A short mark of what a list was asked for, so that a cursor cannot be used with another question."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def encode(mark: str, *keys: int | str) -> str:
    """A cursor that goes on after the row with these keys."""
    return (
        base64.urlsafe_b64encode(json.dumps([mark, *keys], separators=(",", ":")).encode())
        .decode()
        .rstrip("=")
    )


def decode(cursor: str, mark: str) -> list[int | str]:
    """The keys in a cursor.

    Raises:
        InvalidArgument: It is not a cursor, or one of another list.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(found, list) or not found or not all(type(key) in (int, str) for key in found):
            raise ValueError("not a list of keys")
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidArgument(
            "The cursor is not one that this server gave out.",
            "Give next_cursor exactly as the last page returned it, or leave it out to start again.",
        ) from error
    if found[0] != mark:
        raise InvalidArgument(
            "The cursor belongs to another list or other arguments.",
            "Repeat the arguments of the page it came with, or leave it out to start again.",
        )
    return found[1:]


def decode_id(cursor: str | None, mark: str) -> int | None:
    """The one integer key of a cursor; None for none.

    Raises:
        InvalidArgument: As `decode`.
    """
    if cursor is None:
        return None
    keys = decode(cursor, mark)
    if len(keys) != 1 or not isinstance(keys[0], int) or not -(2**63) <= keys[0] < 2**63:
        raise InvalidArgument("The cursor is damaged.", "Leave it out to start again.")
    return keys[0]


def check_limit(limit: int) -> int:
    """The limit itself, when it is 1–500.

    Raises:
        InvalidArgument: It is not.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgument(f"limit is {limit}.", f"Give a number from 1 to {MAX_LIMIT}.")
    return limit


def decode_pair(cursor: str, mark: str) -> tuple[int, int]:
    """The two integer keys of a cursor.

    Raises:
        InvalidArgument: As `decode`.
    """
    keys = decode(cursor, mark)
    if len(keys) != 2 or not all(isinstance(key, int) and -(2**63) <= key < 2**63 for key in keys):
        raise InvalidArgument("The cursor is damaged.", "Leave it out to start again.")
    return int(keys[0]), int(keys[1])
