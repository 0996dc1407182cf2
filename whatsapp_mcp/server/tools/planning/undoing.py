"""Taking back what was just sent, or still waits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from whatsapp_mcp.errors import (
    ApprovalRequired,
    InvalidArgument,
    MessageNotFound,
    TooLate,
    WhatsAppError,
)
from whatsapp_mcp.models import RevokeContent, SendRequest, SendResult, SendStatus
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.render import SentData, sent_data
from whatsapp_mcp.server.tools.messages import DELETE_WINDOW
from whatsapp_mcp.server.tools.planning.scheduling import name_of
from whatsapp_mcp.server.tools.sending import send

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAITING: Final = frozenset({SendStatus.HELD, SendStatus.SCHEDULED, SendStatus.QUEUED})
_UNCLEAR: Final = frozenset({SendStatus.SENDING, SendStatus.UNKNOWN})
_SENT: Final = frozenset({SendStatus.SENT, SendStatus.DELIVERED, SendStatus.READ})


class _Fate(NamedTuple):
    """What became of a file of an album.

    Attributes:
        told: The same in words.
        is_gone: Whether nobody sees it, or ever will.
    """

    told: str
    is_gone: bool


@tool("planning", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=SentData)
async def undo_send(
    call: Call,
    message: str | None = None,
    send_id: int | None = None,
) -> Result:
    """Cancel a waiting message, or delete a sent one."""
    if (message is None) == (send_id is None):
        raise InvalidArgument("Give message or send_id.")
    services = await call.services()
    key, by_number = (message, False) if send_id is None else (send_id, True)
    report = await services.archive.send_report(key or "", send_id=by_number)
    result, name = report.result, await name_of(services, report.result.chat)
    if not result.send_id:
        raise InvalidArgument("That message was not sent here.", "Use delete_message.")
    if files := await services.archive.album_files(result.send_id):
        return await _undo_album(services, result, files, name)
    if result.status in _WAITING:
        cancelled = await _cancel(services, result)
        told = f"Cancelled: the message to {name} (send_id {result.send_id}) will not go out."
        return Result(told, sent_data(cancelled, services.zone))
    undone = await _revoke(services, result)
    return _undone(undone, result, name, services)


async def _cancel(services: Services, result: SendResult) -> SendResult:
    async with services.device() as device:
        return await device.cancel_send(result.chat, result.send_id)


async def _revoke(services: Services, result: SendResult) -> SendResult:
    """Delete the message of a send for everyone.

    Raises:
        InvalidArgument: It was never sent, or that is not known yet.
        TooLate: WhatsApp does not delete it any more.
    """
    if result.status is SendStatus.FAILED:
        raise InvalidArgument("It was never sent, so there is nothing to undo.")
    if result.status in _UNCLEAR or result.message_id is None:
        raise InvalidArgument("It is not known yet whether it went out.", "Look at message_status first.")
    if result.timestamp is not None and services.now() - result.timestamp > DELETE_WINDOW:
        raise TooLate(
            "It is more than two and a half days old, so WhatsApp no longer deletes it for everyone.",
            "Tell the user.",
        )
    return await send(services, SendRequest(result.chat, RevokeContent(result.message_id), queue=False))


def _undone(undone: SendResult, result: SendResult, name: str, services: Services) -> Result:
    if undone.status in _SENT:
        seen = "; it had been read" if result.status is SendStatus.READ else ""
        text = f"Deleted for everyone: #{result.ref} to {name}{seen}."
    else:
        state = f"{undone.status.value}; look at message_status"
        text = f"Deleting #{result.ref} (send_id {undone.send_id}): {state}."
    return Result(text, sent_data(replace(undone, ref=result.ref), services.zone))


async def _undo_album(
    services: Services, album: SendResult, files: Sequence[SendResult], name: str
) -> Result:
    """Take back each file of an album that WhatsApp has; then its first message, if no file is left.

    A file that cannot be taken back stops no other. Called again, it goes on with what is left.
    """
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
    """As `_take_back`, but an error is told of as the message's fate.

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
    undone = await _revoke(services, sent)
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
    """What became of the files: `Files 1, 2: deleted for everyone. File 3: was never sent.`."""
    numbers: dict[str, list[int]] = {}
    for number, fate in enumerate(fates, 1):
        numbers.setdefault(fate.told, []).append(number)
    return " ".join(
        f"File{'s' * (len(each) > 1)} {', '.join(map(str, each))}: {told}." for told, each in numbers.items()
    )


TOOLS: Sequence[ToolFunction] = (undo_send,)
