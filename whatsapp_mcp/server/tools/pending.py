"""Pending sends, which wait for their time or the user's approval: cancelling, deleting for everyone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.errors import (
    ApprovalRequired,
    InvalidArgument,
    MessageNotFound,
    TooLate,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.jid import Jid
from whatsapp_mcp.models import OutboxEntry, RevokeContent, SendRequest, SendResult, SendStatus, TextContent
from whatsapp_mcp.policy import Audience, Effect, clean, clean_line
from whatsapp_mcp.processes.capabilities import capability
from whatsapp_mcp.server.arguments import MessageArg, SendId
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, identifier
from whatsapp_mcp.server.render import SentData, named, rfc3339, sent_data, when
from whatsapp_mcp.server.tools.sending import change, send

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from whatsapp_mcp.models import Message
    from whatsapp_mcp.server.reading import ShownSend

_SHOWN: Final = 120
"""Characters of a scheduled text that a list shows."""
DELETE_WINDOW: Final = timedelta(days=2, hours=12)
"""Time in which WhatsApp's apps accept a deletion; a later deletion has no effect (its help pages)."""
_WAITING: Final = frozenset({SendStatus.HELD, SendStatus.SCHEDULED, SendStatus.QUEUED})
"""States of a send that has not gone out."""
_UNCLEAR: Final = frozenset({SendStatus.SENDING, SendStatus.UNKNOWN})
"""States of a send that may have gone out."""
_SENT: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})


class ScheduledSendData(TypedDict):
    """A send that waits for its moment, or for the user's yes."""

    send_id: int
    chat: str
    status: str
    at: str | None
    text: str
    unless_reply: bool


class ScheduledData(TypedDict):
    """The sends that wait, the next one first."""

    scheduled: list[ScheduledSendData]


@tool("core", Effect.READ, Audience.NOBODY, open_world=False, result=ScheduledData, in_chat=True)
async def scheduled(call: Call) -> Result:
    """List scheduled messages."""
    services = await call.services()
    shown = await services.archive.scheduled_sends()
    lines = [await _line(services, one) for one in shown]
    head = f"{len(lines)} scheduled:" if lines else "Nothing is scheduled."
    return Result(Text(head, lines), ScheduledData(scheduled=[_data(services, one) for one in shown]))


async def _line(services: Services, shown: ShownSend) -> str:
    """`Mon 2026-11-30 09:00 (+01:00) to Ann, send_id 12, unless they write first: hi`."""
    entry = shown.entry
    name = await name_of(services, entry.request.chat)
    notes = [f"send_id {entry.send_id}"]
    notes += ["unless they write first"] if entry.request.unless_reply else []
    notes += ["waits for the user's yes"] if entry.status is SendStatus.HELD else []
    due = "" if entry.due_at is None else when(entry.due_at, services.zone)
    return f"{due} to {name}, {', '.join(notes)}: {_said(shown)}"


def _said(shown: ShownSend) -> str:
    if shown.withheld:
        return "[withheld: another agent wrote it; it waits for the user, or may repeat a stranger]"
    return clean_line(_text_of(shown.entry), _SHOWN)


def _text_of(entry: OutboxEntry) -> str:
    content = entry.request.content
    return content.text if isinstance(content, TextContent) else f"[{content.kind}]"


def _data(services: Services, shown: ShownSend) -> ScheduledSendData:
    entry = shown.entry
    return ScheduledSendData(
        send_id=entry.send_id,
        chat=entry.request.chat,
        status=entry.status.value,
        at=rfc3339(entry.due_at, services.zone),
        text="" if shown.withheld else clean(_text_of(entry)),
        unless_reply=entry.request.unless_reply,
    )


async def name_of(services: Services, jid: str) -> str:
    """Return the name of the chat of a send."""
    chat = await services.archive.chat(jid)
    return named(chat) if chat else identifier(jid)


class _Fate(NamedTuple):
    """Outcome for one file of an album.

    Attributes:
        told: The same in words.
        is_gone: Whether nobody sees it, or ever will.
    """

    told: str
    is_gone: bool


@tool("core", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=SentData)
async def delete_message(call: Call, message: MessageArg | None = None, send_id: SendId = 0) -> Result:
    """Delete a message for everyone (own, or as group admin any), or cancel a send that waits."""
    if (message is None) == (not send_id):
        raise InvalidArgument("Give either message or send_id.")
    services = await call.services()
    if message is None:
        return await _delete_send(services, send_id)
    stored_message = await services.archive.message(message)
    if stored_message.from_me:
        sent = (await services.archive.send_report(f"#{stored_message.ref}")).result
        if sent.send_id and (files := await services.archive.album_files(sent.send_id)):
            return await _delete_album(services, sent, files)
    elif not Jid.parse(stored_message.chat).is_group:
        raise Unsupported(
            capability("app state").cannot,
            "Somebody else's message in a direct chat can be deleted on the phone, for the user alone.",
        )
    return await _delete(services, stored_message)


async def _delete_send(services: Services, send_id: int) -> Result:
    """Cancel what was to be sent, or delete it where it has gone out.

    Raises:
        InvalidArgument: It was never sent, or that is not known yet.
        TooLate: WhatsApp does not delete it any more.
    """
    sent = (await services.archive.send_report(send_id, send_id=True)).result
    if files := await services.archive.album_files(sent.send_id):
        return await _delete_album(services, sent, files)
    if sent.status in _WAITING:
        cancelled = await _cancel(services, sent)
        name = await name_of(services, sent.chat)
        text = f"Cancelled: the message to {name} (send_id {sent.send_id}) will not go out."
        return Result(text, sent_data(cancelled, services.zone))
    message_id = _deletable(sent)
    return await _delete(services, await services.archive.message(message_id, chat=sent.chat))


def _deletable(sent: SendResult) -> str:
    """WhatsApp's id of a send, if there is something to delete.

    Raises:
        InvalidArgument: It was never sent, or that is not known yet.
    """
    if sent.status is SendStatus.FAILED:
        raise InvalidArgument("It was never sent, so there is nothing to delete.")
    if sent.status in _UNCLEAR or sent.message_id is None:
        raise InvalidArgument("It is not known yet whether it went out.", "Look at message_status first.")
    return sent.message_id


def _check_age(services: Services, sent_at: datetime | None) -> None:
    """Refuse what WhatsApp does not delete any more.

    Raises:
        TooLate: It is older.
    """
    if sent_at is not None and services.now() - sent_at > DELETE_WINDOW:
        raise TooLate(
            "It is more than two and a half days old, so WhatsApp no longer deletes it for everyone.",
            "Tell the user.",
        )


async def _delete(services: Services, message: Message) -> Result:
    _check_age(services, message.timestamp)
    return await change(services, message, RevokeContent(message.message_id))


async def _cancel(services: Services, result: SendResult) -> SendResult:
    async with services.device() as device:
        return await device.do(sends.cancel_send, result.chat, result.send_id)


async def _delete_album(services: Services, album: SendResult, files: Sequence[SendResult]) -> Result:
    """Take back each file of an album that WhatsApp has; then its first message, if no file is left.

    A file that cannot be taken back stops no other. Called again, it goes on with what is left.
    """
    name = await name_of(services, album.chat)
    fates: list[_Fate] = []
    for file in files:
        done = f"{_told(fates)} The next file waits." if fates else ""
        fates.append(await _try_to_take_back(services, file, done))
    gone = sum(fate.is_gone for fate in fates)
    text = f"Album to {name} (send_id {album.send_id}): {gone} of {len(files)} files are gone. {_told(fates)}"
    if gone == len(files):
        first = replace(album, status=SendStatus.SENT)
        announcement = await _try_to_take_back(services, first, f"{text} Its first message waits.")
        text += "" if announcement.is_gone else f" Its first message: {announcement.told}."
    data = sent_data((await services.archive.send_report(album.send_id, send_id=True)).result, services.zone)
    return Result(text, data)


async def _try_to_take_back(services: Services, sent: SendResult, done: str) -> _Fate:
    """Take a message back like `_take_back`, but report an error as the message's outcome.

    Raises:
        ApprovalRequired: The user is asked first; it tells what is `done` already.
    """
    try:
        return await _take_back(services, sent)
    except ApprovalRequired as error:
        # One question at a time: after the yes the tool is called again.
        raise ApprovalRequired(
            f"{done} {error.message}".strip(), error.action, approval=error.approval
        ) from error
    except WhatsAppError as error:
        return _Fate(f"not taken back: {error.message.removesuffix('.')}", is_gone=False)


async def _take_back(services: Services, sent: SendResult) -> _Fate:
    """Take back one message, unless it is gone already.

    Raises:
        WhatsAppError: It cannot be taken back.
    """
    if sent.status in _WAITING:
        await _cancel(services, sent)
        return _Fate("cancelled before it went out", is_gone=True)
    if sent.status is SendStatus.FAILED:
        return _Fate("was never sent", is_gone=True)
    if await _is_deleted(services, sent):
        return _Fate("deleted for everyone", is_gone=True)
    message_id = _deletable(sent)
    _check_age(services, sent.timestamp)
    undone = await send(services, SendRequest(sent.chat, RevokeContent(message_id), queue=False))
    if undone.status in _SENT:
        seen = ", had been read" if sent.status is SendStatus.READ else ""
        return _Fate(f"deleted for everyone{seen}", is_gone=True)
    return _Fate(f"deleting it is {undone.status.value} (send_id {undone.send_id})", is_gone=False)


async def _is_deleted(services: Services, sent: SendResult) -> bool:
    if sent.ref is None:
        return False
    try:
        return (await services.archive.message(sent.ref)).revoked_at is not None
    except MessageNotFound:
        return False


def _told(fates: Sequence[_Fate]) -> str:
    """Describe the outcomes of the files: `Files 1, 2: deleted for everyone. File 3: was never sent.`."""
    numbers: dict[str, list[int]] = {}
    for number, fate in enumerate(fates, 1):
        numbers.setdefault(fate.told, []).append(number)
    return " ".join(
        f"File{'s' * (len(each) > 1)} {', '.join(map(str, each))}: {told}." for told, each in numbers.items()
    )


TOOLS: Sequence[ToolFunction] = (scheduled, delete_message)
