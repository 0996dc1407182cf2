"""By which way the leader lets a person be asked, and how a call goes on after the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from whatsapp_mcp.device.operations import approvals, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied, InvalidArgument, SendUnknown
from whatsapp_mcp.models import Permit, SendRequest, SendStatus, TextContent
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
ASKING = replace(AGENT, asks=True)


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as opened:
        yield opened


def hello(guarded: Guarded, text: str = "hello") -> SendRequest:
    return SendRequest(str(guarded.stranger.pn), TextContent(text), wait=20)


async def asked(guarded: Guarded) -> str:
    with pytest.raises(ApprovalRequired) as raised:
        await guarded.acting_for(ASKING).do(sends.send, hello(guarded))
    return raised.value.approval


async def test_a_call_that_goes_on_after_a_yes_answers_with_the_send_that_was_held(guarded: Guarded) -> None:
    number = await asked(guarded)
    await guarded.person.do(approvals.decide, number, True, "elicitation")
    result = await guarded.acting_for(replace(AGENT, approval=number)).do(sends.send, hello(guarded))
    assert result.status is SendStatus.SENT
    assert [each.text for each in guarded.stranger.inbox] == ["hello"]


async def test_what_a_yes_has_sent_is_not_sent_again_although_nothing_is_asked_any_more(
    guarded: Guarded, folder: AccountFolder
) -> None:
    number = await asked(guarded)
    await guarded.person.do(approvals.decide, number, True, "elicitation")
    await guarded.stranger.receives()
    write_policy(folder, '[policy]\nmode = "open"\n')
    result = await guarded.acting_for(replace(AGENT, approval=number)).do(sends.send, hello(guarded))
    assert result.status is SendStatus.SENT
    await guarded.agent.do(sends.send, hello(guarded, "next"))
    assert [each.text for each in guarded.stranger.inbox] == ["hello", "next"]


async def test_a_call_that_goes_on_after_a_no_is_refused(guarded: Guarded) -> None:
    number = await asked(guarded)
    await guarded.person.do(approvals.decide, number, False, "elicitation")
    with pytest.raises(Denied):
        await guarded.acting_for(replace(AGENT, approval=number)).do(sends.send, hello(guarded))


@pytest.mark.parametrize("change", ["another text", "another principal"])
async def test_a_yes_is_of_no_use_for_something_else(guarded: Guarded, change: str) -> None:
    number = await asked(guarded)
    await guarded.person.do(approvals.decide, number, True, "elicitation")
    caller = replace(AGENT, approval=number)
    text = "hello"
    if change == "another text":
        text = "something else"
    else:
        caller = replace(caller, principal="stdio:other")
    with pytest.raises((ApprovalRequired, SendUnknown)):
        await guarded.acting_for(caller).do(sends.send, hello(guarded, text))
    await guarded.stranger.receives()
    assert [each.text for each in guarded.stranger.inbox] == ["hello"]


async def test_the_phone_asks_once_and_only_after_the_host_gave_no_decision(guarded: Guarded) -> None:
    number = await asked(guarded)
    assert guarded.phone.asked == []
    await guarded.agent.do(approvals.ask_on_phone, number)
    assert guarded.phone.asked == [number]
    await guarded.person.do(approvals.decide, number, False, "terminal")
    await guarded.agent.do(approvals.ask_on_phone, number)
    assert guarded.phone.asked == [number]
    with pytest.raises(InvalidArgument):
        await guarded.agent.do(approvals.ask_on_phone, "aaaaaa")


@pytest.mark.parametrize(
    ("approval", "on_phone"), [("auto", 1), ("phone", 1), ("page", 0), ("elicitation", 0), ("host", 0)]
)
async def test_the_setting_says_whether_the_phone_asks(
    guarded: Guarded, folder: AccountFolder, approval: str, on_phone: int
) -> None:
    write_policy(folder, f'[policy]\napproval = "{approval}"\n')
    with pytest.raises(ApprovalRequired) as raised:
        await guarded.agent.do(sends.send, hello(guarded))
    assert len(guarded.phone.asked) == on_phone
    assert ("phone" in raised.value.action) is bool(on_phone)
    assert "whatsapp-mcp approve" in raised.value.action


async def test_what_the_host_asks_about_is_left_to_it_only_where_a_person_chose_that(
    guarded: Guarded, folder: AccountFolder
) -> None:
    hinted = guarded.acting_for(replace(AGENT, hinted=True))
    with pytest.raises(ApprovalRequired):
        await hinted.do(sends.send, hello(guarded))
    write_policy(folder, '[policy]\napproval = "host"\n')
    assert (await hinted.do(sends.send, hello(guarded, "by host"))).status is SendStatus.SENT
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(sends.send, hello(guarded, "a host that was told nothing"))
    with pytest.raises(ApprovalRequired):
        await hinted.do(approvals.permit, Permit("reveal", (str(guarded.known.pn),), ("#1",)))
