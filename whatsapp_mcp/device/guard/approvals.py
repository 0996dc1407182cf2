"""`Approvals`: what a person is asked about acts of agents, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import anyio

from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.sends import SAID_NO, Sends
from whatsapp_mcp.errors import ApprovalRequired, Denied
from whatsapp_mcp.ledger import HeldAct, Ledger, no_such_question
from whatsapp_mcp.models import SYSTEM, Approval, ApprovalState, ApprovalWay, Caller, Permit
from whatsapp_mcp.policy import Policy
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.text.zone import local

_CHANGED = "The question to the user was changed."


class Asker(Protocol):
    """A way to ask the person, beside the page and the terminal, which show what waits by themselves."""

    async def ask(self, held: HeldAct) -> None:
        """Ask; a question that cannot be asked this way waits for another."""
        ...


class Approvals:
    """The questions of an account.

    Args:
        ledger: Has them.
        settings: Say whether they are asked on the phone; read again for each.
        clock: The leader's.
        sends: Those that wait for an answer.
        askers: Ways to ask, each of which is used.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: CurrentSettings,
        clock: Clock,
        sends: Sends,
        askers: Sequence[Asker] = (),
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._sends = sends
        self._askers = askers
        self._decided = anyio.Event()

    # What callers and people ask.

    async def approvals(self, caller: Caller) -> tuple[Approval, ...]:
        """Return the approvals that wait for a person, oldest first; an agent gets its own alone."""
        waiting = self._ledger.approvals.open(self._clock.now())
        return tuple(held.approval for held in waiting if _may_see(held, caller))

    async def approval(self, number: str, wait: float = 0.0, caller: Caller = SYSTEM) -> Approval:
        """One question; waits up to `wait` seconds for a person to decide it."""
        self._require_own(number, caller)
        with anyio.move_on_after(wait):
            while (approval := self._ledger.approvals.get(number).approval).state is ApprovalState.OPEN:
                await self._decided.wait()
            return approval
        return self._ledger.approvals.get(number).approval

    async def decide(self, number: str, approved: bool, way: ApprovalWay) -> Approval:
        """A person's answer: the first is final. A send that was held goes out with a yes."""
        held = await self._ledger.approvals.decide(number, approved, way, self._clock.now())
        if held.approval.send_id is not None:
            if approved:
                await self._sends.release(held)
            else:
                await self._sends.refuse(held.approval.send_id, Denied(SAID_NO))
        self.wake()
        return self._ledger.approvals.get(number).approval

    async def ask_on_phone(self, number: str, caller: Caller) -> None:
        """Ask on the phone as well: the host, which should have shown the question, gave no decision."""
        self._require_own(number, caller)
        held = self._ledger.approvals.get(number)
        if held.approval.state is ApprovalState.OPEN and held.question_id is None:
            await self.ask_elsewhere(held)

    async def permit(self, wanted: Permit) -> None:
        """Let a server do something itself, if the policy allows it or a person has said yes."""
        # What was asked for has been decided when it was admitted, and the server does it.

    async def withdraw(self, number: str, caller: Caller) -> None:
        """End an own question that need not be answered any more."""
        if self._ledger.approvals.get(number).principal != caller.principal:
            raise no_such_question()
        await self.void(number)

    async def clear_exposures(self, principal: str | None = None) -> None:
        """Forget whose words were handed out to a principal, or to all."""
        await self._ledger.clear(principal)

    # What the leader does with them.

    async def void(self, number: str) -> None:
        """End a question that is no longer what was asked."""
        held = self._ledger.approvals.get(number)
        await self._ledger.approvals.void(number)
        if held.approval.send_id is not None:
            await self._sends.refuse(held.approval.send_id, Denied(_CHANGED))
        self.wake()

    def wake(self) -> None:
        """Wake whoever waits for a decision."""
        self._decided.set()
        self._decided = anyio.Event()

    async def ask_elsewhere(self, held: HeldAct) -> None:
        """Ask in each way that needs no host of the caller's."""
        if Policy.of(self._settings.now()).asks_on_phone:
            for asker in self._askers:
                await asker.ask(held)

    def waits(self, approval: Approval) -> ApprovalRequired:
        """Return the error for a caller whose act waits for a person."""
        settings = self._settings.now()
        until = f"{local(approval.expires_at, settings.zone):%H:%M}"
        phone = "on their phone, " if self._askers and Policy.of(settings).asks_on_phone else ""
        return ApprovalRequired(
            f"The user has to approve this first, because {approval.reason}. "
            f"It waits as {approval.id} until {until}.",
            f"Tell the user to answer {phone}on the page or with `whatsapp-mcp approve`. Then call "
            f"await_approval with {approval.id}.",
            approval=approval.id,
        )

    def _require_own(self, number: str, caller: Caller) -> None:
        """Let a question be seen by the one whose act it is about, and by its person.

        Raises:
            InvalidArgument: There is no such question of this caller.
        """
        if not _may_see(self._ledger.approvals.get(number), caller):
            raise no_such_question()


def _may_see(held: HeldAct, caller: Caller) -> bool:
    """Return whether a caller may see a question: its outcome repeats what its asker wrote."""
    return caller.is_trusted or held.principal == caller.principal
