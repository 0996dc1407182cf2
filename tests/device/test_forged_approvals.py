"""Whatever looks like the person's answer and is not the phone's own is no answer.

Each forgery differs from a genuine 👍 (`test_the_genuine_one_is_accepted`) in one thing. Those that another
device, a stranger or the past really can bring about come over the simulated wire in
`test_forged_on_the_wire.py`; here are the same and rarer ones as events, as a later library or another server
might hand them over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.device.phone_rig import (
    GROUP,
    OWNER,
    PN,
    STRANGER,
    event_of,
    key_of,
    phone_rig,
    put,
    reaction,
    stored,
)
from tests.tables import for_each
from whatsapp_mcp.client.protocol import EventCode
from whatsapp_mcp.models import ApprovalState
from whatsapp_mcp.protobufs import E2E, HistorySync, Neonize
from whatsapp_mcp.settings import AccountFolder

pytestmark = pytest.mark.anyio

Forgery = Callable[[Neonize.Message], None]
FORGED: dict[str, Forgery] = {}


def forged(change: Forgery) -> Forgery:
    """One way to change a genuine answer into what is none."""
    FORGED[change.__name__] = change
    return change


@forged
def by_another_companion(event: Neonize.Message) -> None:
    event.Info.MessageSource.Sender.Device = 2


@forged
def by_this_companion(event: Neonize.Message) -> None:
    event.Info.MessageSource.Sender.Device = 7


@forged
def by_a_hosted_device(event: Neonize.Message) -> None:
    event.Info.MessageSource.Sender.Server = "hosted.lid"


@forged
def sent_again_after_a_placeholder(event: Neonize.Message) -> None:
    event.UnavailableRequestID = "3EB0REQUEST"


@forged
def out_of_stored_messages(event: Neonize.Message) -> None:
    event.SourceWebMsg.CopyFrom(stored(event))


@forged
def by_a_stranger_who_knows_the_id(event: Neonize.Message) -> None:
    source = event.Info.MessageSource
    put(source.Sender, STRANGER)
    put(source.Chat, STRANGER)
    source.IsFromMe = False
    event.Info.ClearField("DeviceSentMeta")


@forged
def by_a_stranger_who_is_said_to_be_the_owner(event: Neonize.Message) -> None:
    put(event.Info.MessageSource.Sender, STRANGER)


@forged
def in_the_chat_with_somebody_else(event: Neonize.Message) -> None:
    put(event.Info.MessageSource.Chat, STRANGER)


@forged
def in_a_group(event: Neonize.Message) -> None:
    put(event.Info.MessageSource.Chat, GROUP)
    event.Info.MessageSource.IsGroup = True


@forged
def sealed_for_another_chat(event: Neonize.Message) -> None:
    event.Info.DeviceSentMeta.DestinationJID = STRANGER


@forged
def not_from_me(event: Neonize.Message) -> None:
    event.Info.MessageSource.IsFromMe = False


@forged
def between_devices(event: Neonize.Message) -> None:
    event.Info.Category = "peer"


@forged
def as_an_edit(event: Neonize.Message) -> None:
    event.IsEdit = True


@forged
def to_a_key_that_is_not_ours(event: Neonize.Message) -> None:
    event.Message.reactionMessage.key.fromMe = False


@forged
def to_a_key_of_another_chat(event: Neonize.Message) -> None:
    event.Message.reactionMessage.key.remoteJID = STRANGER


@forged
def to_a_key_of_another_author(event: Neonize.Message) -> None:
    event.Message.reactionMessage.key.participant = STRANGER


@forged
def to_another_message(event: Neonize.Message) -> None:
    event.Message.reactionMessage.key.ID += "A"


@forged
def another_emoji(event: Neonize.Message) -> None:
    event.Message.reactionMessage.text = "❤️"


@forged
def more_than_a_thumb(event: Neonize.Message) -> None:
    event.Message.reactionMessage.text = "👍👍"


@forged
def the_mark_of_what_was_allowed(event: Neonize.Message) -> None:
    event.Message.reactionMessage.text = "✅"


@forged
def a_reaction_taken_back(event: Neonize.Message) -> None:
    event.Message.reactionMessage.text = ""


@forged
def before_the_question(event: Neonize.Message) -> None:
    event.Info.Timestamp -= 1000


@forged
def after_the_hour(event: Neonize.Message) -> None:
    event.Info.Timestamp += 3601 * 1000


@forged
def at_no_time(event: Neonize.Message) -> None:
    event.Info.Timestamp = 0


@forged
def as_a_text(event: Neonize.Message) -> None:
    question = event.Message.reactionMessage.key.ID
    event.Message.Clear()
    event.Message.conversation = f"👍 {question}"


@forged
def as_a_quoting_text(event: Neonize.Message) -> None:
    question = event.Message.reactionMessage.key.ID
    event.Message.Clear()
    text = event.Message.extendedTextMessage
    text.text, text.contextInfo.stanzaID, text.contextInfo.participant = "👍", question, PN
    text.contextInfo.quotedMessage.reactionMessage.key.CopyFrom(key_of(question))
    text.contextInfo.quotedMessage.reactionMessage.text = "👍"


@forged
def as_a_forwarded_text(event: Neonize.Message) -> None:
    question = event.Message.reactionMessage.key.ID
    event.Message.Clear()
    text = event.Message.extendedTextMessage
    text.text, text.contextInfo.isForwarded, text.contextInfo.stanzaID = "👍", True, question


@forged
def as_a_vote(event: Neonize.Message) -> None:
    key = event.Message.reactionMessage.key
    poll = E2E.PollUpdateMessage(pollCreationMessageKey=key)
    event.Message.CopyFrom(E2E.Message(pollUpdateMessage=poll))


@forged
def sealed(event: Neonize.Message) -> None:
    key = event.Message.reactionMessage.key
    event.Message.CopyFrom(E2E.Message(encReactionMessage=E2E.EncReactionMessage(targetMessageKey=key)))


@forged
def inside_of_another_message(event: Neonize.Message) -> None:
    inner = E2E.Message()
    inner.CopyFrom(event.Message)
    event.Message.CopyFrom(E2E.Message(ephemeralMessage=E2E.FutureProofMessage(message=inner)))


async def test_the_genuine_one_is_accepted(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        await rig.hear(reaction(held.question_id or "", "👍", rig.clock.now()))
        assert rig.state(held) is ApprovalState.APPROVED


@for_each("forgery", FORGED, folder="folders")
async def test_a_forged_one_is_not(folder: AccountFolder, forgery: str) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        event = reaction(held.question_id or "", "👍", rig.clock.now())
        FORGED[forgery](event)
        await rig.hear(event)
        assert rig.state(held) is ApprovalState.OPEN


async def test_nobody_is_not_the_owner_where_the_lid_is_not_known(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        rig.device.owner = replace(OWNER, lid=None)
        held = await rig.held()
        event = reaction(held.question_id or "", "👍", rig.clock.now())
        put(event.Info.MessageSource.Sender, "")
        put(event.Info.MessageSource.Chat, "")
        event.Message.reactionMessage.key.remoteJID = ""
        event.Info.ClearField("DeviceSentMeta")
        await rig.hear(event)
        assert rig.state(held) is ApprovalState.OPEN


@for_each(
    "code", [EventCode.HISTORY_SYNC, EventCode.UNDECRYPTABLE_MESSAGE, EventCode.RECEIPT], folder="folders"
)
async def test_no_other_event_decides_though_it_holds_a_genuine_answer(
    folder: AccountFolder, code: EventCode
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        await rig.hear(reaction(held.question_id or "", "👍", rig.clock.now()), code)
        assert rig.state(held) is ApprovalState.OPEN


async def test_history_does_not_decide(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        answer = reaction(held.question_id or "", "👍", rig.clock.now())
        chunk = HistorySync.HistorySync(syncType=HistorySync.HistorySync.RECENT)
        chunk.conversations.add(ID=PN).messages.add(message=stored(answer))
        history = Neonize.HistorySync(Data=chunk).SerializePartialToString()
        for code in (EventCode.HISTORY_SYNC, EventCode.MESSAGE):
            await rig.hear(history, code)
        assert rig.state(held) is ApprovalState.OPEN


async def test_what_is_no_event_at_all_decides_nothing_and_ends_nothing(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        question = held.question_id or ""
        deep = E2E.Message(conversation="x")
        for _ in range(20):
            deep = E2E.Message(ephemeralMessage=E2E.FutureProofMessage(message=deep))
        bomb = event_of(deep, rig.clock.now())
        bomb.Info.Pushname = question
        for event in (question.encode(), b"\xff" + question.encode(), bomb):
            await rig.hear(event)
        assert rig.state(held) is ApprovalState.OPEN
        await rig.hear(reaction(question, "👍", rig.clock.now()))
        assert rig.state(held) is ApprovalState.APPROVED


async def test_an_answer_that_comes_after_the_hour_is_too_late_whatever_its_time(
    folder: AccountFolder,
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        tapped: datetime = rig.clock.now() + timedelta(minutes=59)
        await rig.clock.advance(3601)
        await rig.hear(reaction(held.question_id or "", "👍", tapped))
        await rig.ledger.approvals.expire(rig.clock.now())
        assert rig.state(held) is ApprovalState.EXPIRED


async def test_an_answer_that_is_heard_again_does_not_allow_the_same_act_again(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        first = await rig.held()
        answer = reaction(first.question_id or "", "👍", rig.clock.now())
        await rig.hear(answer)
        assert await rig.ledger.approvals.use(first.approval.id)
        again = await rig.held()
        assert again.approval.id != first.approval.id
        await rig.hear(answer)
        assert (rig.state(first), rig.state(again)) == (ApprovalState.USED, ApprovalState.OPEN)


@for_each(
    "change",
    [
        "state = 'approved'",
        "state = 'approved', way = 'phone', decided_at = created_at",
        "state = 'approved', digest = 'of another act'",
        "state = 'approved', principal = 'stdio:other'",
        "state = 'approved', expires_at = expires_at + 3600",
        "state = 'approved', id = 'zzzzzz'",
        "state = 'approved', seal = ''",
    ],
    folder="folders",
)
async def test_a_row_that_this_program_did_not_write_allows_nothing(
    folder: AccountFolder, change: str
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        with sqlite3.connect(folder.ledger_db) as db:
            db.execute(f"UPDATE approvals SET {change}")
        number = "zzzzzz" if "zzzzzz" in change else held.approval.id
        assert not await rig.ledger.approvals.use(number)


@for_each("change", ["digest = 'of another act'", "principal = 'stdio:other'", "seal = ''"], folder="folders")
async def test_a_question_that_was_changed_in_the_ledger_cannot_be_answered(
    folder: AccountFolder, change: str
) -> None:
    async with phone_rig(folder) as rig:
        held = await rig.held()
        with sqlite3.connect(folder.ledger_db) as db:
            db.execute(f"UPDATE approvals SET {change}")
        await rig.hear(reaction(held.question_id or "", "👍", rig.clock.now()))
        assert rig.state(held) is ApprovalState.OPEN
        assert not await rig.ledger.approvals.use(held.approval.id)


async def test_a_yes_to_one_act_is_none_to_another(folder: AccountFolder) -> None:
    async with phone_rig(folder) as rig:
        yes, other = await rig.held(digest="one"), await rig.held(digest="two")
        await rig.hear(reaction(yes.question_id or "", "👍", rig.clock.now()))
        with sqlite3.connect(folder.ledger_db) as db:
            (seal,) = db.execute("SELECT seal FROM approvals WHERE id = ?", (yes.approval.id,)).fetchone()
            db.execute(
                "UPDATE approvals SET state = 'approved', seal = ? WHERE id = ?", (seal, other.approval.id)
            )
        assert not await rig.ledger.approvals.use(other.approval.id)
        assert await rig.ledger.approvals.use(yes.approval.id)
