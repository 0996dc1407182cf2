"""`Bookkeeper`: writes every act down before and after it, and keeps it within the budgets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, NamedTuple

from whatsapp_mcp.archive import Archive
from whatsapp_mcp.device.clock import Clock
from whatsapp_mcp.device.guard.facts import reached, words_of
from whatsapp_mcp.device.operations import Operation, nothing
from whatsapp_mcp.errors import ApprovalRequired, RateLimited, WhatsAppError
from whatsapp_mcp.ledger import AuditEntry, HeldAct, Ledger
from whatsapp_mcp.models import Approval, Caller, PastAct, Permit, SendRequest
from whatsapp_mcp.policy import SEEN, Decision, Effect, check_budgets, check_pauses, check_quiet
from whatsapp_mcp.settings import CurrentSettings

_ACTS: Final = frozenset(Effect) - {Effect.READ, Effect.LINK}
_READINGS: Final = frozenset({"download", "read_file", "channel_posts"})
"""Operations that hand out what was written in a chat."""
_TEXTS: Final = ("topic", "about")
"""Attributes of a `GroupChange` or a `ProfileChange` whose text is shown in full."""
_NOT_COUNTED: Final = frozenset({"mark_read", "typing"})
"""Operations that accompany reading and writing, and count against no budget of their own."""


AuditBegin = Callable[[], Awaitable[None]]
"""Writes an act down; nothing of it may be done before this has returned.

It raises `RateLimited`, as `Bookkeeper.check` of what was done since, and `Busy` where it cannot be written.
"""


class Admission(NamedTuple):
    """Why an act may be done.

    Attributes:
        decision: What the policy decided.
        approval: The answer of a person that it needed.
    """

    decision: Decision
    approval: Approval | None = None


class Bookkeeper:
    """The audit of the leader, and its budgets.

    Args:
        archive: Knows to whom this account has written.
        ledger: Where all is written down.
        settings: Name the budgets; read again for every act.
        clock: The leader's.
        refusals: Counts operations that were refused, or about which a person is asked, by the error's code.
    """

    def __init__(
        self,
        archive: Archive,
        ledger: Ledger,
        settings: CurrentSettings,
        clock: Clock,
        refusals: Counter[str] | None = None,
    ) -> None:
        self._archive = archive
        self._ledger = ledger
        self._settings = settings
        self._clock = clock
        self._refusals = Counter[str]() if refusals is None else refusals

    async def check(self, operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> None:
        """Refuse what the budgets have no room for, before anybody is asked about it.

        Raises:
            RateLimited: It is too much now; `retry_after` says when to try again.
        """
        if await self._is_counted(operation, arguments, caller):
            planned = await self._planned(operation, arguments)
            audit = self._ledger.audit
            self._check(audit.past(), replace(planned, text=audit.mark(_text(arguments))))

    @asynccontextmanager
    async def act(
        self, operation: Operation, arguments: Mapping[str, Any], caller: Caller, admission: Admission
    ) -> AsyncGenerator[AuditBegin]:
        """Let an operation be done, and write down what becomes of an act; the body has to begin it."""
        if not _is_act(operation):
            if operation.name in _READINGS:
                entry = self._entry(operation, arguments, caller, admission.decision, admission.approval)
                refs = (arguments["ref"],) if "ref" in arguments else ()
                self._ledger.audit.read(replace(entry, refs=refs))
            yield nothing
            return
        entry = self._entry(operation, arguments, caller, admission.decision, admission.approval)
        number: int | None = None

        async def begin() -> None:
            nonlocal number
            await self._note_words(arguments, caller)
            number = await self._begun(entry, operation, arguments, caller, admission)

        outcome = "cancelled"
        try:
            yield begin
            assert number is not None, "it was done and never begun"
            outcome = "done"
        except WhatsAppError as error:
            outcome = error.code
            raise
        finally:
            if number is not None:
                self._ledger.audit.end(number, entry, outcome)

    async def _begun(
        self,
        entry: AuditEntry,
        operation: Operation,
        arguments: Mapping[str, Any],
        caller: Caller,
        admission: Admission,
    ) -> int:
        """Write an act down that is about to be done; answers its number."""
        counted = await self._is_counted(operation, arguments, caller)
        planned = await self._planned(operation, arguments)
        check = self._check if admission.approval is None else self._check_approved
        try:
            # Checked where it is written down: two acts at once cannot both take the last place of a budget.
            return await self._ledger.audit.begin(
                replace(entry, is_counted=counted, is_new_chat=planned.is_new_chat),
                text=_text(arguments),
                keep_text=self._settings.now().policy.audit_text,
                check=check if counted else None,
            )
        except RateLimited as error:
            await self.refused(operation, arguments, caller, error)
            raise

    async def refused(
        self, operation: Operation, arguments: Mapping[str, Any], caller: Caller, error: WhatsAppError
    ) -> None:
        """Write down an act that was not done, or about which a person is asked."""
        self._refusals[error.code] += 1
        if _is_act(operation):
            asked = isinstance(error, ApprovalRequired)
            decision = Decision("ask" if asked else "deny", "", "")
            entry = self._entry(operation, arguments, caller, decision, None)
            number = error.approval if isinstance(error, ApprovalRequired) else None
            await self._ledger.audit.note(replace(entry, outcome=error.code, approval=number))

    async def released(self, held: HeldAct, chats: tuple[str, ...], *, is_later: bool) -> None:
        """Write down that a held send goes out after a yes; one for later counts when it does."""
        approval = held.approval
        caller = Caller(held.principal, approval.client, approval.tool)
        entry = AuditEntry(
            caller, held.operation, chats, verdict="ask", approval=approval.id, way=approval.way
        )
        counted = not (caller.is_trusted or is_later)
        await self._ledger.audit.note(
            replace(entry, digest=held.digest, outcome="released", is_counted=counted)
        )

    async def _note_words(self, arguments: Mapping[str, Any], caller: Caller) -> None:
        """Note the texts of an act that is no send, and whose words had been handed out to their author."""
        change = arguments.get("change")
        texts = [text for name in _TEXTS if (text := getattr(change, name, None))]
        if texts:
            await self._ledger.tainted_words.add(texts, await self._ledger.taint_of(caller))

    def _entry(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        caller: Caller,
        decision: Decision,
        approval: Approval | None,
    ) -> AuditEntry:
        number = approval.id if approval else None
        way = approval.way if approval else None
        if operation.name == "decide":
            number, way = arguments["number"], arguments["way"]
        wanted = arguments.get("wanted")
        is_permit = isinstance(wanted, Permit)
        return AuditEntry(
            caller,
            wanted.wants if is_permit else operation.name,
            tuple(wanted.chats) if is_permit else tuple(reached(operation, arguments)),
            verdict=decision.verdict,
            rule=decision.rule,
            approval=number,
            way=way,
            digest=_digest(operation, arguments),
        )

    async def _is_counted(self, operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> bool:
        """Return whether it is an agent's act that others see: not if it is in the chat with oneself."""
        if not _may_count(operation, arguments, caller):
            return False
        chats = reached(operation, arguments)
        return not chats or not all([(await self._archive.chat_facts(jid)).is_own for jid in chats])

    async def _planned(self, operation: Operation, arguments: Mapping[str, Any]) -> PastAct:
        chats = tuple(reached(operation, arguments))
        is_new = operation.name == "send" and await self._archive.is_new_chat(chats[0])
        return PastAct(self._clock.now(), chats, is_new)

    def _check(self, past: Sequence[PastAct], planned: PastAct) -> None:
        loaded, pauses = self._settings.now(), self._ledger.pauses.now()
        check_pauses(pauses, planned)
        check_quiet(loaded.policy, planned.at.astimezone(loaded.zone))
        if loaded.policy.mode != "open":
            check_budgets(loaded.policy, pauses, past, planned)

    def _check_approved(self, past: Sequence[PastAct], planned: PastAct) -> None:
        """Check only the pauses that WhatsApp imposed: no budget or quiet time delays an approved act."""
        check_pauses(self._ledger.pauses.now(), planned)


def _is_act(operation: Operation) -> bool:
    """Return whether an operation is audited with its outcome; `permit` stands for a server's later act."""
    return operation.effect in _ACTS or operation.name == "permit"


def _may_count(operation: Operation, arguments: Mapping[str, Any], caller: Caller) -> bool:
    """Return whether an agent's act is visible to others; a scheduled send counts when it goes out."""
    request = arguments.get("request")
    if isinstance(request, SendRequest) and request.at is not None:
        return False
    is_seen = operation.declared.audience in SEEN and operation.effect in _ACTS
    return is_seen and not caller.is_trusted and operation.name not in _NOT_COUNTED


def _text(arguments: Mapping[str, Any]) -> str | None:
    """Return the text of a send; None if it has none."""
    request = arguments.get("request")
    return "\n".join(words_of(request.content)) or None if isinstance(request, SendRequest) else None


def _digest(operation: Operation, arguments: Mapping[str, Any]) -> str:
    """Return a digest of all arguments; the files of an account are named after their content."""
    dumped = operation.dump(dict(arguments))
    if isinstance(request := dumped.get("request"), dict):
        request.pop("key", None)  # a digest of a short password would tell it
    return sha256(json.dumps(dumped, sort_keys=True).encode(errors="replace")).hexdigest()
