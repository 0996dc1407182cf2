"""Which resources show something else after a change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsapp_mcp.jid import Jid, is_person, looks_like_jid, parse_number
from whatsapp_mcp.models import Change
from whatsapp_mcp.server.calls import Call
from whatsapp_mcp.server.resources import MEDIA_URI

if TYPE_CHECKING:
    from whatsapp_mcp.server.reading import GuardedArchive

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


class Touched(NamedTuple):
    """What shows something else after a change.

    Attributes:
        topics: In no account yet; None for all of an account.
        is_purge: Whether files were deleted, of which it is no longer known which.
    """

    topics: frozenset[Topic] | None
    is_purge: bool = False


async def named_topic(call: Call, template: str, values: Mapping[str, str]) -> Topic:
    """What a URI of a template names, as far as it may be read.

    Raises:
        WhatsAppError: It names nothing, or what may not be read.
    """
    archive = (await call.services()).archive
    if "ref" in values:
        return Topic(template, str((await archive.message(values["ref"])).ref))
    if "jid" not in values:
        return Topic(template)
    address = address_of(values["jid"])
    await archive.require_readable(address)
    return Topic(template, address)


async def touched(call: Call, changes: tuple[Change, ...]) -> list[Touched]:
    """What shows something else after each of these changes that the caller may hear of."""
    services = await call.source.services()
    archive = services.archive.bound_to(call.caller, services.ask)
    reads = any(change.kind == "receipt" for change in changes)
    own = set((await archive.own())[:2]) - {None} if reads else set[str]()
    found: list[Touched] = []
    for change in await archive.readable(changes):
        place = change.chat or change.actor
        if place is None:  # of many people or chats at once
            found.append(Touched(None))
            continue
        topics = touched_in(change, await _addresses(archive, place), by_owner=change.actor in own)
        found.append(Touched(topics, change.kind == "purge"))
    return found


async def _addresses(archive: GuardedArchive, chat: str) -> frozenset[str]:
    """All addresses under which a chat may be subscribed to."""
    person = await archive.contact(chat) if is_person(chat) else None
    if person is None:
        return frozenset({chat})
    number = str(Jid.phone(person.number)) if person.number else chat
    return frozenset({chat, person.jid, person.lid or chat, number})


def touched_in(change: Change, addresses: Collection[str], *, by_owner: bool) -> frozenset[Topic]:
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
