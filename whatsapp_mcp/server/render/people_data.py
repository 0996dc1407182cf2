"""People and groups as programs get them: profiles, settings, members, and what became of a change."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import tzinfo
from typing import NotRequired

from typing_extensions import TypedDict

from whatsapp_mcp.models import Chat, Contact, ContactDetails, Group, GroupMember, Message, Page
from whatsapp_mcp.policy import clean, clean_line
from whatsapp_mcp.server.fencing import full_name, identifier
from whatsapp_mcp.server.render.data import MessageData, message_data
from whatsapp_mcp.server.render.times import rfc3339


class ContactData(TypedDict):
    """One person; `saved_name` is from the phone's address book, `stranger` as of a chat."""

    jid: str
    name: str
    number: str | None
    lid: NotRequired[str]
    saved_name: NotRequired[str]
    given_name: NotRequired[str]
    push_name: NotRequired[str]
    business_name: NotRequired[str]
    stranger: NotRequired[bool]


class ContactsData(TypedDict):
    """A page of people."""

    contacts: list[ContactData]
    next_cursor: str | None


class GroupData(TypedDict):
    """A group by its address and name."""

    jid: str
    name: str
    announcements: NotRequired[bool]


class ProfileData(ContactData):
    """One person with what WhatsApp shows of them and the groups in common.

    `note` says when WhatsApp could not be asked.
    """

    about: NotRequired[str]
    picture: NotRequired[str]
    business: NotRequired[str]
    groups: NotRequired[list[GroupData]]
    last_message: NotRequired[MessageData]
    note: NotRequired[str]


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
    """Members who were changed, and for the others the reason of the refusal, by jid."""

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
    """Requests to join a group."""

    requests: list[JoinRequestData]


class CommunityData(TypedDict):
    """Membership of a group in a community."""

    jid: str
    community: str
    linked: bool


def contact_data(contact: Contact) -> ContactData:
    """One person."""
    data = ContactData(jid=identifier(contact.jid), name=full_name(contact.name), number=contact.number)
    if contact.lid:
        data["lid"] = identifier(contact.lid)
    for key in ("saved_name", "given_name", "push_name", "business_name"):
        if name := getattr(contact, key):
            data[key] = full_name(name)
    if contact.stranger:
        data["stranger"] = True
    return data


def contacts_data(page: Page[Contact]) -> ContactsData:
    """A page of people."""
    return ContactsData(contacts=[contact_data(c) for c in page.items], next_cursor=page.next_cursor)


def profile_data(
    person: Contact,
    details: ContactDetails,
    groups: Sequence[Chat],
    last: Message | None,
    note: str | None,
    zone: tzinfo,
) -> ProfileData:
    """One person with what WhatsApp shows of them and the groups in common."""
    data = ProfileData(**contact_data(person))
    if details.about:
        data["about"] = clean(details.about)
    if details.picture:
        data["picture"] = clean_line(details.picture, 500)
    if business := details.business or person.business_name:
        data["business"] = full_name(business)
    if groups:
        data["groups"] = [
            GroupData(jid=identifier(group.jid), name=full_name(group.name)) for group in groups
        ]
    if last:
        data["last_message"] = message_data(last, zone)
    if note:
        data["note"] = note
    return data


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
    """A group as it is shown (`server/tools/groups/`)."""
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
