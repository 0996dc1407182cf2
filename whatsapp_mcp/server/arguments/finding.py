"""Finds the group or the person that a text identifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from whatsapp_mcp.errors import ChatNotFound, ContactNotFound, InvalidArgument
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.server.arguments.arguments import choose_one, is_ref

if TYPE_CHECKING:
    from whatsapp_mcp.models import Chat
    from whatsapp_mcp.server.calls import Services

_CANDIDATES: Final = 20


async def find_group(services: Services, text: str, *, reading: bool = False) -> Chat:
    """The group that a jid, a name or the ref of a message in it means; people are not in the way.

    The name of a community means the community, and not its announcement group of the same name.

    Raises:
        InvalidArgument: The text is empty.
        MessageNotFound: There is no message with this ref.
        ChatNotFound, AmbiguousChat: No group matches, or more than one.
    """
    if is_ref(text):
        text = (await services.archive.message(text)).chat
    found = await _find(services, text, "group", lambda jid: jid.is_group, reading)
    if looks_like_jid(text.strip()):
        return found
    for community, announcements in (await services.archive.communities()).items():
        if announcements == found.jid:
            return await services.archive.chat(community) or found
    return found


async def find_person(
    services: Services, text: str, *, reading: bool = False, own_names: bool = False
) -> Chat:
    """The direct chat with the person that a number, jid, name or the ref of a message of theirs means.

    Args:
        services: Have the archive.
        text: What was given.
        reading: As `choose` takes it.
        own_names: As `choose` takes it.

    Raises:
        InvalidArgument: The text is empty.
        MessageNotFound: There is no message with this ref.
        ContactNotFound, AmbiguousChat: Nobody matches, or more than one.
    """
    if is_ref(text):
        text = (await services.archive.message(text)).sender
    try:
        return await _find(services, text, "person", lambda jid: jid.is_person, reading, own_names)
    except ChatNotFound as error:
        raise ContactNotFound(f"Nobody matches {text!r}.", candidates=error.candidates) from error


async def find_people(services: Services, texts: Iterable[str]) -> tuple[Chat, ...]:
    """All these people, each once.

    Raises:
        InvalidArgument: There are none.
        ContactNotFound, AmbiguousChat: As `find_person`, for the first that is unclear.
    """
    found = {person.jid: person for person in [await find_person(services, text) for text in texts]}
    if not found:
        raise InvalidArgument("No person is given.", "Give names, numbers or jids.")
    return tuple(found.values())


async def _find(
    services: Services,
    text: str,
    what: str,
    wanted: Callable[[Jid], bool],
    reading: bool,
    own_names: bool = False,
) -> Chat:
    if not text.strip():
        raise InvalidArgument(f"The name of the {what} is empty.")
    candidates = await services.archive.resolve_chat(text, limit=_CANDIDATES)
    fitting = tuple(each for each in candidates if wanted(Jid.parse(each.chat.jid)))
    return await choose_one(services, fitting, text, reading=reading, own_names=own_names)
