"""Calls that the leader can make to its client process, one line each.

Parameters and results follow the rule in `arguments.py`: a jid is its text, a protobuf is its base64. The
result is what neonize's method of that name returns; `→` names the protobuf. A call whose method the
installed library lacks answers `Unsupported`. Every call may answer the errors of `failures.meaning`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from whatsapp_mcp.client import failures
from whatsapp_mcp.client.arguments import Arguments, to_json
from whatsapp_mcp.client.failures import meaning, sentence_of
from whatsapp_mcp.client.library import (
    BlocklistAction,
    ChatPresence,
    ChatPresenceMedia,
    Library,
    MediaType,
    NeonizeError,
    ParticipantChange,
    Presence,
    ReceiptType,
    set_privacy_setting,
)
from whatsapp_mcp.errors import FileNotAllowed, InvalidArgument, Rejected, TooLong, Unsupported
from whatsapp_mcp.processes.capabilities import CapabilityState, capability_of_call
from whatsapp_mcp.protobufs import E2E, Neonize
from whatsapp_mcp.system import write_private

logger = logging.getLogger(__name__)

Call = Callable[[Any, Arguments], Awaitable[Any]]
"""(neonize's client, parameters) to a result that `to_json` takes."""

_CHAT_PRESENCE: Final = {
    "composing": (ChatPresence.CHAT_PRESENCE_COMPOSING, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT),
    "recording": (ChatPresence.CHAT_PRESENCE_COMPOSING, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_AUDIO),
    "paused": (ChatPresence.CHAT_PRESENCE_PAUSED, ChatPresenceMedia.CHAT_PRESENCE_MEDIA_TEXT),
}
_MEDIA: Final = {
    "image": MediaType.MediaImage,
    # WhatsApp seals stickers with the keys of pictures; the library has no kind of their own for them.
    "sticker": MediaType.MediaImage,
    "video": MediaType.MediaVideo,
    "audio": MediaType.MediaAudio,
    "document": MediaType.MediaDocument,
    "thumbnail": MediaType.MediaLinkThumbnail,
}
_RECEIPTS: Final = {"read": ReceiptType.READ, "played": ReceiptType.PLAYED}
_NANOSECONDS: Final = 1_000_000_000
"""Of one second: the library takes a timer as Go's `time.Duration`."""
_END_OF_INT: Final = 1 << 31
_GONE: Final = re.compile(r"\b(404|406|410)\b")
"""WhatsApp's codes for an invite that is not valid, or no longer."""


def _choice(arguments: Arguments, name: str, choices: dict[str, Any], default: str | None = None) -> Any:
    text = arguments.text(name) if default is None else arguments.text(name, default)
    if text not in choices:
        raise InvalidArgument(f"The parameter {name!r} is none of {', '.join(choices)}.")
    return choices[text]


async def _probe(client: Any, arguments: Arguments) -> None:
    """Ask WhatsApp something small; a refusal proves the connection as well as an answer does."""
    try:
        await client.get_blocklist()
    except NeonizeError as error:
        refusal = meaning(error)
        if not isinstance(refusal, Rejected):
            raise refusal from error


async def _send_message(client: Any, arguments: Arguments) -> dict[str, Any]:
    try:
        sent = await client.send_message(arguments.jid("to"), arguments.proto("message", E2E.Message))
    except NeonizeError as error:
        raise meaning(error, sending=True) from error
    return {"id": sent.ID, "timestamp": sent.Timestamp, "server_id": sent.ServerID}


async def _get_profile_picture(client: Any, arguments: Arguments) -> Neonize.ProfilePictureInfo | None:
    """None when there is none, or none that we may see."""
    wanted = Neonize.GetProfilePictureParams(
        Preview=arguments.flag("preview", True), ExistingID="", IsCommunity=False
    )
    try:
        return await client.get_profile_picture(arguments.jid("jid"), wanted)
    except NeonizeError as error:
        if "profile picture" in sentence_of(error):
            return None
        raise


async def _upload(client: Any, arguments: Arguments) -> Neonize.UploadResponse:
    data = await _read(arguments)
    kind = _choice(arguments, "kind", _MEDIA)
    if arguments.flag("channel", False):
        return await client.upload_newsletter(data, kind)
    return await client.upload(data, kind)


async def _download(client: Any, arguments: Arguments) -> dict[str, int]:
    path, most = arguments.received("file"), arguments.integer("most")
    data = await client.download_any(arguments.proto("message", E2E.Message))
    # The library says how much it is only once all of it is in memory; `limit_memory` bounds that.
    if len(data) > most:
        raise TooLong(
            failures.TOO_LARGE.format(size=len(data) / 1e6, most=most / 1e6), failures.OPEN_ON_THE_PHONE
        )
    await asyncio.to_thread(write_private, path, data)
    return {"size": len(data)}


async def _read(arguments: Arguments) -> bytes:
    return await asyncio.to_thread(_content, arguments)


def _content(arguments: Arguments) -> bytes:
    with arguments.file("file") as file:
        return file.read()


async def _set_group_photo(client: Any, arguments: Arguments) -> str:
    return await client.set_group_photo(arguments.jid("group"), await _read(arguments))


async def _set_profile_photo(client: Any, arguments: Arguments) -> str:
    return await client.set_profile_photo(await _read(arguments))


async def _by_invite(method: Callable[..., Awaitable[Any]], arguments: Arguments) -> Any:
    """Look at a group, or join it, with an invite that somebody sent as a message."""
    expires_at = arguments.integer("expires_at")
    if not 0 <= expires_at < _END_OF_INT:  # the library takes a C int
        raise InvalidArgument(failures.INVALID_INVITE)
    group, inviter = arguments.jid("group"), arguments.jid("inviter")
    try:
        return await method(group, inviter, arguments.text("code"), expires_at)
    except NeonizeError as error:
        if _GONE.search(sentence_of(error)):
            raise InvalidArgument(failures.INVALID_INVITE, failures.ASK_FOR_A_NEW_ONE) from error
        raise


async def _create_group(client: Any, arguments: Arguments) -> Neonize.GroupInfo:
    options: dict[str, Any] = {}
    if arguments.flag("community", False):
        options["group_parent"] = Neonize.GroupParent(IsParent=True, DefaultMembershipApprovalMode="")
    if arguments.text("parent", ""):
        options["linked_parent"] = Neonize.GroupLinkedParent(LinkedParentJID=arguments.jid("parent"))
    return await client.create_group(arguments.text("name"), arguments.jids("members"), **options)


async def _set_group_topic(client: Any, arguments: Arguments) -> None:
    # An empty previous id lets the library look it up.
    await client.set_group_topic(arguments.jid("group"), "", "", arguments.text("topic"))


async def _set_privacy_setting(client: Any, arguments: Arguments) -> Neonize.PrivacySettings:
    return await set_privacy_setting(arguments.text("name"), arguments.text("value"))


async def _create_newsletter(client: Any, arguments: Arguments) -> Neonize.NewsletterMetadata:
    picture = await _read(arguments) if arguments.text("file", "") else b""
    return await client.create_newsletter(arguments.text("name"), arguments.text("description", ""), picture)


CALLS: Final[dict[str, Call]] = {
    # The connection. `probe` answers null when WhatsApp answers at all.
    "me": lambda c, a: c.get_me(),  # → Neonize.Device
    "probe": _probe,
    # Messages. `message` is an E2E.Message. `send_message` answers {id, timestamp in s, server_id}.
    "send_message": _send_message,
    # Sealed under the addresses in `poll`: those that the poll itself used.
    "build_poll_vote": lambda c, a: c.build_poll_vote(
        a.proto("poll", Neonize.MessageInfo), a.texts("options")
    ),  # → E2E.Message
    "mark_read": lambda c, a: c.mark_read(
        *a.texts("ids"),
        chat=a.jid("chat"),
        sender=a.jid("sender"),
        receipt=_choice(a, "receipt", _RECEIPTS, "read"),
    ),
    "send_chat_presence": lambda c, a: c.send_chat_presence(
        a.jid("chat"), *_choice(a, "state", _CHAT_PRESENCE)
    ),
    "send_presence": lambda c, a: c.send_presence(
        Presence.AVAILABLE if a.flag("available") else Presence.UNAVAILABLE
    ),
    "reject_call": lambda c, a: c.reject_call(a.jid("caller"), a.text("id")),
    # Files. `kind`: image, sticker, video, audio, document, thumbnail. `file`: a name in the folder
    # `sending`, or in `received` for `download`, which answers {size}.
    "upload": _upload,  # → Neonize.UploadResponse
    "download": _download,
    # People.
    "is_on_whatsapp": lambda c, a: c.is_on_whatsapp(*a.texts("numbers")),  # → [Neonize.IsOnWhatsAppResponse]
    "get_user_info": lambda c, a: c.get_user_info(
        *a.jids("jids")
    ),  # → [Neonize.GetUserInfoSingleReturnFunction]
    "get_profile_picture": _get_profile_picture,  # → Neonize.ProfilePictureInfo, or null
    "get_all_contacts": lambda c, a: c.contact.get_all_contacts(),  # → [Neonize.Contact]
    "get_lid_from_pn": lambda c, a: c.get_lid_from_pn(a.jid("jid")),
    "get_pn_from_lid": lambda c, a: c.get_pn_from_lid(a.jid("jid")),
    "subscribe_presence": lambda c, a: c.subscribe_presence(a.jid("jid")),
    "get_blocklist": lambda c, a: c.get_blocklist(),  # → Neonize.Blocklist
    "block": lambda c, a: c.update_blocklist(a.jid("jid"), BlocklistAction.BLOCK),
    "unblock": lambda c, a: c.update_blocklist(a.jid("jid"), BlocklistAction.UNBLOCK),
    # Chats.
    "get_chat_settings": lambda c, a: c.chat_settings.get_chat_settings(a.jid("chat")),
    "set_disappearing_timer": lambda c, a: c.set_disappearing_timer(
        a.jid("chat"), a.integer("seconds") * _NANOSECONDS
    ),
    # Groups and communities. → Neonize.GroupInfo, or a list of them.
    "get_group_info": lambda c, a: c.get_group_info(a.jid("group")),
    "get_joined_groups": lambda c, a: c.get_joined_groups(),
    "get_group_info_from_link": lambda c, a: c.get_group_info_from_link(a.text("code")),
    "get_group_info_from_invite": lambda c, a: _by_invite(c.get_group_info_from_invite, a),
    "create_group": _create_group,
    "join_group_with_link": lambda c, a: c.join_group_with_link(a.text("code")),
    "join_group_with_invite": lambda c, a: _by_invite(c.join_group_with_invite, a),
    "leave_group": lambda c, a: c.leave_group(a.jid("group")),
    "set_group_name": lambda c, a: c.set_group_name(a.jid("group"), a.text("name")),
    "set_group_topic": _set_group_topic,
    "set_group_photo": _set_group_photo,
    "set_group_announce": lambda c, a: c.set_group_announce(a.jid("group"), a.flag("on")),
    "set_group_locked": lambda c, a: c.set_group_locked(a.jid("group"), a.flag("on")),
    "get_group_invite_link": lambda c, a: c.get_group_invite_link(a.jid("group"), a.flag("revoke", False)),
    "get_group_request_participants": lambda c, a: c.get_group_request_participants(a.jid("group")),
    "update_group_participants": lambda c, a: c.update_group_participants(
        a.jid("group"),
        a.jids("members"),
        _choice(a, "action", {change.value: change for change in ParticipantChange}),
    ),  # → [Neonize.GroupParticipant], Error set on those that were refused
    "get_sub_groups": lambda c, a: c.get_sub_groups(a.jid("community")),
    "link_group": lambda c, a: c.link_group(a.jid("community"), a.jid("group")),
    "unlink_group": lambda c, a: c.unlink_group(a.jid("community"), a.jid("group")),
    # Channels. → Neonize.NewsletterMetadata, Neonize.NewsletterMessage.
    "get_subscribed_newsletters": lambda c, a: c.get_subscribed_newletters(),
    "get_newsletter_info": lambda c, a: c.get_newsletter_info(a.jid("channel")),
    "get_newsletter_info_with_invite": lambda c, a: c.get_newsletter_info_with_invite(a.text("code")),
    "get_newsletter_messages": lambda c, a: c.get_newsletter_messages(
        a.jid("channel"), a.integer("count"), a.integer("before", 0)
    ),
    "follow_newsletter": lambda c, a: c.follow_newsletter(a.jid("channel")),
    "unfollow_newsletter": lambda c, a: c.unfollow_newsletter(a.jid("channel")),
    "create_newsletter": _create_newsletter,
    "newsletter_send_reaction": lambda c, a: c.newsletter_send_reaction(
        a.jid("channel"), a.integer("server_id"), a.text("emoji"), a.text("id", "")
    ),
    # The own profile.
    "set_profile_name": lambda c, a: c.set_profile_name(a.text("name")),
    "set_profile_photo": _set_profile_photo,
    "set_status_message": lambda c, a: c.set_status_message(a.text("about")),
    "get_privacy_settings": lambda c, a: c.get_privacy_settings(),  # → Neonize.PrivacySettings
    "set_privacy_setting": _set_privacy_setting,
}


async def run(library: Library, method: str, arguments: Arguments) -> Any:
    """Do the call of this name and return its result as JSON.

    Raises:
        Unsupported: There is no such call, or the installed library cannot do it.
        WhatsAppError: What the library's error means.
    """
    call = CALLS.get(method)
    if call is None:
        raise Unsupported(f"The client process does not know the call {method!r}.")
    needed = capability_of_call(method)
    if needed is not None and needed.state(library.version, library.symbols) is not CapabilityState.WORKS:
        raise Unsupported(needed.cannot)
    try:
        return to_json(await call(library.client, arguments))
    except NeonizeError as error:
        raise meaning(error) from error
    except AttributeError as error:
        logger.exception("%s is missing from the client library", method)
        raise Unsupported(failures.NOT_IN_THIS_LIBRARY) from error
    except OSError as error:
        logger.warning("%s: the file cannot be used: %s", method, error.strerror)
        raise FileNotAllowed(failures.UNUSABLE_FILE) from error
