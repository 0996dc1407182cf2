"""`PhoneQuestions`: the person's own phone as a way to approve.

What is asked is posted in the chat with oneself. A 👍 or 👎 of the phone itself decides, for an hour; which
events count is said in `phone_answers.py`. The question then gets a mark of this companion, which takes the
place of the person's reaction: ✅ allowed, ❌ refused, ⌛ nobody answered in time, 🚫 asks nothing any more.
Own messages do not ring a phone, so the page and the terminal show every question too.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from typing import Final, NamedTuple

import anyio

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.phone_answers import Answer, answer_in
from whatsapp_mcp.device.local_device import LocalDevice
from whatsapp_mcp.errors import InvalidArgument, MessageNotFound, WhatsAppError
from whatsapp_mcp.ledger import HeldAct, Ledger
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
    TextContent,
    VoteContent,
)

VALID: Final = timedelta(hours=1)
"""How long after a question an answer counts, by the clock of WhatsApp's servers."""
LONGEST: Final = 60_000
"""Characters of a question; a message has at most 65,536, and nobody approves what is not shown."""
_POST: Final = 15.0
"""Seconds in which WhatsApp must have taken a question."""
_LOOK: Final = 5.0
"""Seconds between looks for questions that were decided another way, or by nobody in time."""
_WAITING: Final = 100
"""Events that wait to be looked at."""
_LONGEST_NAME: Final = 60
_MARKS: Final = {
    ApprovalState.APPROVED: "✅",
    ApprovalState.USED: "✅",
    ApprovalState.DENIED: "❌",
    ApprovalState.EXPIRED: "⌛",
    ApprovalState.VOID: "🚫",
}
_CHANGES = ReactionContent | EditContent | RevokeContent | PinContent | VoteContent

Decide = Callable[[str, bool, ApprovalWay], Awaitable[object]]
"""(question, approved, way): a person's answer, as `Gate.decide` takes it."""
Void = Callable[[str], Awaitable[object]]
"""(question): it is no longer what was asked, as `Gate.void` takes it."""

logger = logging.getLogger(__name__)


class _Asked(NamedTuple):
    """A question on the phone: which one it is, and when WhatsApp's server took it."""

    number: str
    at: datetime


class PhoneQuestions:
    """Asks on the person's phone, and hears the answers.

    Args:
        device: Posts the questions, and hears what comes.
        archive: Where posted questions stand.
        ledger: Where questions are kept.
        clock: The leader's.
        zone: The person's time zone at the moment.
    """

    def __init__(
        self,
        device: LocalDevice,
        archive: ReadingArchive,
        ledger: Ledger,
        clock: Clock,
        zone: Callable[[], tzinfo],
    ) -> None:
        self._device = device
        self._archive = archive
        self._approvals = ledger.approvals
        self._clock = clock
        self._zone = zone
        self._asked: dict[str, _Asked] = {}
        self._answers: deque[Answer] = deque(maxlen=_WAITING)
        self._wake = anyio.Event()
        self._posting = 0
        self._early: deque[JournalEvent] = deque(maxlen=_WAITING)
        device.hear_messages(self.hear)

    async def ask(self, held: HeldAct) -> None:
        """Post a question once; one that cannot be posted waits for an answer by another way."""
        number, owner = held.approval.id, self._device.owner
        text = question_text(held.approval, self._zone())
        if held.question_id is not None or owner is None or len(text) > LONGEST:
            return
        request = SendRequest(
            str(owner.jid.bare),
            TextContent(text),
            idempotency_key=f"question {number}",
            wait=_POST,
            queue=False,
        )
        self._posting += 1
        try:
            sent = await self._device.send(request)
            if sent.message_id is None or sent.timestamp is None:
                logger.warning("phone questions: %s is %s", number, sent.status)
                return
            await self._approvals.note_question(number, sent.message_id)
        except WhatsAppError as error:
            logger.warning("phone questions: %s cannot be posted: %s", number, error.code)
            return
        finally:
            self._posting -= 1
        self._asked[sent.message_id] = _Asked(number, sent.timestamp)
        self._wake.set()
        # The answer of a quick hand comes before WhatsApp has said that it has the question.
        for event in self._early:
            self.hear(event)
        if not self._posting:
            self._early.clear()

    async def touches(self, request: SendRequest) -> bool:
        """Whether a send would change, react to, pin or forward a question of ours, decided or not."""
        content = request.content
        if isinstance(content, ForwardContent):
            try:
                message_id = (await self._archive.message(content.ref)).message_id
            except MessageNotFound:
                return False
        elif isinstance(content, _CHANGES):
            message_id = content.message_id
        else:
            return False
        return self._approvals.asked_by(message_id) is not None

    def hear(self, event: JournalEvent) -> None:
        """Take note of what an event says about a question; called with every message."""
        owner = self._device.owner
        if owner is None:
            return
        if self._posting:
            self._early.append(event)
        if not self._asked:
            return
        own = {str(owner.jid.bare), owner.lid or ""}
        answer = answer_in(event, self._asked, own)
        if answer is not None:
            self._answers.append(answer)
            self._wake.set()

    async def run(self, decide: Decide, void: Void) -> None:
        """Tell what the phone answers, until cancelled."""
        await self._recall()
        while True:
            with self._clock.limit(_LOOK if self._asked else None):
                await self._wake.wait()
            self._wake = anyio.Event()
            while self._answers:
                await self._tell(self._answers.popleft(), decide, void)
            await self._mark_decided()

    async def _recall(self) -> None:
        """The questions that a former leader has posted and that are open."""
        owner = self._device.owner
        for held in self._approvals.open(self._clock.now()):
            if held.question_id is None or owner is None:
                continue
            with suppress(MessageNotFound):
                posted = await self._archive.message(held.question_id, chat=str(owner.jid.bare))
                self._asked.setdefault(held.question_id, _Asked(held.approval.id, posted.timestamp))

    async def _tell(self, answer: Answer, decide: Decide, void: Void) -> None:
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
        owner = self._device.owner
        if owner is None:
            return
        request = SendRequest(str(owner.jid.bare), ReactionContent(message_id, mark), wait=0.0)
        try:
            await self._device.send(request)
        except WhatsAppError as error:
            logger.info("phone questions: a question cannot be marked: %s", error.code)


def question_text(approval: Approval, zone: tzinfo) -> str:
    """The message that asks.

    What an agent chose stands behind `> ` in every line, which WhatsApp shows as a quotation: none of it can
    pass for what is said below.
    """
    client = " ".join(approval.client.split())[:_LONGEST_NAME] or "A program"
    until = f"{approval.expires_at.astimezone(zone):%H:%M}"
    quoted = [f"> {line}" for part in approval.question for line in part.splitlines() or [""]]
    return "\n".join(
        [
            f"*May this be done?* “{client}” asks for it with {approval.tool}:",
            *quoted,
            f"It is asked because {approval.reason}.",
            f"React with 👍 to allow it or 👎 to refuse it, until {until}. ({approval.id})",
        ]
    )
