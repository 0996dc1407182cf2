"""Members of groups: added, removed, made admins; who asks to join, the link that invites, joining by one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from whatsapp_mcp.device.operations import groups
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.jid import Jid, looks_like_jid
from whatsapp_mcp.models import MemberAction, MemberChange, SentInvite
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.processes.capabilities import capability
from whatsapp_mcp.server.arguments import (
    find_group,
    find_people,
    is_ref,
)
from whatsapp_mcp.server.calls import Call, Result, Services, tool
from whatsapp_mcp.server.fencing import Text, identifier
from whatsapp_mcp.server.render import (
    ChangedMembersData,
    InviteData,
    InviteOrGroupData,
    JoinData,
    JoinRequestsData,
    address,
    group_settings_data,
    named,
    person_line,
    rfc3339,
    short,
)
from whatsapp_mcp.server.tools.groups.groups import (
    GroupArg,
    People,
    as_shown,
    described,
    names,
    topic_line,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import Chat

_INVITE: Final = re.compile(
    r"(?:https?://)?(?:chat\.whatsapp\.com/(?:invite/)?)?([A-Za-z0-9_-]{16,40})(?:\?.*)?"
)
_SENT_CODE: Final = re.compile(r"[A-Za-z0-9_-]{4,64}")
"""Code of an invite that came as a message; its sender may put anything there."""


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
    target = await find_group(services, chat)
    people = await find_people(services, members)
    async with services.device() as device:
        changes = await device.do(
            groups.change_members, target.jid, tuple(each.jid for each in people), action
        )
    refused = await _refusals(services, people, changes)
    well = [each for each in people if each.jid not in refused]
    sentences = [f"{done} in {named(target)}: {names(well)}."] if well else []
    sentences += [f"{named(each)} {refused[each.jid]}." for each in people if each.jid in refused]
    data: ChangedMembersData = {"jid": target.jid, "done": [each.jid for each in well], "refused": refused}
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


@tool("groups", Effect.READ, Audience.NOBODY, result=JoinRequestsData)
async def list_join_requests(call: Call, chat: GroupArg) -> Result:
    """Requests to join a group; an admin decides on the phone."""
    services = await call.services()
    target = await find_group(services, chat)
    async with services.device() as device:
        requests = await device.do(groups.join_requests, target.jid)
    lines: list[str] = []
    for each in requests:
        contact = await services.archive.contact(each.jid)
        asked_at = f" {short(each.asked_at, services.zone, services.now())}" if each.asked_at else ""
        lines.append(f"{person_line(contact) if contact else address(each.jid)}{asked_at}")
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


@tool("groups", Effect.READ, Audience.NOBODY, result=InviteOrGroupData)
async def get_group_invite(
    call: Call, chat: Annotated[str, Field(description="Group, or an invite to inspect: link or #ref")]
) -> Result:
    """A group's invite link, or the group to which an invite leads."""
    services = await call.services()
    if "chat.whatsapp.com" in chat or is_ref(chat):
        invite = await _invite(services, chat)
        async with services.device() as device:
            group = await as_shown(await device.do(groups.group_by_invite, *invite), services)
        head = described(group, len(group.participants), services)
        return Result(
            Text(head, await topic_line(group, services)), group_settings_data(group, services.zone)
        )
    target = await find_group(services, chat)
    async with services.device() as device:
        link = await device.do(groups.group_invite, target.jid)
    link = identifier(link)
    return Result(f"Invite to {named(target)}: {link}", InviteData(jid=target.jid, link=link))


@tool("groups", Effect.ACT, Audience.CHAT, destructive=True, result=InviteData)
async def reset_group_invite(call: Call, chat: GroupArg) -> Result:
    """Create a new invite link; the old one stops working."""
    services = await call.services()
    target = await find_group(services, chat)
    async with services.device() as device:
        link = identifier(await device.do(groups.reset_group_invite, target.jid))
    return Result(f"New invite to {named(target)}: {link}", InviteData(jid=target.jid, link=link))


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
        joined = await device.do(groups.join_group, *invite)
    jid = identifier(joined.jid)
    data: JoinData = {"jid": jid, "joined": joined.joined}
    if not joined.joined:
        return Result(f"Asked to join {jid}; an admin has to let the user in.", data)
    known = await services.archive.chat(joined.jid)
    return Result(f"Joined {named(known) if known else 'the group'} ({jid}).", data)
