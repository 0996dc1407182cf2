"""Which resources show something else after a change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.jid import Jid, looks_like_jid, parse_number
from whatsapp_mcp.server.resources import MEDIA_URI

if TYPE_CHECKING:
    from collections.abc import Collection

    from whatsapp_mcp.models import Change

STATUS: Final = "whatsapp://status"
CHATS: Final = "whatsapp://chats"
UNREAD: Final = "whatsapp://unread"
MESSAGES: Final = "whatsapp://chats/{jid}/messages"

CONTACT: Final = "whatsapp://contacts/{jid}"

_IN_LISTS: Final = frozenset({"message", "edit", "revoke", "purge"})
"""Kinds of changes that lists of chats and of unread messages show."""

_OF_FILES: Final = frozenset({"file", "revoke"})
"""Kinds of changes after which the file of a message is another, or says more."""


@dataclass(frozen=True, slots=True)
class Topic:
    """What a client wants to be told of.

    Attributes:
        template: Of the resource.
        address: The jid or ref that stands in its URI; empty if it has none.
        account: In which.
    """

    template: str
    address: str = ""
    account: str = ""


def address_of(text: str) -> str:
    """The jid that a URI names, by jid or number.

    Raises:
        InvalidArgument: It is neither.
    """
    return str(Jid.parse(text).bare if looks_like_jid(text) else parse_number(text))


def touched(change: Change, addresses: Collection[str], *, by_owner: bool) -> frozenset[Topic]:
    """What shows something else after a change, in no account yet.

    Args:
        change: One with a chat, or of a contact who is named.
        addresses: All addresses of the chat or contact.
        by_owner: Whether the owner did it: what they read elsewhere is no longer unread.
    """
    if change.kind == "contact":
        return frozenset({Topic(CHATS), *(Topic(CONTACT, address) for address in addresses)})
    found = {Topic(MESSAGES, address) for address in addresses}
    if change.ref is not None and change.kind in _OF_FILES:
        found |= {Topic(MEDIA_URI, str(change.ref)), Topic(UNREAD)}
    if change.kind in _IN_LISTS or (change.kind == "receipt" and by_owner):
        found |= {Topic(CHATS), Topic(UNREAD)}
    elif change.kind == "send":
        found.add(Topic(CHATS))
    return frozenset(found)
