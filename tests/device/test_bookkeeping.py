"""Every act is written down with its outcome, and the budgets hold for all of an account's servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from whatsapp_mcp.device.operations import approvals, groups, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied, RateLimited, WhatsAppError
from whatsapp_mcp.models import SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.people import Person

pytestmark = pytest.mark.anyio
OPEN = '[policy]\nmode = "open"\n'
STANDARD = '[policy]\nmode = "standard"\n'


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as made:
        yield made


def text_to(person: Person, text: str = "hello") -> SendRequest:
    return SendRequest(str(person.pn), TextContent(text), wait=10)


async def written(guarded: Guarded) -> list[tuple[str, str, str, str]]:
    """Kind, operation, verdict and outcome of every row."""
    await guarded.ledger.audit.flush()
    return [
        (row.kind, row.entry.operation, row.entry.verdict, row.entry.outcome)
        for row in guarded.ledger.audit.rows()
    ]


async def test_an_act_is_written_down_with_who_what_whom_and_what_became_of_it(guarded: Guarded) -> None:
    assert (await guarded.agent.do(sends.send, text_to(guarded.known))).status is SendStatus.SENT
    await guarded.ledger.audit.flush()
    act, outcome = guarded.ledger.audit.rows()
    assert (act.entry.caller, act.entry.operation) == (AGENT, "send")
    assert act.entry.chats == (str(guarded.known.pn),)
    assert (act.entry.verdict, act.entry.rule, act.entry.is_counted) == ("allow", 'mode = "standard"', True)
    assert act.entry.digest
    assert act.text is None
    assert (outcome.about, outcome.entry.outcome) == (act.seq, "done")
    assert guarded.ledger.audit.verify() == []


async def test_what_is_asked_and_what_is_refused_is_written_down_too(
    guarded: Guarded, folder: AccountFolder
) -> None:
    with pytest.raises(ApprovalRequired) as asked:
        await guarded.agent.do(sends.send, text_to(guarded.stranger))
    assert await written(guarded) == [("act", "send", "ask", "APPROVAL_REQUIRED")]
    assert guarded.ledger.audit.rows()[0].entry.approval == asked.value.approval
    await guarded.person.do(approvals.decide, str(asked.value.approval), True, "terminal")
    rows = guarded.ledger.audit.rows()[1:]
    assert ("act", "send", "ask", "released") in [
        (row.kind, row.entry.operation, row.entry.verdict, row.entry.outcome) for row in rows
    ]
    decided = next(row for row in rows if row.entry.operation == "decide")
    assert (decided.entry.approval, decided.entry.way) == (asked.value.approval, "terminal")
    write_policy(folder, '[policy]\nmode = "read_only"\n[policy.budgets]\nper_minute = 1\n')
    with pytest.raises(Denied):  # whatever the budgets would say
        await guarded.agent.do(sends.send, text_to(guarded.known))
    assert (await written(guarded))[-1] == ("act", "send", "deny", "DENIED")


async def test_an_act_that_fails_is_written_down_with_its_error(guarded: Guarded) -> None:
    with pytest.raises(WhatsAppError) as failed:
        await guarded.person.do(groups.join_group, "nobody gave this code")
    assert await written(guarded) == [
        ("act", "join_group", "allow", "begun"),
        ("outcome", "join_group", "allow", failed.value.code),
    ]


async def test_a_person_may_keep_the_texts(guarded: Guarded, folder: AccountFolder) -> None:
    write_policy(folder, STANDARD + "audit_text = true\n")
    await guarded.agent.do(sends.send, text_to(guarded.known, "kept word for word"))
    assert guarded.ledger.audit.rows()[0].text == "kept word for word"


async def test_the_budget_of_a_minute_refuses_an_agent_and_not_a_person(
    guarded: Guarded, folder: AccountFolder
) -> None:
    write_policy(folder, STANDARD + "[policy.budgets]\nper_minute = 1\n")
    await guarded.agent.do(sends.send, text_to(guarded.known))
    with pytest.raises(RateLimited, match="per_minute") as refused:
        await guarded.agent.do(sends.send, text_to(guarded.known, "more"))
    assert 0 < (refused.value.retry_after or 0) <= 60
    assert (await written(guarded))[-1] == ("act", "send", "deny", "RATE_LIMITED")
    await guarded.person.do(sends.send, text_to(guarded.known, "of the person"))
    write_policy(folder, OPEN + "[policy.budgets]\nper_minute = 1\n")
    await guarded.agent.do(sends.send, text_to(guarded.known, "in open"))


async def test_nobody_is_asked_about_what_the_budgets_refuse(guarded: Guarded, folder: AccountFolder) -> None:
    write_policy(folder, STANDARD + "[policy.budgets]\nnew_chats_per_day = 0\n")
    with pytest.raises(RateLimited, match="new_chats_per_day"):
        await guarded.agent.do(sends.send, text_to(guarded.stranger))
    assert await guarded.agent.do(approvals.approvals) == ()


async def test_one_text_to_many_is_refused(guarded: Guarded, folder: AccountFolder) -> None:
    budget = "[policy.budgets]\nsame_text_per_day = 1\n"
    rule = '[[policy.chats]]\npeople = "strangers"\nsend = "allow"\n'
    write_policy(folder, STANDARD + budget + rule)
    await guarded.agent.do(sends.send, text_to(guarded.known, "Buy now"))
    with pytest.raises(RateLimited, match="same_text_per_day"):
        await guarded.agent.do(sends.send, text_to(guarded.stranger, "buy  NOW"))
    await guarded.agent.do(sends.send, text_to(guarded.stranger, "something else"))


async def test_quiet_hours_refuse_an_agent_until_they_end(guarded: Guarded, folder: AccountFolder) -> None:
    now = guarded.gate.clock.now()
    begin, end = now - timedelta(minutes=5), now + timedelta(minutes=30)
    write_policy(folder, f'timezone = "UTC"\n[policy]\nquiet_hours = "{begin:%H:%M}-{end:%H:%M}"\n')
    with pytest.raises(RateLimited, match="quiet_hours") as refused:
        await guarded.agent.do(sends.send, text_to(guarded.known))
    assert 25 * 60 < (refused.value.retry_after or 0) <= 30 * 60
    await guarded.person.do(sends.send, text_to(guarded.known))


async def test_after_a_timelock_nobody_new_is_written_to_though_a_person_agrees(
    guarded: Guarded, folder: AccountFolder
) -> None:
    write_policy(folder, OPEN)
    until = await guarded.ledger.pauses.timelocked(guarded.gate.clock.now())
    with pytest.raises(RateLimited, match="463") as refused:
        await guarded.agent.do(sends.send, text_to(guarded.stranger))
    left = (until - guarded.gate.clock.now()).total_seconds()
    assert refused.value.retry_after == pytest.approx(left, abs=5)
