"""Groups and communities: looked at, described with their people named, created, changed, left."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from whatsapp_mcp.device.operations import groups
from whatsapp_mcp.errors import InvalidArgument, TooLong
from whatsapp_mcp.models import Group, GroupChange
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.server.arguments import (
    Detail,
    PhotoArg,
    Switch,
    Texts,
    find_group,
    find_people,
    photo_of,
)
from whatsapp_mcp.server.calls import Call, EmptyRemoves, Result, Services, tool
from whatsapp_mcp.server.fencing import Text, chosen_name, full_name, identifier, spoken_of, titled
from whatsapp_mcp.server.render import (
    ChangedGroupData,
    CommunityData,
    CreatedGroupData,
    GroupDetailsData,
    address,
    group_settings_data,
    member_data,
    named,
    person_line,
    quoted,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from whatsapp_mcp.models import Chat, GroupMember, SubGroup

SHOWN: Final = 40
"""Most people in a list."""
_WITHHELD: Final = "[withheld: its author is not known]"
GroupArg = Annotated[str, Field(description="Name or jid")]
People = Annotated[Texts, Field(description="Names, numbers or jids")]
MAX_NAME: Final = 100
MAX_TOPIC: Final = 2048
MAX_MEMBERS: Final = 1024
"""WhatsApp's limits of a group: characters, and people."""


async def as_shown(group: Group, services: Services) -> Group:
    """A group as it is shown: its topic only where it is known who wrote it."""
    name = services.archive.group_name(group.name, group.jid)
    if not group.topic:
        return replace(group, name=name)
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    is_shown = await services.archive.hand_out_words_of(writer, group.topic)
    topic = group.topic if is_shown else _WITHHELD
    return replace(group, name=name, topic=topic)


async def topic_line(group: Group, services: Services) -> list[str]:
    """The topic with its author, where WhatsApp names them."""
    if not group.topic:
        return []
    writer = await services.archive.contact(group.topic_by) if group.topic_by else None
    own = (await services.archive.own())[:2]
    who = f"by {spoken_of(writer.name, writer.jid in own, writer.stranger)}" if writer else "(author unknown)"
    return [f"topic {who}: {quoted(group.topic, 500)}"]


def described(group: Group, size: int, services: Services) -> str:
    """A group in one sentence: its name, size and settings."""
    what = "community" if group.community else "group"
    notes = [f"{titled(group.name)} ({identifier(group.jid)})", what, f"{size} members"]
    if group.created_at:
        notes.append(f"since {short(group.created_at, services.zone, services.now())}")
    notes += ["only admins write"] if group.announce else []
    notes += ["only admins change it"] if group.locked else []
    notes += [f"messages disappear after {group.timer // 86_400} d"] if group.timer else []
    role = "announcement group of" if group.announcements else "in"
    notes += [f"{role} community {identifier(group.parent)}"] if group.parent else []
    return ", ".join(notes) + "."


def names(people: Sequence[Chat]) -> str:
    """Return the names that `listed` gives, for a sentence."""
    return ", ".join(listed(people))


def listed(people: Sequence[Chat]) -> list[str]:
    """The names of the first people, and how many more there are."""
    shown = [named(each) for each in people[:SHOWN]]
    return shown if len(people) <= SHOWN else [*shown, f"{len(people) - SHOWN} more"]


@tool("groups", Effect.READ, Audience.NOBODY, result=GroupDetailsData)
async def get_group(call: Call, chat: GroupArg, detail: Detail = "concise") -> Result:
    """A group's topic, settings and members; of a community also its groups."""
    services = await call.services()
    target = await find_group(services, chat, reading=True)
    async with services.device() as device:
        group = await device.do(groups.group, target.jid)
        below = await device.do(groups.sub_groups, group.jid) if group.community else ()
    group = await as_shown(group, services)
    members = await services.archive.members(group.jid)
    own = {each for each in (await services.archive.own())[:2] if each}
    shown = members if detail == "full" else members[:SHOWN]
    lines = await topic_line(group, services)
    below = [replace(each, name=services.archive.group_name(each.name, each.jid)) for each in below]
    lines += [_group_line(each) for each in below]
    lines += [_member_line(each, own) for each in shown]
    text = Text(described(group, len(members), services), lines)
    if len(shown) < len(members):
        text = text.plus(f"{len(members) - len(shown)} more members: detail=full")
    data: GroupDetailsData = {
        **group_settings_data(group, services.zone),
        "size": len(members),
        "members": [member_data(each, own) for each in shown],
        "groups": [
            {"jid": identifier(each.jid), "name": full_name(each.name), "announcements": each.default}
            for each in below
        ],
    }
    return Result(text, data)


def _group_line(group: SubGroup) -> str:
    what = "announcement group" if group.default else "group"
    return f"{what}: {chosen_name(group.name)} ({identifier(group.jid)})"


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
        group = await device.do(
            groups.create_group, name.strip(), tuple(each.jid for each in people), community, above
        )
    inside = {form for each in group.participants for form in (each.jid, each.other)}
    missing = [each for each in people if each.jid not in inside]
    joined = [each for each in people if each.jid in inside]
    text = f"Made {titled(group.name)} ({identifier(group.jid)}) with {', '.join(['you', *listed(joined)])}."
    if missing:
        text += f" Not in it: {names(missing)}; invite them with get_group_invite."
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
) -> Result:
    """Change the given settings of a group; its timer: update_chat."""
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
    )
    if change == GroupChange():
        raise InvalidArgument("There is nothing to change.", "Give at least one field to change.")
    services = await call.services()
    target = await find_group(services, chat)
    if announce is not None:
        await _require_announceable(services, target)
    if photo:
        path, origin = await photo_of(services, photo)
        change = replace(change, photo=path, photo_origin=origin)
    async with services.device() as device:
        await device.do(groups.change_group, target.jid, change)
    given = [each.name for each in fields(change) if getattr(change, each.name) is not None]
    changed = [name for name in given if name != "photo_origin"]
    if change.name is not None:
        changed[changed.index("name")] = f"name to {titled(change.name)}"
    return Result(f"Changed {', '.join(changed)} of {named(target)}.", ChangedGroupData(jid=target.jid))


async def _require_announceable(services: Services, chat: Chat) -> None:
    """Refuse to say who may write in a community: WhatsApp does, since that is its announcement group's.

    Raises:
        InvalidArgument: It is a community.
    """
    communities = await services.archive.communities()
    if chat.jid not in communities:
        return
    announcements = communities[chat.jid]
    raise InvalidArgument(
        "This is a community: who may write is set in its announcement group, where its posts go.",
        f"Call again with chat={announcements}."
        if announcements
        else "Look at it with get_group, which names it.",
    )


def _topic(topic: str | None, remove: bool | None) -> str | None:
    """The topic to set; None leaves it. `remove` says what an empty one means that had to be given."""
    if remove:
        return ""
    return None if remove is False and not topic else topic


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, idempotent=True, result=ChangedGroupData)
async def leave_group(call: Call, chat: GroupArg) -> Result:
    """Leave a group; rejoining needs an invite."""
    services = await call.services()
    target = await find_group(services, chat)
    async with services.device() as device:
        await device.do(groups.leave_group, target.jid)
    return Result(f"Left {named(target)}. Its messages stay here.", ChangedGroupData(jid=target.jid))


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
        await device.do(groups.link_group, above.jid, group.jid, linked)
    how = "now in" if linked else "no longer in"
    text = f"{named(group)} is {how} {named(above)}."
    data: CommunityData = {"jid": group.jid, "community": above.jid, "linked": linked}
    return Result(text, data)
