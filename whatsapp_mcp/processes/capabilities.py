"""Capabilities of the client library: the one table behind the tools and the `UNSUPPORTED` errors.

A capability is there if the library exports all its symbols; it works if it was verified on the simulator
with this version of the library or an earlier one. Both are needed: neonize 0.5.2 exports `SendAppState`,
which always fails. The symbols of what no version has are named as whatsmeow names its methods, as neonize
does.

`docs/upstream.md` says of everything that works in no version what is missing, and what would fix it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import version as version_of
from typing import Final

_FIRST: Final = ("0.5.2",)
"""The oldest version that the package accepts; all of `_WORKING` was verified with it."""


class CapabilityState(StrEnum):
    """State of a capability in a version of the client library."""

    WORKS = "works"
    UNVERIFIED = "unverified"
    """Present in the library, but not verified to work."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that the library can do, or cannot yet.

    Attributes:
        what: Completes "The client library cannot …".
        symbols: Exports of its shared library, all of which it takes; none where it has no export of its own.
        verified: Versions with which it was seen to work on the simulator.
        fails: Versions that export it and were seen to fail.
        calls: Names in `client.calls.CALLS` that it takes.
        tools: Those that are nothing without it.
    """

    name: str
    what: str
    symbols: tuple[str, ...] = ()
    verified: tuple[str, ...] = _FIRST
    calls: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()

    @property
    def cannot(self) -> str:
        """The sentence for who asks for it in vain."""
        return f"The client library cannot {self.what}."

    def was_verified(self, version: str) -> bool:
        """Return whether the capability was verified with this version of the library or an earlier one."""
        return any(_numbers(one) <= _numbers(version) for one in self.verified)

    def state(self, version: str, symbols: Collection[str]) -> CapabilityState:
        """Return the state of the capability in this version, which exports these of `SYMBOLS`."""
        if not set(self.symbols).issubset(symbols):
            return CapabilityState.ABSENT
        return CapabilityState.WORKS if self.was_verified(version) else CapabilityState.UNVERIFIED


def _numbers(version: str) -> tuple[int, ...]:
    # Compared as numbers: as text, 0.10 would come before 0.9.
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


_WORKING: Final = (
    Capability(
        "messages", "send messages", ("SendMessage",),
        calls=("send_message",),
        tools=(
            "send_message", "send_file", "react", "edit_message", "delete_message", "forward_message",
            "send_location", "send_contact", "send_poll", "pin_message", "post_status",
        ),
    ),
    Capability(
        "poll votes", "vote in polls", ("BuildPollVote",), calls=("build_poll_vote",), tools=("vote_poll",)
    ),
    Capability(
        "read receipts", "mark messages as read", ("MarkRead",), calls=("mark_read",), tools=("mark_read",)
    ),
    Capability(
        "typing", "show that somebody is typing", ("SendChatPresence",),
        calls=("send_chat_presence",), tools=("send_typing",),
    ),
    Capability(
        "own presence", "show the account as online", ("SendPresence",),
        calls=("send_presence",), tools=("set_presence",),
    ),
    Capability(
        "presence", "tell when somebody is online", ("SubscribePresence",),
        calls=("subscribe_presence",), tools=("is_online",),
    ),
    Capability("calls", "reject a call", ("RejectCall",), calls=("reject_call",), tools=("reject_call",)),
    Capability(
        "files", "send and fetch files", ("Upload", "UploadNewsletter", "DownloadAny"),
        calls=("upload", "download"), tools=("send_file", "download_media"),
    ),
    Capability(
        "people", "look up people",
        (
            "IsOnWhatsApp", "GetUserInfo", "GetProfilePicture", "GetAllContacts", "GetLIDFromPN",
            "GetPNFromLID",
        ),
        calls=(
            "is_on_whatsapp", "get_user_info", "get_profile_picture", "get_all_contacts", "get_lid_from_pn",
            "get_pn_from_lid",
        ),
        tools=("check_numbers",),
    ),
    Capability("own account", "tell whose account it is", ("GetMe",), calls=("me",)),
    Capability(
        "blocking", "block people", ("GetBlocklist", "UpdateBlocklist"),
        calls=("probe", "get_blocklist", "block", "unblock"),
        tools=("block_contact", "unblock_contact", "list_blocked"),
    ),
    Capability(
        "chat settings", "tell the settings of a chat", ("GetChatSettings",), calls=("get_chat_settings",)
    ),
    Capability(
        "disappearing messages", "set when messages disappear", ("SetDisappearingTimer",),
        calls=("set_disappearing_timer",), tools=("update_chat",),
    ),
    Capability(
        "groups", "work with groups",
        (
            "GetGroupInfo", "GetJoinedGroups", "CreateGroup", "LeaveGroup", "SetGroupName", "SetGroupTopic",
            "SetGroupPhoto", "SetGroupAnnounce", "SetGroupLocked", "UpdateGroupParticipants",
        ),
        calls=(
            "get_group_info", "get_joined_groups", "create_group", "leave_group", "set_group_name",
            "set_group_topic", "set_group_photo", "set_group_announce", "set_group_locked",
            "update_group_participants",
        ),
        tools=(
            "get_group", "create_group", "update_group", "add_group_members", "remove_group_members",
            "set_group_admins", "leave_group",
        ),
    ),
    Capability(
        "invite links", "use invite links",
        ("GetGroupInviteLink", "GetGroupInfoFromLink", "JoinGroupWithLink"),
        calls=("get_group_invite_link", "get_group_info_from_link", "join_group_with_link"),
        tools=("get_group_invite", "reset_group_invite", "join_group"),
    ),
    Capability(
        "sent invites", "use invites that were sent as messages",
        ("GetGroupInfoFromInvite", "JoinGroupWithInvite"),
        calls=("get_group_info_from_invite", "join_group_with_invite"),
    ),
    Capability(
        "join requests", "list requests to join a group", ("GetGroupRequestParticipants",),
        calls=("get_group_request_participants",), tools=("list_join_requests",),
    ),
    Capability(
        "communities", "work with communities", ("GetSubGroups", "LinkGroup", "UnlinkGroup"),
        calls=("get_sub_groups", "link_group", "unlink_group"),
        tools=("add_to_community", "remove_from_community"),
    ),
    Capability(
        "channels", "work with channels",
        (
            "GetSubscribedNewsletters", "GetNewsletterInfo", "GetNewsletterInfoWithInvite",
            "GetNewsletterMessages", "FollowNewsletter", "UnfollowNewsletter", "CreateNewsletter",
            "NewsletterSendReaction",
        ),
        calls=(
            "get_subscribed_newsletters", "get_newsletter_info", "get_newsletter_info_with_invite",
            "get_newsletter_messages", "follow_newsletter", "unfollow_newsletter", "create_newsletter",
            "newsletter_send_reaction",
        ),
        tools=(
            "list_channels", "follow_channel", "unfollow_channel", "create_channel",
        ),
    ),
    Capability(
        "profile", "change the own profile", ("SetPushName", "SetProfilePhoto", "SetStatusMessage"),
        calls=("set_profile_name", "set_profile_photo", "set_status_message"), tools=("update_profile",),
    ),
    Capability(
        "privacy settings", "change privacy settings", ("GetPrivacySettings", "SetPrivacySetting"),
        calls=("get_privacy_settings", "set_privacy_setting"), tools=("privacy_settings", "update_privacy"),
    ),
)  # fmt: skip
_MISSING: Final = tuple(
    Capability(name, what, symbols, verified=(), fails=_FIRST if name == "app state" else ())
    for name, what, symbols in (
        ("app state", "change what the phone keeps: archive, pin, mute, star, contacts", ("SendAppState",)),
        (
            "history on demand",
            "ask the phone for older messages",
            ("BuildHistorySyncRequest", "SendPeerMessage"),
        ),
        ("message ids", "send a message under an id of the caller's", ("SendMessageWithExtra",)),
        ("media retry", "ask the phone to upload an expired file again", ("SendMediaRetryReceipt",)),
        ("passkeys", "answer the request for a passkey", ("SendPasskeyResponse", "SendPasskeyConfirmation")),
        ("business profile", "show the profile of a business", ("GetBusinessProfile",)),
        ("join decisions", "decide requests to join a group", ("UpdateGroupRequestParticipants",)),
        (
            "group modes",
            "set who may add members to a group, or whether admins approve them",
            ("SetGroupJoinApprovalMode", "SetGroupMemberAddMode"),
        ),
        ("whatsapp version", "tell or set the version of WhatsApp that it speaks", ("SetWAVersion",)),
        ("missing events", "tell of changes of contacts, chat settings and app state", ()),
        ("synchronous acknowledgement", "acknowledge a message only once it is handled", ()),
        ("unknown codes", "go on after a code that its enumerations do not have", ()),
        ("ends of connections", "tell why a connection ended", ()),
        ("ends of linking", "tell how an attempt to link ended", ()),
        ("stopped clients", "refuse a call to a client that is not there", ()),
        ("reconnecting", "leave reconnecting to its user", ()),
    )
)
"""Capabilities that no version has. `app state` alone is exported, and was seen to fail."""
CAPABILITIES: Final = (*_WORKING, *_MISSING)
SYMBOLS: Final = frozenset(symbol for one in CAPABILITIES for symbol in one.symbols)
"""Exports that are looked for."""
_BY_CALL: Final = {call: one for one in CAPABILITIES for call in one.calls}
_BY_NAME: Final = {one.name: one for one in CAPABILITIES}


def news(version: str, symbols: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the names of verified capabilities that a library lacks, and of those it has untested.

    Args:
        version: Of the library.
        symbols: What it exports of `SYMBOLS`.
    """
    states = {one: one.state(version, symbols) for one in CAPABILITIES if one.symbols}
    lost = [one.name for one, state in states.items() if one.verified and state is CapabilityState.ABSENT]
    untried = [
        one.name
        for one, state in states.items()
        if state is CapabilityState.UNVERIFIED and version not in one.fails
    ]
    return lost, untried


def capability(name: str) -> Capability:
    """The row of this name."""
    return _BY_NAME[name]


def capability_of_call(method: str) -> Capability | None:
    """Return the capability that a call of the client process needs; None if it is not in the table."""
    return _BY_CALL.get(method)


@cache
def library_version() -> str:
    """The installed version of the client library, which is not loaded for it."""
    return version_of("neonize")


def is_offered(tool: str, version: str) -> bool:
    """Return whether a tool is worth offering with this version of the library."""
    return all(one.was_verified(version) for one in CAPABILITIES if tool in one.tools)
