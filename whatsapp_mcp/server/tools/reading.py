"""Listing chats and messages.

A list of messages may follow the context of each, and voice notes say that nobody transcribes them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from whatsapp_mcp.errors import InvalidArgument, NotConnected, NotLinked
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.models import ChatKind, MessageKind, Side
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    MAX_LIMIT,
    ChatArg,
    Context,
    Detail,
    Either,
    Kinds,
    Limit,
    LongLimit,
    Since,
    Until,
    find_known_chat,
    find_person,
)
from whatsapp_mcp.server.calls import Call, Neutral, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import (
    CHAT_TEXT,
    CONTEXT,
    QUESTION_TEXT,
    ChatsData,
    MessageData,
    MessagesData,
    chats_data,
    chats_text,
    fitting_texts,
    messages_data,
    messages_text,
    named,
    narrowed,
    place_of,
    stamp,
)
from whatsapp_mcp.server.tools.channels import channel_of_link, posts_of
from whatsapp_mcp.server.tools.connection import unheard
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import Message, MessageFilter, Page
    from whatsapp_mcp.server.reading import GuardedArchive


def page_data(services: Services, page: Page[Message], *, of_one_chat: bool) -> MessagesData:
    """A page as structured content; where nothing transcribes, its voice notes and a note say so."""
    data = messages_data(page, services.zone, of_one_chat=of_one_chat)
    silent = [one for one in data["messages"] if one["kind"] == MessageKind.VOICE and _is_unread(one)]
    if silent and (why := services.settings.speech_missing) is not None:
        for one in silent:
            one["problem"] = "not transcribed"
        data["notes"] = [*data.get("notes", ()), why]
    return data


def _is_unread(message: MessageData) -> bool:
    return message.keys().isdisjoint({"reading", "problem", "withheld", "revoked_at"})


async def with_context(
    services: Services, archive: GuardedArchive, page: Page[Message], count: int, *, of_one_chat: bool
) -> MessagesData:
    """A page as structured content, with up to `count` messages before each that are not on it themselves.

    What stands before more than one is told once, before the oldest of these; each is marked as context.
    """
    if not count:
        return page_data(services, page, of_one_chat=of_one_chat)
    before = await archive.preceding([f"#{hit.ref}" for hit in page.items], count)
    shown = replace(page, items=tuple(one for hit in page.items for one in (*before[hit.ref], hit)))
    data = page_data(services, shown, of_one_chat=of_one_chat)
    hits = {hit.ref for hit in page.items}
    for message, one in zip(shown.items, data["messages"], strict=True):
        if message.ref not in hits:
            one["context"] = True
    return data


def after_context(count: int) -> str:
    """Return the heading's note on context messages; empty without context."""
    return f", each after up to {count} before it ({CONTEXT.strip()})" if count else ""


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=ChatsData, in_chat=True)
async def list_chats(
    call: Call,
    query: Annotated[str | None, Field(description="Words of the name")] = None,
    kind: Annotated[Literal["direct", "group", "channel"] | None, Neutral("any")] = None,
    unread: Either = None,
    unanswered: Annotated[
        Side | None, Neutral("any"), Field(description="me: they wrote last; them: the user did")
    ] = None,
    limit: Limit = 20,
    cursor: str | None = None,
    detail: Detail = "concise",
) -> Result:
    """Chats with unread count and last message, newest first."""
    services = await call.services()
    page = await services.archive.chats(
        query=query,
        kind=ChatKind(kind) if kind else None,
        unread=unread,
        unanswered=unanswered,
        now=services.now(),
        limit=limit,
        cursor=cursor,
    )
    data = chats_data(page, services.zone)
    width = QUESTION_TEXT if unanswered else CHAT_TEXT
    text = chats_text(data, stamp(services.now(), services.zone), detail, width)
    if not page.items and (notes := await unheard(services)):
        data["notes"] = [*notes]
        text = text.plus(*notes)
    return Result(text, data)


@tool("core", Effect.READ, Audience.NOBODY, result=MessagesData, in_chat=True)
async def list_messages(
    call: Call,
    chat: ChatArg | None = None,
    sender: str | None = None,
    since: Since | None = None,
    until: Until | None = None,
    kind: Kinds | None = None,
    unread: Either = None,
    from_me: Either = None,
    mentions_me: bool = False,
    context: Context = 0,
    limit: LongLimit = 20,
    cursor: str | None = None,
    detail: Detail = "concise",
) -> Result:
    """Newest messages, shown oldest first; unread ones chat by chat. Marks nothing read."""
    from whatsapp_mcp.models import MessageFilter

    services = await call.services()
    jid = await _jid_of(services, chat) if chat is not None else None
    who = await find_person(services, sender, reading=True) if sender else None
    where = MessageFilter(
        chat=jid,
        sender=who.jid if who else None,
        kinds=_kinds(kind or []),
        since=time_grammar.since(since, services.zone, services.now()),
        until=time_grammar.until(until, services.zone, services.now()),
        unread=unread,
        from_me=from_me,
        mentions_me=mentions_me or None,
    )
    notes: tuple[str, ...] = ()
    # WhatsApp is asked for the newest posts alone; filters and context are questions to the archive.
    if jid is not None and Jid.parse(jid).is_channel and where == MessageFilter(chat=jid) and not context:
        try:
            return await posts_of(services, jid, limit, cursor)
        except (NotConnected, NotLinked) as error:
            # The archive cannot go on at a cursor of WhatsApp's numbers.
            if cursor is not None:
                raise
            notes = (f"Only what is stored here: {error.message}",)
    archive = services.archive.opened(jid, context=context)
    page = await _page(archive, where, limit, cursor)
    by_chat = unread is True and jid is None
    shown = replace(page, items=_by_chat(page.items) if by_chat else page.items[::-1])
    of = "all chats" if jid is None else await _name_of(services, jid, page)
    header = f"Messages of {of}{narrowed(where, services.zone, sender=named(who) if who else None)}"
    header += ", chat by chat, the newest first" if by_chat else ""
    header += after_context(context)
    data = await with_context(services, archive, shown, context, of_one_chat=jid is not None)
    if notes := (*notes, *(() if page.items else await unheard(services))):
        data["notes"] = [*data.get("notes", ()), *notes]
    if by_chat and page.items:
        data["unread_by_chat"] = await _unread(services, page.items)
    return Result(messages_text(data, header=header, detail=detail, to_the_end=True), data)


async def _page(
    archive: GuardedArchive, where: MessageFilter, limit: int, cursor: str | None
) -> Page[Message]:
    """Return as many messages as requested; above `MAX_LIMIT`, only as many as fit an answer."""
    page = await archive.messages(where, limit=limit, cursor=cursor)
    fitting = fitting_texts(
        message.text or (message.reading.text if message.reading else "") for message in page.items
    )
    if limit <= MAX_LIMIT or fitting == len(page.items):
        return page
    return await archive.messages(where, limit=fitting, cursor=cursor)


def _by_chat(newest_first: Sequence[Message]) -> tuple[Message, ...]:
    """The chat of the newest message first, and the messages of each oldest first."""
    chats: dict[str, list[Message]] = {}
    for message in newest_first:
        chats.setdefault(message.chat, []).append(message)
    return tuple(message for chat in chats.values() for message in reversed(chat))


async def _unread(services: Services, messages: Sequence[Message]) -> dict[str, int]:
    """All that is unread in the chats of these messages, by jid."""
    counts = Counter(message.chat for message in messages)
    for jid in counts:
        chat = await services.archive.chat(jid)
        counts[jid] = max(counts[jid], chat.unread if chat else 0)
    return dict(counts)


async def _jid_of(services: Services, chat: str) -> str:
    """The jid that a chat is asked for by; one that is given is looked up together with its messages."""
    if looks_like_jid(chat):
        return str(Jid.parse(chat).bare)
    if (channel := await channel_of_link(services, chat)) is not None:
        return channel
    return (await find_known_chat(services, chat, reading=True)).jid


async def _name_of(services: Services, jid: str, page: Page[Message]) -> str:
    if page.items:
        return place_of(page.items[0])
    return named(await find_known_chat(services, jid))


def _kinds(given: list[str]) -> tuple[MessageKind, ...]:
    try:
        return tuple(dict.fromkeys(MessageKind(kind.strip().casefold()) for kind in given))
    except ValueError as error:
        raise InvalidArgument(
            f"{', '.join(given)!r} is not a kind of message.",
            f"Kinds: {', '.join(known.value for known in MessageKind)}.",
        ) from error


TOOLS: Sequence[ToolFunction] = (list_chats, list_messages)
