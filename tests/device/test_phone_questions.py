"""What is asked on the person's phone, and what their answer does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.device.fake_clock import FakeClock
from tests.device.phone_rig import PhoneDevice, edit, phone_rig, reaction, revoke
from tests.tables import for_each
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.device.guard.phone_questions import LONGEST, question_text
from whatsapp_mcp.errors import DeadlineExceeded, NotConnected
from whatsapp_mcp.models import (
    Approval,
    ApprovalState,
    Content,
    EditContent,
    ForwardContent,
    PinContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    TextContent,
    VoteContent,
)
from whatsapp_mcp.settings import AccountFolder
from whatsapp_mcp.storage import JournalRow

pytestmark = pytest.mark.anyio

SKIN_TONES = ["", "\ufe0f", *(chr(0x1F3FB + number) for number in range(5))]
OWN = "15550001111@s.whatsapp.net"


@for_each("tone", SKIN_TONES)
@for_each("thumb, state", [("👍", ApprovalState.APPROVED), ("👎", ApprovalState.DENIED)], folder="folders")
async def test_a_thumb_of_the_phone_in_any_skin_tone_decides(
    folder: AccountFolder, thumb: str, tone: str, state: ApprovalState
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        assert held.question_id is not None
        await rig.hear(reaction(held.question_id, thumb + tone, rig.clock.now()))
        decided = rig.ledger.approvals.get(held.approval.id).approval
        assert (decided.state, decided.way) == (state, "phone")


async def test_the_chat_with_oneself_may_be_addressed_by_number(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        event = reaction(held.question_id or "", "👍", rig.clock.now())
        source = event.Info.MessageSource
        for jid in (source.Chat, source.Sender):
            jid.User, jid.Server = "15550001111", "s.whatsapp.net"
        event.Info.ClearField("DeviceSentMeta")
        event.Message.reactionMessage.key.remoteJID = OWN
        await rig.hear(event)
        assert rig.state(held) is ApprovalState.APPROVED


async def test_the_first_answer_is_final(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        for thumb in ("👎", "👍"):
            await rig.hear(reaction(held.question_id or "", thumb, rig.clock.now()))
        assert rig.state(held) is ApprovalState.DENIED


async def test_an_answer_decides_the_question_that_it_names(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        first, second = await rig.held(digest="one"), await rig.held(digest="two")
        await rig.hear(reaction(second.question_id or "", "👍", rig.clock.now()))
        assert (rig.state(first), rig.state(second)) == (ApprovalState.OPEN, ApprovalState.APPROVED)


@pytest.mark.parametrize("change", ["edit", "revoke"])
async def test_a_question_that_is_changed_asks_nothing_any_more(folder: AccountFolder, change: str) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        question, now = held.question_id or "", rig.clock.now()
        await rig.hear(edit(question, "May I?", now) if change == "edit" else revoke(question, now))
        assert rig.state(held) is ApprovalState.VOID
        await rig.hear(reaction(question, "👍", now))
        assert rig.state(held) is ApprovalState.VOID
        assert rig.device.marks == ["🚫"]


async def test_the_person_sees_in_the_chat_what_became_of_a_question(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        yes, no, other = [await rig.held(digest=digest) for digest in ("a", "b", "c")]
        await rig.hear(reaction(yes.question_id or "", "👍", rig.clock.now()))
        await rig.hear(reaction(no.question_id or "", "👎", rig.clock.now()))
        await rig.decide(other.approval.id, False, "terminal")
        late = await rig.held(digest="d")
        await rig.clock.advance(5)
        await rig.act()
        assert rig.device.marks == ["✅", "❌", "❌"]
        await rig.clock.advance(3600)
        await rig.ledger.approvals.expire(rig.clock.now())
        await rig.clock.advance(5)
        await rig.act()
        assert rig.device.marks[3:] == ["⌛"]
        assert rig.state(late) is ApprovalState.EXPIRED


async def test_an_act_is_asked_about_once(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        await rig.questions.ask(await rig.held())
        assert len(rig.device.posted) == 1


async def test_the_next_leader_hears_the_answer_to_what_the_former_one_asked(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
    async with phone_rig(folder, rig.device) as rig:
        await rig.hear(reaction(held.question_id or "", "👍", rig.clock.now()))
        assert rig.state(held) is ApprovalState.APPROVED


async def test_the_answer_of_a_quick_hand_counts_though_it_comes_before_the_question_is_noted(
    folder: AccountFolder,
) -> None:
    async with phone_rig(folder) as rig:

        def tap(message_id: str) -> None:
            payload = reaction(message_id, "👍", rig.clock.now()).SerializePartialToString()
            rig.device.listener(JournalRow(1, 1, 0, EventCode.MESSAGE, payload))

        rig.device.while_posting = tap
        held = await rig.held()
        await rig.act()
        assert rig.state(held) is ApprovalState.APPROVED


async def test_what_cannot_be_posted_is_posted_once_there_is_a_connection_if_it_still_waits(
    folder: AccountFolder,
) -> None:
    device = PhoneDevice(FakeClock(), raises=NotConnected("It is down."))
    async with phone_rig(folder, device) as rig:
        held, decided = await rig.held(), await rig.held("to Ann", digest="other")
        assert (held.question_id, rig.state(held)) == (None, ApprovalState.OPEN)
        await rig.decide(decided.approval.id, False, "page")
        await rig.clock.advance(60)
        assert device.calls <= 20, "it is tried every few seconds"
        device.raises = None
        await rig.clock.advance(5)
        await rig.act()
        assert len(device.posted) == 1
        question = rig.ledger.approvals.get(held.approval.id).question_id
        await rig.hear(reaction(question or "", "👍", rig.clock.now()))
        assert rig.state(held) is ApprovalState.APPROVED


async def test_what_may_have_been_posted_is_not_posted_twice(folder: AccountFolder) -> None:
    device = PhoneDevice(FakeClock(), raises=DeadlineExceeded("No answer."))
    async with phone_rig(folder, device) as rig:
        held = await rig.held()
        device.raises = None
        await rig.clock.advance(60)
        await rig.act()
        assert (device.posted, rig.state(held)) == ([], ApprovalState.OPEN)


async def test_what_does_not_fit_into_a_message_is_not_asked_there_in_part(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held("x" * LONGEST)
        assert (held.question_id, rig.device.sent) == (None, [])


QUESTION = "3EB00000000000000001"
OF_QUESTIONS: list[Content] = [
    ReactionContent(QUESTION, "👍"),
    ReactionContent(QUESTION, ""),
    EditContent(QUESTION, "Buy milk"),
    RevokeContent(QUESTION),
    PinContent(QUESTION, 60),
    VoteContent(QUESTION, ("yes",)),
    ForwardContent(1),
]


@for_each("content", OF_QUESTIONS, folder="folders")
async def test_a_send_that_would_change_or_pass_on_a_question_is_told(
    folder: AccountFolder, content: Content
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        assert held.question_id == QUESTION
        assert await rig.touches(SendRequest(OWN, content))
        await rig.decide(held.approval.id, True, "page")
        assert await rig.touches(SendRequest(OWN, content))


@for_each(
    "content", [TextContent("hello"), ReactionContent("3EB0other", "👍"), ForwardContent(2)], folder="folders"
)
async def test_any_other_send_touches_no_question(folder: AccountFolder, content: Content) -> None:
    async with phone_rig(folder) as rig:
        await rig.held()
        assert not await rig.touches(SendRequest(OWN, content, reply_to=QUESTION))


def approval(*question: str, client: str = "agent", tool: str = "send_message") -> Approval:
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    return Approval(
        "abc123",
        ApprovalState.OPEN,
        tool,
        client,
        question,
        "the recipient is not in the address book",
        now,
        now + timedelta(hours=1),
    )


def test_a_question_says_what_is_asked_why_and_until_when() -> None:
    text = question_text(approval("To +15550009999", "Send this text:", "│ hello", "│ you"), UTC)
    assert text == (
        "*May this be done?* “agent” asks for it with send_message:\n"
        "> To +15550009999\n"
        "> Send this text:\n"
        "> │ hello\n"
        "> │ you\n"
        "It is asked because the recipient is not in the address book.\n"
        "React with 👍 to allow it or 👎 to refuse it, until 13:00. (abc123)"
    )


LINES = st.text(st.characters() | st.sampled_from("\n\r:>│ "))


@given(LINES, LINES, LINES)
def test_no_word_of_a_question_passes_for_what_is_said_around_it(words: str, client: str, tool: str) -> None:
    ours = question_text(approval("plain"), UTC).splitlines()
    lines = question_text(approval("first", words, client=client, tool=tool), UTC).splitlines()
    assert (len(lines), lines[-2:], lines[1]) == (5, ours[-2:], "> first")
    assert lines[2].startswith("> ")
