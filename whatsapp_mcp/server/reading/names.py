"""`Names`: how many names that strangers chose stand in one answer: read down a list, they are a text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Final

from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, reads_as_address
from whatsapp_mcp.models import Message
from whatsapp_mcp.policy import cut_name, words_in_name

STRANGERS: Final = 3
"""Strangers of one answer who are shown by name."""
TOGETHER: Final = 6
"""Words of their names together."""
_KNOWN: Final = 1024
"""Names and addresses of which the shown form is kept."""
SOMEBODY: Final = "somebody"
"""Label of a person shown neither by name nor by number."""


class Names:
    """The names of strangers in one answer, the first ones within the bounds."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def mark(self) -> int:
        """Return the number of names shown so far, for `back_to`."""
        return len(self._shown)

    def back_to(self, mark: int) -> None:
        """Forget those that came after a mark: they are not shown after all."""
        while len(self._shown) > mark:
            self._shown.popitem()

    def cut(self, name: str) -> str | None:
        """The name as it is shown, cut; None where it is one too many.

        A number or jid, which stands for who has no name, is nobody's words.
        """
        shown, words = _cut(name)
        if words is not None and shown not in self._shown:
            if len(self._shown) >= STRANGERS or sum(self._shown.values()) + words > TOGETHER:
                return None
            self._shown[shown] = words
        return shown


def names_in(messages: Iterable[Message]) -> Iterator[str]:
    """The names of the chats and senders of messages."""
    for message in messages:
        yield from (message.chat_name, message.sender_name)


@lru_cache(_KNOWN)
def _cut(name: str) -> tuple[str, int | None]:
    """A name as it is shown, and its words; None for an address. The same ones stand in list after list."""
    if reads_as_address(name):
        return name, None
    shown = cut_name(name)
    return shown, words_in_name(shown)


@lru_cache(_KNOWN)
def by_number(jid: str) -> str:
    """Return the number of an address, or else its jid; `SOMEBODY` if the jid is invalid."""
    with suppress(InvalidArgument):
        return Jid.parse(jid).number or jid
    return SOMEBODY
