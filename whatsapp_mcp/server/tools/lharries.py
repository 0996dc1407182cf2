"""The twelve tools of lharries/whatsapp-mcp by their names and arguments: prompts written for it go on.

They answer as the tools of `core` do; the data of sends and downloads also has `success`, `message` and
`file_path`.
Selected beside `core` they replace its tools of the same name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NotRequired

from pydantic import Field

from whatsapp_mcp import time_grammar
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.models import Chat, Message, Page, SendStatus
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import Around, find_known_chat, find_person
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import (
    ChatData,
    ChatsData,
    ContactsData,
    MessagesData,
    SentData,
    chat_data,
    chats_data,
    chats_text,
    messages_data,
    messages_text,
    named,
    stamp,
)
from whatsapp_mcp.server.tools import files, searching, sending

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DEEPEST: Final = 500
DeepLimit = Annotated[int, Field(json_schema_extra={"maximum": _DEEPEST})]
Recipient = Annotated[str, Field(description="Number or jid")]


def _reach(limit: int, page: int) -> int:
    if limit < 1 or page < 0 or limit * (page + 1) > _DEEPEST:
        raise InvalidArgument(
            f"limit and page go beyond the newest {_DEEPEST} messages.", "Narrow it with the other arguments."
        )
    return limit * (page + 1)


def _cut(page: Page[Any], limit: int, number: int) -> Page[Any]:
    return replace(page, items=page.items[limit * number : limit * (number + 1)], next_cursor=None, left=None)


def _without_last(chats: Iterable[Chat]) -> tuple[Chat, ...]:
    return tuple(replace(chat, last_message=None) for chat in chats)


def _successful(result: Result) -> Result:
    success = result.data.get("status") != SendStatus.FAILED.value
    return replace(result, data={**result.data, "success": success, "message": result.summary})


def _shown(data: ChatsData, services: Services) -> Result:
    return Result(chats_text(data, stamp(services.now(), services.zone), "full"), data)


@tool(
    "lharries",
    Effect.READ,
    Audience.NOBODY,
    name="search_contacts",
    open_world=False,
    result=ContactsData,
)
async def search_contacts(call: Call, query: str) -> Result:
    """People by name or number."""
    return await searching.search_contacts(call, query)


@tool("lharries", Effect.READ, Audience.NOBODY, name="list_messages", open_world=False, result=MessagesData)
async def list_messages(
    call: Call,
    after: Annotated[str | None, Field(description="ISO 8601")] = None,
    before: Annotated[str | None, Field(description="ISO 8601")] = None,
    sender_phone_number: str | None = None,
    chat_jid: str | None = None,
    query: str | None = None,
    limit: DeepLimit = 20,
    page: int = 0,
    include_context: Annotated[bool, Field(description="Also what was said around each")] = False,
    context_before: int = 1,
    context_after: int = 1,
) -> Result:
    """Messages that match, newest first."""
    from whatsapp_mcp.models import MessageFilter

    services = await call.services()
    where = MessageFilter(
        chat=(await find_known_chat(services, chat_jid, reading=True)).jid if chat_jid else None,
        sender=(await find_person(services, sender_phone_number, reading=True)).jid
        if sender_phone_number
        else None,
        since=time_grammar.since(after, services.zone, services.now()),
        until=time_grammar.since(before, services.zone, services.now()),
    )
    reach = _reach(limit, page)
    archive = services.archive.opened(where.chat)
    if query:
        found = await archive.search(query, where, limit=reach, zone=services.zone, now=services.now())
    else:
        found = await archive.messages(where, limit=reach)
    shown = _cut(found, limit, page)
    if include_context:
        shown = replace(shown, items=await _around(services, shown.items, context_before, context_after))
    data = messages_data(shown, services.zone, of_one_chat=chat_jid is not None)
    return Result(messages_text(data, header="Messages, newest first"), data)


async def _around(
    services: Services, messages: Sequence[Message], before: int, after: int
) -> tuple[Message, ...]:
    """The messages and those around them, each once."""
    found = {message.ref: message for message in messages}
    for message in messages:
        context = await services.archive.context(message.ref, before=before, after=after, opens=False)
        found.update((each.ref, each) for each in context.items)
    return tuple(sorted(found.values(), key=lambda each: (each.timestamp, each.ref), reverse=True))


@tool("lharries", Effect.READ, Audience.NOBODY, name="list_chats", open_world=False, result=ChatsData)
async def list_chats(
    call: Call,
    query: str | None = None,
    limit: DeepLimit = 20,
    page: int = 0,
    include_last_message: bool = True,
    sort_by: Literal["last_active", "name"] = "last_active",
) -> Result:
    """Chats, by last activity or by name."""
    services = await call.services()
    reach = _reach(limit, page)
    found = await services.archive.chats(query=query, limit=reach if sort_by == "last_active" else _DEEPEST)
    if sort_by == "name":
        found = replace(found, items=tuple(sorted(found.items, key=lambda chat: chat.name.casefold())))
    shown = _cut(found, limit, page)
    if not include_last_message:
        shown = replace(shown, items=_without_last(shown.items))
    return _shown(chats_data(shown, services.zone), services)


@tool("lharries", Effect.READ, Audience.NOBODY, name="get_chat", open_world=False, result=ChatData)
async def get_chat(call: Call, chat_jid: str, include_last_message: bool = True) -> Result:
    """One chat by jid."""
    services = await call.services()
    found = await find_known_chat(services, chat_jid, reading=True)
    chat = await services.archive.chat(found.jid) or found
    if not include_last_message:
        (chat,) = _without_last([chat])
    data = chat_data(chat, services.zone)
    return replace(_shown(ChatsData(chats=[data], next_cursor=None), services), data=data)


@tool(
    "lharries",
    Effect.READ,
    Audience.NOBODY,
    name="get_direct_chat_by_contact",
    open_world=False,
    result=ChatData,
)
async def get_direct_chat_by_contact(call: Call, sender_phone_number: str) -> Result:
    """The direct chat with a number."""
    return await get_chat(call, sender_phone_number)


@tool("lharries", Effect.READ, Audience.NOBODY, name="get_contact_chats", open_world=False, result=ChatsData)
async def get_contact_chats(call: Call, jid: str, limit: DeepLimit = 20, page: int = 0) -> Result:
    """The chats in which a person has written."""
    from whatsapp_mcp.models import MessageFilter

    _reach(limit, page)
    services = await call.services()
    sender = (await find_person(services, jid, reading=True)).jid
    said = await services.archive.messages(MessageFilter(sender=sender), limit=_DEEPEST)
    jids = dict.fromkeys([sender, *(message.chat for message in said.items)])
    wanted = list(jids)[limit * page : limit * (page + 1)]
    found = [await services.archive.chat(each) for each in wanted]
    shown = Page(tuple(chat for chat in found if chat is not None))
    return _shown(chats_data(shown, services.zone), services)


@tool(
    "lharries",
    Effect.READ,
    Audience.NOBODY,
    name="get_last_interaction",
    open_world=False,
    result=MessagesData,
)
async def get_last_interaction(call: Call, jid: str) -> Result:
    """The newest message with or of a person, in groups too."""
    from whatsapp_mcp.models import MessageFilter

    services = await call.services()
    chat = await find_person(services, jid, reading=True)
    found = [
        message
        for where in (MessageFilter(chat=chat.jid), MessageFilter(sender=chat.jid))
        for message in (await services.archive.messages(where, limit=1)).items
    ]
    newest = max(found, key=lambda message: (message.timestamp, message.ref), default=None)
    shown = Page(() if newest is None else (newest,))
    header = f"Last message with {named(chat)}"
    data = messages_data(shown, services.zone)
    return Result(messages_text(data, header=header), data)


@tool(
    "lharries",
    Effect.READ,
    Audience.NOBODY,
    name="get_message_context",
    open_world=False,
    result=MessagesData,
)
async def get_message_context(call: Call, message_id: str, before: Around = 5, after: Around = 5) -> Result:
    """A message with the ones around it."""
    return await searching.get_message_context(call, message_id, before, after)


@tool("lharries", Effect.ACT, Audience.CHAT, name="send_message", result=SentData)
async def send_message(call: Call, recipient: Recipient, message: str) -> Result:
    """Send a text."""
    return _successful(await sending.send_message(call, recipient, message))


@tool("lharries", Effect.ACT, Audience.CHAT, name="send_file", result=SentData)
async def send_file(call: Call, recipient: Recipient, media_path: str) -> Result:
    """Send a file from an allowed folder."""
    return _successful(await files.send_file(call, recipient, media_path))


@tool("lharries", Effect.ACT, Audience.CHAT, name="send_audio_message", result=SentData)
async def send_audio_message(call: Call, recipient: Recipient, media_path: str) -> Result:
    """Send an audio file as a voice note."""
    return _successful(await files.send_file(call, recipient, media_path, kind="voice"))


class DownloadedData(files.DownloadData):
    """The file of a message, as lharries/whatsapp-mcp told it, too."""

    success: bool
    message: str
    file_path: NotRequired[str]


@tool("lharries", Effect.READ, Audience.NOBODY, name="download_media", result=DownloadedData)
async def download_media(call: Call, message_id: str, chat_jid: str) -> Result:
    """Fetch the file of a message."""
    services = await call.services()
    chat = await find_known_chat(services, chat_jid, reading=True)
    found = await services.archive.message(message_id, chat=chat.jid)
    result = _successful(await files.download_media(call, f"#{found.ref}"))
    path = result.data.get("path")  # none where only a thumbnail is left
    return result if path is None else replace(result, data={**result.data, "file_path": path})


TOOLS: Sequence[ToolFunction] = (
    search_contacts,
    list_messages,
    list_chats,
    get_chat,
    get_direct_chat_by_contact,
    get_contact_chats,
    get_last_interaction,
    get_message_context,
    send_message,
    send_file,
    send_audio_message,
    download_media,
)
