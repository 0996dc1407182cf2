"""Lists that are longer than a frame, handed to the leader part by part."""

from __future__ import annotations

import itertools
import json
from typing import Any, Final

from whatsapp_mcp.client.protocol import PART, PART_BYTES
from whatsapp_mcp.errors import InvalidArgument

_MOST: Final = 16
"""Lists that are kept for a leader that asks for the rest of them."""


class Lists:
    """The rests of lists that were begun."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._rests: dict[int, list[Any]] = {}

    def first(self, answer: Any) -> Any:
        """What is answered first: a part of a long list, and anything else as it is."""
        if not isinstance(answer, list) or _fits(answer) == len(answer):
            return answer
        if len(self._rests) >= _MOST:  # whoever asked for the oldest has given up
            del self._rests[next(iter(self._rests))]
        number = next(self._numbers)
        self._rests[number] = answer
        return self.following(number)

    def following(self, number: int) -> dict[str, Any]:
        """The next part of the list with this number.

        Raises:
            InvalidArgument: There is nothing more of it.
        """
        if number not in self._rests:
            raise InvalidArgument("There is nothing more of this list.")
        rest = self._rests.pop(number)
        count = _fits(rest)
        if count == len(rest):
            return {PART: rest}
        self._rests[number] = rest[count:]
        return {PART: rest[:count], "number": number}


def _fits(elements: list[Any]) -> int:
    """How many of them are answered at a time, one at least."""
    size = 0
    for count, element in enumerate(elements):
        size += len(json.dumps(element)) + 1
        if size > PART_BYTES and count:
            return count
    return len(elements)
