"""A send that takes another's place goes out once, and the other one never."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archive.events import ANA
from tests.device.guarded import AGENT
from tests.device.later_rig import MINUTE, Later, leading, media
from whatsapp_mcp.device.guard import LATE
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.models import FileContent, SendStatus
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
HOUR = 60 * MINUTE


async def _replaced(later: Later) -> int:
    """The number of a send for later that has taken another's place."""
    former = await later.agent.send(later.later("first"))
    return (await later.agent.send(later.later("better", replaces=former.send_id))).send_id


async def test_one_that_is_asked_about_when_it_is_due_goes_out_after_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        changed = await _replaced(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(changed, SendStatus.HELD)
        (question,) = await later.person.approvals()
        await later.person.decide(question.id, True, "page")
        await later.until(changed, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]


async def test_one_whose_former_was_deleted_meanwhile_goes_out_after_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        changed = await _replaced(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(changed, SendStatus.HELD)
        await later.archive.purge(before=later.clock.now())
        (question,) = await later.person.approvals()
        await later.person.decide(question.id, True, "page")
        await later.until(changed, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]


async def test_the_person_is_told_of_one_that_cannot_go_out_despite_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        path = media(folder, "a.txt", b"one")
        content = FileContent("document", str(path), "text/plain")
        sent = await later.agent.send(replace(later.later(), content=content))
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(sent.send_id, SendStatus.HELD)
        path.write_bytes(b"two")
        (question,) = await later.person.approvals()
        await later.person.decide(question.id, True, "page")
        assert await later.status(sent.send_id) is SendStatus.FAILED
        (told,) = later.told
        assert "have changed" in told
