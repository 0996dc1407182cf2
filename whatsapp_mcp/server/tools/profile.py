"""The own account: how it shows itself, to whom, its calls, and its link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import TypedDict

from whatsapp_mcp.device.operations import control, profile
from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.jid import STATUS_JID
from whatsapp_mcp.models import (
    ConnectionState,
    FileContent,
    MessageKind,
    ProfileChange,
    SendRequest,
    TextContent,
)
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    FileArg,
    Limit,
    MessageArg,
    PhotoArg,
    Presentation,
    origin_of,
    photo_of,
    prepare,
    take,
)
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import identifier
from whatsapp_mcp.server.render import (
    MessagesData,
    SentData,
    StatusData,
    messages_data,
    messages_text,
    status_data,
)
from whatsapp_mcp.server.tools.connection import status_text
from whatsapp_mcp.server.tools.outcomes import STATUS, content_told, sent
from whatsapp_mcp.server.tools.sending import send

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NAME: Final = 25
MAX_ABOUT: Final = 139
MAX_STATUS: Final = 700
"""WhatsApp's limits, in characters."""
_IN_STATUS: Final = frozenset({"image", "video", "gif"})
"""Kinds of files that a status shows."""
Setting = Literal["last_seen", "online", "photo", "about", "groups", "read_receipts", "calls"]
_VALUES: Final = {
    "last_seen": ("all", "contacts", "none"),
    "online": ("all", "match_last_seen"),
    "photo": ("all", "contacts", "none"),
    "about": ("all", "contacts", "none"),
    "groups": ("all", "contacts"),
    "read_receipts": ("all", "none"),
    "calls": ("all", "known"),
}
"""Allowed values of each setting."""


class ChangedProfileData(TypedDict):
    """Names of the profile fields that were changed."""

    changed: list[str]


class PrivacyData(TypedDict):
    """Value of each privacy setting, by its name."""

    settings: dict[str, str]


class AvailableData(TypedDict):
    """Presence of the user: true while shown as online."""

    available: bool


class RejectedCallData(TypedDict):
    """The call, as a message."""

    ref: str


@tool("profile", Effect.ACT, Audience.EVERYONE, destructive=True, idempotent=True, result=ChangedProfileData)
async def update_profile(
    call: Call, name: str | None = None, about: str | None = None, photo: PhotoArg | None = None
) -> Result:
    """Change the user's own name, about text or photo."""
    if name is None and about is None and photo is None:
        raise InvalidArgument("There is nothing to change.", "Give at least one field to change.")
    if name is not None and not name.strip():
        raise InvalidArgument("name is empty.", "Give the name to show.")
    for what, text, limit in (("name", name, MAX_NAME), ("about", about, MAX_ABOUT)):
        if text is not None and len(text) > limit:
            raise TooLong(f"The {what} has {len(text)} characters, WhatsApp's limit is {limit}.")
    services = await call.services()
    path, origin = await photo_of(services, photo) if photo else (None, None)
    async with services.device() as device:
        await device.do(
            profile.change_profile, ProfileChange(name.strip() if name else None, about, path, origin)
        )
    changed = [
        what for what, value in (("name", name), ("about", about), ("photo", photo)) if value is not None
    ]
    return Result(f"Changed {', '.join(changed)}.", ChangedProfileData(changed=changed))


@tool("profile", Effect.READ, Audience.NOBODY, result=PrivacyData)
async def privacy_settings(call: Call) -> Result:
    """Show who can see the user's last seen, photo, about and more."""
    services = await call.services()
    async with services.device() as device:
        settings = await device.do(profile.privacy)
    return _settings(settings)


def _settings(settings: dict[str, str]) -> Result:
    entries = {identifier(name): identifier(value) for name, value in settings.items()}
    return Result(
        ", ".join(f"{name}: {value}" for name, value in entries.items()), PrivacyData(settings=entries)
    )


@tool("profile", Effect.ACT, Audience.EVERYONE, destructive=True, idempotent=True, result=PrivacyData)
async def update_privacy(
    call: Call,
    setting: Setting,
    value: Literal["all", "contacts", "none", "match_last_seen", "known"],
) -> Result:
    """Change a privacy setting, only when the user asks for it."""
    if value not in _VALUES[setting]:
        raise InvalidArgument(f"{setting} cannot be {value}.", f"It can be {', '.join(_VALUES[setting])}.")
    services = await call.services()
    async with services.device() as device:
        settings = await device.do(profile.change_privacy, setting, value)
    return _settings(settings)


@tool("profile", Effect.ACT, Audience.EVERYONE, idempotent=True, result=AvailableData)
async def set_presence(call: Call, available: bool) -> Result:
    """Show the user as online or offline. While online, the phone shows no notifications."""
    services = await call.services()
    async with services.device() as device:
        await device.do(profile.show_presence, available)
    return Result(f"Shown as {'online' if available else 'offline'}.", AvailableData(available=available))


@tool("profile", Effect.ACT, Audience.EVERYONE, result=SentData)
async def post_status(
    call: Call, text: str = "", file: FileArg | None = None, idempotency_key: str | None = None
) -> Result:
    """Post a text, picture or video to the user's status: contacts see it for 24 hours."""
    if not text.strip() and file is None:
        raise InvalidArgument("text is empty.", "Give the text to post, or a file.")
    if len(text) > MAX_STATUS:
        raise TooLong(f"The text has {len(text)} characters, WhatsApp's limit is {MAX_STATUS}.")
    services = await call.services()
    content = TextContent(text) if file is None else await _shown(services, file, text)
    request = SendRequest(STATUS_JID, content, idempotency_key=idempotency_key)
    return sent(await send(services, request), STATUS, services, what=content_told(content))


async def _shown(services: Services, file: str, caption: str) -> FileContent:
    """A picture or video of the status.

    Raises:
        InvalidArgument: It is neither.
        WhatsAppError: It cannot be taken; see `take` and `prepare`.
    """
    [taken] = await take(services, [origin_of(file)])
    content = await prepare(services.worker, taken, Presentation(caption=caption))
    if content.kind not in _IN_STATUS:
        problem = f"A status shows pictures and videos; this would be sent as {content.kind}."
        raise InvalidArgument(problem, "Give a JPEG, a PNG or an MP4.")
    return content


@tool("profile", Effect.READ, Audience.NOBODY, open_world=False, result=MessagesData)
async def list_calls(call: Call, limit: Limit = 20, cursor: str | None = None) -> Result:
    """Calls, newest last."""
    from whatsapp_mcp.models import MessageFilter

    services = await call.services()
    page = await services.archive.messages(
        MessageFilter(kinds=(MessageKind.CALL,)), limit=limit, cursor=cursor
    )
    shown = type(page)(tuple(reversed(page.items)), page.next_cursor, page.notes)
    data = messages_data(shown, services.zone)
    return Result(messages_text(data, header="Calls"), data)


@tool("profile", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=RejectedCallData)
async def reject_call(call: Call, message: MessageArg) -> Result:
    """Reject a call that is ringing (see list_calls)."""
    services = await call.services()
    call_message = await services.archive.message(message)
    if call_message.kind is not MessageKind.CALL or call_message.from_me:
        raise InvalidArgument(f"{message} is not an incoming call.", "Take it from list_calls.")
    async with services.device() as device:
        await device.do(profile.reject_call, call_message.sender, call_message.message_id)
    return Result(f"Turned down #{call_message.ref}.", RejectedCallData(ref=f"#{call_message.ref}"))


class UnlinkedData(TypedDict):
    """The state of the connection."""

    state: str


@tool("profile", Effect.DESTROY, Audience.ONESELF, destructive=True, idempotent=True, result=UnlinkedData)
async def unlink_device(call: Call) -> Result:
    """Log out of WhatsApp, only when the user asks. Messages stay."""
    services = await call.services()
    async with services.device() as device:
        await device.do(control.unlink)
    return Result(
        "Unlinked. The stored messages are kept.", UnlinkedData(state=ConnectionState.UNLINKED.value)
    )


@tool("profile", Effect.LINK, Audience.ONESELF, idempotent=True, result=StatusData)
async def reconnect(call: Call) -> Result:
    """Reconnect after another client replaced this one. Ends no pause."""
    services = await call.services()
    async with services.device() as device:
        status = await device.do(control.reconnect)
    return Result(status_text(status, services), status_data(status, services.zone))


TOOLS: Sequence[ToolFunction] = (
    update_profile,
    privacy_settings,
    update_privacy,
    set_presence,
    post_status,
    list_calls,
    reject_call,
    unlink_device,
    reconnect,
)
