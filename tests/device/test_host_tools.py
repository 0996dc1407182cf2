"""Questions of an agent's application: the owner alone is asked, whatever the mode, and a yes is for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.device.conftest import Leader
from tests.device.guarded import AGENT, Guarded, guarding, write_policy
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import ApprovalRequired, Denied, InvalidArgument
from whatsapp_mcp.models import ApprovalState, Caller, Permit, chat_principal
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp

pytestmark = pytest.mark.anyio
CHANNEL = '[agent.chats]\nself = "channel"\n'
WANTED = Permit("host_tool", details=('Bash: List the files\n{"command": "ls"}', "question abcde"))


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder, CHANNEL) as opened:
        yield opened


async def asked(guarded: Guarded, wanted: Permit = WANTED, caller: Caller = AGENT) -> str:
    with pytest.raises(ApprovalRequired) as raised:
        await guarded.acting_for(caller).do(approvals.permit, wanted)
    return raised.value.approval


@pytest.mark.parametrize("mode", ["standard", "lockdown", "read_only", "open"])
async def test_the_owner_is_asked_in_every_mode(guarded: Guarded, folder: AccountFolder, mode: str) -> None:
    write_policy(folder, f'[policy]\nmode = "{mode}"\n\n{CHANNEL}')
    number = await asked(guarded)
    question = (await guarded.person.do(approvals.approval, number)).question
    assert question == (
        "Let the agent use a tool of its own, on its computer:",
        *("│ Bash: List the files", '│ {"command": "ls"}', "│ question abcde"),
    )
    assert number in guarded.phone.asked


async def test_a_yes_is_for_one_question(guarded: Guarded) -> None:
    number = await asked(guarded)
    await guarded.person.do(approvals.decide, number, True, "terminal")
    await guarded.agent.do(approvals.permit, WANTED)
    assert (await guarded.person.do(approvals.approval, number)).state is ApprovalState.USED
    assert await asked(guarded, replace(WANTED, details=("Bash: List the files", "question fghij"))) != number


async def test_nobody_is_asked_unless_the_own_chat_is_given_to_a_channel(
    guarded: Guarded, folder: AccountFolder
) -> None:
    write_policy(folder, '[agent.chats]\n"+15550002222" = "channel"\n')
    with pytest.raises(Denied):
        await guarded.agent.do(approvals.permit, WANTED)
    assert await guarded.person.do(approvals.approvals) == ()


async def test_an_agent_of_another_chat_relays_nothing(guarded: Guarded) -> None:
    chat = str(guarded.known.pn)
    bound = Caller(chat_principal(chat), chat=chat)
    with pytest.raises(Denied):
        await guarded.acting_for(bound).do(approvals.permit, WANTED)


async def test_who_asked_may_withdraw_a_question_and_nobody_else(guarded: Guarded) -> None:
    number = await asked(guarded)
    with pytest.raises(InvalidArgument):
        await guarded.acting_for(Caller("token:other")).do(approvals.withdraw, number)
    await guarded.agent.do(approvals.withdraw, number)
    assert (await guarded.person.do(approvals.approval, number)).state is ApprovalState.VOID
    assert await asked(guarded) != number
