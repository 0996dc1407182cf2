"""Groups and communities: reading, creating, changing, inviting, leaving."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from whatsapp_mcp.capabilities import capability
from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.models import Group, GroupChange, MemberAction, MemberChange, SentInvite
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    TIMERS,
    Detail,
    PhotoArg,
    Switch,
    Texts,
    Timer,
    find_group,
    find_people,
    is_ref,
    photo_of,
)
from whatsapp_mcp.server.calls import Call, EmptyRemoves, Neutral, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.fencing import Text, chosen_name, full_name, identifier, spoken_of, titled
from whatsapp_mcp.server.render import (
    ChangedGroupData,
    ChangedMembersData,
    CommunityData,
    CreatedGroupData,
    GroupDetailsData,
    InviteData,
    InviteOrGroupData,
    JoinData,
    JoinRequestsData,
    address,
    group_settings_data,
    member_data,
    named,
    person_line,
    quoted,
    rfc3339,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from whatsapp_mcp.models import Chat, GroupMember

MAX_NAME: Final = 100
MAX_TOPIC: Final = 2048
MAX_MEMBERS: Final = 1024
"""WhatsApp's limits of a group: characters, and people."""
_SHOWN: Final = 40
_INVITE: Final = re.compile(
    r"(?:https?://)?(?:chat\.whatsapp\.com/(?:invite/)?)?([A-Za-z0-9_-]{16,40})(?:\?.*)?"
)

_SENT_CODE: Final = re.compile(r"[A-Za-z0-9_-]{4,64}")
_WITHHELD: Final = "[withheld: its author is not known]"
GroupArg = Annotated[str, Field(description="Group name or jid")]
People = Annotated[Texts, Field(description="Names, numbers or jids")]


@tool("groups", Effect.READ, Audience.NOBODY, result=GroupDetailsData)
async def get_group(call: Call, chat: GroupArg, detail: Detail = "concise") -> Result:
    """A group's topic, settings and members; of a community also its groups."""
    services = await call.services()
    found = await find_group(services, chat, reading=True)
    async with services.device() as device:
        group = await device.group(found.jid)
        below = await device.sub_groups(group.jid) if group.community else ()
    group = await _shown(group, services)
    members = await services.archive.members(group.jid)
    own = {each for each in (await services.archive.own())[:2] if each}
    shown = members if detail == "full" else members[:_SHOWN]
    lines = await _topic_line(group, services)
    below = [replace(each, name=services.archive.group_name(each.name)) for each in below]
    lines += [f"group: {chosen_name(each.name)} ({identifier(each.jid)})" for each in below]
    lines += [_member_line(each, own) for each in shown]
    text = Text(_described(group, len(members), services), lines)
    if len(shown) < len(members):
        text = text.plus(f"{len(members) - len(shown)} more members: detail=full")
    data: GroupDetailsData = {
        **group_settings_data(group, services.zone),
        "size": len(members),
        "members": [member_data(each, own) for each in shown],
        "groups": [{"jid": identifier(each.jid), "name": full_name(each.name)} for each in below],
    }
    return Result(text, data)


async def _shown(group: Group, services: Services) -> Group:
    """A group as it is shown: its topic only where it is known who wrote it."""
    name = services.archive.group_name(group.name)
    if not group.topic:
        return replace(group, name=name)
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    topic = group.topic if services.archive.shows_words_of(writer) else _WITHHELD
    return replace(group, name=name, topic=topic)


async def _topic_line(group: Group, services: Services) -> list[str]:
    """The topic with its author, where WhatsApp names them."""
    if not group.topic:
        return []
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    own = (await services.archive.own())[:2]
    who = f"by {spoken_of(writer.name, writer.jid in own, writer.stranger)}" if writer else "(author unknown)"
    return [f"topic {who}: {quoted(group.topic, 500)}"]


def _described(group: Group, size: int, services: Services) -> str:
    what = "community" if group.community else "group"
    notes = [f"{titled(group.name)} ({identifier(group.jid)})", what, f"{size} members"]
    if group.created_at:
        notes.append(f"since {short(group.created_at, services.zone, services.now())}")
    notes += ["only admins write"] if group.announce else []
    notes += ["only admins change it"] if group.locked else []
    notes += [f"messages disappear after {group.timer // 86_400} d"] if group.timer else []
    notes += [f"in community {identifier(group.parent)}"] if group.parent else []
    return ", ".join(notes) + "."


def _member_line(member: GroupMember, own: Set[str]) -> str:
    contact = member.contact
    who = f"me {contact.number or address(contact.jid)}" if contact.jid in own else person_line(contact)
    return who + (", owner" if member.superadmin else ", admin" if member.admin else "")


@tool("groups", Effect.ACT, Audience.CHAT, result=CreatedGroupData)
async def create_group(
    call: Call,
    name: str,
    members: People | None = None,
    parent: Annotated[str | None, Field(description="Community to put it in")] = None,
    community: Annotated[bool, Field(description="Make a community")] = False,
) -> Result:
    """Create a group with these members. Calling twice creates two."""
    _check_name(name)
    services = await call.services()
    people = await find_people(services, members) if members else ()
    own = await services.archive.own()
    people = tuple(each for each in people if each.jid not in own)
    above = (await find_group(services, parent)).jid if parent else None
    if not people and not community:
        raise InvalidArgument("A group needs at least one other member.", "Give members.")
    if len(people) >= MAX_MEMBERS:
        raise TooLong(f"A group has at most {MAX_MEMBERS} members.", "Invite the others by link.")
    async with services.device() as device:
        group = await device.create_group(name.strip(), tuple(each.jid for each in people), community, above)
    inside = {form for each in group.participants for form in (each.jid, each.other)}
    missing = [each for each in people if each.jid not in inside]
    joined = [each for each in people if each.jid in inside]
    text = f"Made {titled(group.name)} ({identifier(group.jid)}) with {', '.join(['you', *_named(joined)])}."
    if missing:
        text += f" Not in it: {_names(missing)}; invite them with get_group_invite."
    data: CreatedGroupData = {
        **group_settings_data(group, services.zone),
        "missing": [each.jid for each in missing],
    }
    return Result(text, data)


def _check_name(name: str) -> None:
    if not name.strip():
        raise InvalidArgument("name is empty.", "Give the group a name.")
    if len(name) > MAX_NAME:
        raise TooLong(f"The name has {len(name)} characters, WhatsApp's limit is {MAX_NAME}.")


def _names(people: Sequence[Chat]) -> str:
    return ", ".join(_named(people))


def _named(people: Sequence[Chat]) -> list[str]:
    shown = [named(each) for each in people[:_SHOWN]]
    return shown if len(people) <= _SHOWN else [*shown, f"{len(people) - _SHOWN} more"]


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedGroupData)
async def update_group(
    call: Call,
    chat: GroupArg,
    name: str | None = None,
    topic: Annotated[str | None, Field(description="Description; empty removes it"), EmptyRemoves] = None,
    remove_topic: Annotated[bool | None, Field(description="If false, an empty topic is ignored")] = None,
    photo: PhotoArg | None = None,
    announce: Annotated[Switch, Field(description="Only admins write")] = None,
    locked: Annotated[Switch, Field(description="Only admins change it")] = None,
    timer: Annotated[Timer | None, Neutral("keep")] = None,
) -> Result:
    """Change the given settings of a group."""
    if name is not None:
        _check_name(name)
    if topic is not None and len(topic) > MAX_TOPIC:
        raise TooLong(f"The topic has {len(topic)} characters, WhatsApp's limit is {MAX_TOPIC}.")
    change = GroupChange(
        name=name.strip() if name else None,
        topic=_topic(topic, remove_topic),
        photo=photo,
        announce=announce,
        locked=locked,
        timer=TIMERS[timer] if timer else None,
    )
    if change == GroupChange():
        raise InvalidArgument("There is nothing to change.", "Give at least one field to change.")
    services = await call.services()
    found = await find_group(services, chat)
    if photo:
        change = replace(change, photo=await photo_of(services, photo))
    async with services.device() as device:
        await device.change_group(found.jid, change)
    changed = [each.name for each in fields(change) if getattr(change, each.name) is not None]
    if change.name is not None:
        changed[changed.index("name")] = f"name to {titled(change.name)}"
    return Result(f"Changed {', '.join(changed)} of {named(found)}.", ChangedGroupData(jid=found.jid))


def _topic(topic: str | None, remove: bool | None) -> str | None:
    """The topic to set; None leaves it. `remove` says what an empty one means that had to be given."""
    if remove:
        return ""
    return None if remove is False and not topic else topic


@tool("groups", Effect.ACT, Audience.CHAT, idempotent=True, result=ChangedMembersData)
async def add_group_members(call: Call, chat: GroupArg, members: People) -> Result:
    """Add people to a group. Lists anyone who could not be added and needs an invite."""
    return await _change_members(call, chat, members, "add", "Added")


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedMembersData)
async def remove_group_members(call: Call, chat: GroupArg, members: People) -> Result:
    """Remove people from a group."""
    return await _change_members(call, chat, members, "remove", "Removed")


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedMembersData)
async def set_group_admins(
    call: Call,
    chat: GroupArg,
    members: People,
    admin: Annotated[bool, Field(description="false demotes")] = True,
) -> Result:
    """Promote members to admins, or demote admins."""
    action, done = ("promote", "Now admin") if admin else ("demote", "No longer admin")
    return await _change_members(call, chat, members, action, done)


async def _change_members(
    call: Call, chat: str, members: Sequence[str], action: MemberAction, done: str
) -> Result:
    services = await call.services()
    found = await find_group(services, chat)
    people = await find_people(services, members)
    async with services.device() as device:
        changes = await device.change_members(found.jid, tuple(each.jid for each in people), action)
    refused = await _refusals(services, people, changes)
    well = [each for each in people if each.jid not in refused]
    sentences = [f"{done} in {named(found)}: {_names(well)}."] if well else []
    sentences += [f"{named(each)} {refused[each.jid]}." for each in people if each.jid in refused]
    data: ChangedMembersData = {"jid": found.jid, "done": [each.jid for each in well], "refused": refused}
    return Result(" ".join(sentences), data)


async def _refusals(
    services: Services, people: Sequence[Chat], changes: Sequence[MemberChange]
) -> dict[str, str]:
    """Why each of those was refused, by the jid that the archive knows them by."""
    known = {each.jid for each in people}
    refused: dict[str, str] = {}
    for change in changes:
        if change.reason is None:
            continue
        contact = None if change.jid in known else await services.archive.contact(change.jid)
        refused[contact.jid if contact else change.jid] = change.reason
    return refused


@tool("groups", Effect.READ, Audience.NOBODY, result=InviteOrGroupData)
async def get_group_invite(
    call: Call, chat: Annotated[str, Field(description="Group, or an invite to inspect: link or #ref")]
) -> Result:
    """A group's invite link, or the group to which an invite leads."""
    services = await call.services()
    if "chat.whatsapp.com" in chat or is_ref(chat):
        invite = await _invite(services, chat)
        async with services.device() as device:
            group = await _shown(await device.group_by_invite(*invite), services)
        head = _described(group, len(group.participants), services)
        return Result(
            Text(head, await _topic_line(group, services)), group_settings_data(group, services.zone)
        )
    found = await find_group(services, chat)
    async with services.device() as device:
        link = await device.group_invite(found.jid)
    link = identifier(link)
    return Result(f"Invite to {named(found)}: {link}", InviteData(jid=found.jid, link=link))


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, result=InviteData)
async def reset_group_invite(call: Call, chat: GroupArg) -> Result:
    """Create a new invite link; the old one stops working."""
    services = await call.services()
    found = await find_group(services, chat)
    async with services.device() as device:
        link = identifier(await device.reset_group_invite(found.jid))
    return Result(f"New invite to {named(found)}: {link}", InviteData(jid=found.jid, link=link))


def invite_code(link: str) -> str:
    """The code of an invite link (`https://chat.whatsapp.com/CODE`), or the code itself.

    Raises:
        InvalidArgument: It is neither.
    """
    match = _INVITE.fullmatch(link.strip())
    if match is None or looks_like_jid(link):
        raise InvalidArgument(f"{link!r} is not an invite link.", "Give https://chat.whatsapp.com/….")
    return match[1]


async def _invite(services: Services, text: str) -> tuple[str, SentInvite | None]:
    """The code of an invite, and where it is from if it is a message.

    Raises:
        InvalidArgument: It is no invite, or has expired.
    """
    if not is_ref(text):
        return invite_code(text), None
    message = await services.archive.opened_message(text)
    details = message.details or {}
    invite = details.get("invite")
    if not isinstance(invite, dict):
        raise InvalidArgument(f"{text} is not an invite to a group.", "Give the ref of one, or a link.")
    if message.from_me:
        raise InvalidArgument(f"The user sent {text} to somebody else.", "Take an invite that they received.")
    code, group = str(invite.get("code")), str(invite.get("group"))
    if not _SENT_CODE.fullmatch(code) or not looks_like_jid(group) or not Jid.parse(group).is_group:
        raise InvalidArgument(f"{text} is not a valid invite.", "Tell the user to ask for a new one.")
    expires_at = int(details.get("expires_at", 0))
    if expires_at <= services.now().timestamp():
        raise InvalidArgument(f"The invite {text} has expired.", "Tell the user to ask for a new one.")
    return code, SentInvite(group, message.sender, expires_at)


@tool("groups", Effect.ACT, Audience.EVERYONE, idempotent=True, result=JoinData)
async def join_group(call: Call, link: Annotated[str, Field(description="Invite link or #ref")]) -> Result:
    """Join a group by an invite, only when the user asks for it."""
    services = await call.services()
    invite = await _invite(services, link)
    async with services.device() as device:
        joined = await device.join_group(*invite)
    jid = identifier(joined.jid)
    data: JoinData = {"jid": jid, "joined": joined.joined}
    if not joined.joined:
        return Result(f"Asked to join {jid}; an admin has to let the user in.", data)
    known = await services.archive.chat(joined.jid)
    return Result(f"Joined {named(known) if known else 'the group'} ({jid}).", data)


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedGroupData)
async def leave_group(call: Call, chat: GroupArg) -> Result:
    """Leave a group; rejoining needs an invite."""
    services = await call.services()
    found = await find_group(services, chat)
    async with services.device() as device:
        await device.leave_group(found.jid)
    return Result(f"Left {named(found)}. Its messages stay here.", ChangedGroupData(jid=found.jid))


@tool("groups", Effect.READ, Audience.NOBODY, result=JoinRequestsData)
async def list_join_requests(call: Call, chat: GroupArg) -> Result:
    """Requests to join a group; an admin decides on the phone."""
    services = await call.services()
    found = await find_group(services, chat)
    async with services.device() as device:
        requests = await device.join_requests(found.jid)
    lines: list[str] = []
    for each in requests:
        contact = await services.archive.contact(each.jid)
        at = f" {short(each.asked_at, services.zone, services.now())}" if each.asked_at else ""
        lines.append(f"{person_line(contact) if contact else address(each.jid)}{at}")
    data: JoinRequestsData = {
        "requests": [
            {"jid": identifier(each.jid), "asked_at": rfc3339(each.asked_at, services.zone)}
            for each in requests
        ]
    }
    if not lines:
        return Result("Nobody asks to join.", data)
    decide = f"{capability('join decisions').cannot} Let in or turn away on the phone."
    return Result(Text("Asking to join:", lines, [decide]), data)


@tool("groups", Effect.ACT, Audience.CHAT, idempotent=True, result=CommunityData)
async def add_to_community(call: Call, chat: GroupArg, community: GroupArg) -> Result:
    """Add a group to a community."""
    return await _link(call, chat, community, linked=True)


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=CommunityData)
async def remove_from_community(call: Call, chat: GroupArg, community: GroupArg) -> Result:
    """Remove a group from a community."""
    return await _link(call, chat, community, linked=False)


async def _link(call: Call, chat: str, community: str, *, linked: bool) -> Result:
    services = await call.services()
    group = await find_group(services, chat)
    above = await find_group(services, community)
    if group.jid == above.jid:
        raise InvalidArgument("chat and community name the same group.", "Name a group and a community.")
    async with services.device() as device:
        await device.link_group(above.jid, group.jid, linked)
    how = "now in" if linked else "no longer in"
    text = f"{named(group)} is {how} {named(above)}."
    data: CommunityData = {"jid": group.jid, "community": above.jid, "linked": linked}
    return Result(text, data)


TOOLS: Sequence[ToolFunction] = (
    get_group,
    create_group,
    update_group,
    add_group_members,
    remove_group_members,
    set_group_admins,
    get_group_invite,
    reset_group_invite,
    join_group,
    leave_group,
    list_join_requests,
    add_to_community,
    remove_from_community,
)
