"""Questions to a person, and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.device.operations.operation import DIRECT, Invocation
from whatsapp_mcp.models import (
    Approval,
    ApprovalWay,
    Permit,
)
from whatsapp_mcp.policy import Effect, has_effect

if TYPE_CHECKING:
    from whatsapp_mcp.device.guard import Approvals


@has_effect(Effect.READ)
async def approvals(questions: Approvals, *, invocation: Invocation = DIRECT) -> tuple[Approval, ...]:
    """Return the questions that wait for a person, oldest first; for an agent, only its own."""
    return await questions.approvals(invocation.caller)


@has_effect(Effect.READ, in_chat=True)
async def approval(
    questions: Approvals, number: str, wait: float = 0.0, *, invocation: Invocation = DIRECT
) -> Approval:
    """One question; waits up to `wait` seconds for a person to decide it.

    Raises:
        InvalidArgument: There is none of this id, or it is another agent's.
    """
    return await questions.approval(number, wait, invocation.caller)


@has_effect(Effect.PERSON)
async def decide(questions: Approvals, number: str, approved: bool, way: ApprovalWay) -> Approval:
    """A person's answer: the first is final. A send that was held goes out with a yes.

    Raises:
        InvalidArgument: There is no such question, or it is decided already.
    """
    return await questions.decide(number, approved, way)


@has_effect(Effect.READ, in_chat=True)
async def ask_on_phone(questions: Approvals, number: str, *, invocation: Invocation = DIRECT) -> None:
    """Ask on the phone as well: the host, which should have shown the question, gave no decision.

    Raises:
        InvalidArgument: There is none of this id, or it is another agent's.
    """
    await questions.ask_on_phone(number, invocation.caller)


@has_effect(Effect.READ, in_chat=True)
async def permit(questions: Approvals, wanted: Permit) -> None:
    """Let a server do something itself, if the policy allows it or a person has said yes.

    Raises:
        Denied: The policy forbids it.
        ApprovalRequired: A person is asked now.
    """
    await questions.permit(wanted)


@has_effect(Effect.READ)
async def withdraw(questions: Approvals, number: str, *, invocation: Invocation = DIRECT) -> None:
    """End an own question that need not be answered any more.

    Raises:
        InvalidArgument: There is no such question of this caller.
    """
    await questions.withdraw(number, invocation.caller)


@has_effect(Effect.PERSON)
async def clear_exposures(questions: Approvals, principal: str | None = None) -> None:
    """Forget whose words were handed out to a principal, or to all."""
    await questions.clear_exposures(principal)
