"""The resources: each gives what a tool gives, for an application that reads by URI.

Chats and people stand in a URI by their jid or their number, never by a name: names change, and two people
may have the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.errors import ContactNotFound
from whatsapp_mcp.models import ContactDetails
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Call, Content, resource, resource_spec_of
from whatsapp_mcp.server.render import profile_data, profile_text, stamp
from whatsapp_mcp.server.resources import link_resource, media
from whatsapp_mcp.server.subscriptions import CHATS, CONTACT, MESSAGES, STATUS, UNREAD, address_of
from whatsapp_mcp.server.tools import declared

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import ResourceFunction

_TEXT: Final = "text/plain"
_MOST: Final = 50
"""Chats and messages in one resource, and addresses that complete one."""
_STORED: Final = "Only what is stored here is shown."


async def _chat_jids(call: Call, typed: str) -> Sequence[str]:
    """The jids of chats that a part of a name, number or jid means; of the newest chats for none."""
    archive = (await call.services()).archive
    if not typed.strip():
        return [chat.jid for chat in (await archive.chats(limit=_MOST)).items]
    return [found.chat.jid for found in await archive.resolve_chat(typed, limit=_MOST)]


async def _person_jids(call: Call, typed: str) -> Sequence[str]:
    """The jids of people whom a part of a name or number means."""
    archive = (await call.services()).archive
    return [person.jid for person in (await archive.contacts(typed.strip() or None, limit=_MOST)).items]


async def _given_by(call: Call, tool: str, **arguments: Any) -> Sequence[Content]:
    """Return the text of a tool's answer."""
    spec = declared(tool)
    if spec is None:
        raise LookupError(tool)
    result = await spec.function(call, **arguments)
    return [Content(result.text, _TEXT)]


@resource(STATUS, "connection_status", Effect.READ, Audience.NOBODY, in_chat=True, changes=True)
async def status(call: Call) -> Sequence[Content]:
    """Connection state, its reason, and what to do."""
    return await _given_by(call, "connection_status")


@resource(CHATS, "list_chats", Effect.READ, Audience.NOBODY, in_chat=True, changes=True)
async def chats(call: Call) -> Sequence[Content]:
    """The newest chats with unread count and last message."""
    return await _given_by(call, "list_chats", limit=_MOST)


@resource(UNREAD, "list_messages", Effect.READ, Audience.NOBODY, in_chat=True, changes=True)
async def unread(call: Call) -> Sequence[Content]:
    """The newest unread messages, chat by chat."""
    return await _given_by(call, "list_messages", unread=True, limit=_MOST)


@resource(
    MESSAGES,
    "list_messages",
    Effect.READ,
    Audience.NOBODY,
    in_chat=True,
    complete=_chat_jids,
    changes=True,
)
async def chat_messages(call: Call, jid: str) -> Sequence[Content]:
    """The newest messages of the chat with this jid or number, oldest first."""
    return await _given_by(call, "list_messages", chat=address_of(jid), limit=_MOST)


@resource(CONTACT, "search_contacts", Effect.READ, Audience.NOBODY, complete=_person_jids, changes=True)
async def contact(call: Call, jid: str) -> Sequence[Content]:
    """One person, by jid or number, as far as they are stored here: numbers, names, common groups."""
    services = await call.services()
    person = await services.archive.contact(address_of(jid))
    if person is None:
        raise ContactNotFound("Nobody with this address is known here.", "Use search_contacts.")
    groups = await services.archive.common_groups(person.jid)
    data = profile_data(person, ContactDetails(person.jid), groups, None, _STORED, services.zone)
    own = (await services.archive.own())[:2]
    text = profile_text(data, stamp(services.now(), services.zone), owner=person.jid in own)
    return [Content(text, _TEXT)]


RESOURCES: Final[Sequence[ResourceFunction]] = (
    status,
    chats,
    unread,
    chat_messages,
    contact,
    media,
    link_resource,
)


def selected(toolsets: Collection[str], *, in_chat: bool = False) -> tuple[ResourceFunction, ...]:
    """The resources that belong to these toolsets; for callers that are bound to one chat, those for them."""
    specs = ((each, resource_spec_of(each)) for each in RESOURCES)
    return tuple(each for each, spec in specs if spec.toolset in toolsets and (spec.in_chat or not in_chat))
