"""Groups and communities."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations.whatsapp import WhatsApp, jid_text, moment, partly, read
from whatsapp_mcp.errors import Rejected, WhatsAppError
from whatsapp_mcp.models import (
    Group,
    GroupChange,
    Joined,
    JoinRequest,
    MemberAction,
    MemberChange,
    Participant,
    SentInvite,
    SubGroup,
)
from whatsapp_mcp.policy import Audience, Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.models import GroupUpdate
    from whatsapp_mcp.protobufs import Neonize

_REFUSALS: Final = {
    401: "has blocked this account",
    403: "may only be invited (privacy settings): send them the invite link",
    404: "is not on WhatsApp",
    408: "has left not long ago: send them the invite link",
    409: "is a member already",
}
"""Codes of single participants, as the library's own documentation names them."""


_MICROSECONDS: Final = 1_000_000
"""The library tells the time of a request in microseconds, all else in seconds (neonize 0.5.2)."""


@has_effect(Effect.READ)
async def group(whatsapp: WhatsApp, jid: str) -> Group:
    """A group as WhatsApp knows it now; the archive learns of it.

    Raises:
        Rejected: There is none, or the account is not in it.
    """
    return await _remember(whatsapp, await whatsapp.call("get_group_info", {"group": jid}))


@has_effect(Effect.READ)
async def group_by_invite(whatsapp: WhatsApp, code: str, sent: SentInvite | None = None) -> Group:
    """The group that an invite leads to.

    Args:
        code: Of a link, or of the message.
        sent: Where it is from, if somebody sent it as a message.

    Raises:
        InvalidArgument: The invite is not valid, or no longer.
    """
    if sent is not None:
        return read_group(await whatsapp.call("get_group_info_from_invite", {"code": code, **asdict(sent)}))
    return read_group(await whatsapp.call("get_group_info_from_link", {"code": code}))


@has_effect(Effect.READ)
async def sub_groups(whatsapp: WhatsApp, community: str) -> tuple[SubGroup, ...]:
    """The groups of a community."""
    from whatsapp_mcp.protobufs import Neonize

    answers = await whatsapp.call("get_sub_groups", {"community": community})
    targets = (read(Neonize.GroupLinkTarget, answer) for answer in answers)
    groups = tuple(
        SubGroup(jid_text(each.JID), each.GroupName.Name, each.GroupIsDefaultSub.IsDefaultSubGroup)
        for each in targets
    )
    for each in groups:
        if each.default:
            await _learn(whatsapp, each.jid)
    return groups


@has_effect(Effect.ACT, Audience.CHAT, "members", "parent")
async def create_group(
    whatsapp: WhatsApp,
    name: str,
    members: tuple[str, ...],
    community: bool = False,
    parent: str | None = None,
) -> Group:
    """Make a group, or a community; `parent` is the community it shall belong to."""
    params = {"name": name, "members": list(members), "community": community, "parent": parent or ""}
    group = await _remember(whatsapp, await whatsapp.call("create_group", params))
    if group.community:
        with suppress(WhatsAppError):  # the next round of names brings its announcement group
            await sub_groups(whatsapp, group.jid)
    return group


@has_effect(Effect.ACT, Audience.CHAT, "jid")
async def change_group(whatsapp: WhatsApp, jid: str, change: GroupChange) -> None:
    """Change what is given, one after the other.

    Raises:
        WhatsAppError: The first that failed; the message says what was done before.
        Unsupported: The library cannot do one of them; nothing was changed.
    """
    try:
        await partly(whatsapp.call, _steps(jid, change))
    finally:
        await _learn(whatsapp, jid)


@has_effect(Effect.ACT, Audience.CHAT, "jid", "members")
async def change_members(
    whatsapp: WhatsApp, jid: str, members: tuple[str, ...], action: MemberAction
) -> tuple[MemberChange, ...]:
    """Add, remove, promote or demote people; who was refused carries the reason."""
    from whatsapp_mcp.protobufs import Neonize

    params = {"group": jid, "members": list(members), "action": action}
    answers = await whatsapp.call("update_group_participants", params)
    await _learn(whatsapp, jid)
    return tuple(_member_change(read(Neonize.GroupParticipant, answer)) for answer in answers)


@has_effect(Effect.READ)
async def group_invite(whatsapp: WhatsApp, jid: str) -> str:
    """The link to join a group."""
    return await whatsapp.call("get_group_invite_link", {"group": jid, "revoke": False})


@has_effect(Effect.ACT, Audience.CHAT, "jid")
async def reset_group_invite(whatsapp: WhatsApp, jid: str) -> str:
    """A new link to join a group, which makes the old one invalid."""
    return await whatsapp.call("get_group_invite_link", {"group": jid, "revoke": True})


@has_effect(Effect.ACT, Audience.EVERYONE)
async def join_group(whatsapp: WhatsApp, code: str, sent: SentInvite | None = None) -> Joined:
    """Join by an invite.

    Args:
        code, sent: As in `group_by_invite`.

    Raises:
        InvalidArgument: The invite is not valid, or no longer.
    """
    if sent is not None:
        await whatsapp.call("join_group_with_invite", {"code": code, **asdict(sent)})
        jid = sent.group
    else:
        jid = str(await whatsapp.call("join_group_with_link", {"code": code}))
    try:
        # A link names the group also where an admin has to agree first, and only a member may look at it.
        await group(whatsapp, jid)
    except Rejected:
        return Joined(jid, joined=False)
    return Joined(jid, joined=True)


@has_effect(Effect.ACT, Audience.CHAT, "jid")
async def leave_group(whatsapp: WhatsApp, jid: str) -> None:
    """Leave a group."""
    await whatsapp.call("leave_group", {"group": jid})
    await whatsapp.archive.write(recording.record_departure, jid)


@has_effect(Effect.READ)
async def join_requests(whatsapp: WhatsApp, jid: str) -> tuple[JoinRequest, ...]:
    """Return the open requests to join a group."""
    from whatsapp_mcp.protobufs import Neonize

    answers = await whatsapp.call("get_group_request_participants", {"group": jid})
    asking = [read(Neonize.GroupParticipantRequest, answer) for answer in answers]
    return tuple(
        [
            JoinRequest(
                await whatsapp.visible(jid_text(each.Participant)), moment(each.TimeAt / _MICROSECONDS)
            )
            for each in asking
        ]
    )


@has_effect(Effect.ACT, Audience.CHAT, "community", "group")
async def link_group(whatsapp: WhatsApp, community: str, group: str, linked: bool = True) -> None:
    """Put a group into a community, or take it out."""
    method = "link_group" if linked else "unlink_group"
    await whatsapp.call(method, {"community": community, "group": group})


async def _learn(whatsapp: WhatsApp, jid: str) -> None:
    """Let the archive have a group as it is after a change of ours: of those no event need come."""
    with suppress(WhatsAppError):  # what was changed is changed, and the next round of names brings it
        await group(whatsapp, jid)


async def _remember(whatsapp: WhatsApp, answer: str) -> Group:
    group = read_group(answer)
    await whatsapp.archive.write(recording.record_groups, [group_update(group)])
    return group


def _steps(jid: str, change: GroupChange) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the call and its parameters for each setting that changes."""
    if change.name is not None:
        yield "name", "set_group_name", {"group": jid, "name": change.name}
    if change.topic is not None:
        yield "topic", "set_group_topic", {"group": jid, "topic": change.topic}
    if change.photo is not None:
        yield "photo", "set_group_photo", {"group": jid, "path": change.photo}
    if change.announce is not None:
        yield "announce", "set_group_announce", {"group": jid, "on": change.announce}
    if change.locked is not None:
        yield "locked", "set_group_locked", {"group": jid, "on": change.locked}


def _member_change(person: Neonize.GroupParticipant) -> MemberChange:
    jid = jid_text(person.PhoneNumber) or jid_text(person.JID)
    reason = _REFUSALS.get(person.Error, f"was refused with code {person.Error}") if person.Error else None
    return MemberChange(jid, reason)


def read_group(answer: str) -> Group:
    """The client's description of a group in our model."""
    from whatsapp_mcp.protobufs import Neonize

    info = read(Neonize.GroupInfo, answer)
    return Group(
        jid_text(info.JID),
        info.GroupName.Name,
        info.GroupTopic.Topic,
        jid_text(info.OwnerPN) or jid_text(info.OwnerJID) or None,
        moment(info.GroupCreated),
        info.GroupAnnounce.IsAnnounce,
        info.GroupLocked.isLocked,
        info.GroupEphemeral.DisappearingTimer if info.GroupEphemeral.IsEphemeral else 0,
        info.GroupParent.IsParent,
        jid_text(info.GroupLinkedParent.LinkedParentJID) or None,
        tuple(map(_participant, info.Participants)),
        jid_text(info.GroupTopic.TopicSetBy) or None,
        info.GroupIsDefaultSub.IsDefaultSubGroup,
    )


def _participant(person: Neonize.GroupParticipant) -> Participant:
    jid = jid_text(person.JID)
    forms = (jid_text(person.PhoneNumber), jid_text(person.LID))
    other = next((each for each in forms if each and each != jid), None)
    return Participant(jid, other, person.IsAdmin, person.IsSuperAdmin)


def group_update(group: Group) -> GroupUpdate:
    """Return the update that the archive keeps of a group."""
    from whatsapp_mcp.models import GroupUpdate

    people = tuple((each.jid, each.other, each.admin, each.superadmin) for each in group.participants)
    community = group.jid if group.community else group.parent if group.announcements else None
    return GroupUpdate(group.jid, group.name, people, group.timer, community)
