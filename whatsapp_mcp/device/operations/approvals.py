"""What a person is asked, and what they decide; done by the leader's check, not by WhatsApp."""

from __future__ import annotations

from typing import Protocol

from whatsapp_mcp.models import Approval, ApprovalWay, Permit
from whatsapp_mcp.policy import Effect, has_effect


class ApprovalOperations(Protocol):
    """Questions to a person."""

    @has_effect(Effect.READ)
    async def approvals(self) -> tuple[Approval, ...]:
        """What waits for a person, the oldest first; of an agent, its own questions."""
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def approval(self, number: str, wait: float = 0.0) -> Approval:
        """One question; waits up to `wait` seconds for a person to decide it.

        Raises:
            InvalidArgument: There is none of this id, or it is another agent's.
        """
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def ask_on_phone(self, number: str) -> None:
        """Ask on the phone as well: the host, which should have shown the question, gave no decision.

        Raises:
            InvalidArgument: There is none of this id, or it is another agent's.
        """
        ...

    @has_effect(Effect.PERSON)
    async def decide(self, number: str, approved: bool, way: ApprovalWay) -> Approval:
        """A person's answer: the first is final. A send that was held goes out with a yes.

        Raises:
            InvalidArgument: There is no such question, or it is decided already.
        """
        ...

    @has_effect(Effect.READ, in_chat=True)
    async def permit(self, wanted: Permit) -> None:
        """Let a server do something itself, if the policy allows it or a person has said yes.

        Raises:
            Denied: The policy forbids it.
            ApprovalRequired: A person is asked now.
        """
        ...

    @has_effect(Effect.READ)
    async def withdraw(self, number: str) -> None:
        """End an own question that need not be answered any more.

        Raises:
            InvalidArgument: There is no such question of this caller.
        """
        ...

    @has_effect(Effect.PERSON)
    async def clear_exposures(self, principal: str | None = None) -> None:
        """Forget whose words were handed out to a principal, or to all."""
        ...
