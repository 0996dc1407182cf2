"""Sends that have waited are decided about again: `DueSends` when they are due, `Leaving` when they leave.

A send that is due is only ever moved on by one transaction of the archive: to the queue, to a question, or to
its end. So a process that ends between any two steps leaves it as it was, or where it belongs, and the next
leader goes on from there; what is queued is then sent once, as any other send. In the queue it may wait for a
day for the connection, and meanwhile people join its group, or a number passes to somebody else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.bookkeeping import Admission
from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.device.guard.sends import SEND
from whatsapp_mcp.device.outbox import Outbox
from whatsapp_mcp.device.supervise import contained
from whatsapp_mcp.errors import (
    ApprovalRequired,
    Busy,
    Denied,
    MessageNotFound,
    RateLimited,
    Unsupported,
    WhatsAppError,
)
from whatsapp_mcp.ledger import Ledger, taint_in
from whatsapp_mcp.models import (
    CANCELLED,
    REPLACED,
    REPLIED,
    UNKNOWN,
    AlbumFileContent,
    Approval,
    ApprovalState,
    Caller,
    OutboxEntry,
    SendStatus,
)

LATE: Final = timedelta(minutes=15)
"""Longest delay with which a due send still goes out unasked; one to the chat with oneself is never late."""
_LOOK: Final = 5.0
"""Seconds between looks: a computer that slept, or whose clock was set, has no other alarm."""
_CHANGED: Final = "its recipients or its file have changed since it was accepted"
"""Why a person is asked once more."""
_NOT_DECIDED: Final = partial(Unsupported, "This server failed while it decided about the message.")
_WANTED: Final = (CANCELLED, REPLACED, REPLIED)
"""Prefixes of the reasons with which a send fails because somebody wanted it to."""

logger = logging.getLogger(__name__)


class DueSends:
    """Looks after the scheduled sends of an account.

    Args:
        archive: Has them.
        ledger: Has what a person has allowed.
        gate: Decides and asks.
        outbox: Lets them go.
        clock: The leader's.
        ready: Whether a send can go out now; one that a reply forbids (True), only once what came while the
            connection was down is known.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        gate: Gate,
        outbox: Callable[[], Outbox],
        clock: Clock,
        *,
        ready: Callable[[bool], bool],
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._gate = gate
        self._outbox = outbox
        self._clock = clock
        self._ready = ready
        self._not_before: dict[int, datetime] = {}

    async def run(self) -> None:
        """Let scheduled sends go when they are due, until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._look(tasks)
                due = await self._archive.next_due()
                left = _LOOK if due is None else (due - self._clock.now()).total_seconds()
                await self._clock.sleep(left if 0 < left < _LOOK else _LOOK)

    async def _look(self, tasks: TaskGroup) -> None:
        now = self._clock.now()
        entries = await self._archive.outbox_scheduled()
        self._not_before = {
            entry.send_id: self._not_before[entry.send_id]
            for entry in entries
            if self._not_before.get(entry.send_id, now) > now
        }
        for entry in entries:
            if entry.due_at is None or entry.due_at > now:
                return  # they stand in the order of their moments
            if entry.send_id in self._not_before or not self._ready(entry.request.unless_reply):
                continue
            try:
                settle = partial(self._settle, entry, entry.due_at, tasks)
                await contained(f"due sends: send {entry.send_id}", settle, _NOT_DECIDED)
            except RateLimited as error:
                again = now + timedelta(seconds=error.retry_after or _LOOK)
                # Once it is late a person is asked.
                self._not_before[entry.send_id] = min(again, entry.due_at + LATE)
            except Denied as error:
                await self._gate.sends.refuse(entry.send_id, error)
                await self._say(entry, error.message)
            except WhatsAppError as error:
                logger.warning("due sends: send %d cannot be decided about yet: %s", entry.send_id, error)

    async def _settle(self, entry: OutboxEntry, due: datetime, tasks: TaskGroup) -> None:
        """Move a send that is due on.

        Raises:
            Denied: It may not go out.
            RateLimited: There is no room for it now.
        """
        now, request, known = self._clock.now(), replace(entry.request, at=None), entry.authorship
        caller = known.caller if known else UNKNOWN
        taint = taint_in(known)
        decision = await self._gate.judge(SEND, {"request": request}, caller, taint)
        digest = await self._gate.sends.content_hash(entry.request)
        approval = self._ledger.approvals.allowed(entry.send_id, digest, caller.principal)
        is_own = (await self._archive.chat_facts(request.chat)).is_own
        is_same = known is not None and known.digest == digest
        if now - due > LATE and not is_own:
            await self._ask(entry, caller, f"it is {_length(now - due)} late and would go out at once")
        elif (approval is None and not is_same) or await _has_passed_on(self._archive, entry, approval):
            await self._ask(entry, caller, _CHANGED)
        elif approval is None and decision.verdict == "ask":
            await self._ask(entry, caller, decision.reason)
        else:
            until = (now if is_own else due) + LATE
            await self._let_go(entry, caller, Admission(decision, approval), until)
            tasks.start_soon(self._follow, entry, until)

    async def _let_go(
        self, entry: OutboxEntry, caller: Caller, admission: Admission, until: datetime
    ) -> None:
        # Without its moment: a send for later counts against no budget, and this one goes out now.
        arguments = {"request": replace(entry.request, at=None)}
        async with self._gate.books.act(SEND, arguments, caller, admission) as begin:
            await begin()
            await self._outbox().due(entry.send_id, until)

    async def _ask(self, entry: OutboxEntry, caller: Caller, reason: str) -> None:
        """Ask a person about a send that is due: it is held until the answer.

        Raises:
            Denied: A person has just said no to it.
            RateLimited: Too many questions are open.
        """
        await _ask_again(self._archive, self._ledger, self._gate, entry, caller, reason)

    async def _follow(self, entry: OutboxEntry, until: datetime) -> None:
        """Tell the person if a send that was let go fails: no agent waits for it."""
        left = (until - self._clock.now()).total_seconds()
        try:
            result = await self._outbox().outcome(entry.send_id, left)
        except MessageNotFound:
            return  # it was deleted with its chat
        reason = result.reason or "WhatsApp refused it."
        if result.status is SendStatus.FAILED and not reason.startswith(_WANTED):
            await self._say(entry, reason)

    async def _say(self, entry: OutboxEntry, reason: str) -> None:
        await self._gate.sends.say_not_sent(entry.send_id, entry.request.chat, reason)


def _length(late: timedelta) -> str:
    minutes = int(late.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


async def _has_passed_on(archive: Archive, entry: OutboxEntry, yes: Approval | None) -> bool:
    """Check whether the recipient's number was reassigned since a send was decided about or accepted."""
    decided_at = yes.decided_at if yes is not None else None
    return await archive.reassigned_since(entry.request.chat, decided_at or entry.created_at)


async def _ask_again(
    archive: Archive, ledger: Ledger, gate: Gate, entry: OutboxEntry, caller: Caller, reason: str
) -> ApprovalRequired | None:
    """Ask a person about a send that has waited: it is held until the answer.

    Args:
        archive: Has the send.
        ledger: Keeps the question.
        gate: Asks.
        entry: The send; it is scheduled or queued.
        caller: For whom it is.
        reason: Why it is asked about.

    Returns:
        What its caller is told; None if the same is asked about another send now, after which it is its turn.

    Raises:
        Denied: A person has just said no to it.
        RateLimited: Too many questions are open.
    """
    send_id = entry.send_id
    question = await gate.question(SEND, {"request": entry.request}, reason)
    # The question first: what is held without one, the next leader schedules again or refuses.
    held = await ledger.approvals.hold(question, caller, gate.clock.now())
    if held.approval.send_id not in {None, send_id}:
        return None
    await archive.write(outbox.asked, send_id, held.approval.expires_at)
    held = await gate.sends.note(held, send_id)
    if held.approval.state is ApprovalState.OPEN:
        await gate.approvals.ask_elsewhere(held)
    return gate.approvals.waits(held.approval)


class Leaving:
    """Looks at each send that was queued, before it is handed over.

    Args:
        archive: Has the sends.
        ledger: Has what a person has allowed.
        gate: Decides and asks.
    """

    def __init__(self, archive: Archive, ledger: Ledger, gate: Gate) -> None:
        self._archive = archive
        self._ledger = ledger
        self._gate = gate

    async def obstacle(self, entry: OutboxEntry) -> WhatsAppError | None:
        """Why a queued send does not leave: it is held, scheduled again or refused then. None if it may.

        One that may have gone out already is not looked at: what it tells, it has told.

        Raises:
            WhatsAppError: It cannot be decided yet, and stays queued.
        """
        known = entry.authorship
        if known is None or known.caller.is_trusted or entry.reason is not None:
            return None
        try:
            reason = await self._why_ask(entry, known.caller)
            if reason is None:
                return None
            if entry.due_at is not None:
                await self._archive.write(outbox.postponed, entry.send_id)
                return Busy("It is decided about once more.", "Look at message_status.")
            asked = await _ask_again(self._archive, self._ledger, self._gate, entry, known.caller, reason)
        except Denied as error:
            await self._gate.sends.refuse(entry.send_id, error)
            return error
        if asked is None:
            raise Busy("The user is asked about the same message now.", "Look at message_status.")
        return asked

    async def _why_ask(self, entry: OutboxEntry, caller: Caller) -> str | None:
        """Why a person has to be asked about a send now; None if nothing has changed that matters."""
        decided, released = entry, self._ledger.approvals.released
        yes = released(entry.send_id)
        if yes is None and isinstance(entry.request.content, AlbumFileContent):
            # What was decided about is the album.
            decided = await self._archive.outbox_with_id(entry.request.content.album) or entry
            yes = released(decided.send_id)
        bound = yes.digest if yes is not None else decided.authorship and decided.authorship.digest
        if bound and await self._gate.sends.content_hash(decided.request) != bound:
            return _CHANGED
        if await _has_passed_on(self._archive, entry, yes and yes.approval):
            return _CHANGED
        if bound:
            return None
        arguments = {"request": replace(entry.request, at=None)}
        taint = taint_in(entry.authorship)
        decision = await self._gate.judge(SEND, arguments, caller, taint, content=False)
        return decision.reason if decision.verdict == "ask" else None
