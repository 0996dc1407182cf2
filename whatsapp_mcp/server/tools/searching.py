"""Searching messages and people."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from whatsapp_mcp.device.operations import contacts
from whatsapp_mcp.errors import InvalidArgument, WhatsAppError
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import Contact, ContactDetails
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    Around,
    ChatArg,
    Context,
    Detail,
    Limit,
    MessageArg,
    Since,
    Until,
    find_known_chat,
    find_person,
    is_ref,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import full_name, identifier, in_quotes, titled
from whatsapp_mcp.server.render import (
    ContactsData,
    MessagesData,
    ProfileData,
    contacts_data,
    contacts_text,
    messages_text,
    named,
    narrowed,
    person_line,
    place_of,
    profile_data,
    profile_text,
    stamp,
)
from whatsapp_mcp.server.tools.connection import unheard
from whatsapp_mcp.server.tools.reading import after_context, page_data, with_context
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from whatsapp_mcp.models import Chat, Message, Page, SearchHints

CLOSEST: Final = 5
"""Messages shown with some of the words when none has all of them; so few hits may not be what is sought."""
OTHERWISE: Final = "Try other words, another language or spelling (wifi, Wi-Fi), or substring=true."
_NAMED: Final = 3
"""Chats that are suggested by their names beside so few hits."""
_QUERY: Final = 500
"""Characters of a query that a header repeats."""
_NAME_WORDS: Final = 4
_NAME_WORD: Final = 4
"""Words of a query that are looked for in names, and letters that each has at least."""


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=MessagesData, in_chat=True)
async def search_messages(
    call: Call,
    query: Annotated[
        str,
        Field(description='Words, "phrases", pre*, OR, -not, from:, in:, has:image, is:starred'),
    ],
    chat: ChatArg | None = None,
    sender: str | None = None,
    since: Since | None = None,
    until: Until | None = None,
    order: Literal["newest", "relevance"] = "newest",
    substring: Annotated[bool, Field(description="Also inside words; slower")] = False,
    context: Context = 0,
    limit: Limit = 20,
    cursor: str | None = None,
    detail: Detail = "concise",
) -> Result:
    """Search messages and what is in files; hits stand in **. Case and accents do not matter."""
    from whatsapp_mcp.models import MessageFilter

    if not query.strip():
        raise InvalidArgument("query is empty.", "Give words to search, or use list_messages.")
    services = await call.services()
    place = await find_known_chat(services, chat, reading=True) if chat else None
    who = await find_person(services, sender, reading=True) if sender else None
    where = MessageFilter(
        chat=place.jid if place else None,
        sender=who.jid if who else None,
        since=time_grammar.since(since, services.zone, services.now()),
        until=time_grammar.until(until, services.zone, services.now()),
    )
    sought = f"{in_quotes(query, _QUERY)}{f' in {named(place)}' if place else ''}"
    sought += narrowed(where, services.zone, sender=named(who) if who else None)
    archive = services.archive.opened(place.jid if place else None, context=context)
    search = partial(archive.search, query, where, zone=services.zone, now=services.now())
    header, page, is_exact = await _found(search, order, limit, cursor, sought, substring=substring)
    data = await with_context(services, archive, page, context, of_one_chat=chat is not None)
    header += after_context(context)
    text = messages_text(data, header=header, detail=detail, to_the_end=order == "newest")
    if not (is_exact or cursor):
        hints = await archive.search_hints(query, where, zone=services.zone, now=services.now())
        text = text.plus(*_hints(hints))
    if len(page.items) <= CLOSEST and not (chat or sender or cursor):
        chats = await _chats_named(services, query)
        if chats:
            text = text.plus(f"Chats of that name: {', '.join(map(named, chats))}")
            data["chats_named"] = [{"chat": one.jid, "chat_name": full_name(one.name)} for one in chats]
    if not (page.items or page.withheld or cursor):
        text = text.plus(OTHERWISE)
        if notes := await unheard(services):
            data["notes"] = [*data.get("notes", ()), *notes]
            text = text.plus(*notes)
    return Result(text, data)


async def _found(
    search: Callable[..., Awaitable[Page[Message]]],
    order: Literal["newest", "relevance"],
    limit: int,
    cursor: str | None,
    sought: str,
    *,
    substring: bool,
) -> tuple[str, Page[Message], bool]:
    """Return the heading of a search, its hits or else the closest messages, and whether there were hits."""
    mode = "substring" if substring else "words"
    page = await search(order=order, mode=mode, limit=limit, cursor=cursor)
    if page.items or page.withheld:
        return f"Messages with {sought}, {'newest' if order == 'newest' else 'best'} first", page, True
    if not (cursor or substring):
        for looser in ("any", "anybody"):
            closest = await search(order="relevance", mode=looser, limit=min(limit, CLOSEST))
            if closest.items:
                return f"No message with {sought}; closest", closest, False
    return f"Messages with {sought}", page, False


def _hints(hints: SearchHints) -> list[str]:
    """Why a search may have found nothing, and what finds more."""
    lines: list[str] = []
    for name, closest in hints.nobody:
        people = ", ".join(map(person_line, closest))
        lines.append(f"Nobody is called {titled(name)}{f'; closest: {people}' if people else ''}.")
    if hits := hints.without_words:
        count = f"{hits.count}{' or more' if hits.at_least else ''}"
        lines.append(f"Without the words: {count}.")
    return lines


async def _chats_named(services: Services, query: str) -> list[Chat]:
    """Chats that have a word of a query in their names: what is sought may be the subject of a whole chat."""
    words = [word.strip('"*') for word in query.split() if ":" not in word and word[0] != "-"]
    chats: dict[str, Chat] = {}
    for word in [word for word in words if len(word) >= _NAME_WORD][:_NAME_WORDS]:
        page = await services.archive.chats(query=word, limit=_NAMED)
        chats.update((chat.jid, chat) for chat in page.items)
    return list(chats.values())[:_NAMED]


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=MessagesData, in_chat=True)
async def get_message_context(
    call: Call,
    message: MessageArg,
    before: Around = 5,
    after: Around = 5,
    reveal: Annotated[bool, Field(description="Its one-time code; the user is asked")] = False,
    detail: Detail = "concise",
) -> Result:
    """A message with the ones around it; opens what lists withhold."""
    services = await call.services()
    page = await services.archive.context(message, before=before, after=after, reveal=reveal)
    given = message.strip() if is_ref(message) else identifier(message.strip())
    header = f"Around {given} in {place_of(page.items[0])}"
    data = page_data(services, page, of_one_chat=True)
    return Result(messages_text(data, header=header, detail=detail), data)


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=ContactsData)
async def search_contacts(
    call: Call,
    query: Annotated[str | None, Field(description="Name or number; typos are forgiven")] = None,
    limit: Limit = 20,
    cursor: str | None = None,
) -> Result:
    """People by name or number; all without a query."""
    services = await call.services()
    page = await services.archive.contacts(query and query.lstrip("~"), limit=limit, cursor=cursor)
    return Result(contacts_text(page), contacts_data(page))


@tool("core", Effect.READ, Audience.NOBODY, result=ProfileData)
async def get_contact(call: Call, contact: Annotated[str, Field(description="Name, number, jid")]) -> Result:
    """A person: numbers, names, about, picture, common groups, last message."""
    from whatsapp_mcp.models import MessageFilter

    services = await call.services()
    jid = (await find_person(services, contact, reading=True)).jid
    person = await services.archive.contact(jid)
    details, unasked = ContactDetails(jid), None
    try:
        async with services.device() as device:
            details = await device.do(contacts.contact_details, jid)
    except WhatsAppError as error:
        unasked = f"WhatsApp could not be asked ({error.code}): only what is stored here is shown."
    if person is None:
        person = Contact(jid, Jid.parse(jid).number or jid, Jid.parse(jid).number)
    last = await services.archive.messages(MessageFilter(chat=jid), limit=1)
    groups = await services.archive.common_groups(person.jid)
    newest = last.items[0] if last.items else None
    words = details.about or (details.business and str(details.business))
    if not await services.archive.hand_out_words_of(person, words):
        details = replace(details, about=None, business=None)
    data = profile_data(person, details, groups, newest, unasked, services.zone)
    own = (await services.archive.own())[:2]
    today = stamp(services.now(), services.zone)
    return Result(profile_text(data, today, owner=person.jid in own), data)


TOOLS: Sequence[ToolFunction] = (search_messages, get_message_context, search_contacts, get_contact)
