"""`Gate`: decides about every operation that reaches the leader, and asks a person where it has to."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import anyio

from whatsapp_mcp.archive import Archive, ReadingArchive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.approvals import Approvals, Asker
from whatsapp_mcp.device.guard.bookkeeping import Admission, Bookkeeper
from whatsapp_mcp.device.guard.concerns import Concerns
from whatsapp_mcp.device.guard.facts import (
    acts_of,
    content_hash,
    described_files,
    paths_of,
    reached,
    referred,
    subject_of,
)
from whatsapp_mcp.device.guard.one_chat import require_inside, seen_from
from whatsapp_mcp.device.guard.origins import of_origin, readings, strictness
from whatsapp_mcp.device.guard.phone_questions import touches_question
from whatsapp_mcp.device.guard.questions import lines_of
from whatsapp_mcp.device.guard.sends import SAID_NO, SEND, Sends
from whatsapp_mcp.device.operations import Operation
from whatsapp_mcp.device.outbox import Outbox
from whatsapp_mcp.errors import Denied, MessageNotFound, WhatsAppError
from whatsapp_mcp.ledger import HeldAct, Ledger, Question, Taint
from whatsapp_mcp.models import (
    Activity,
    Approval,
    ApprovalState,
    Caller,
    ChatFacts,
    EditContent,
    Group,
    HandOnState,
    Permit,
    RevokeContent,
    SendRequest,
    SentInvite,
)
from whatsapp_mcp.policy import (
    Act,
    Audience,
    CallerState,
    Decision,
    Effect,
    Policy,
    agent_of,
    decide,
    denied,
)
from whatsapp_mcp.settings import OWN_CHAT, AgentSettings, CurrentSettings

_WAITS: Final = frozenset({HandOnState.SETTLING, HandOnState.WAITING})
_PERMIT_EFFECTS: Final = {"fetch": Effect.FETCH, "export": Effect.EXPORT}
_NEVER_TAINTED: Final = frozenset({Effect.READ, Effect.LINK, Effect.PERSON})
"""Effects that are decided regardless of the words handed out before."""
_LOOK_UP: Final = 10.0
"""Seconds that a question waits for what WhatsApp says of an invite."""
_CHANGED: Final = "The question to the user was changed."
_ENDED: Final = "The question to the user has ended without an answer."


def decision_about(agent: AgentSettings) -> Decision:
    """That the owner is asked, whatever the mode: this policy is about WhatsApp, and cannot tell.

    Raises:
        Denied: The chat with oneself is given to no channel, so nobody relays questions to it.
    """
    if agent.chats.get(OWN_CHAT) != "channel":
        raise Denied(
            "config.toml gives the chat with yourself to no channel.",
            'Set self = "channel" in [agent.chats].',
        )
    return Decision("ask", "agent.chats", "its application asks before it uses this tool")


async def changes_order(request: Any, archive: ReadingArchive, ledger: Ledger) -> bool:
    """Check whether a send would edit or delete a message of the owner that no agent has received yet.

    An edit would not reach the agent (`HandedOnRecord.is_of_phone`), but the order would be lost with it.
    """
    if not isinstance(request, SendRequest) or not isinstance(request.content, EditContent | RevokeContent):
        return False
    waiting = {ref for each in ledger.handed_on.open() if each.state in _WAITS for ref in each.refs}
    if not waiting:
        return False
    try:
        message = await archive.message(request.content.message_id, chat=request.chat)
    except MessageNotFound:
        return False
    return message.from_me and message.ref in waiting


logger = logging.getLogger(__name__)


async def _nobody(text: str) -> None:
    """Nobody is told."""


class Gate:
    """The leader's decisions.

    Args:
        archive: What is known of chats and messages.
        ledger: What was handed out, asked and decided.
        settings: Name the policy; read again for every operation.
        outbox: Holds sends, and lets them go.
        clock: The leader's.
        askers: Ways to ask, each of which is used.
        tell_person: Tells the person something in the chat with oneself.
        group_by_invite: Asks WhatsApp to which group an invite leads.
        refusals: Counts what is refused, by the error's code.

    Attributes:
        books: Writes down what is done.
        sends: What callers send, and the sends that wait for a person or for their moment.
        approvals: What a person is asked and answers.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        outbox: Callable[[], Outbox],
        clock: Clock,
        askers: Sequence[Asker] = (),
        tell_person: Callable[[str], Awaitable[None]] = _nobody,
        group_by_invite: Callable[[str, SentInvite | None], Awaitable[Group]] | None = None,
        refusals: Counter[str] | None = None,
    ) -> None:
        self.clock = clock
        self._group_by_invite = group_by_invite
        self.books = Bookkeeper(archive, ledger, settings, clock, refusals)
        self.sends = Sends(archive, ledger, settings, outbox, clock, self.books, tell_person)
        self.approvals = Approvals(ledger, settings, clock, self.sends, askers)
        self._concerns = Concerns(archive, clock)
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._asking = anyio.Lock()

    async def admit(self, operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> Admission:
        """Let an operation pass, and say why.

        Raises:
            Denied: The policy forbids it.
            ApprovalRequired: A person has to approve it, and is asked now.
            RateLimited: A person would have to approve it, and the budgets have no room for it.
        """
        await require_inside(self._archive, self._ledger, arguments, caller)
        if isinstance(wanted := arguments.get("wanted"), Permit):
            return await self._permit(operation, wanted, caller)
        if caller.approval and operation is SEND:
            # Before all else: whatever the policy says by now, what has gone out is not sent again.
            released = await self._released(arguments, caller)
            if released is not None:
                return Admission(Decision("allow", "approval", "a person said yes"), released)
        if isinstance(request := arguments.get("request"), SendRequest):
            await self.sends.require_movable(request, caller)
        decision = await self.judge(operation, arguments, caller)
        if decision.verdict == "ask":
            return Admission(decision, await self._ask(operation, arguments, caller, decision))
        return Admission(decision)

    async def limited(self, arguments: dict[str, Any], caller: Caller) -> dict[str, Any]:
        """The arguments of an operation, as far as the caller may give them."""
        if (subject := subject_of(arguments.get("request"))) is None:
            return arguments
        return {**arguments, "request": await subject.limited(caller, self._settings.now())}

    async def judge(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        caller: Caller,
        taint: Taint | None = None,
        *,
        content: bool = True,
    ) -> Decision:
        """Return the policy's decision about an operation now: `allow` or `ask`.

        Args:
            operation: Which.
            arguments: By name.
            caller: For whom.
            taint: Whose words had been handed out when it was asked for; None: it is asked for now.
            content: Whether a send is looked at for what in it wants a person's look.

        Raises:
            Denied: The policy forbids it.
        """
        policy, request = Policy.of(self._settings.now()), arguments.get("request")
        if taint is None and isinstance(request, SendRequest) and request.replaces is not None:
            taint = Taint(await self.sends.sources(request, caller))
        if isinstance(request, SendRequest) and await touches_question(request, self._archive, self._ledger):
            raise Denied("That message asks the user something; nobody but the user answers or changes it.")
        if not caller.is_trusted and await changes_order(request, self._archive, self._ledger):
            raise Denied("That message of the user waits for an agent; nobody but the user changes it.")
        if _needs_no_facts(policy, operation, caller):
            declared = operation.declared
            acts = [Act(operation.name, declared.effect, declared.audience, in_chat=declared.in_chat)]
        else:
            acts = await acts_of(self._archive, operation, arguments)
            if policy.rules_reading:
                whose = CallerState(caller)
                acts += await readings(self._archive, policy, operation.name, arguments, whose)
        act, decision = await self._decide(policy, acts, caller, taint)
        is_looked_at = content and policy.withholds and not caller.is_trusted and acts[0].is_seen
        if decision.verdict == "allow" and is_looked_at:
            # Last, since it searches the archive.
            concerns = await self._concerns.about(arguments, acts[0].chats, caller)
            acts[0] = replace(acts[0], concerns=concerns)
            act, decision = await self._decide(policy, acts, caller, taint)
        if decision.verdict == "deny":
            raise denied(act, decision)
        return decision

    async def seen(self, answer: Any, caller: Caller) -> Any:
        """An answer, as far as a caller may know it."""
        return await seen_from(self._archive, answer, caller) if isinstance(answer, Activity) else answer

    async def _permit(self, operation: Operation, wanted: Permit, caller: Caller) -> Admission:
        """Decide about what a server would do itself."""
        policy = Policy.of(self._settings.now())
        chats = [await self._archive.chat_facts(jid) for jid in wanted.chats]
        name = caller.tool or wanted.wants
        effect = _PERMIT_EFFECTS.get(wanted.wants, Effect.READ)
        wants = Act(name, effect, Audience.NOBODY, chats, in_chat=effect is Effect.READ)
        act, decision = await self._decide(policy, [wants], caller)
        if decision.verdict == "deny":
            raise denied(act, decision)
        is_free = decision.verdict == "allow" and not caller.is_trusted
        if wanted.wants == "host_tool":
            decision = decision_about(self._settings.now().agent)
        elif is_free and policy.withholds and wanted.wants not in _PERMIT_EFFECTS:
            reasons = {"reveal": "it is a one-time code", "release": "its author is not in the address book"}
            decision = Decision("ask", f'mode = "{policy.mode}"', reasons[wanted.wants])
        if decision.verdict == "ask":
            arguments = {"wanted": wanted}
            return Admission(decision, await self._ask(operation, arguments, caller, decision, chats))
        return Admission(decision)

    async def _decide(
        self, policy: Policy, acts: Sequence[Act], caller: Caller, taint: Taint | None = None
    ) -> tuple[Act, Decision]:
        """The strictest decision, and about which act it is."""
        asks_for_taint = not all(act.effect in _NEVER_TAINTED for act in acts)
        tainted = asks_for_taint and await self.is_tainted(caller, taint)
        situation = CallerState(caller, tainted, is_answer=await self._is_answer(caller))
        decisions = [(act, decide(policy, act, situation)) for act in acts]
        act, decision = max(decisions, key=lambda each: strictness(each[1]))
        is_origin = act.effect is Effect.READ and acts[0].effect is not Effect.READ
        return act, of_origin(decision) if is_origin else decision

    async def _is_answer(self, caller: Caller) -> bool:
        """Check whether the caller is bound to a chat that the person has given to an agent."""
        if not caller.chat:
            return False
        chat = await self._archive.chat_facts(caller.chat)
        return agent_of(self._settings.now().agent, chat, self._ledger.pairings.is_paired) is not None

    async def is_tainted(self, caller: Caller, taint: Taint | None = None) -> bool:
        """Check whether words that the mode distrusts were handed to the caller, now or as of `taint`."""
        mode = self._settings.now().policy.mode
        if caller.is_trusted or mode in {"open", "read_only"}:
            return False
        if caller.is_unknown:
            return True
        taint = await self._ledger.taint(caller.principal) if taint is None else taint
        return taint.counts(mode)

    # Asking.

    async def _ask(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        caller: Caller,
        decision: Decision,
        chats: Sequence[ChatFacts] = (),
    ) -> Approval:
        """The answer of a person who has said yes to exactly this; else ask, or say what waits."""
        approvals = self._ledger.approvals
        question = await self.question(operation, arguments, decision.reason, chats)
        # One at a time: the same act asked for twice at once is one question, and one send.
        async with self._asking:
            existing = approvals.found(question.digest, caller.principal, self.clock.now())
            held = existing or await self._hold(question, operation, arguments, caller)
        if existing is not None:
            is_free = existing.approval.state is ApprovalState.APPROVED and existing.approval.send_id is None
            # Outside the lock: of calls that find the same yes at once, `use` lets one through.
            if is_free and await approvals.use(existing.approval.id):
                return existing.approval
        elif held.approval.state is ApprovalState.USED:
            return held.approval
        elif held.approval.state is not ApprovalState.OPEN:
            raise Denied(SAID_NO if held.approval.state is ApprovalState.DENIED else _ENDED)
        elif not caller.asks:
            await self.approvals.ask_elsewhere(held)
        raise self.approvals.waits(held.approval)

    async def _hold(
        self, question: Question, operation: Operation, arguments: Mapping[str, Any], caller: Caller
    ) -> HeldAct:
        """Keep an act until a person has decided; a send with its question."""
        await self.books.check(operation, arguments, caller)
        held = await self._ledger.approvals.hold(question, caller, self.clock.now())
        with anyio.CancelScope(shield=True):  # what is held has to have its question
            held = await self._hold_send(held, arguments, caller)
        return held  # noqa: RET504  a scope may end its body early, for a type checker

    async def question(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        reason: str,
        chats: Sequence[ChatFacts] = (),
    ) -> Question:
        """Return the question to a person about an operation, with this reason."""
        chats = chats or await self._chats(operation, arguments)
        known = await referred(self._archive, arguments)
        bound = await content_hash(operation, arguments, chats, known)
        files = await described_files(self._archive, paths_of(arguments))
        known = known._replace(files=files, group=await self._invited(operation, arguments))
        lines = lines_of(operation.name, arguments, chats, known, self._settings.now().zone)
        return Question(lines, reason, bound, operation.name, operation.dump(dict(arguments)))

    async def _invited(self, operation: Operation, arguments: Mapping[str, Any]) -> Group | None:
        """The group that would be joined, as WhatsApp describes it; None where it does not in time."""
        if operation.name != "join_group" or self._group_by_invite is None:
            return None
        with self.clock.limit(_LOOK_UP), suppress(WhatsAppError):
            return await self._group_by_invite(arguments["code"], arguments["sent"])
        return None

    async def _released(self, arguments: Mapping[str, Any], caller: Caller) -> Approval | None:
        """The yes that let a held send go, if the call that goes on with it is still the same.

        A moment that is counted from now ("in two hours") is the one that was asked about.
        """
        held, request = self._ledger.approvals.get(caller.approval), arguments["request"]
        if held.approval.send_id is None or held.approval.state is not ApprovalState.USED:
            return None
        stored = await self.sends.stored(held.approval.send_id)
        if request.at is not None and stored is not None and stored.at is not None:
            request = replace(request, at=stored.at)
        bound = held.digest, held.principal
        return held.approval if bound == (await self.sends.content_hash(request), caller.principal) else None

    async def _chats(self, operation: Operation, arguments: Mapping[str, Any]) -> list[ChatFacts]:
        return [await self._archive.chat_facts(jid) for jid in reached(operation, arguments)]

    async def _hold_send(self, held: HeldAct, arguments: Mapping[str, Any], caller: Caller) -> HeldAct:
        """Keep a send in the outbox, so that a yes releases it though the agent has gone."""
        request = arguments.get("request")
        if not isinstance(request, SendRequest):
            return held
        try:
            entry = await self.sends.hold(request, caller, held.approval.expires_at, held.digest)
        except WhatsAppError:
            await self._ledger.approvals.void(held.approval.id)
            raise
        return await self.sends.note(held, entry.send_id)


def _needs_no_facts(policy: Policy, operation: Operation, caller: Caller) -> bool:
    """Return whether the decision does not depend on the chats that are reached."""
    if caller.is_trusted or operation.effect is Effect.PERSON:
        return True
    if caller.chat and operation.declared.reaches:
        return False
    if operation.effect is Effect.READ:
        return not (operation.declared.reaches and policy.rules_reading)
    return policy.mode == "read_only" or (policy.mode == "open" and not policy.policy.chats)
