"""Sending text, reacting, marking as read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp import time_grammar
from whatsapp_mcp.errors import (
    Candidate,
    InvalidArgument,
    MessageNotFound,
    NotOnWhatsApp,
    TooLong,
    WhatsAppError,
)
from whatsapp_mcp.jid import Jid, looks_like_jid, looks_like_number
from whatsapp_mcp.models import (
    Content,
    Message,
    ReactionContent,
    SendRequest,
    SendResult,
    SendStatus,
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
    is_ref,
    mention,
    one_emoji,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, candidate_text, tool
from whatsapp_mcp.server.fencing import called, clean_line, clean_name
from whatsapp_mcp.server.render import SentData, address, clock, named, place_of, sent_data, when

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
    link_preview: Annotated[bool, Field(description="Fetch and show the first link's page")] = False,
    idempotency_key: Annotated[str | None, Field(description="Never sends twice")] = None,
    at: Annotated[str | None, Field(description="Later: 2026-12-01T09:00, friday 09:00, 2h")] = None,
    unless_reply: Annotated[bool, Field(description="With at: not if they write first")] = False,
) -> Result:
    """Send a text. Ambiguous names are refused. After status unknown do not send again."""
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
    told = sent(await send(services, request), target, services, reply, mentions or ())
    return replace(told, text=told.summary + await _others_called_so(services, chat, target))


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
    """Who else has the name that was given, or one that differs by a letter; empty if nobody has."""
    if looks_like_jid(given) or looks_like_number(given) or is_ref(given):
        return ""
    others = [candidate_text(candidate(one)) for one in await services.archive.chats_named_alike(chat.jid)]
    told = "; ".join(filter(None, others))
    return f" Others with such a name: {told}." if told else ""


class ReplyTarget(NamedTuple):
    """The message that is answered: its ids, and its group when the author is answered privately."""

    message_id: str | None = None
    chat: str | None = None
    ref: int | None = None


async def reply_target(services: Services, reply_to: str | None, chat: Chat) -> ReplyTarget:
    """The message to answer: of the same chat, or of a group when the chat is its author's own.

    Raises:
        MessageNotFound: There is no such message.
        InvalidArgument: It is in another chat.
    """
    if not reply_to:
        return ReplyTarget()
    try:
        message = await services.archive.message(reply_to, chat=chat.jid)
    except MessageNotFound:
        message = await services.archive.message(reply_to)
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
    """Send through the leader; see `device.sending.send`, which loads only when it is needed."""
    from whatsapp_mcp.device import outbox

    return await outbox.send_through_takeover(services.devices, request)


@tool("core", Effect.ACT, Audience.CHAT, idempotent=True, result=SentData, in_chat=True)
async def react(
    call: Call, message: MessageArg, emoji: Annotated[str, Field(description="Empty removes it")]
) -> Result:
    """React to a message with an emoji."""
    emoji = one_emoji(emoji)
    services = await call.services()
    found = await services.archive.message(message)
    done = f"Reacted {emoji} to" if emoji else "Took back the reaction to"
    return await change(services, found, ReactionContent(found.message_id, emoji), done, of_whom(found))


def of_whom(message: Message) -> str:
    """` (Bob in Boat club)`: whose message was changed, and where."""
    whose = "the user's own" if message.from_me else called(message.sender_name, message.sender_stranger)
    place = f" in {place_of(message)}" if message.from_me or Jid.parse(message.chat).is_group else ""
    return f" ({whose}{place})"


class MarkedData(TypedDict):
    """How many messages of a chat were marked as read."""

    chat: str
    marked: int


@tool("core", Effect.ACT, Audience.CHAT, idempotent=True, in_chat=True, result=MarkedData)
async def mark_read(call: Call, chat: ChatArg) -> Result:
    """Mark a chat as read; the senders see it."""
    services = await call.services()
    target = await find_known_chat(services, chat)
    async with services.device() as device:
        count = await device.mark_read(target.jid)
    told = f"{count} marked read" if count else "Nothing to mark as read"
    return Result(f"{told} in {named(target)}.", MarkedData(chat=target.jid, marked=count))


async def change(services: Services, message: Message, content: Content, done: str, more: str = "") -> Result:
    """Send a change of a message and tell of it; while the connection is down it is refused, not queued.

    Args:
        done: What is told to have been done, before the message's ref, and `more` behind it.
    """
    request = SendRequest(chat=message.chat, content=content, queue=False)
    result = await send(services, request)
    if result.status in {SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ}:
        result = replace(result, ref=message.ref)
        return Result(f"{done} #{message.ref}{more}.", sent_data(result, services.zone))
    state = f"{result.status.value}: {_reason(result) or 'no answer yet.'}"
    text = f"{done} #{message.ref}? (send_id {result.send_id}) {state}"
    return Result(text, sent_data(result, services.zone))


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
            known = await device.resolve_number(number)
    except WhatsAppError:
        return
    if known is None:
        ending = await services.archive.resolve_chat(number[-_SUBSCRIBER_DIGITS:])
        similar = [
            candidate(one.chat) for one in ending if one.matched == "contains" and one.chat.jid != chat.jid
        ]
        raise NotOnWhatsApp(f"{number} is not on WhatsApp.", candidates=similar)


def _reason(result: SendResult) -> str:
    """Why it failed or waits, as an error said it then."""
    return clean_line(result.reason or "", 300)


def sent(
    result: SendResult,
    chat: Chat,
    services: Services,
    reply: ReplyTarget | None = None,
    mentions: Sequence[str] = (),
    what: str = "",
) -> Result:
    """What is told of a send; what has no ref yet is asked after by its `send_id`.

    Args:
        result: What became of it.
        chat: To whom it went.
        services: For the person's time zone.
        reply: What it answers.
        mentions: Who is mentioned, as the caller named them.
        what: What was sent, where that is not a text.
    """
    name = _reached(chat)
    ref = f" (send_id {result.send_id})" if result.ref is None else f" as #{result.ref}"
    match result.status:
        case SendStatus.SCHEDULED if result.due_at is not None:
            text = f"scheduled to {name}{ref} for {when(result.due_at, services.zone)}."
        case SendStatus.QUEUED | SendStatus.SENDING:
            text = f"queued to {name}{ref}: it goes out when the connection is back. Do not send it again."
            text += f" {_reason(result)}" if result.reason else ""
        case SendStatus.UNKNOWN:
            text = f"unknown: it may have reached {name}{ref}. Do not send it again; look at message_status."
        case SendStatus.FAILED:
            text = f"failed to {name}: {_reason(result) or 'WhatsApp refused it.'}"
        case _:
            at = f" at {clock(result.timestamp, services.zone)}" if result.timestamp else ""
            text = f"{result.status.value}{what} to {name}{ref}{at}{_details(reply, mentions)}."
    return Result(text, sent_data(result, services.zone))


def _reached(chat: Chat) -> str:
    """Who was written to: a name with the number it stands for, or a group that is called one."""
    jid, name = Jid.parse(chat.jid), named(chat)
    if jid.is_group:
        return f"{name} (group)"
    return f"{name} {jid.number}" if jid.number and jid.number != chat.name else name


def _details(reply: ReplyTarget | None, mentions: Sequence[str]) -> str:
    """`, in reply to #7, mentioning Ann`."""
    told = f", in reply to #{reply.ref}" if reply and reply.ref is not None else ""
    return f"{told}, mentioning {', '.join(clean_name(name) for name in mentions)}" if mentions else told


TOOLS: Sequence[ToolFunction] = (send_message, react, mark_read)
