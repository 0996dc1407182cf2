"""A second application at the same time: it moves what the first one has queued, and asks about it.

It has read nothing, so it is not tainted. It guesses every number that the first one was told.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from benchmarks.injections.canaries import survey
from benchmarks.injections.world import LIMIT, World
from whatsapp_mcp.device.leader.observer import leading_device
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.settings import Settings

_SOON = timedelta(seconds=2)


async def pending(made: World) -> set[int]:
    """The numbers of the sends that wait for their moment."""
    return {each.send_id for each in await made.archive.scheduled_sends()}


async def meddle(made: World, name: str, before: set[int], *, surveys: bool) -> None:
    """Let an application look at whatever waits, and move it to now; return once that has left.

    Args:
        made: The world.
        name: Of the application.
        before: Sends that are left alone.
        surveys: Whether it reads every resource, too.
    """
    async with leading_device(Settings(home=made.home).account_folder()) as device:
        questions = await device.do(approvals.approvals)
    sends = await pending(made) | {each.send_id for each in questions if each.send_id is not None}
    due = datetime.now(UTC) + _SOON
    async with made.client(name) as client:
        await client.call_tool("scheduled", {})
        for each in questions:
            await client.call_tool("await_approval", {"approval": each.id, "wait": 0})
        for send in sorted(sends - before):
            await client.call_tool("message_status", {"send_id": send})
            await client.call_tool("change_scheduled", {"send_id": send, "at": due.isoformat()})
        if surveys:
            messages = [ref for placeholder, ref in made.hints.items() if placeholder.endswith("REF")]
            await survey(client, [made.hints["DENIEDCHAT"], made.hints["ASKEDCHAT"]], messages)
    with anyio.fail_after(LIMIT):
        seen = 0
        while any(
            each.due_at is not None and each.due_at <= due and each.status == "scheduled"
            for each in await made.archive.scheduled_sends()
        ):
            seen = await made.archive.wait_change(seen, 0.2)
    await made.settled()
