"""A send that takes another's place goes out once, and the other one never."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.archive.events import ANA
from tests.device.fake_clock import FakeClock
from tests.device.guarded import AGENT
from tests.device.later_rig import MINUTE, Later, leading, media
from tests.device.outbox_rig import Wire
from whatsapp_mcp.archive import outbox
from whatsapp_mcp.device.guard import LATE
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import FORMER_GONE, PERSON, FileContent, SendStatus
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
HOUR = 60 * MINUTE


async def _replaced(later: Later) -> int:
    """The number of a send for later that has taken another's place."""
    former = await later.agent.do(sends.send, later.later("first"))
    return (await later.agent.do(sends.send, later.later("better", replaces=former.send_id))).send_id


async def test_one_that_is_asked_about_when_it_is_due_goes_out_after_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        changed = await _replaced(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(changed, SendStatus.HELD)
        (question,) = await later.person.do(approvals.approvals)
        await later.person.do(approvals.decide, question.id, True, "page")
        await later.until(changed, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]


async def test_one_whose_former_was_deleted_meanwhile_goes_out_after_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        changed = await _replaced(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(changed, SendStatus.HELD)
        await later.archive.purge(before=later.clock.now())
        (question,) = await later.person.do(approvals.approvals)
        await later.person.do(approvals.decide, question.id, True, "page")
        await later.until(changed, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [ANA]


async def test_the_person_is_told_of_one_that_cannot_go_out_despite_a_yes(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        path = media(folder, "a.txt", b"one")
        content = FileContent("document", str(path), "text/plain")
        sent = await later.agent.do(sends.send, replace(later.later(), content=content))
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(sent.send_id, SendStatus.HELD)
        path.write_bytes(b"two")
        (question,) = await later.person.do(approvals.approvals)
        await later.person.do(approvals.decide, question.id, True, "page")
        assert await later.status(sent.send_id) is SendStatus.FAILED
        (told,) = later.told
        assert "have changed" in told


async def _asked_to_replace(later: Later) -> tuple[int, int, str]:
    """Numbers of a scheduled send and of one that is held and would replace it, and of its question."""
    former = await later.agent.do(sends.send, later.later("first"))
    await later.ledger.expose(AGENT.principal, Exposure.STRANGER)
    with pytest.raises(ApprovalRequired) as raised:
        await later.agent.do(sends.send, later.later("better", replaces=former.send_id))
    (held,) = await later.archive.outbox_held()
    return former.send_id, held.send_id, raised.value.approval


async def test_one_whose_question_was_lost_takes_the_place_of_the_other_all_the_same(
    folder: AccountFolder,
) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        former, changed, number = await _asked_to_replace(first)
        await first.ledger.approvals.void(number)
    await clock.suspend(1)
    async with leading(folder, wire=wire, clock=clock) as second:
        assert await second.until(changed, SendStatus.SCHEDULED)
        assert await second.status(former) is SendStatus.FAILED


async def test_one_whose_question_was_lost_fails_if_the_other_has_gone_out(folder: AccountFolder) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        former, changed, number = await _asked_to_replace(first)
        await first.ledger.approvals.void(number)
        await first.person.do(sends.send, first.later("now", replaces=former))
    await clock.suspend(1)
    async with leading(folder, wire=wire, clock=clock) as second:
        assert await second.until(changed, SendStatus.FAILED)
        assert (await second.archive.outbox_get(changed)).reason == FORMER_GONE


async def test_a_yes_that_was_used_up_before_the_leader_ended_lets_the_send_go(folder: AccountFolder) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        former, changed, number = await _asked_to_replace(first)
        await first.ledger.approvals.decide(number, True, "page", clock.now())
        await first.ledger.approvals.use(number)
    await clock.suspend(1)
    async with leading(folder, wire=wire, clock=clock) as second:
        assert await second.until(changed, SendStatus.SCHEDULED)
        assert await second.status(former) is SendStatus.FAILED
        await second.passes(HOUR)
        await second.until(changed, SendStatus.SENT)
        assert wire.handed_over == [ANA]


async def test_an_earlier_yes_does_not_let_go_what_is_asked_about_again(folder: AccountFolder) -> None:
    wire, clock = Wire(), FakeClock()
    async with leading(folder, wire=wire, clock=clock, policy=STANDARD) as first:
        _, changed, number = await _asked_to_replace(first)
        await first.person.do(approvals.decide, number, True, "page")
        await first.archive.write(outbox.asked, changed, clock.now() + 2 * HOUR)  # and no question
    await clock.suspend((HOUR + LATE + MINUTE).total_seconds())
    async with leading(folder, wire=wire, clock=clock) as second:
        await second.passes(MINUTE)
        assert wire.handed_over == []


async def test_a_key_that_is_used_again_replaces_too(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        former = await later.agent.do(sends.send, later.later("first"))
        better = later.later("better", replaces=former.send_id, idempotency_key="k")
        held, _ = await later.archive.write(
            outbox.add, better, expires_at=later.clock.now() + HOUR, held=True, principal=PERSON.principal
        )
        await later.archive.write(outbox.withdrawn, held.send_id, "Denied.")
        assert (await later.person.do(sends.send, better)).send_id == held.send_id
        assert await later.status(former.send_id) is SendStatus.FAILED
