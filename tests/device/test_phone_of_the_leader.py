"""A thumb on the person's phone lets a held message go, and no tool touches the question."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from tests.device.conftest import Leader
from tests.device.guarded import Guarded, guarding
from whatsapp_mcp.device.operations import approvals, groups, sends
from whatsapp_mcp.errors import ApprovalRequired, Denied
from whatsapp_mcp.models import (
    ApprovalState,
    Content,
    EditContent,
    FileContent,
    ForwardContent,
    PinContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    SendStatus,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp
from whatsapp_simulator.envelope import Received
from whatsapp_simulator.groups import Group
from whatsapp_simulator.user import User

pytestmark = pytest.mark.anyio


@pytest.fixture
async def guarded(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Guarded]:
    async with guarding(wa, linked, folder) as made:
        yield made


async def asked(guarded: Guarded, to: User | Group, content: Content) -> Received:
    """The question on the phone about a send."""
    with pytest.raises(ApprovalRequired):
        await guarded.agent.do(
            sends.send, SendRequest(str(to.pn if isinstance(to, User) else to.jid), content)
        )
    while not (received := await guarded.wa.me.receives()).text.startswith("*May this be done?*"):
        pass
    return received


async def decided(guarded: Guarded, question: Received) -> ApprovalState:
    """What became of it; everything is done by the time that it has its mark."""
    while True:
        mark = await guarded.wa.me.receives()
        if mark.device and question.id == mark.message.reactionMessage.key.ID:
            break
    held = guarded.ledger.approvals.asked_by(question.id)
    assert held is not None
    return held.approval.state


async def test_a_thumb_up_lets_the_message_go_within_a_second(guarded: Guarded) -> None:
    question = await asked(guarded, guarded.stranger, TextContent("hello"))
    assert "> │ hello" in question.text
    assert guarded.stranger.number in question.text
    begun = time.perf_counter()
    await guarded.wa.me.reacts(question.id, "👍🏼")
    with anyio.fail_after(1):
        assert (await guarded.stranger.receives()).text == "hello"
    print(f"sent {time.perf_counter() - begun:.3f} s after the thumb")
    assert await decided(guarded, question) is ApprovalState.USED


async def test_a_thumb_down_ends_it(guarded: Guarded) -> None:
    question = await asked(guarded, guarded.stranger, TextContent("hello"))
    await guarded.wa.me.reacts(question.id, "👎")
    assert await decided(guarded, question) is ApprovalState.DENIED
    held = guarded.ledger.approvals.asked_by(question.id)
    assert held is not None
    assert held.approval.send_id is not None
    entry = await guarded.leader.archive.outbox_get(held.approval.send_id)
    assert entry.status is SendStatus.FAILED
    with pytest.raises(Denied, match="said no"):
        await guarded.agent.do(sends.send, SendRequest(str(guarded.stranger.pn), TextContent("hello")))
    assert guarded.stranger.inbox == []


@pytest.mark.parametrize("change", ["edits", "revokes"])
async def test_a_question_that_is_changed_lets_nothing_go(guarded: Guarded, change: str) -> None:
    question = await asked(guarded, guarded.stranger, TextContent("hello"))
    if change == "edits":
        await guarded.wa.me.edits(question.id, "May I go shopping?")
    else:
        await guarded.wa.me.revokes(question.id)
    await guarded.wa.me.reacts(question.id, "👍")
    assert await decided(guarded, question) is ApprovalState.VOID
    assert await guarded.leader.archive.outbox_held() == ()
    assert guarded.stranger.inbox == []


async def test_a_yes_to_one_file_sends_no_other(guarded: Guarded, folder: AccountFolder) -> None:
    file = folder.media / "book.pdf"
    file.write_bytes(b"%PDF harmless")
    content = FileContent("document", str(file), "application/pdf")
    question = await asked(guarded, guarded.stranger, content)
    file.write_bytes(b"%PDF secret")
    await guarded.wa.me.reacts(question.id, "👍")
    assert await decided(guarded, question) is ApprovalState.VOID
    assert guarded.stranger.inbox == []


async def test_a_yes_for_some_people_sends_nothing_to_others(guarded: Guarded) -> None:
    group = guarded.wa.group("Town", [guarded.known, guarded.stranger])
    await guarded.agent.do(groups.group, str(group.jid))
    question = await asked(guarded, group, TextContent("hello"))
    group.add(guarded.wa.person("Mallory"))
    with anyio.fail_after(30):
        while len((await guarded.leader.archive.chat_facts(str(group.jid))).members) < 4:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    await guarded.wa.me.reacts(question.id, "👍")
    assert await decided(guarded, question) is ApprovalState.VOID
    assert guarded.stranger.inbox == []


async def test_a_yes_is_used_once(guarded: Guarded) -> None:
    question = await asked(guarded, guarded.stranger, TextContent("hello"))
    await guarded.wa.me.reacts(question.id, "👍")
    assert await decided(guarded, question) is ApprovalState.USED
    held = guarded.ledger.approvals.asked_by(question.id)
    assert held is not None
    assert held.approval.send_id is not None
    await guarded.leader.device.outbox.outcome(held.approval.send_id, 10)
    again = await asked(guarded, guarded.stranger, TextContent("hello"))
    assert again.id != question.id
    await guarded.wa.me.reacts(question.id, "👍🏿")
    await guarded.wa.me.reacts(again.id, "👎")
    assert await decided(guarded, again) is ApprovalState.DENIED
    assert [each.text for each in guarded.stranger.inbox] == ["hello"]


AIMED: list[Callable[[str], Content]] = [
    lambda question: ReactionContent(question, "👍"),
    lambda question: EditContent(question, "May I?"),
    RevokeContent,
    lambda question: PinContent(question, 60),
    lambda question: VoteContent(question, ("yes",)),
]


@pytest.mark.parametrize("aimed", AIMED)
async def test_no_tool_touches_a_question_or_finds_it(
    guarded: Guarded, aimed: Callable[[str], Content]
) -> None:
    question = await asked(guarded, guarded.stranger, TextContent("hello"))
    for caller in (guarded.agent, guarded.person):
        with pytest.raises(Denied, match="asks the user"):
            await caller.do(sends.send, SendRequest(str(guarded.wa.me.pn), aimed(question.id)))
    found = await guarded.leader.archive.messages()
    assert not [one for one in found.items if one.message_id == question.id or "hello" in one.text]
    held = guarded.ledger.approvals.asked_by(question.id)
    assert held is not None
    assert held.approval.state is ApprovalState.OPEN


@pytest.mark.parametrize("end", ["void", "expired"])
async def test_a_send_whose_question_has_ended_is_asked_about_again_under_the_same_key(
    guarded: Guarded, end: str
) -> None:
    request = SendRequest(str(guarded.stranger.pn), TextContent("hello"), idempotency_key="k", wait=1)
    with pytest.raises(ApprovalRequired) as error:
        await guarded.agent.do(sends.send, request)
    if end == "void":
        await guarded.gate.approvals.void(error.value.approval)
    else:
        send_id = guarded.ledger.approvals.get(error.value.approval).approval.send_id
        assert send_id is not None
        await guarded.ledger.approvals.void(error.value.approval)
        await guarded.leader.device.outbox.refuse(send_id, Denied("Nobody approved it."))
    with pytest.raises(ApprovalRequired) as again:
        await guarded.agent.do(sends.send, request)
    assert again.value.approval != error.value.approval
    (entry,) = await guarded.leader.archive.outbox_held()
    assert (await guarded.leader.device.outbox.outcome(entry.send_id, 0.2)).status is SendStatus.HELD
    assert guarded.stranger.inbox == []
    await guarded.person.do(approvals.decide, again.value.approval, True, "terminal")
    with anyio.fail_after(30):
        assert (await guarded.stranger.receives()).text == "hello"


async def test_a_yes_to_forward_some_words_forwards_no_others(guarded: Guarded) -> None:
    said = await guarded.known.says("the plan of the harbour")
    with anyio.fail_after(30):
        while not (found := (await guarded.leader.archive.messages()).items):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    question = await asked(guarded, guarded.stranger, ForwardContent(found[0].ref))
    assert "“the plan of the harbour”\n" in question.text
    await guarded.known.edits(said, "something else")
    with anyio.fail_after(30):
        while (await guarded.leader.archive.message(said)).edited_at is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    await guarded.wa.me.reacts(question.id, "👍")
    assert await decided(guarded, question) is ApprovalState.VOID
    assert guarded.stranger.inbox == []


async def test_a_question_about_a_reaction_says_to_which_words(guarded: Guarded) -> None:
    said = await guarded.stranger.says("do you agree?")
    with anyio.fail_after(30):
        while not (await guarded.leader.archive.messages()).items:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    question = await asked(guarded, guarded.stranger, ReactionContent(said, "👍"))
    assert f"> React 👍 to message {said}\n" in question.text
    assert "wrote (text): “do you agree?”\n" in question.text
