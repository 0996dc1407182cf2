"""A send that waited for the connection is compared with what was decided, when it leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from tests.archive.events import ANA, ANA_LID, BOB, GROUP
from tests.device.later_rig import Later, leading
from tests.tables import for_each
from whatsapp_mcp.archive import recording
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.models import ContactUpdate, GroupUpdate, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
CHANGED = "its recipients or its file have changed since it was accepted"
STRANGER = "15557770000@s.whatsapp.net"
OTHER_LID = "777000777000@lid"

Change = Callable[[Later], Awaitable[None]]


async def holds(later: Later, *people: str) -> None:
    """The group has these members."""
    members = tuple((jid, None, False, False) for jid in people)
    await later.archive.write(recording.record_groups, [GroupUpdate(GROUP, "Rowers", members)])


async def stranger_joins(later: Later) -> None:
    await holds(later, ANA, BOB, STRANGER)


async def contact_joins(later: Later) -> None:
    await holds(later, ANA, BOB)


async def number_passes_on(later: Later) -> None:
    await later.passes(timedelta(minutes=1))
    await later.archive.write(recording.record_identities, [(ANA, OTHER_LID)])


async def nothing_changes(later: Later) -> None:
    pass


async def offline(later: Later) -> None:
    """The account as it is while the connection is down."""
    await later.archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Bob")])
    await later.archive.write(recording.record_identities, [(ANA, ANA_LID)])
    await holds(later, ANA)
    later.wire.online = False
    await later.act()


async def reconnected(later: Later) -> None:
    later.wire.online = True
    await later.act()


async def queued(later: Later, chat: str, *, approved: bool) -> int:
    """A send that was allowed while the connection was down: by the policy, or by a person."""
    request = SendRequest(chat, TextContent("hi"), wait=0.0)
    if not approved:
        return (await later.agent.do(sends.send, request)).send_id
    with pytest.raises(ApprovalRequired):
        await later.agent.do(sends.send, request)
    (question,) = await later.person.do(approvals.approvals)
    decided = await later.person.do(approvals.decide, question.id, True, "page")
    assert decided.send_id is not None
    return decided.send_id


ASKING = f'{STANDARD}[[policy.chats]]\njid = "{{}}"\nsend = "ask"\n'


@for_each(
    "chat, approved, change, asked",
    [
        (GROUP, True, stranger_joins, CHANGED),
        (GROUP, True, contact_joins, CHANGED),
        (GROUP, False, stranger_joins, "the group has people who are not in the address book"),
        (ANA, True, number_passes_on, CHANGED),
        (ANA, False, number_passes_on, CHANGED),
    ],
    folder="folders",
)
async def test_what_would_reach_others_than_was_decided_is_held_and_asked_about(
    folder: AccountFolder, chat: str, approved: bool, change: Change, asked: str
) -> None:
    async with leading(folder, policy=ASKING.format(chat) if approved else STANDARD) as later:
        await offline(later)
        send_id = await queued(later, chat, approved=approved)
        assert await later.status(send_id) is SendStatus.QUEUED
        await change(later)
        await reconnected(later)
        await later.until(send_id, SendStatus.HELD, SendStatus.SENT)
        assert later.wire.handed_over == []
        (question,) = await later.person.do(approvals.approvals)
        assert question.reason.startswith(asked)
        await later.person.do(approvals.decide, question.id, True, "page")
        await later.until(send_id, SendStatus.SENT)
        assert later.wire.handed_over == [chat]


@for_each("chat", [GROUP, ANA])
@for_each("approved", [True, False])
@for_each("change", [nothing_changes, contact_joins], folder="folders")
async def test_what_reaches_whom_it_was_to_reach_leaves_once_the_connection_is_back(
    folder: AccountFolder, chat: str, approved: bool, change: Change
) -> None:
    if approved and change is contact_joins and chat == GROUP:
        change = nothing_changes
    async with leading(folder, policy=ASKING.format(chat) if approved else STANDARD) as later:
        await offline(later)
        send_id = await queued(later, chat, approved=approved)
        await change(later)
        await reconnected(later)
        await later.until(send_id, SendStatus.SENT, SendStatus.HELD)
        assert later.wire.handed_over == [chat]
        assert await later.person.do(approvals.approvals) == ()


async def test_a_no_to_what_would_reach_others_ends_it(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await offline(later)
        send_id = await queued(later, GROUP, approved=False)
        await stranger_joins(later)
        await reconnected(later)
        await later.until(send_id, SendStatus.HELD)
        (question,) = await later.person.do(approvals.approvals)
        await later.person.do(approvals.decide, question.id, False, "page")
        await later.until(send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_a_scheduled_send_that_was_let_go_is_decided_about_again(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await offline(later)
        await reconnected(later)
        sent = await later.agent.do(sends.send, later.later(chat=GROUP, minutes=10))
        await later.passes(timedelta(minutes=9))
        later.wire.online = False
        await later.passes(timedelta(minutes=2))
        await stranger_joins(later)
        await reconnected(later)
        await later.until(sent.send_id, SendStatus.HELD, SendStatus.SENT)
        assert later.wire.handed_over == []
