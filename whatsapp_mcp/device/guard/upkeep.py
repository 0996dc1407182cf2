"""`Upkeep`: ends questions that nobody decides in time, and finishes what a former leader has left."""

from __future__ import annotations

from typing import Final

from whatsapp_mcp.archive import Archive, outbox
from whatsapp_mcp.device.guard.gate import Gate
from whatsapp_mcp.errors import Denied, MessageNotFound
from whatsapp_mcp.ledger import HeldAct, Ledger
from whatsapp_mcp.models import OutboxEntry, SendStatus

_UNANSWERED: Final = "Nobody approved it within an hour."
_LOOK: Final = 5.0
"""Seconds between looks for questions that nobody has answered in time."""


class Upkeep:
    """Looks after what waits for a person.

    Args:
        archive: Has the sends that are held.
        ledger: Has the questions.
        gate: Ends or releases them.
    """

    def __init__(self, archive: Archive, ledger: Ledger, gate: Gate) -> None:
        self._archive = archive
        self._ledger = ledger
        self._gate = gate
        self._clock = gate.clock
        now = gate.clock.now()
        # In milliseconds, as the outbox notes when a send was accepted.
        self._began_at = now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def run(self) -> None:
        """End what nobody decides in time, and finish what a former leader has left; until cancelled."""
        # First: what is over is not released.
        await self._end_expired()
        await self._recover()
        while True:
            await self._end_expired()
            await self._end_withdrawn()
            await self._clock.sleep(_LOOK)

    async def _end_expired(self) -> None:
        """End the questions that nobody has decided in time, and the sends that they hold."""
        for held in await self._ledger.approvals.expire(self._clock.now()):
            if held.approval.send_id is not None:
                await self._gate.sends.refuse(held.approval.send_id, Denied(_UNANSWERED))
            self._gate.approvals.wake()

    async def _end_withdrawn(self) -> None:
        """End the questions about sends that were deleted with their chat, or cancelled."""
        for held in self._ledger.approvals.open(self._clock.now()):
            send_id = held.approval.send_id
            if send_id is not None and await self._is_withdrawn(send_id):
                await self._gate.approvals.void(held.approval.id)

    async def _recover(self) -> None:
        """Release what was approved, and refuse held sends about which nobody is asked any more."""
        approved = self._ledger.approvals.approved()
        for held in approved:
            if held.approval.send_id is not None:
                await self._gate.sends.release(held)
        for entry in await self._archive.outbox_held():
            # One that is held just now has its question noted a moment later.
            if entry.created_at >= self._began_at or self._is_asked_about(entry.send_id):
                continue
            if (yes := self._yes_to(entry)) is not None:
                await self._gate.sends.release(yes)
            elif entry.due_at is not None:
                await self._archive.write(outbox.postponed, entry.send_id)
            else:
                await self._gate.sends.refuse(
                    entry.send_id, Denied("The question about it was lost.", "Send it again.")
                )

    def _is_asked_about(self, send_id: int) -> bool:
        """Check whether a send's question is open, or just approved, so that the answer releases it."""
        approvals = self._ledger.approvals
        asked = (*approvals.open(self._clock.now()), *approvals.approved())
        return any(held.approval.send_id == send_id for held in asked)

    def _yes_to(self, entry: OutboxEntry) -> HeldAct | None:
        """The yes about which an entry is held still: the leader ended before it had let the send go."""
        yes = self._ledger.approvals.released(entry.send_id)
        # An entry is held as long as its question: an earlier yes was about an earlier one.
        return yes if yes is not None and yes.approval.expires_at == entry.expires_at else None

    async def _is_withdrawn(self, send_id: int) -> bool:
        try:
            return (await self._archive.outbox_get(send_id)).status is SendStatus.FAILED
        except MessageNotFound:
            return True
