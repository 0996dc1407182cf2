"""Sending text, reacting, marking as read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import chats, contacts
from whatsapp_mcp.errors import (
    Candidate,
    InvalidArgument,
    MessageNotFound,
    NotOnWhatsApp,
    TooLong,
    WhatsAppError,
)
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import (
    NOTICES,
    Content,
    Message,
    ReactionContent,
    SendRequest,
    SendResult,
    TextContent,
)
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    ChatArg,
    MessageArg,
    ReplyArg,
    Texts,
    candidate,
    find_chat,
    find_known_chat,
    is_certain,
    mention,
    one_emoji,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, candidate_text, tool
from whatsapp_mcp.server.render import SentData, address, named
from whatsapp_mcp.server.tools.channels import post_of, react_to_post
from whatsapp_mcp.server.tools.outcomes import ReplyTarget, changed, sent
from whatsapp_mcp.text import time_grammar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import Chat

MAX_TEXT: Final = 65_536
"""WhatsApp's limit for one text message, in characters."""
_SUBSCRIBER_DIGITS: Final = 7
"""Last digits by which a number is recognised although its country or area code is another."""


@tool("core", Effect.ACT, Audience.CHAT, result=SentData, in_chat=True)
async def send_message(
    call: Call,
    chat: ChatArg,
    text: str,
    reply_to: ReplyArg | None = None,
    mentions: Annotated[Texts | None, Field(description="Names in a group, or everyone")] = None,
    link_preview: Annotated[bool, Field(description="Show the first link's page")] = False,
    idempotency_key: Annotated[str | None, Field(description="Never sends twice")] = None,
    at: Annotated[str | None, Field(description="Later: 2h, friday 09:00")] = None,
    unless_reply: Annotated[bool, Field(description="With at: not if they write first")] = False,
) -> Result:
    """Send a text. After status unknown do not send again."""
    check_text(text)
    if unless_reply and at is None:
        raise InvalidArgument("unless_reply is for a message that is sent later.", "Give at as well.")
    services = await call.services()
    target = await find_chat(services, chat)
    reply = await reply_target(services, reply_to, target)
    await require_on_whatsapp(services, target)
    text, mentioned = await mention(services, target.jid, text, mentions or ())
    request = SendRequest(
        chat=target.jid,
        content=TextContent(text, mentioned, link_preview),
        reply_to=reply.message_id,
        reply_chat=reply.chat,
        idempotency_key=idempotency_key,
        at=None if at is None else time_grammar.later(at, services.zone, services.now()),
        unless_reply=unless_reply,
    )
    answer = sent(await send(services, request), target, services, reply, mentions or ())
    return replace(answer, text=answer.summary + await _others_called_so(services, chat, target))


def check_text(text: str) -> str:
    """A text, if WhatsApp takes it.

    Raises:
        InvalidArgument: It is empty.
        TooLong: It is beyond WhatsApp's limit.
    """
    if not text.strip():
        raise InvalidArgument("text is empty.", "Give the text to send.")
    if len(text) > MAX_TEXT:
        raise TooLong(
            f"The text has {len(text)} characters, WhatsApp's limit is {MAX_TEXT}.", "Shorten it or split it."
        )
    return text


async def _others_called_so(services: Services, given: str, chat: Chat) -> str:
    """Return a note on others with the given name, or one letter off; empty if there are none."""
    if is_certain(given):
        return ""
    others = [candidate_text(candidate(one)) for one in await services.archive.chats_named_alike(chat.jid)]
    names = "; ".join(filter(None, others))
    return f" Others with such a name: {names}." if names else ""


async def reply_target(services: Services, reply_to: str | None, chat: Chat) -> ReplyTarget:
    """The message to answer: of the same chat, or of a group when the chat is its author's own.

    Raises:
        MessageNotFound: There is no such message.
        InvalidArgument: It is in another chat.
    """
    if not reply_to:
        return ReplyTarget()
    try:
        # An id is unique in one chat alone, so the target's own message comes first.
        message = await services.archive.message(reply_to, chat=chat.jid)
    except MessageNotFound:
        message = await services.archive.message(reply_to)
    _require_message(message)
    if message.chat == chat.jid:
        return ReplyTarget(message.message_id, ref=message.ref)
    if not Jid.parse(message.chat).is_group or message.sender != chat.jid:
        raise InvalidArgument(
            f"{reply_to} is in another chat.",
            "Reply to a message of the target chat, or to one that this person wrote in a group.",
            candidates=[Candidate(message.chat_name, address(message.chat), stranger=message.chat_stranger)],
        )
    return ReplyTarget(message.message_id, message.chat, message.ref)


async def send(services: Services, request: SendRequest) -> SendResult:
    """Send through the leader; `send_through_takeover` loads only when it is needed."""
    from whatsapp_mcp.device import outbox

    return await outbox.send_through_takeover(services.devices, request)


@tool("core", Effect.ACT, Audience.CHAT, idempotent=True, result=SentData, in_chat=True)
async def react(
    call: Call, message: MessageArg, emoji: Annotated[str, Field(description="Empty removes it")]
) -> Result:
    """React to a message with an emoji."""
    emoji = one_emoji(emoji)
    services = await call.services()
    if (post := post_of(message)) is not None:
        return await react_to_post(services, *post, emoji)
    stored_message = await services.archive.message(message)
    if Jid.parse(stored_message.chat).is_channel:
        return await react_to_post(services, stored_message.chat, _number_of(stored_message), emoji)
    return await change(services, stored_message, ReactionContent(stored_message.message_id, emoji))


def _number_of(post: Message) -> int:
    """The number under which its channel has a post.

    Raises:
        InvalidArgument: It is not known.
    """
    number = (post.details or {}).get("server_id")
    if not isinstance(number, int):
        raise InvalidArgument(
            "The number of this post is not known here.", "Take the post from list_messages of its channel."
        )
    return number


def _require_message(message: Message) -> None:
    """Refuse what has no id that could be sent."""
    if message.kind in NOTICES or not message.message_id:
        raise MessageNotFound(
            f"#{message.ref} is a notice, or has no id that can be named.", "Name a message."
        )


async def change(services: Services, message: Message, content: Content) -> Result:
    """Send a change of a message and tell of it; while the connection is down it is refused, not queued.

    Raises:
        MessageNotFound: It is a notice, which nobody else has.
    """
    _require_message(message)
    result = await send(services, SendRequest(chat=message.chat, content=content, queue=False))
    return changed(result, message, content, services)


class MarkedData(TypedDict):
    """Number of messages of a chat that were marked as read."""

    chat: str
    marked: int


@tool("core", Effect.ACT, Audience.CHAT, idempotent=True, in_chat=True, result=MarkedData)
async def mark_read(call: Call, chat: ChatArg) -> Result:
    """Mark a chat as read; the senders see it."""
    services = await call.services()
    target = await find_known_chat(services, chat)
    async with services.device() as device:
        count = await device.do(chats.mark_read, target.jid)
    text = f"{count} marked read" if count else "Nothing to mark as read"
    return Result(f"{text} in {named(target)}.", MarkedData(chat=target.jid, marked=count))


async def require_on_whatsapp(services: Services, chat: Chat) -> None:
    """Check a number nothing was ever said to; when WhatsApp cannot be asked now, the send will tell.

    Raises:
        NotOnWhatsApp: The number has no WhatsApp account.
    """
    number = Jid.parse(chat.jid).number
    if number is None or chat.last_message_at is not None:
        return
    try:
        async with services.device() as device:
            known = await device.do(contacts.resolve_number, number)
    except WhatsAppError:
        return
    if known is None:
        ending = await services.archive.resolve_chat(number[-_SUBSCRIBER_DIGITS:])
        similar = [
            candidate(one.chat) for one in ending if one.matched == "contains" and one.chat.jid != chat.jid
        ]
        raise NotOnWhatsApp(f"{number} is not on WhatsApp.", candidates=similar)


TOOLS: Sequence[ToolFunction] = (send_message, react, mark_read)
