"""Elicitation: asks the person through the MCP host, where it is known to show questions, and opens pages.

Up to 2025-11-25 the server asks in the middle of the call. Since 2026-07-28 the question is the answer of the
call, and the host calls again with what the person said
(https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation).

Only a filled choice counts as a yes: some hosts accept empty forms, or decline, without showing them. What is
no decision leaves the question open, for the other ways to answer it. That a page was opened says at most
that the person agreed: some hosts accept by themselves. What comes of it the page itself tells.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
)
from pydantic import ValidationError

from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import ApprovalRequired, WhatsAppError
from whatsapp_mcp.models.approvals import PERSON, Approval, ApprovalState, Caller
from whatsapp_mcp.policy import visible
from whatsapp_mcp.server.calls.call import Call, ShowPage

if TYPE_CHECKING:
    from whatsapp_mcp.device.operations import Devices

T = TypeVar("T")

SHOWN_TO_A_PERSON: Final = frozenset({"claude-code"})
"""Names by which hosts introduce themselves that were seen to show a form to a person. Claude Code (2.1.332)
shows it in the terminal; without a terminal it answers by itself at once, which counts as no decision. Codex
(0.171.0) is not among them: it declines by itself, and accepts empty forms where it may do everything."""
BY_ITSELF: Final = 1.0
"""Seconds within which no person declines: it was the host."""
YES: Final = "Yes, do it"
NO: Final = "No"
CHOICE: Final = "decision"
FORM: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {CHOICE: {"type": "string", "title": "Shall it be done?", "enum": [NO, YES]}},
    "required": [CHOICE],
}
"""One choice, without a default."""
_IN_THE_ANSWER: Final = "2026-07-28"
"""The first version in which questions are answers."""
_KEY: Final = "approval"
"""Key of the question among what the host is asked for, and of its answer."""
_LOOK_EVERY: Final = 20.0
"""Seconds for which the leader is asked at a time whether the person has decided elsewhere."""
_PAGE: Final = "page"
"""Key of a page among what the host is asked for, and of its answer."""
_AGREED_WITHIN: Final = 300.0
"""Seconds in which the person agrees or not."""


async def asking(
    context: Context[Any, Any],
    call: Call,
    act: Callable[[Caller], Awaitable[T]],
    clock: Callable[[], float] = time.time,
) -> T | InputRequiredResult:
    """Do what a tool does; if a person has to approve it, ask through the host and go on with the answer.

    Args:
        context: The SDK's.
        call: The call of the tool.
        act: Does it for a caller; done once more after the person's answer, when the policy finds it.
        clock: The wall clock, in seconds.

    Raises:
        ApprovalRequired: Nobody has decided; the other ways are open.
        WhatsAppError: What `act` raises.
    """
    if (asked := _Asked.read(context.request_state)) is not None:
        decision = _decision(_response(context), clock() - asked.at)
        # The state is sealed for this tool and these arguments by the SDK, but for no principal.
        if decision is not None and asked.principal == call.caller.principal:
            await _decide(await _as_person(call), asked.approval, decision)
        elif decision is None:
            await _ask_elsewhere(await _as_person(call), asked.approval)
        return await act(replace(call.caller, approval=asked.approval))
    can_ask = _can_ask(context, call)
    try:
        return await act(replace(call.caller, asks=can_ask))
    except ApprovalRequired as error:
        if not error.approval or not can_ask:
            raise
        devices = await _as_person(call)
        question = await _open_question(devices, error.approval)
        if question is not None:
            if asks_by_answer(context):
                return _question(question, _Asked(question.id, call.caller.principal, clock()), call)
            decision = await _ask_now(context, devices, question, call)
            if decision is None and await _open_question(devices, question.id) is not None:
                await _ask_elsewhere(devices, question.id)
                raise
            if decision is not None:
                await _decide(devices, question.id, decision)
        number = error.approval
    return await act(replace(call.caller, approval=number))


def _can_ask(context: Context[Any, Any], call: Call) -> bool:
    """Return whether the settings and the host let the host ask the person."""
    declared = context.client_capabilities
    elicitation = declared.elicitation if declared else None
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        return False
    if not asks_by_answer(context) and not context.session.can_send_request:
        return False
    setting = call.source.policy.policy.approval
    # Over HTTP an agent with a shell could be the client, and give the name of any host.
    is_known = not call.over_http and call.caller.client in SHOWN_TO_A_PERSON
    return setting == "elicitation" or (setting == "auto" and is_known)


def asks_by_answer(context: Context[Any, Any]) -> bool:
    """Return whether the host's protocol version returns a question as the answer of the call."""
    version = context.protocol_version
    return version is not None and version >= _IN_THE_ANSWER  # dates, so their order is that of their text


@dataclass(frozen=True, slots=True)
class _Asked:
    """State that the host returns with the answer: the question, its principal and the time it was asked."""

    approval: str
    principal: str
    at: float

    @classmethod
    def read(cls, state: str | None) -> _Asked | None:
        """Read the state that `text` wrote; None if nothing was asked."""
        return None if state is None else cls(*json.loads(state))

    def text(self) -> str:
        """Return the state as text for the host, which gets it sealed."""
        return json.dumps([self.approval, self.principal, self.at])


def _message(approval: Approval, call: Call) -> str:
    lines = [visible(line) for line in approval.question]
    if call.is_one_of_several:
        lines = [f"In the account {call.source.account}:", *lines]
    return "\n".join([*lines, f"You are asked because {visible(approval.reason)}."])


def _question(approval: Approval, asked: _Asked, call: Call) -> InputRequiredResult:
    form = ElicitRequestFormParams(message=_message(approval, call), requested_schema=FORM)
    return InputRequiredResult(input_requests={_KEY: ElicitRequest(params=form)}, request_state=asked.text())


def _response(context: Context[Any, Any]) -> ElicitResult | None:
    response = (context.input_responses or {}).get(_KEY)
    return response if isinstance(response, ElicitResult) else None


def _decision(answer: ElicitResult | None, seconds: float) -> bool | None:
    """Return a person's decision; None if no person decided.

    Args:
        answer: The host's; None if it gave none.
        seconds: After the question.
    """
    if answer is None or answer.action == "cancel":
        return None
    if answer.action == "decline":
        return False if seconds > BY_ITSELF else None
    return {YES: True, NO: False}.get(str((answer.content or {}).get(CHOICE)))


async def _ask_now(
    context: Context[Any, Any], devices: Devices, question: Approval, call: Call
) -> bool | None:
    """Ask in the middle of the call; ends without an answer once the person has decided elsewhere."""
    decision: bool | None = None

    async def ask() -> None:
        nonlocal decision
        start = anyio.current_time()
        # A host that answers with an error, or with anything but a choice, has not decided.
        with suppress(MCPError, ValidationError):
            # With the id of the call, over HTTP the question takes the stream of its answer.
            answer = await context.session.elicit_form(_message(question, call), FORM, context.request_id)
            decision = _decision(answer, anyio.current_time() - start)
        tasks.cancel_scope.cancel()

    # Whichever ends first cancels the other: a person may decide elsewhere while the host shows the form.
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        left = question.expires_at - datetime.now(UTC)
        with anyio.move_on_after(left.total_seconds()):
            await _until_decided(devices, question.id)
        tasks.cancel_scope.cancel()
    return decision


async def _until_decided(devices: Devices, number: str) -> None:
    while True:
        try:
            async with devices.use() as device:
                if (await device.do(approvals.approval, number, _LOOK_EVERY)).state is not ApprovalState.OPEN:
                    return
        except WhatsAppError:  # no leader at the moment: the host's answer is waited for all the same
            await anyio.sleep(_LOOK_EVERY)


async def _open_question(devices: Devices, number: str) -> Approval | None:
    async with devices.use() as device:
        approval = await device.do(approvals.approval, number)
    return approval if approval.state is ApprovalState.OPEN else None


async def _as_person(call: Call) -> Devices:
    """The account's devices, which decide for the person who was asked."""
    from whatsapp_mcp.device.operations import CallersDevices

    devices = await call.source.devices()
    return CallersDevices(devices, replace(PERSON, client=call.caller.client, tool=call.caller.tool))


async def _ask_elsewhere(devices: Devices, number: str) -> None:
    async with devices.use() as device:
        await device.do(approvals.ask_on_phone, number)


async def _decide(devices: Devices, number: str, approved: bool) -> None:
    """Tell the leader; if somebody was quicker elsewhere, that decision stands."""
    async with devices.use() as device:
        if (await device.do(approvals.approval, number)).state is ApprovalState.OPEN:
            await device.do(approvals.decide, number, approved, "elicitation")


class PageRequestedError(Exception):
    """The call is answered with a request to open a page; the host calls again with what became of it."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(url)
        request = ElicitRequest(params=ElicitRequestURLParams(message=message, url=url))
        self.result = InputRequiredResult(input_requests={_PAGE: request})


def page_opener(context: Context[Any, Any]) -> ShowPage | None:
    """Return a function that opens a page for the person behind a request; None if the host cannot."""
    declared = context.client_capabilities
    if declared is None or declared.elicitation is None or declared.elicitation.url is None:
        return None
    if asks_by_answer(context):
        return _ByAnswer(context)
    return _Now(context) if context.session.can_send_request else None


@dataclass(frozen=True, slots=True)
class _ByAnswer:
    context: Context[Any, Any]

    async def __call__(self, url: str, message: str, *, asks: bool) -> bool | None:
        response = (self.context.input_responses or {}).get(_PAGE)
        if isinstance(response, ElicitResult):
            return response.action == "accept"
        if asks:
            raise PageRequestedError(url, message)
        return None


@dataclass(frozen=True, slots=True)
class _Now:
    context: Context[Any, Any]

    async def __call__(self, url: str, message: str, *, asks: bool) -> bool | None:
        if not asks:
            return None
        session, number = self.context.session, str(uuid.uuid4())
        with suppress(MCPError, ValidationError), anyio.move_on_after(_AGREED_WITHIN):
            answer = await session.elicit_url(message, url, number, self.context.request_id)
            return answer.action == "accept"
        return None
