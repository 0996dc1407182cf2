"""Changing messages, and the kinds that are not plain text."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field
from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import chats
from whatsapp_mcp.errors import (
    ContactNotFound,
    InvalidArgument,
    MessageNotFound,
    TooLate,
    TooLong,
    Unsupported,
)
from whatsapp_mcp.jid import Jid, looks_like_number, parse_number
from whatsapp_mcp.models import (
    ContactCardContent,
    Content,
    EditContent,
    ForwardContent,
    LocationContent,
    Message,
    MessageKind,
    PinContent,
    PollContent,
    SendRequest,
    VoteContent,
)
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    ChatArg,
    MessageArg,
    Texts,
    find_chat,
    find_person,
    mention,
    still_mentioned,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import chosen_name
from whatsapp_mcp.server.render import PollData, SentData, named, poll_data, poll_text
from whatsapp_mcp.server.tools.outcomes import PINNED, content_told, sent
from whatsapp_mcp.server.tools.sending import (
    MAX_TEXT,
    change,
    require_on_whatsapp,
    send,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_OPTIONS: Final = 12
"""WhatsApp's limit of options in a poll."""
_MAX_OPTION: Final = 100
_MAX_QUESTION: Final = 255
"""WhatsApp's limits of a poll, in characters."""
EDITABLE: Final = frozenset(
    {MessageKind.TEXT, MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.GIF, MessageKind.DOCUMENT}
)
"""Kinds with a text or a caption: WhatsApp lets nothing else of a message be edited."""
EDIT_WINDOW: Final = timedelta(minutes=15)
"""Time in which WhatsApp's apps accept an edit; a later edit has no effect (its help pages)."""


async def _editable(services: Services, key: str) -> Message:
    message = await services.archive.message(key)
    if not message.from_me:
        raise InvalidArgument(f"{key} was not sent by this account.", "Only own messages can be edited.")
    if message.kind not in EDITABLE or (message.media and message.media.view_once):
        raise Unsupported(
            f"{key} has no text to edit: texts have one, and pictures, videos and documents a caption.",
            "Delete it and send it again, if the user wants that.",
        )
    if services.now() - message.timestamp > EDIT_WINDOW:
        raise TooLate(
            f"{key} is more than 15 minutes old, so it can no longer be edited.",
            "Ask the user whether to send a correction instead.",
        )
    return message


@tool("messages", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=SentData)
async def edit_message(
    call: Call,
    message: MessageArg,
    text: str,
    mentions: Annotated[Texts | None, Field(description="More names in a group, or everyone")] = None,
) -> Result:
    """Replace the text or caption of an own message (WhatsApp allows it for 15 minutes)."""
    if not text.strip():
        raise InvalidArgument("text is empty.", "Use delete_message to delete a message.")
    if len(text) > MAX_TEXT:
        raise TooLong(f"The text has {len(text)} characters, WhatsApp's limit is {MAX_TEXT}.")
    services = await call.services()
    stored_message = await _editable(services, message)
    text = still_mentioned(text, stored_message.mentions)
    text, mentioned = await mention(services, stored_message.chat, text, mentions or ())
    return await change(
        services, stored_message, EditContent(stored_message.message_id, text, mentions=mentioned)
    )


@tool("messages", Effect.ACT, Audience.CHAT, result=SentData)
async def forward_message(
    call: Call, message: MessageArg, chat: ChatArg, idempotency_key: str | None = None
) -> Result:
    """Forward a message to another chat, marked as forwarded."""
    services = await call.services()
    stored_message = await services.archive.message(message)
    if stored_message.revoked_at:
        raise MessageNotFound(f"{message} was deleted.")
    if stored_message.media and stored_message.media.view_once:
        raise InvalidArgument(f"{message} is a view-once message.", "It cannot be forwarded.")
    return await _say(services, chat, ForwardContent(stored_message.ref), idempotency_key)


@tool("messages", Effect.ACT, Audience.CHAT, result=SentData)
async def send_location(
    call: Call,
    chat: ChatArg,
    latitude: float,
    longitude: float,
    name: str = "",
    address: str = "",
    idempotency_key: str | None = None,
) -> Result:
    """Send a location."""
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise InvalidArgument("latitude is between -90 and 90, longitude between -180 and 180.")
    place = LocationContent(latitude, longitude, name, address)
    return await _say(await call.services(), chat, place, idempotency_key)


@tool("messages", Effect.ACT, Audience.CHAT, result=SentData)
async def send_contact(
    call: Call,
    chat: ChatArg,
    contact: Annotated[str, Field(description="Whose card: number, jid or name")],
    name: Annotated[str | None, Field(description="Name on the card")] = None,
    idempotency_key: str | None = None,
) -> Result:
    """Send somebody's contact card."""
    services = await call.services()
    # A card may be of somebody whom the archive does not know.
    if looks_like_number(contact):
        jid, known = str(parse_number(contact)), contact
    else:
        person = await find_person(services, contact)
        jid, known = person.jid, person.name
    number = Jid.parse(jid).number
    if number is None:
        raise ContactNotFound(f"The number of {contact!r} is not known.", "Give the number.")
    return await _say(services, chat, ContactCardContent(name or known, number), idempotency_key)


@tool("messages", Effect.ACT, Audience.CHAT, result=SentData, in_chat=True)
async def send_poll(
    call: Call,
    chat: ChatArg,
    question: str,
    options: Texts,
    multiple: Annotated[bool, Field(description="More than one answer allowed")] = False,
    idempotency_key: str | None = None,
) -> Result:
    """Ask a question with 2 to 12 options."""
    names = tuple(option.strip() for option in options)
    if not question.strip() or not 2 <= len(names) <= _MAX_OPTIONS or not all(names):
        raise InvalidArgument("A poll has a question and 2 to 12 options, none empty.")
    if len(question) > _MAX_QUESTION:
        raise TooLong(f"The question has {len(question)} characters, WhatsApp's limit is {_MAX_QUESTION}.")
    if len(set(names)) < len(names) or max(map(len, names)) > _MAX_OPTION:
        raise InvalidArgument("Options must differ and have at most 100 characters.")
    poll = PollContent(question.strip(), names, multiple)
    return await _say(await call.services(), chat, poll, idempotency_key)


@tool("messages", Effect.ACT, Audience.CHAT, idempotent=True, result=SentData, in_chat=True)
async def vote_poll(call: Call, message: MessageArg, options: Texts) -> Result:
    """Vote in a poll with these option names; an empty list removes the vote."""
    services = await call.services()
    poll = await _poll(services, message)
    chosen = tuple(_option(poll, each) for each in options)
    return await change(services, poll, VoteContent(poll.message_id, chosen))


def _option(poll: Message, text: str) -> str:
    """The option that a text means, which may be as answers and errors show it.

    Raises:
        InvalidArgument: The poll has none such. Its options are the words of whoever asks, so the error has
            none of them.
    """
    wanted = text.strip().strip("“”").casefold()
    known = [option.name for option in poll.poll]
    for shown in (str, chosen_name):
        matches = [name for name in known if shown(name).casefold() == wanted]
        if len(matches) == 1:
            return matches[0]
    raise InvalidArgument(
        "The poll has no such option.",
        "Give one of its options as get_poll_results shows them.",
    )


@tool("messages", Effect.READ, Audience.NOBODY, open_world=False, result=PollData, in_chat=True)
async def get_poll_results(call: Call, message: MessageArg) -> Result:
    """Votes of a poll, by option and by person, and who has not voted."""
    services = await call.services()
    poll = await _poll(services, message)
    missing = await services.archive.without_vote(message)
    return Result(poll_text(poll, missing), poll_data(poll, missing))


async def _poll(services: Services, key: str) -> Message:
    message = await services.archive.opened_message(key)
    if message.kind is not MessageKind.POLL:
        raise MessageNotFound(f"{key} is not a poll.", "Find polls with list_messages kind=poll.")
    return message


@tool("messages", Effect.ACT, Audience.CHAT, idempotent=True, result=SentData)
async def pin_message(
    call: Call, message: MessageArg, duration: Literal["24h", "7d", "30d", "unpin"] = "7d"
) -> Result:
    """Pin a message in its chat for everyone, or unpin it."""
    services = await call.services()
    stored_message = await services.archive.message(message)
    return await change(
        services, stored_message, PinContent(stored_message.message_id, PINNED.get(duration, 0))
    )


class TypingData(TypedDict):
    """State shown in a chat: composing, recording or paused."""

    chat: str
    state: str


@tool("messages", Effect.ACT, Audience.CHAT, idempotent=True, in_chat=True, result=TypingData)
async def send_typing(
    call: Call, chat: ChatArg, state: Literal["composing", "recording", "paused"] = "composing"
) -> Result:
    """Show in a chat that the user is typing or recording, or has stopped."""
    services = await call.services()
    target = await find_chat(services, chat)
    async with services.device() as device:
        await device.do(chats.typing, target.jid, state)
    return Result(f"{state} shown to {named(target)}.", TypingData(chat=target.jid, state=state))


async def _say(services: Services, chat: str, content: Content, idempotency_key: str | None) -> Result:
    target = await find_chat(services, chat)
    await require_on_whatsapp(services, target)
    request = SendRequest(target.jid, content, idempotency_key=idempotency_key)
    return sent(await send(services, request), target, services, what=content_told(content))


TOOLS: Sequence[ToolFunction] = (
    edit_message,
    forward_message,
    send_location,
    send_contact,
    send_poll,
    vote_poll,
    get_poll_results,
    pin_message,
    send_typing,
)
