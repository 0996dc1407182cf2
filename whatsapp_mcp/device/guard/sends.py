"""`Sends`: what callers send, at once, after a person's yes, or at its moment.

A send that waits is held in the outbox and not with its question, so that a yes releases it although the
agent has gone. A yes is about exactly what was asked: the digest of what would go out is compared before it
goes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.bookkeeping import Bookkeeper
from whatsapp_mcp.device.guard.facts import content_hash, reached, referred
from whatsapp_mcp.device.guard.origins import exposed_by
from whatsapp_mcp.device.guard.questions import not_sent
from whatsapp_mcp.device.operations import Invocation, operation_of, sends
from whatsapp_mcp.device.outbox import Outbox
from whatsapp_mcp.errors import Denied, InvalidArgument, MessageNotFound, RateLimited, WhatsAppError
from whatsapp_mcp.ledger import Exposure, HeldAct, Ledger, stays_back, taint_in
from whatsapp_mcp.models import (
    FORMER_GONE,
    ApprovalState,
    Authorship,
    Caller,
    OutboxEntry,
    PurgeReport,
    SendRequest,
    SendResult,
    SendStatus,
)
from whatsapp_mcp.policy import check_quiet
from whatsapp_mcp.settings import CurrentSettings, Settings
from whatsapp_mcp.text.zone import local

MOST_SCHEDULED: Final = 200
"""Sends that may wait for their moment at a time."""
FARTHEST: Final = timedelta(days=366)
"""Longest time ahead for which a send may be scheduled."""
SAID_NO: Final = "The user said no."
SEND: Final = operation_of(sends.send)
"""Operation that the policy is asked about for a send that has waited, the same as for a new send."""


def obstacle(
    due_at: datetime, now: datetime, scheduled: int, settings: Settings, caller: Caller
) -> WhatsAppError | None:
    """Why nothing can be scheduled for a moment; None if it can.

    Args:
        due_at: The moment.
        now: The time.
        scheduled: How many sends are scheduled already.
        settings: With the quiet hours.
        caller: For whom; a person may write in quiet hours.
    """
    if due_at <= now:
        return InvalidArgument("That moment has passed.", "Give a later one, or send it now without `at`.")
    if due_at - now > FARTHEST:
        return InvalidArgument("That moment is more than a year away.", "Give an earlier one.")
    if scheduled >= MOST_SCHEDULED:
        return RateLimited(f"{scheduled} sends are scheduled already.", "Tell the user; cancel some first.")
    if not caller.is_trusted:
        try:
            check_quiet(settings.policy, local(due_at, settings.zone))
        except RateLimited:
            hours = "That moment is in the user's quiet hours (policy.quiet_hours)."
            return InvalidArgument(hours, "Give a moment outside of them, or tell the user.")
    return None


logger = logging.getLogger(__name__)


class _Refused(NamedTuple):
    """A send that was refused although a person had said yes, and why."""

    send_id: int
    request: SendRequest
    error: Denied


class Sends:
    """Accepts sends for callers, holds those that wait, and lets them go or refuses them.

    Args:
        archive: Has the sends.
        ledger: Has the questions about them.
        settings: Say which moments are allowed; read again for every send.
        outbox: Where they wait.
        clock: The leader's.
        books: Writes down what is released.
        tell_person: Tells the person something in the chat with oneself.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        outbox: Callable[[], Outbox],
        clock: Clock,
        books: Bookkeeper,
        tell_person: Callable[[str], Awaitable[None]],
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._books = books
        self._tell_person = tell_person
        self._releasing = anyio.Lock()

    async def send(self, request: SendRequest, invocation: Invocation) -> SendResult:
        """Put one message into the outbox and report what is known of it after `request.wait` seconds."""
        yes = invocation.approval
        if yes is not None and yes.send_id is not None:  # it is on its way since the yes
            await invocation.begin()
            return await self._outbox().outcome(yes.send_id, request.wait)
        if request.at is not None:
            await invocation.begin()
            bound = await self.content_hash(request)
            return (await self.hold(request, invocation.caller, None, bound)).result
        authorship = await self.authorship(request, invocation.caller)
        return await self._outbox().submit(
            request, authorship=authorship, has_ended=invocation.has_ended, begin=invocation.begin
        )

    async def cancel_send(self, chat: str, send_id: int) -> SendResult:
        """Cancel a send to this chat that is scheduled, held or queued: it never goes out."""
        entry = await self._archive.outbox_get(send_id)
        wanted, actual = [await self._archive.chat_facts(one) for one in (chat, entry.request.chat)]
        if wanted.jid != actual.jid:
            raise MessageNotFound(f"There is no send {send_id} to this chat.", "Look at scheduled.")
        await self._outbox().cancel(send_id)
        return (await self._archive.outbox_get(send_id)).result

    async def forget_chat(self, chat: str) -> PurgeReport:
        """Delete the messages of a chat here, for good, and cancel what waits to be sent there."""
        facts = await self._archive.chat_facts(chat)
        await self._ledger.handed_on.forget(facts.addresses)  # no agent answers what is deleted
        report = await self._archive.purge(chat=chat)
        self._outbox().forget(report.cancelled)
        return report

    async def content_hash(self, request: SendRequest) -> str:
        """The digest of a send, as it would go out now."""
        arguments = {"request": request}
        known = await referred(self._archive, arguments)
        chats = [await self._archive.chat_facts(jid) for jid in reached(SEND, arguments)]
        return await content_hash(SEND, arguments, chats, known)

    async def hold(
        self, request: SendRequest, caller: Caller, until: datetime | None, bound: str
    ) -> OutboxEntry:
        """Accept a send that waits: until then for a person's yes, or for its moment."""
        authorship = await self.authorship(request, caller, bound)
        if request.at is None:
            return await self._outbox().hold(request, until, authorship)
        others = [one for one in await self._archive.scheduled_sends() if one.send_id != request.replaces]
        why_not = obstacle(request.at, self._clock.now(), len(others), self._settings.now(), caller)
        return await self._outbox().hold(request, until, authorship, why_not)

    async def authorship(self, request: SendRequest, caller: Caller, bound: str = "") -> Authorship:
        """Return for whom a send is accepted, and whose words it may repeat.

        Args:
            request: What is sent; it may repeat whatever the send may that it replaces.
            caller: Who asks for it.
            bound: The digest of what was decided about.
        """
        sources = await self.sources(request, caller)
        carried = await exposed_by(self._archive, request)
        # Without what belongs to this one call: the send may leave long after it.
        agent = replace(caller, asks=False, approval="")
        return Authorship(agent, tuple(sorted(sources)), bound, tuple(sorted(carried)))

    async def require_movable(self, request: SendRequest, caller: Caller) -> None:
        """Refuse to replace a send whose words stay back from the caller.

        Raises:
            Denied: It would.
        """
        if request.replaces is None:
            return
        with suppress(MessageNotFound):  # as in `sources`
            former = await self._archive.outbox_get(request.replaces)
            if stays_back(former, caller, self._settings.now().policy.mode):
                raise Denied(
                    f"Send {request.replaces} was written by another application, and waits for the user or "
                    "may hold a stranger's words.",
                    "Tell the user: on the page or with `whatsapp-mcp scheduled move` they can move it.",
                )

    async def sources(self, request: SendRequest, caller: Caller) -> frozenset[Exposure]:
        """Return whose words were handed to the caller and to the author of a send that this one replaces."""
        sources = (await self._ledger.taint_of(caller)).sources
        if request.replaces is None:
            return sources
        with suppress(MessageNotFound):  # which is said when it is replaced
            sources |= taint_in((await self._archive.outbox_get(request.replaces)).authorship).sources
        return sources

    async def note(self, held: HeldAct, send_id: int) -> HeldAct:
        """Note which send a question holds, and do what a person has answered before it was noted."""
        approvals, number = self._ledger.approvals, held.approval.id
        await approvals.note_send(number, send_id)
        answered = approvals.get(number)
        if answered.approval.state is ApprovalState.APPROVED:
            await self.release(answered)
        elif answered.approval.state is not ApprovalState.OPEN:
            await self.refuse(send_id, Denied(SAID_NO))
        return approvals.get(number)

    async def release(self, held: HeldAct) -> None:
        """A person said yes: let a held send go if it is still what the person was asked about.

        Args:
            held: The question with the yes; one that is used already was a former leader's, which ended then.
        """
        # One at a time: an answer may come while a leader that starts finishes what the former one has left.
        async with self._releasing:
            refused = await self._release(held)
        # Of one for later, for which nobody waits, the person is told.
        if refused is not None and refused.request.at is not None:
            await self.say_not_sent(refused.send_id, refused.request.chat, refused.error.message)

    async def _release(self, held: HeldAct) -> _Refused | None:
        send_id, number = held.approval.send_id, held.approval.id
        assert send_id is not None
        is_used = held.approval.state is ApprovalState.USED
        if is_used and not await self._is_held(send_id):
            return None
        if not is_used and self._ledger.approvals.get(number).approval.state is ApprovalState.USED:
            return None  # somebody else has used it meanwhile
        # The digest of what would go out: what was noted beside the question proves nothing about it.
        request = await self.stored(send_id)
        is_same = request is not None and await self.content_hash(request) == held.digest
        if request is None or not is_same or not (is_used or await self._ledger.approvals.use(number)):
            await self._ledger.approvals.void(number)
            changed = "Its recipients or its file have changed since the user was asked."
            error = Denied(changed, "Send it again: the user is then asked again.")
            return await self._refuse_released(send_id, request, error)
        chats = tuple(reached(SEND, {"request": request}))
        await self._books.released(held, chats, is_later=request.at is not None)
        try:
            await self._outbox().release(send_id)
        except (InvalidArgument, MessageNotFound):
            logger.info("guard: send %d was settled or deleted before it was released", send_id)
            if request.replaces is not None and await self._is_held(send_id):
                return await self._refuse_released(send_id, request, Denied(FORMER_GONE))
        return None

    async def _refuse_released(
        self, send_id: int, request: SendRequest | None, error: Denied
    ) -> _Refused | None:
        """Refuse what a person has said yes to; None: it was settled or deleted before."""
        is_refused = await self.refuse(send_id, error)
        return _Refused(send_id, request, error) if is_refused and request is not None else None

    async def _is_held(self, send_id: int) -> bool:
        try:
            return (await self._archive.outbox_get(send_id)).status is SendStatus.HELD
        except MessageNotFound:
            return False

    async def say_not_sent(self, send_id: int, chat: str, reason: str) -> None:
        """Tell the person that a send for later was not sent."""
        await self._tell_person(not_sent(send_id, await self._archive.chat_facts(chat), reason))

    async def stored(self, send_id: int) -> SendRequest | None:
        """Return the request of a send in the outbox; None if it was deleted with its chat."""
        try:
            return (await self._archive.outbox_get(send_id)).request
        except MessageNotFound:
            return None

    async def refuse(self, send_id: int, error: WhatsAppError) -> bool:
        """A send that waits shall never go out; False: it is settled or deleted, and stays so."""
        try:
            await self._outbox().refuse(send_id, error)
        except (InvalidArgument, MessageNotFound):
            logger.info("guard: send %d was settled or deleted before it was refused", send_id)
            return False
        return True
