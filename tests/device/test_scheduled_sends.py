"""A send for later goes out once, at its moment, and only if it may go out then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.archive.events import ANA, BOB
from tests.device.guarded import AGENT, write_policy
from tests.device.later_rig import MINUTE, OWN, Later, leading, media
from whatsapp_mcp.archive import outbox, recording
from whatsapp_mcp.device.guard import LATE
from whatsapp_mcp.device.guard import sends as guarded_sends
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import (
    ApprovalRequired,
    InvalidArgument,
    KeyReused,
    MessageNotFound,
    NotLinked,
    RateLimited,
    SendUnknown,
)
from whatsapp_mcp.ledger import Exposure
from whatsapp_mcp.models import (
    ApprovalState,
    ContactUpdate,
    FileContent,
    GroupUpdate,
    ReactionContent,
    SendRequest,
    SendStatus,
    TextContent,
)
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio
STANDARD = '[policy]\nmode = "standard"\n'
GROUP = "120363000000000001@g.us"
HOUR = 60 * MINUTE


async def scheduled(later: Later, request: SendRequest | None = None) -> int:
    result = await later.agent.do(sends.send, request or later.later())
    assert (result.status, result.due_at) == (SendStatus.SCHEDULED, (request or later.later()).at)
    return result.send_id


async def asked(later: Later, request: SendRequest) -> str:
    with pytest.raises(ApprovalRequired) as raised:
        await later.agent.do(sends.send, request)
    return raised.value.approval


async def test_it_goes_out_at_its_moment_and_not_before(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.passes(59 * MINUTE)
        assert await later.status(send_id) is SendStatus.SCHEDULED
        assert later.wire.handed_over == []
        await later.passes(MINUTE)
        await later.until(send_id, SendStatus.SENT)
        assert later.wire.handed_over == [ANA]
        assert await later.archive.scheduled_sends() == ()


async def test_what_is_scheduled_is_listed_by_its_moment(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        second = await scheduled(later, later.later("b", minutes=90))
        first = await scheduled(later, later.later("a", minutes=30))
        assert [one.send_id for one in await later.archive.scheduled_sends()] == [first, second]


async def test_one_that_is_cancelled_never_goes_out(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        result = await later.agent.do(sends.cancel_send, ANA, send_id)
        assert (result.status, result.reason) == (SendStatus.FAILED, "Cancelled.")
        await later.passes(2 * HOUR)
        assert later.wire.handed_over == []
        with pytest.raises(InvalidArgument):
            await later.agent.do(sends.cancel_send, ANA, send_id)


async def test_one_that_takes_anothers_place_goes_out_alone(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        former = await scheduled(later)
        changed = await scheduled(later, later.later("better", minutes=90, replaces=former))
        assert await later.status(former) is SendStatus.FAILED
        await later.passes(90 * MINUTE)
        await later.until(changed, SendStatus.SENT)
        assert later.wire.handed_over == [ANA]
        with pytest.raises(InvalidArgument):
            await later.agent.do(sends.send, later.later("too late", replaces=changed))


async def test_what_would_replace_a_send_of_another_chat_is_refused(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Bob")])
        former = await scheduled(later)
        with pytest.raises(InvalidArgument):
            await later.agent.do(sends.send, later.later(chat=BOB, replaces=former))
        assert await later.status(former) is SendStatus.SCHEDULED


@pytest.mark.parametrize(
    "minutes", [0, -5, 60 * 24 * 400], ids=["now", "in the past", "more than a year away"]
)
async def test_a_moment_that_is_none_is_refused(folder: AccountFolder, minutes: int) -> None:
    async with leading(folder, policy=STANDARD) as later:
        with pytest.raises(InvalidArgument):
            await later.agent.do(sends.send, later.later(minutes=minutes))


async def test_only_messages_can_be_scheduled(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        request = replace(later.later(), content=ReactionContent("3EB0", "👍"))
        with pytest.raises(InvalidArgument):
            await later.agent.do(sends.send, request)


async def test_quiet_hours_refuse_a_moment_within_them_at_once(folder: AccountFolder) -> None:
    policy = f'timezone = "UTC"\n{STANDARD}quiet_hours = "00:30-08:00"\n'
    async with leading(folder, policy=policy) as later:
        with pytest.raises(InvalidArgument, match="quiet hours"):
            await later.agent.do(sends.send, later.later(minutes=60))
        assert (await later.person.do(sends.send, later.later(minutes=60))).status is SendStatus.SCHEDULED


async def test_the_same_is_not_scheduled_twice_without_a_key(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        request = later.later()
        await scheduled(later, request)
        with pytest.raises(SendUnknown):
            await later.agent.do(sends.send, request)


async def test_a_key_that_is_used_again_answers_with_the_moment_that_was_set(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        first = await later.agent.do(sends.send, later.later(idempotency_key="k"))
        await later.passes(MINUTE)
        again = await later.agent.do(sends.send, later.later(idempotency_key="k"))
        assert (again.send_id, again.due_at) == (first.send_id, first.due_at)
        with pytest.raises(KeyReused):
            await later.agent.do(sends.send, later.later("another", idempotency_key="k"))


async def test_one_that_is_late_is_asked_about_and_goes_out_after_a_yes_alone(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(send_id, SendStatus.HELD)
        assert later.wire.handed_over == []
        (question,) = await later.person.do(approvals.approvals)
        assert "16 minutes late" in question.reason
        assert later.phone.asked == [question.id]
        await later.person.do(approvals.decide, question.id, True, "page")
        await later.until(send_id, SendStatus.SENT)
        assert later.wire.handed_over == [ANA]


async def test_one_that_is_late_and_that_nobody_allows_never_goes_out(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(send_id, SendStatus.HELD)
        await later.passes(HOUR + MINUTE)
        assert await later.until(send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_one_that_is_late_for_no_more_than_the_limit_goes_out(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.sleeps(HOUR + LATE - MINUTE)
        await later.until(send_id, SendStatus.SENT)


async def test_without_a_connection_it_waits_until_it_is_late_and_is_asked_about_then(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        later.wire.online = False
        await later.passes(HOUR + 2 * LATE)
        assert await later.status(send_id) is SendStatus.SCHEDULED
        later.wire.online = True
        await later.until(send_id, SendStatus.HELD)
        assert later.wire.handed_over == []


async def test_one_whose_connection_goes_while_it_is_queued_is_asked_about_when_it_is_late(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.passes(HOUR - MINUTE)
        entry = await later.archive.write(outbox.due, send_id, later.clock.now() + LATE)
        assert entry.status is SendStatus.QUEUED
        later.wire.online = False  # before the outbox has looked
        await later.passes(2 * LATE)
        later.wire.online = True
        await later.until(send_id, SendStatus.HELD)
        assert later.wire.handed_over == []


async def test_a_reminder_to_oneself_comes_late_rather_than_never(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later, later.later("call the dentist", chat=OWN))
        await later.sleeps(HOUR + 10 * LATE)
        await later.until(send_id, SendStatus.SENT, SendStatus.FAILED)
        assert later.wire.handed_over == [OWN]


async def test_a_rule_that_forbids_it_by_then_lets_it_fail_and_the_person_is_told(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        write_policy(folder, '[policy]\nmode = "read_only"\n')
        await later.passes(HOUR + MINUTE)
        await later.until(send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []
        (told,) = later.told
        assert "Ana" in told
        assert "read-only" in told


async def test_somebody_who_is_not_known_any_more_is_asked_about(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD, known=False) as later:
        await later.archive.write(recording.confirm_person, ANA, True)
        send_id = await scheduled(later)
        await later.archive.write(recording.confirm_person, ANA, False)
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.HELD)


async def test_a_yes_to_a_stranger_holds_until_it_is_due(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD, known=False) as later:
        number = await asked(later, later.later())
        (question,) = await later.person.do(approvals.approvals)
        assert "Not now, but on Thursday, 01 January 2026, at 01:00 (UTC+0000)" in question.question
        assert (await later.person.do(approvals.decide, number, True, "page")).state is ApprovalState.USED
        (entry,) = await later.archive.scheduled_sends()
        assert entry.status is SendStatus.SCHEDULED
        await later.passes(HOUR)
        await later.until(entry.send_id, SendStatus.SENT)
        assert later.wire.handed_over == [ANA]


async def test_the_call_that_goes_on_after_a_yes_is_told_of_the_send_and_schedules_no_other(
    folder: AccountFolder,
) -> None:
    async with leading(folder, policy=STANDARD, known=False) as later:
        number = await asked(later, later.later())
        await later.person.do(approvals.decide, number, True, "elicitation")
        await later.passes(MINUTE)
        again = await later.acting_for(replace(AGENT, approval=number)).do(sends.send, later.later())
        (entry,) = await later.archive.scheduled_sends()
        assert (again.send_id, again.due_at) == (entry.send_id, entry.due_at)


async def test_a_no_lets_it_never_go(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD, known=False) as later:
        number = await asked(later, later.later())
        await later.person.do(approvals.decide, number, False, "page")
        await later.passes(2 * HOUR)
        assert later.wire.handed_over == []
        assert await later.archive.scheduled_sends() == ()


async def test_somebody_who_joins_the_group_meanwhile_is_asked_about(folder: AccountFolder) -> None:
    def club(*members: str) -> GroupUpdate:
        return GroupUpdate(GROUP, "Club", tuple((one, None, False, False) for one in (OWN, *members)))

    async with leading(folder, policy=STANDARD) as later:
        await later.archive.write(recording.record_groups, [club(ANA)])
        send_id = await scheduled(later, later.later(chat=GROUP))
        await later.archive.write(recording.record_contacts, [ContactUpdate(BOB, saved_name="Bob")])
        await later.archive.write(recording.record_groups, [club(ANA, BOB)])
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.HELD)
        (question,) = await later.person.do(approvals.approvals)
        assert "have changed since" in question.reason


async def test_a_file_that_is_another_by_then_is_asked_about(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        path = media(folder, "a.txt", b"one")
        content = FileContent("document", str(path), "text/plain")
        send_id = await scheduled(later, replace(later.later(), content=content))
        path.write_bytes(b"two")
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.HELD)
        assert later.wire.handed_over == []


async def test_strangers_words_that_are_read_afterwards_change_nothing(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        await later.ledger.expose(AGENT.principal, Exposure.STRANGER)
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.SENT)


async def test_strangers_words_that_were_read_before_are_asked_about_at_once(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.ledger.expose(AGENT.principal, Exposure.STRANGER)
        await asked(later, later.later())


async def test_a_stricter_mode_counts_whose_words_had_been_read_then(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.ledger.expose(AGENT.principal, Exposure.CONTACT)
        send_id = await scheduled(later)
        write_policy(folder, '[policy]\nmode = "lockdown"\n')
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.HELD)


async def test_it_counts_for_the_budgets_when_it_goes_out(folder: AccountFolder) -> None:
    policy = f"{STANDARD}[policy.budgets]\nper_hour = 1\n"
    async with leading(folder, policy=policy) as later:
        for number in range(3):
            await scheduled(later, later.later(f"text {number}", minutes=10))
        await later.passes(11 * MINUTE)
        statuses = sorted(one.status for one in await later.archive.scheduled_sends())
        assert statuses == [SendStatus.SCHEDULED] * 2
        with pytest.raises(RateLimited):
            await later.agent.do(sends.send, SendRequest(ANA, TextContent("now"), wait=0.0))
        await later.passes(LATE)
        assert len(later.wire.handed_over) == 1
        assert {one.status for one in await later.archive.scheduled_sends()} == {SendStatus.HELD}


async def test_it_is_not_sent_if_they_reply_before(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.hears("3A01", "before")
        send_id = await scheduled(later, later.later("still there?", unless_reply=True))
        await later.hears("3A02", "sorry, yes")
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []
        assert later.told == []


async def test_what_they_wrote_before_is_no_reply(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        await later.hears("3A01", "before")
        send_id = await scheduled(later, later.later("still there?", unless_reply=True))
        await later.passes(HOUR)
        await later.until(send_id, SendStatus.SENT)


async def test_a_reply_that_comes_while_it_is_queued_still_counts(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later, later.later("still there?", unless_reply=True))
        later.wire.online = False
        await later.archive.write(outbox.due, send_id, later.clock.now() + HOUR)
        await later.hears("3A02", "yes")
        later.wire.online = True
        await later.until(send_id, SendStatus.FAILED)
        assert later.wire.handed_over == []


async def test_it_waits_until_what_came_meanwhile_is_known(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later, later.later("still there?", unless_reply=True))
        later.knows_replies[0] = False
        await later.passes(HOUR + MINUTE)
        assert await later.status(send_id) is SendStatus.SCHEDULED
        await later.hears("3A02", "yes")
        later.knows_replies[0] = True
        await later.until(send_id, SendStatus.FAILED)


async def test_after_another_phone_is_linked_nothing_goes_out(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        later.wire.linked = later.wire.online = False
        await later.passes(MINUTE)
        later.wire.linked = later.wire.online = True
        assert (await later.archive.outbox_get(send_id)).reason is not None
        await later.passes(2 * HOUR)
        assert (await later.status(send_id), later.wire.handed_over) == (SendStatus.FAILED, [])
        later.wire.linked = False
        with pytest.raises(NotLinked):
            await later.agent.do(sends.send, later.later("again"))


async def test_keeping_only_so_many_days_leaves_what_is_for_later(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later, later.later(minutes=60 * 24 * 100))
        later.clock._passed += timedelta(days=90).total_seconds()
        await later.archive.purge(before=later.clock.now() - timedelta(days=30))
        assert await later.status(send_id) is SendStatus.SCHEDULED
        await later.archive.purge(chat=ANA)
        with pytest.raises(MessageNotFound):
            await later.status(send_id)


async def test_one_that_is_cancelled_while_it_is_queued_is_not_told_of(folder: AccountFolder) -> None:
    async with leading(folder, policy=STANDARD) as later:
        first = await scheduled(later, later.later("a", unless_reply=True))
        second = await scheduled(later, later.later("b", unless_reply=True))
        later.knows_replies[1] = False
        await later.passes(HOUR + MINUTE)
        assert {await later.status(one) for one in (first, second)} == {SendStatus.QUEUED}
        await later.agent.do(sends.cancel_send, ANA, first)
        await later.agent.do(sends.send, later.later("c", replaces=second))
        await later.passes(MINUTE)
        assert (later.told, later.wire.handed_over) == ([], [])


async def test_the_one_whose_place_is_taken_does_not_count_among_those_that_wait(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_sends, "MOST_SCHEDULED", 1)
    async with leading(folder, policy=STANDARD) as later:
        former = await scheduled(later)
        with pytest.raises(RateLimited):
            await later.agent.do(sends.send, later.later("another"))
        await scheduled(later, later.later("better", replaces=former))


async def test_a_no_that_comes_before_the_question_names_the_send_ends_it(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        send_id = await scheduled(later)
        noted = later.ledger.approvals
        note = noted.note_send

        async def answered(number: str, send: int) -> None:
            await later.person.do(approvals.decide, number, False, "page")
            await note(number, send)

        monkeypatch.setattr(noted, "note_send", answered)
        await later.sleeps(HOUR + LATE + MINUTE)
        await later.until(send_id, SendStatus.FAILED)
        assert (await later.archive.outbox_get(send_id)).reason == "DENIED: The user said no."


async def test_one_that_cannot_be_decided_about_keeps_no_other_back(
    folder: AccountFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with leading(folder, policy=STANDARD) as later:
        first = await scheduled(later, later.later("a"))
        second = await scheduled(later, later.later("b"))
        digest = later.gate.sends.content_hash

        async def failing(request: SendRequest) -> str:
            if request.content == TextContent("a"):
                raise OSError
            return await digest(request)

        monkeypatch.setattr(later.gate.sends, "content_hash", failing)
        await later.passes(HOUR + MINUTE)
        await later.until(second, SendStatus.SENT)
        assert await later.status(first) is SendStatus.SCHEDULED
