"""Groups as programs get them: settings, members, invites, and what became of a change."""

from __future__ import annotations

from collections.abc import Set
from datetime import tzinfo
from typing import NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import Group, GroupMember
from whatsapp_mcp.server.fencing import clean, full_name, identifier
from whatsapp_mcp.server.render.data import GroupData
from whatsapp_mcp.server.render.times import rfc3339


class GroupSettingsData(TypedDict):
    """A group as WhatsApp has it; `timer` is in seconds."""

    jid: str
    name: str
    topic: str
    owner: str | None
    created_at: str | None
    announce: bool
    locked: bool
    timer: int
    community: bool
    parent: str | None


class MemberData(TypedDict):
    """Somebody in a group; `me` is the user."""

    jid: str
    name: str
    number: str | None
    me: NotRequired[bool]
    admin: NotRequired[bool]


class GroupDetailsData(GroupSettingsData):
    """A group with its members, as many as were asked for, and the groups of a community."""

    size: int
    members: list[MemberData]
    groups: list[GroupData]


class CreatedGroupData(GroupSettingsData):
    """A new group; `missing` are the jids of whom nobody could add."""

    missing: list[str]


class ChangedGroupData(TypedDict):
    """The group that was changed."""

    jid: str


class ChangedMembersData(TypedDict):
    """For whom it was done, and why for others not, by jid."""

    jid: str
    done: list[str]
    refused: dict[str, str]


class InviteData(TypedDict):
    """The invite link of a group."""

    jid: str
    link: str


class InviteOrGroupData(TypedDict):
    """The invite link of a group of the user, or the group that an invite leads to."""

    jid: str
    link: NotRequired[str]
    name: NotRequired[str]
    topic: NotRequired[str]
    owner: NotRequired[str | None]
    created_at: NotRequired[str | None]
    announce: NotRequired[bool]
    locked: NotRequired[bool]
    timer: NotRequired[int]
    community: NotRequired[bool]
    parent: NotRequired[str | None]


class JoinData(TypedDict):
    """A group; `joined` is false while an admin has to let the user in."""

    jid: str
    joined: bool


class JoinRequestData(TypedDict):
    """Somebody who asks to join."""

    jid: str
    asked_at: str | None


class JoinRequestsData(TypedDict):
    """Who asks to join."""

    requests: list[JoinRequestData]


class CommunityData(TypedDict):
    """Whether a group is in a community."""

    jid: str
    community: str
    linked: bool


def member_data(member: GroupMember, own: Set[str]) -> MemberData:
    """A member, by whether one of their addresses is the user's own."""
    contact = member.contact
    data: MemberData = {
        "jid": identifier(contact.jid),
        "name": full_name(contact.name),
        "number": contact.number,
    }
    if contact.jid in own:
        data["me"] = True
    if member.admin or member.superadmin:
        data["admin"] = True
    return data


def group_settings_data(group: Group, zone: tzinfo) -> GroupSettingsData:
    """A group as it is shown (`server/tools/groups.py`)."""
    return {
        "jid": identifier(group.jid),
        "name": full_name(group.name),
        "topic": clean(group.topic),
        "owner": group.owner and identifier(group.owner),
        "created_at": rfc3339(group.created_at, zone),
        "announce": group.announce,
        "locked": group.locked,
        "timer": group.timer,
        "community": group.community,
        "parent": group.parent and identifier(group.parent),
    }
