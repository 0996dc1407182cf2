"""Forged and genuine answers as WhatsApp's devices bring them about, through the client library."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

import anyio
import pytest

from tests.device.conftest import Leader, settings_of
from tests.devices import direct
from whatsapp_mcp.archive import open_archive
from whatsapp_mcp.device.clock import SystemClock
from whatsapp_mcp.device.connection.keys import stored_device
from whatsapp_mcp.device.guard.phone_questions import PhoneQuestions
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.device.operations import control, sends
from whatsapp_mcp.device.supervise import background_tasks
from whatsapp_mcp.ledger import HeldAct, Ledger, Question, open_ledger
from whatsapp_mcp.models import (
    ApprovalState,
    ApprovalWay,
    Caller,
    ConnectionState,
    JournalEvent,
    MessageFilter,
    ReactionContent,
    SendRequest,
)
from whatsapp_mcp.protobufs import Common
from whatsapp_mcp.settings import AccountFolder
from whatsapp_simulator import WhatsApp, kinds

pytestmark = pytest.mark.anyio


@dataclass
class Asking:
    """An account whose questions are asked on its phone."""

    leader: Leader
    ledger: Ledger
    questions: PhoneQuestions
    held: HeldAct
    decided: anyio.Event
    heard: list[JournalEvent]

    @property
    def question(self) -> str:
        """WhatsApp's id of the message that asks."""
        asked = self.ledger.approvals.get(self.held.approval.id).question_id
        assert asked is not None
        return asked

    @property
    def state(self) -> ApprovalState:
        """What became of the question."""
        return self.ledger.approvals.get(self.held.approval.id).approval.state

    async def seen(self, emoji: str) -> None:
        """Wait until an event with this reaction to the question was heard, of whatever kind."""
        with anyio.fail_after(30):
            while not any(self._holds(event, emoji) for event in self.heard):  # noqa: ASYNC110
                await anyio.sleep(0.01)

    def _holds(self, event: JournalEvent, emoji: str) -> bool:
        return self.question.encode() in event.payload and emoji.encode() in event.payload

    async def refused(self, wa: WhatsApp) -> bool:
        """Whether what went before did not decide: now the phone says no, and the first answer is final."""
        await wa.me.reacts(self.question, "👎")
        with anyio.fail_after(30):
            await self.decided.wait()
        return self.state is ApprovalState.DENIED

    @property
    def own(self) -> str:
        """The account's own address."""
        owner = self.leader.device.owner
        assert owner is not None
        return str(owner.jid.bare)


@pytest.fixture
async def asking(wa: WhatsApp, linked: Leader, folder: AccountFolder) -> AsyncIterator[Asking]:
    """A question that is on the phone."""
    async with open_ledger(folder) as ledger, background_tasks() as tasks:
        questions = PhoneQuestions(linked.device, ledger.approvals, SystemClock(), lambda: UTC)
        decided, heard = anyio.Event(), list[JournalEvent]()

        def hear(event: JournalEvent) -> None:
            heard.append(event)
            questions.hear(event)

        linked.device.hear_messages(hear)

        async def decide(number: str, approved: bool, way: ApprovalWay) -> None:
            await ledger.approvals.decide(number, approved, way, SystemClock().now())
            decided.set()

        tasks.start_soon(questions.run, decide, ledger.approvals.void)
        question = Question(("Send this text:", "hello"), "because", "digest", "send", {})
        held = await ledger.approvals.hold(question, Caller("stdio:agent", "agent"), SystemClock().now())
        await questions.ask(held)
        yield Asking(linked, ledger, questions, held, decided, heard)


async def marked(wa: WhatsApp) -> tuple[str, str]:
    """The next reaction that the companion shows on the phone, and under which message."""
    while True:
        received = await wa.me.receives()
        if received.device and received.message.HasField("reactionMessage"):
            return received.message.reactionMessage.text, received.message.reactionMessage.key.ID


async def test_the_phones_answer_decides_within_a_second(wa: WhatsApp, asking: Asking) -> None:
    asked = await wa.me.receives()
    assert asked.id == asking.question
    assert "> hello" in asked.text
    begun = time.perf_counter()
    await wa.me.reacts(asked.id, "👍🏿")
    with anyio.fail_after(1):
        await asking.decided.wait()
    print(f"decided after {time.perf_counter() - begun:.3f} s")
    assert asking.state is ApprovalState.APPROVED
    assert await marked(wa) == ("✅", asked.id)


async def test_another_companion_cannot_answer(wa: WhatsApp, asking: Asking, tmp_path: Path) -> None:
    other = AccountFolder("other", tmp_path / "other")
    other.create()
    async with open_archive(other, write=True) as archive, background_tasks() as tasks:
        device = LocalDevice(other, settings_of(other), archive, tasks, owner=stored_device(other.client_db))
        await device.start()
        second = Leader(device, archive)
        shown = await direct(device).do(control.link)
        assert shown.qr is not None
        await wa.me.scan(shown.qr.text)
        await second.until(ConnectionState.ONLINE)
        await wa.me.history.send("recent")
        with anyio.fail_after(30):
            while not await _knows(second, asking):  # noqa: ASYNC110
                await anyio.sleep(0.01)
        await direct(device).do(
            sends.send, SendRequest(asking.own, ReactionContent(asking.question, "👍"), wait=10)
        )
        await asking.seen("👍")
        assert await asking.refused(wa)


async def _knows(leader: Leader, asking: Asking) -> bool:
    """Whether an archive has the question, as no archive has it but out of the phone's history."""
    found = await leader.archive.messages(MessageFilter(chat=asking.own))
    return any(one.message_id == asking.question for one in found.items)


async def test_a_message_that_the_phone_was_asked_to_send_again_is_no_answer(
    wa: WhatsApp, asking: Asking
) -> None:
    await wa.me.receives()
    wa.withhold(1)
    await wa.me.reacts(asking.question, "👍")
    await asking.seen("👍")
    assert await asking.refused(wa)


async def test_the_past_is_no_answer(wa: WhatsApp, asking: Asking) -> None:
    asked = await wa.me.receives()
    now = int(time.time())
    for stored in (kinds.reaction(_key(wa, asked.id), "👍", now), asked.message):
        wa.me.history.add(wa.me, stored, wa.me, at=now, id=asked.id if stored is asked.message else None)
    for chunk in wa.me.history.chunks("recent"):
        for conversation in chunk.conversations:
            for each in conversation.messages:
                if asked.id == each.message.key.ID:
                    each.message.reactions.add(
                        key=_key(wa, asked.id), text="👍", senderTimestampMS=now * 1000
                    )
        for companion in wa.me.companions.values():
            wa.me.history.deliver(companion, chunk)
    with anyio.fail_after(30):
        while not await _knows(asking.leader, asking):  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert await asking.refused(wa)


async def test_a_stranger_who_knows_the_id_cannot_answer(wa: WhatsApp, asking: Asking) -> None:
    eve = wa.person("Eve")
    for chat in (eve.lid, wa.me.lid):
        for from_me in (True, False):
            key = Common.MessageKey(remoteJID=str(chat), fromMe=from_me, ID=asking.question)
            await eve.says(kinds.reaction(key, "👍", time.time()))
    assert await asking.refused(wa)


async def test_a_thumb_in_another_chat_is_no_answer(wa: WhatsApp, asking: Asking) -> None:
    ann = wa.person("Ann")
    group = wa.group("Boat", [ann])
    for chat in (ann, group):
        for named in (chat.jid, wa.me.lid):
            key = Common.MessageKey(remoteJID=str(named), fromMe=True, ID=asking.question)
            await wa.me.says(chat, kinds.reaction(key, "👍", time.time()))
    assert await asking.refused(wa)


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_thumb_of_another_time_is_no_answer(wa: WhatsApp, asking: Asking, hours: int) -> None:
    await wa.me.reacts(asking.question, "👍", at=int(time.time()) + hours * 3600)
    assert await asking.refused(wa)


async def test_a_text_or_another_emoji_is_no_answer(wa: WhatsApp, asking: Asking) -> None:
    await wa.me.says(wa.me, "👍")
    await wa.me.says(wa.me, kinds.text("👍", forwarded=1))
    await wa.me.replies(asking.question, "👍")
    for emoji in ("❤️", "✅", ""):
        await wa.me.reacts(asking.question, emoji)
    assert await asking.refused(wa)


@pytest.mark.parametrize("change", ["edits", "revokes"])
async def test_a_question_that_the_phone_changes_asks_nothing_any_more(
    wa: WhatsApp, asking: Asking, change: str
) -> None:
    await wa.me.receives()
    question = asking.question
    if change == "edits":
        await wa.me.says(wa.me, kinds.edit(_key(wa, question), kinds.text("May I?"), time.time()))
    else:
        await wa.me.revokes(question)
    await wa.me.reacts(question, "👍")
    assert await marked(wa) == ("🚫", question)
    assert asking.state is ApprovalState.VOID


def _key(wa: WhatsApp, message_id: str) -> Common.MessageKey:
    return Common.MessageKey(remoteJID=str(wa.me.lid), fromMe=True, ID=message_id)
