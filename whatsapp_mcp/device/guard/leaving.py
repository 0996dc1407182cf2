"""`Leaving`: compares a send that waited with what was decided about it, at the moment at which it leaves.

A send may wait for a day for the connection, and meanwhile people join its group, or a number passes to
somebody else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.device.operations import OPERATIONS
from whatsapp_mcp.errors import ApprovalRequired, Busy, Denied, WhatsAppError
from whatsapp_mcp.ledger import Ledger, taint_in
from whatsapp_mcp.models import AlbumFileContent, Approval, ApprovalState, Caller, OutboxEntry

CHANGED: Final = "its recipients or its file have changed since it was accepted"
"""Why a person is asked once more."""
_SEND: Final = OPERATIONS["send"]


async def has_passed_on(archive: Archive, entry: OutboxEntry, yes: Approval | None) -> bool:
    """Whether the number of a send's recipient has passed to somebody else since it was decided about."""
    decided_at = yes.decided_at if yes is not None else None
    return await archive.reassigned_since(entry.request.chat, decided_at or entry.created_at)


async def ask_again(
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
    question = await gate.question(_SEND, {"request": entry.request}, reason)
    # The question first: what is held without one, the next leader schedules again or refuses.
    held = await ledger.approvals.hold(question, caller, gate.clock.now())
    if held.approval.send_id not in {None, send_id}:
        return None
    await archive.outbox_asked(send_id, held.approval.expires_at)
    held = await gate.held_sends.note(held, send_id)
    if held.approval.state is ApprovalState.OPEN:
        await gate.ask_elsewhere(held)
    return gate.waits(held.approval)


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
                await self._archive.outbox_postponed(entry.send_id)
                return Busy("It is decided about once more.", "Look at message_status.")
            asked = await ask_again(self._archive, self._ledger, self._gate, entry, known.caller, reason)
        except Denied as error:
            await self._gate.held_sends.refuse(entry.send_id, error)
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
        if bound and await self._gate.held_sends.digest(decided.request) != bound:
            return CHANGED
        if await has_passed_on(self._archive, entry, yes and yes.approval):
            return CHANGED
        if bound:
            return None
        arguments = {"request": replace(entry.request, at=None)}
        taint = taint_in(entry.authorship)
        decision = await self._gate.judge(_SEND, arguments, caller, taint, content=False)
        return decision.reason if decision.verdict == "ask" else None
