"""Reads members of a JSON object that no parser accepts: nested too deep, truncated, or not Unicode."""

from __future__ import annotations

import json
import re
from typing import Final

Scalar = int | str | None

# A string need not end, so that the search never goes back: a hostile text would make that quadratic.
_PART: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INTEGER: Final = re.compile(r"-?\d{1,18}")


def scalar_members(text: str) -> dict[str, Scalar]:
    """The object's own members that are no objects or lists, found without recursion.

    A value other than a string or an integer of up to 18 digits counts as None. What is no object has none.
    """
    members: dict[str, Scalar] = {}
    depth, last, key = 0, "", None
    for part in _PART.findall(text):
        if part in "{[":
            depth, key = depth + 1, None
        elif part in "}]":
            depth -= 1
        elif depth == 1 and part == ":":
            key = _value(last)
        elif depth == 1 and part != ",":
            if isinstance(key, str):
                members[key] = _value(part)
            last, key = part, None
    return members


def _value(part: str) -> Scalar:
    if _INTEGER.fullmatch(part):
        return int(part)
    try:
        return str(json.loads(part)) if part.startswith('"') else None
    except ValueError:
        return None
