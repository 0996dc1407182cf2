"""`PhoneQuestions`: the person's own phone as a way to approve.

What is asked is posted in the chat with oneself. A 👍 or 👎 of the phone itself decides, for an hour; which
events count is said in `phone_answers.py`. The question then gets a mark of this companion, which takes the
place of the person's reaction: ✅ allowed, ❌ refused, ⌛ nobody answered in time, 🚫 asks nothing any more.
Own messages do not ring a phone, so the page and the terminal show every question too.

Questions and marks go to the client past the outbox, and are not archived: no tool lists, finds or names
them, so that their words reach no model as if somebody had said them.
"""

from __future__ import annotations

import logging
import re
from base64 import b64encode
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.phone_answers import AnswerChange, answer_in
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound, NotConnected, NotLinked, WhatsAppError
from whatsapp_mcp.ledger import Approvals, HeldAct, Ledger
from whatsapp_mcp.models import (
    Approval,
    ApprovalState,
    ApprovalWay,
    EditContent,
    ForwardContent,
    JournalEvent,
    PinContent,
    ReactionContent,
    RevokeContent,
    SendRequest,
    VoteContent,
)
from whatsapp_mcp.policy import visible

if TYPE_CHECKING:
    from whatsapp_mcp.protobufs import E2E

VALID: Final = timedelta(hours=1)
"""Time for which an answer to a question counts, by the clock of WhatsApp's servers."""
LONGEST: Final = 60_000
"""Characters of a question; a message has at most 65,536, and nobody approves what is not shown."""
_POST: Final = 15.0
"""Seconds in which WhatsApp must have taken a question."""
_LOOK: Final = 5.0
"""Seconds between looks for questions that were decided another way, or by nobody in time."""
_WAITING: Final = 100
"""Events that wait to be looked at."""
_LONGEST_NAME: Final = 60
"""Most characters of the name of a program or a tool."""
_MARKS: Final = {
    ApprovalState.APPROVED: "✅",
    ApprovalState.USED: "✅",
    ApprovalState.DENIED: "❌",
    ApprovalState.EXPIRED: "⌛",
    ApprovalState.VOID: "🚫",
}
_CHANGES = ReactionContent | EditContent | RevokeContent | PinContent | VoteContent

Decide = Callable[[str, bool, ApprovalWay], Awaitable[object]]
"""(question, approved, way): a person's answer, as `Approvals.decide` takes it."""
Void = Callable[[str], Awaitable[object]]
"""(question): it is no longer what was asked, as `Approvals.void` takes it."""

logger = logging.getLogger(__name__)


class _Asked(NamedTuple):
    """A question on the phone: which one it is, and when WhatsApp's server took it."""

    number: str
    at: datetime


class PhoneQuestions:
    """Asks on the person's phone, and hears the answers.

    Args:
        device: Posts the questions, and hears what comes.
        approvals: Where questions are kept.
        clock: The leader's.
        zone: The person's time zone at the moment.
    """

    def __init__(
        self,
        device: LocalDevice,
        approvals: Approvals,
        clock: Clock,
        zone: Callable[[], tzinfo],
    ) -> None:
        self._device = device
        self._approvals = approvals
        self._clock = clock
        self._zone = zone
        self._asked: dict[str, _Asked] = {}
        self._unposted: dict[str, HeldAct] = {}
        self._answers: deque[AnswerChange] = deque(maxlen=_WAITING)
        self._wake = anyio.Event()
        self._posting = 0
        self._early: deque[JournalEvent] = deque(maxlen=_WAITING)
        device.hear_messages(self.hear)

    async def ask(self, held: HeldAct) -> None:
        """Post a question once; without a connection, as soon as there is one. Other ways ask meanwhile."""
        if not await self._try_to_post(held):
            self._unposted[held.approval.id] = held
            self._wake.set()

    async def tell(self, text: str) -> None:
        """Tell the person something in the chat with oneself; without a connection it is not told."""
        from whatsapp_mcp.protobufs import E2E

        try:
            await self._send(E2E.Message(conversation=text[:LONGEST]))
        except WhatsAppError as error:
            logger.info("phone questions: a notice cannot be posted: %s", error.code)

    async def _try_to_post(self, held: HeldAct) -> bool:
        """False if there is no connection."""
        number = held.approval.id
        text = question_text(held.approval, self._zone())
        if held.question_id is not None or len(text) > LONGEST:
            return True
        self._posting += 1
        try:
            await self._post(number, text)
        except (NotConnected, NotLinked):
            return False
        except WhatsAppError as error:
            # It may be there all the same: a second one would confuse.
            logger.warning("phone questions: %s cannot be posted: %s", number, error.code)
        finally:
            self._posting -= 1
            if not self._posting:
                self._early.clear()
        return True

    async def _post(self, number: str, text: str) -> None:
        from whatsapp_mcp.protobufs import E2E

        posted = await self._send(E2E.Message(conversation=text))
        message_id = str(posted["id"])
        await self._approvals.note_question(number, message_id)
        self._asked[message_id] = _Asked(number, datetime.fromtimestamp(int(posted["timestamp"]), UTC))
        self._wake.set()
        # The answer of a quick hand comes before WhatsApp has said that it has the question.
        for event in list(self._early):
            self.hear(event)

    def hear(self, event: JournalEvent) -> None:
        """Take note of what an event says about a question; called with every message."""
        owner = self._device.owner
        if owner is None:
            return
        if self._posting:
            self._early.append(event)
        if not self._asked:
            return
        own = {one for one in (str(owner.jid.bare), owner.lid) if one}
        answer = answer_in(event, self._asked, own)
        if answer is not None:
            self._answers.append(answer)
            self._wake.set()

    async def run(self, decide: Decide, void: Void) -> None:
        """Tell what the phone answers, until cancelled."""
        self._recall()
        while True:
            with self._clock.limit(_LOOK if self._asked or self._unposted else None):
                await self._wake.wait()
            self._wake = anyio.Event()
            while self._answers:
                await self._tell(self._answers.popleft(), decide, void)
            await self._mark_decided()
            await self._post_again()

    async def _post_again(self) -> None:
        """Post what could not be posted while there was no connection, if it still waits."""
        unposted, self._unposted = self._unposted, {}
        for number, held in unposted.items():
            is_open = self._approvals.get(number).approval.state is ApprovalState.OPEN
            if is_open and not await self._try_to_post(held):
                self._unposted[number] = held

    def _recall(self) -> None:
        """The questions that a former leader has posted and that are open."""
        for held in self._approvals.open(self._clock.now()):
            if held.question_id is not None:
                # When WhatsApp took it is not kept; it was certainly not before the question was made.
                self._asked.setdefault(held.question_id, _Asked(held.approval.id, held.approval.created_at))

    async def _tell(self, answer: AnswerChange, decide: Decide, void: Void) -> None:
        asked = self._asked.get(answer.question_id)
        if asked is None:
            return
        try:
            if answer.approved is None:
                await void(asked.number)
            elif asked.at <= answer.at <= asked.at + VALID:
                await decide(asked.number, answer.approved, "phone")
        except InvalidArgument:
            logger.info("phone questions: %s was decided before", asked.number)
        except WhatsAppError as error:
            logger.warning("phone questions: the answer to %s is lost: %s", asked.number, error.code)

    async def _mark_decided(self) -> None:
        """Mark what is decided, by whichever way, so that the person sees it in the chat."""
        for message_id in list(self._asked):
            held = self._approvals.asked_by(message_id)
            if held is not None and held.approval.state is ApprovalState.OPEN:
                continue
            del self._asked[message_id]
            await self._mark(message_id, _MARKS[held.approval.state if held else ApprovalState.VOID])

    async def _mark(self, message_id: str, mark: str) -> None:
        from whatsapp_mcp.protobufs import E2E, Common

        owner = self._device.owner
        own = str(owner.jid.bare) if owner else None
        reaction = E2E.ReactionMessage(
            key=Common.MessageKey(remoteJID=own, fromMe=True, ID=message_id),
            text=mark,
            senderTimestampMS=int(self._clock.now().timestamp() * 1000),
        )
        try:
            await self._send(E2E.Message(reactionMessage=reaction))
        except WhatsAppError as error:
            logger.info("phone questions: a question cannot be marked: %s", error.code)

    async def _send(self, message: E2E.Message) -> dict[str, Any]:
        """Hand a message over that goes to the chat with oneself.

        Raises:
            WhatsAppError: It has not gone out, or it is not known.
        """
        owner = self._device.owner
        if owner is None:
            raise NotLinked("No phone is linked.")
        encoded = b64encode(message.SerializeToString()).decode()
        params = {"to": str(owner.jid.bare), "message": encoded}
        return await self._device.call("send_message", params, deadline=_POST)


async def touches_question(request: SendRequest, archive: ReadingArchive, ledger: Ledger) -> bool:
    """Check whether a send would change, react to, pin or forward a question, whether decided or not."""
    content = request.content
    if isinstance(content, ForwardContent):
        try:
            message_id = (await archive.message(content.ref)).message_id
        except MessageNotFound:
            return False
    elif isinstance(content, _CHANGES):
        message_id = content.message_id
    else:
        return False
    return ledger.approvals.asked_by(message_id) is not None


def question_text(approval: Approval, zone: tzinfo) -> str:
    """The message that asks.

    What would be done stands behind `> ` in every line, which WhatsApp shows as a quotation: none of it can
    pass for what is said below.
    """
    client, tool = _name(approval.client) or "A program", _name(approval.tool)
    until = f"{approval.expires_at.astimezone(zone):%H:%M}"
    return "\n".join(
        [
            f"*May this be done?* “{client}” asks for it with {tool}:",
            *(f"> {visible(line)}" for line in approval.question),
            f"It is asked because {' '.join(approval.reason.split())}.",
            f"React with 👍 to allow it or 👎 to refuse it, until {until}. ({approval.id})",
        ]
    )


def _name(given: str) -> str:
    """A name that a program gave itself, in one short line and without quotation marks."""
    return " ".join(re.sub('[“”"]', "", given).split())[:_LONGEST_NAME]
