"""A send that is not to go out after a reply does not, whatever becomes of the reply and of the send."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archive.events import ANA
from tests.device.later_rig import MINUTE, leading
from whatsapp_mcp.archive import outbox
from whatsapp_mcp.device.operations import sends
from whatsapp_mcp.models import REPLIED, SendStatus
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
HOUR = 60 * MINUTE


async def test_one_that_is_moved_still_knows_the_reply_to_its_former(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        former = await later.agent.do(sends.send, later.later("still there?", unless_reply=True))
        await later.hears("3A01", "yes")
        request = later.later("still there?", minutes=90, unless_reply=True, replaces=former.send_id)
        moved = await later.agent.do(sends.send, request)
        await later.passes(90 * MINUTE)
        await later.until(moved.send_id, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_a_reply_that_is_purged_before_the_moment_still_counts(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        replied = await later.agent.do(
            sends.send, later.later("still there?", minutes=60 * 48, unless_reply=True)
        )
        await later.hears("3A01", "yes", before=5 * MINUTE)
        other = await later.agent.do(sends.send, later.later("are you?", minutes=60 * 48, unless_reply=True))
        await later.archive.purge(before=later.clock.now() - 3 * MINUTE)
        found = await later.archive.outbox_get(replied.send_id)
        assert (found.status, found.reason) == (SendStatus.FAILED, REPLIED)
        assert await later.status(other.send_id) is SendStatus.SCHEDULED


async def test_a_reply_counts_though_the_clock_of_the_computer_is_fast(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.hears("3A01", "before", before=30 * MINUTE)
        sent = await later.agent.do(sends.send, later.later("still there?", unless_reply=True))
        await later.hears("3A02", "yes", before=29 * MINUTE)
        await later.passes(HOUR)
        await later.until(sent.send_id, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_what_comes_from_the_past_is_no_reply(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.hears("3A01", "before", before=HOUR)
        sent = await later.agent.do(sends.send, later.later("still there?", unless_reply=True))
        await later.hears("3A02", "long ago", before=2 * HOUR)
        await later.passes(HOUR)
        await later.until(sent.send_id, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]


async def test_one_that_is_queued_waits_until_what_came_meanwhile_is_known(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        sent = await later.agent.do(sends.send, later.later("still there?", unless_reply=True))
        later.wire.online = False
        await later.archive.write(outbox.due, sent.send_id, later.clock.now() + HOUR)
        later.knows_replies[0] = False
        later.wire.online = True
        await later.passes(MINUTE)
        assert later.wire.handed_over == []
        await later.hears("3A01", "yes")
        later.knows_replies[0] = True
        await later.until(sent.send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_what_a_person_sends_now_goes_out_whoever_has_replied(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        former = await later.agent.do(sends.send, later.later("still there?", unless_reply=True))
        await later.hears("3A01", "yes")
        now = replace(
            later.later("still there?", unless_reply=True, replaces=former.send_id), at=None, wait=0.0
        )
        sent = await later.person.do(sends.send, now)
        await later.until(sent.send_id, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]
