"""Members of groups: added, removed, made admins; and who asks to join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from whatsapp_mcp.device.operations import groups
from whatsapp_mcp.models import MemberAction, MemberChange
from whatsapp_mcp.policy import Audience, Effect
from whatsapp_mcp.processes.capabilities import capability
from whatsapp_mcp.server.arguments import (
    find_group,
    find_people,
)
from whatsapp_mcp.server.calls import Call, Result, Services, tool
from whatsapp_mcp.server.fencing import Text, identifier
from whatsapp_mcp.server.render import (
    ChangedMembersData,
    JoinRequestsData,
    address,
    named,
    person_line,
    rfc3339,
    short,
)
from whatsapp_mcp.server.tools.groups.groups import (
    GroupArg,
    People,
    names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from whatsapp_mcp.models import Chat


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
