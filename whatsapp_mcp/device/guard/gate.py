"""`Gate`: decides about every operation that reaches the leader, and asks a person where it has to."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

import anyio

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.bookkeeping import Admission, Bookkeeper
from whatsapp_mcp.device.guard.content import (
    Concerns,
    acts_of,
    described_files,
    digest,
    of_origin,
    paths_of,
    reached,
    readings,
    referred,
    strictness,
    subject_of,
)
from whatsapp_mcp.device.guard.held_sends import SAID_NO, HeldSends
from whatsapp_mcp.device.guard.host_tools import decision_about
from whatsapp_mcp.device.guard.one_chat import require_inside, seen_from
from whatsapp_mcp.device.guard.orders import changes_order
from whatsapp_mcp.device.guard.phone_questions import touches_question
from whatsapp_mcp.device.guard.questions import lines_of
from whatsapp_mcp.device.operations import OPERATIONS, Operation
from whatsapp_mcp.device.outbox import Outbox
from whatsapp_mcp.errors import ApprovalRequired, Denied, WhatsAppError
from whatsapp_mcp.ledger import HeldAct, Ledger, Question, Taint, no_such_question
from whatsapp_mcp.models import (
    Activity,
    Approval,
    ApprovalState,
    ApprovalWay,
    Caller,
    ChatFacts,
    Group,
    Permit,
    SendRequest,
    SentInvite,
)
from whatsapp_mcp.policy import (
    Act,
    Audience,
    Decision,
    Effect,
    Policy,
    Situation,
    agent_of,
    decide,
    denied,
)
from whatsapp_mcp.settings import CurrentSettings
from whatsapp_mcp.text.zone import local

_PERMIT_EFFECTS: Final = {"fetch": Effect.FETCH, "export": Effect.EXPORT}
_NEVER_TAINTED: Final = frozenset({Effect.READ, Effect.LINK, Effect.PERSON})
"""What is decided whatever was handed out before."""
_LOOK_UP: Final = 10.0
"""Seconds that a question waits for what WhatsApp says of an invite."""
_CHANGED: Final = "The question to the user was changed."
_ENDED: Final = "The question to the user has ended without an answer."
_SEND: Final = OPERATIONS["send"]

logger = logging.getLogger(__name__)


class Asker(Protocol):
    """A way to ask the person, beside the page and the terminal, which show what waits by themselves."""

    async def ask(self, held: HeldAct) -> None:
        """Ask; a question that cannot be asked this way waits for another."""
        ...


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

    Attributes:
        books: Writes down what is done.
        held_sends: The sends that wait for a person or for their moment.
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
    ) -> None:
        self.clock = clock
        self._group_by_invite = group_by_invite
        self.books = Bookkeeper(archive, ledger, settings, clock)
        self.held_sends = HeldSends(archive, ledger, settings, outbox, clock, self.books, tell_person)
        self._concerns = Concerns(archive, clock)
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._askers = askers
        self._decided = anyio.Event()
        self._asking = anyio.Lock()

    async def admit(self, operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> Admission:
        """Let an operation pass, and say why.

        Raises:
            Denied: The policy forbids it.
            ApprovalRequired: A person has to approve it, and is asked now.
            RateLimited: A person would have to approve it, and the budgets have no room for it.
        """
        await require_inside(self._archive, self._ledger, arguments, caller)
        if caller.approval and operation is _SEND:
            # Before all else: whatever the policy says by now, what has gone out is not sent again.
            released = await self._released(arguments, caller)
            if released is not None:
                return Admission(Decision("allow", "approval", "a person said yes"), released)
        if isinstance(request := arguments.get("request"), SendRequest):
            await self.held_sends.require_movable(request, caller)
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
        """What the policy says of an operation now: `allow` or `ask`.

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
            taint = Taint(await self.held_sends.sources(request, caller))
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
                whose = Situation(caller)
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

    async def seen(self, activity: Activity, caller: Caller) -> Activity:
        """What goes on, as far as a caller may know."""
        return await seen_from(self._archive, activity, caller)

    async def permit(self, wanted: Permit, caller: Caller) -> Admission:
        """See `Device.permit`."""
        policy = Policy.of(self._settings.now())
        await require_inside(self._archive, self._ledger, {"wanted": wanted}, caller)
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
            return Admission(
                decision, await self._ask(OPERATIONS["permit"], arguments, caller, decision, chats)
            )
        return Admission(decision)

    async def _decide(
        self, policy: Policy, acts: Sequence[Act], caller: Caller, taint: Taint | None = None
    ) -> tuple[Act, Decision]:
        """The strictest decision, and about which act it is."""
        asks_for_taint = not all(act.effect in _NEVER_TAINTED for act in acts)
        tainted = asks_for_taint and await self.is_tainted(caller, taint)
        situation = Situation(caller, tainted, is_answer=await self._is_answer(caller))
        decisions = [(act, decide(policy, act, situation)) for act in acts]
        act, decision = max(decisions, key=lambda each: strictness(each[1]))
        is_origin = act.effect is Effect.READ and acts[0].effect is not Effect.READ
        return act, of_origin(decision) if is_origin else decision

    async def _is_answer(self, caller: Caller) -> bool:
        """Whether the caller is bound to a chat to which the person has given an agent."""
        if not caller.chat:
            return False
        chat = await self._archive.chat_facts(caller.chat)
        return agent_of(self._settings.now().agent, chat, self._ledger.pairings.is_paired) is not None

    async def is_tainted(self, caller: Caller, taint: Taint | None = None) -> bool:
        """Whether words that the mode distrusts were handed out to this principal, or had been then."""
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
            found = approvals.found(question.digest, caller.principal, self.clock.now())
            held = found or await self._hold(question, operation, arguments, caller)
        if found is not None:
            is_free = found.approval.state is ApprovalState.APPROVED and found.approval.send_id is None
            if is_free and await approvals.use(found.approval.id):
                return found.approval
        elif held.approval.state is ApprovalState.USED:
            return held.approval
        elif held.approval.state is not ApprovalState.OPEN:
            raise Denied(SAID_NO if held.approval.state is ApprovalState.DENIED else _ENDED)
        elif not caller.asks:
            await self.ask_elsewhere(held)
        raise self.waits(held.approval)

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
        """What a person is asked about an operation, for this reason."""
        chats = chats or await self._chats(operation, arguments)
        known = await referred(self._archive, arguments)
        bound = await digest(operation, arguments, chats, known)
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
        stored = await self.held_sends.stored(held.approval.send_id)
        if request.at is not None and stored is not None and stored.at is not None:
            request = replace(request, at=stored.at)
        bound = held.digest, held.principal
        return held.approval if bound == (await self.held_sends.digest(request), caller.principal) else None

    async def ask_on_phone(self, number: str) -> None:
        """See `Device.ask_on_phone`."""
        held = self._ledger.approvals.get(number)
        if held.approval.state is ApprovalState.OPEN and held.question_id is None:
            await self.ask_elsewhere(held)

    async def ask_elsewhere(self, held: HeldAct) -> None:
        """Ask in each way that needs no host of the caller's."""
        if Policy.of(self._settings.now()).asks_on_phone:
            for asker in self._askers:
                await asker.ask(held)

    def waits(self, approval: Approval) -> ApprovalRequired:
        """What a caller is told whose act waits for a person."""
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

    async def _chats(self, operation: Operation, arguments: Mapping[str, Any]) -> list[ChatFacts]:
        return [await self._archive.chat_facts(jid) for jid in reached(operation, arguments)]

    async def _hold_send(self, held: HeldAct, arguments: Mapping[str, Any], caller: Caller) -> HeldAct:
        """Keep a send in the outbox, so that a yes releases it though the agent has gone."""
        request = arguments.get("request")
        if not isinstance(request, SendRequest):
            return held
        try:
            entry = await self.held_sends.hold(request, caller, held.approval.expires_at, held.digest)
        except WhatsAppError:
            await self._ledger.approvals.void(held.approval.id)
            raise
        return await self.held_sends.note(held, entry.send_id)

    # Deciding.

    async def approvals(self, caller: Caller) -> tuple[Approval, ...]:
        """See `Device.approvals`."""
        waiting = self._ledger.approvals.open(self.clock.now())
        return tuple(held.approval for held in waiting if _may_see(held, caller))

    def require_own(self, number: str, caller: Caller) -> None:
        """Let a question be seen by the one whose act it is about, and by its person.

        Raises:
            InvalidArgument: There is no such question of this caller.
        """
        if not _may_see(self._ledger.approvals.get(number), caller):
            raise no_such_question()

    async def approval(self, number: str, wait: float = 0.0) -> Approval:
        """See `Device.approval`."""
        with anyio.move_on_after(wait):
            while (found := self._ledger.approvals.get(number).approval).state is ApprovalState.OPEN:
                await self._decided.wait()
            return found
        return self._ledger.approvals.get(number).approval

    async def decide(self, number: str, approved: bool, way: ApprovalWay) -> Approval:
        """See `Device.decide`."""
        held = await self._ledger.approvals.decide(number, approved, way, self.clock.now())
        if held.approval.send_id is not None:
            if approved:
                await self.held_sends.release(held)
            else:
                await self.held_sends.refuse(held.approval.send_id, Denied(SAID_NO))
        self.tell()
        return self._ledger.approvals.get(number).approval

    async def withdraw(self, number: str, caller: Caller) -> None:
        """See `Device.withdraw`."""
        if self._ledger.approvals.get(number).principal != caller.principal:
            raise no_such_question()
        await self.void(number)

    async def clear_exposures(self, principal: str | None = None) -> None:
        """See `Device.clear_exposures`."""
        await self._ledger.clear(principal)

    async def void(self, number: str) -> None:
        """End a question that is no longer what was asked."""
        held = self._ledger.approvals.get(number)
        await self._ledger.approvals.void(number)
        if held.approval.send_id is not None:
            await self.held_sends.refuse(held.approval.send_id, Denied(_CHANGED))
        self.tell()

    def tell(self) -> None:
        """Wake whoever waits for a decision."""
        self._decided.set()
        self._decided = anyio.Event()


def _may_see(held: HeldAct, caller: Caller) -> bool:
    """Whether a question is told to a caller: what became of it repeats what its asker wrote."""
    return caller.is_trusted or held.principal == caller.principal


def _needs_no_facts(policy: Policy, operation: Operation, caller: Caller) -> bool:
    """Whether no answer depends on the chats that are reached."""
    if caller.is_trusted or operation.effect is Effect.PERSON:
        return True
    if caller.chat and operation.declared.reaches:
        return False
    if operation.effect is Effect.READ:
        return not (operation.declared.reaches and policy.rules_reading)
    return policy.mode == "read_only" or (policy.mode == "open" and not policy.policy.chats)
