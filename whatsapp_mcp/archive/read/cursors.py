"""Cursors: opaque to callers, a keyset inside, and refused when they are not ours or of another list."""

from __future__ import annotations

import base64
import re
import zlib
from contextlib import suppress
from typing import Any, Final

from whatsapp_mcp.errors import InvalidArgument

MAX_LIMIT: Final = 500
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_NUMBER: Final = re.compile(r"-?[0-9a-z]{1,13}")


def fingerprint(*parts: object) -> str:
    """The arguments of a list as text, so that a cursor cannot be used with another question.

    Times stay out of it: `since=3d` is another moment on each page, and the cursor says where to go on.
    """
    return repr(parts)


def encode(mark: str, *keys: int | str) -> str:
    """A cursor that goes on after the row with these keys: `ej2k9x.1f3a`, the keys and a check."""
    body = ".".join(map(_written, keys))
    return f"{body}.{_check(mark, body)}"


def _check(mark: str, body: str) -> str:
    """A checksum, by which a typing error or the cursor of another list is noticed."""
    # Against mistakes alone: a cursor opens nothing that its query would not show.
    return f"{zlib.crc32(f'{mark}.{body}'.encode(errors='surrogatepass')) & 0xFFFF:04x}"


def _written(key: int | str) -> str:
    """A number to the base of 36, a text in base64 after a `_`."""
    if isinstance(key, str):
        return f"_{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}"
    # Short, since a model pays for each page's cursor by its length.
    digits = ""
    rest = abs(key)
    while rest or not digits:
        rest, digit = divmod(rest, 36)
        digits = _DIGITS[digit] + digits
    return f"-{digits}" if key < 0 else digits


def _read(part: str) -> int | str:
    if part.startswith("_"):
        coded = part[1:].encode("ascii")
        return base64.b64decode(coded + b"=" * (-len(coded) % 4), altchars=b"-_", validate=True).decode()
    if not _NUMBER.fullmatch(part) or not -(1 << 63) <= (number := int(part, 36)) < 1 << 63:
        raise ValueError("no number of SQLite's")
    return number


def decode(cursor: str, mark: str, *kinds: type[int] | type[str]) -> list[Any]:
    """The keys in a cursor, which are of these kinds.

    Raises:
        InvalidArgument: It is not a cursor, or one of another list.
    """
    body, _, check = cursor.strip().rpartition(".")
    if check == _check(mark, body):
        with suppress(ValueError):
            keys = [_read(part) for part in body.split(".")]
            if [type(key) for key in keys] == [*kinds]:
                return keys
    raise InvalidArgument(
        "The cursor is not one of this list with these arguments.",
        "Give next_cursor exactly as the last page returned it and repeat that page's arguments, or leave "
        "it out to start again.",
    )


def decode_id(cursor: str | None, mark: str) -> int | None:
    """The one integer key of a cursor; None for none.

    Raises:
        InvalidArgument: As `decode`.
    """
    return None if cursor is None else decode(cursor, mark, int)[0]


def check_limit(limit: int) -> int:
    """The limit itself, when it is 1–500.

    Raises:
        InvalidArgument: It is not.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidArgument(f"limit is {limit}.", f"Give a number from 1 to {MAX_LIMIT}.")
    return limit
