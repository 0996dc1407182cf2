"""Which resources show something else after a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.jid import Jid, looks_like_jid, parse_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from whatsapp_mcp.models import Change

STATUS: Final = "whatsapp://status"
CHATS: Final = "whatsapp://chats"
UNREAD: Final = "whatsapp://unread"
MESSAGES: Final = "whatsapp://chats/{jid}/messages"

_IN_LISTS: Final = frozenset({"message", "edit", "revoke", "purge"})
"""Kinds of changes that lists of chats and of unread messages show."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a client wants to be told of.

    Attributes:
        template: Of the resource.
        address: The jid that stands in its URI; empty if it has none.
    """

    template: str
    address: str = ""


def address_of(text: str) -> str:
    """The jid that a URI names, by jid or number.

    Raises:
        InvalidArgument: It is neither.
    """
    return str(Jid.parse(text).bare if looks_like_jid(text) else parse_number(text))


def touched(change: Change, addresses: Collection[str], *, by_owner: bool) -> frozenset[Topic]:
    """What shows something else after a change in a chat.

    Args:
        change: One with a chat.
        addresses: All addresses of the chat.
        by_owner: Whether the owner did it: what they read elsewhere is no longer unread.
    """
    found = {Topic(MESSAGES, address) for address in addresses}
    if change.kind in _IN_LISTS or (change.kind == "receipt" and by_owner):
        found |= {Topic(CHATS), Topic(UNREAD)}
    elif change.kind == "send":
        found.add(Topic(CHATS))
    return frozenset(found)
