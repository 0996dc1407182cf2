"""Waiting for what the user decides about an act, and the card that shows it meanwhile.

The card has the exact question, which quotes messages, and the pictures. Both go along as metadata of the
result, which hosts give to the card and not to the model: what the agent was not given is not shown to it.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NotRequired

import anyio
from typing_extensions import TypedDict

from whatsapp_mcp import media
from whatsapp_mcp.device.operations import approvals
from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.models import Approval, ApprovalState, SendReport, SendStatus
from whatsapp_mcp.policy import Audience, Effect, visible
from whatsapp_mcp.server.arguments import Wait
from whatsapp_mcp.server.calls import Call, Result, Services, ToolFunction, tool
from whatsapp_mcp.server.cards import APPROVAL
from whatsapp_mcp.server.feed import SLICE, next_change
from whatsapp_mcp.server.fencing import identifier
from whatsapp_mcp.server.render import ReportData, report_data
from whatsapp_mcp.server.tools.outcomes import told_later
from whatsapp_mcp.text.zone import local

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY: Final = "whatsapp-mcp/approval"
"""Under which the card finds it in the metadata."""
_MOST: Final = 4
"""Pictures that a card shows."""
_PIXELS: Final = 448
"""The longest side of a picture."""
_ON_ITS_WAY: Final = frozenset({SendStatus.QUEUED, SendStatus.SENDING})
GOES_OUT: Final = 5.0
"""Seconds, at least, that a send gets to go out after the user's yes, before it is told of as queued."""


class ApprovalData(TypedDict):
    """Outcome of a question to the user."""

    approval: str
    state: str
    send: NotRequired[ReportData]


@tool(
    "core",
    Effect.READ,
    Audience.NOBODY,
    open_world=False,
    result=ApprovalData,
    card=APPROVAL.uri,
    in_chat=True,
)
async def await_approval(call: Call, approval: str, wait: Wait = 45.0) -> Result:
    """Wait for the user's decision."""
    services, end = await call.services(), anyio.current_time() + wait
    async with services.device() as device:
        decided = await device.do(approvals.approval, approval.strip(), wait)
    if decided.state is ApprovalState.OPEN:
        until = f"{local(decided.expires_at, services.zone):%H:%M}"
        outcome = f"not answered yet; the user can answer until {until}. Call again to wait on."
    else:
        outcome = _BECAME[decided.state].format(tool=identifier(decided.tool))
    answer = await _decision(services, decided, outcome, max(end - anyio.current_time(), GOES_OUT))
    if not call.draws_cards:
        return answer
    card = await _card(services, decided, _CARD_SAYS[decided.state])
    return replace(answer, meta={KEY: card})


async def _decision(services: Services, decided: Approval, outcome: str, wait: float) -> Result:
    """Return the decision for the model; for an approved send, the result its tool would have returned."""
    data = ApprovalData(approval=identifier(decided.id), state=decided.state.value)
    head = f"{identifier(decided.id)} {decided.state}: {outcome}"
    if decided.state is ApprovalState.OPEN:
        # Not what is asked: that quotes messages which the agent may not have opened.
        return Result(f"{head} The user sees what {identifier(decided.tool)} would do.", data)
    if decided.state is not ApprovalState.USED or decided.send_id is None:
        return Result(head, data)
    report = await _settled(services, decided.send_id, wait)
    data["send"] = report_data(report, services.zone)
    request = await services.archive.request_of_send(decided.send_id)
    return replace(await told_later(services, request, report), data=data)


async def _settled(services: Services, send_id: int, wait: float) -> SendReport:
    """Wait for the outcome of a send, at most `wait` seconds, and return its report."""
    end = anyio.current_time() + wait
    while True:
        # Before the report is read: a change between the two ends the wait at once.
        after = await services.archive.last_change()
        report = await services.archive.send_report(send_id, send_id=True)
        left = end - anyio.current_time()
        if report.result.status not in _ON_ITS_WAY or left <= 0:
            return report
        await next_change(services.devices, services.archive, after, min(SLICE, left))


_CARD_SAYS: Final = {
    ApprovalState.OPEN: "Not answered yet.",
    ApprovalState.APPROVED: "You said yes.",
    ApprovalState.USED: "You said yes, and it was done.",
    ApprovalState.DENIED: "You said no. It was not done.",
    ApprovalState.EXPIRED: "Nobody answered in time, so it was not done.",
    ApprovalState.VOID: "What was asked about has changed, so it was not done.",
}
_BECAME: Final = {
    ApprovalState.APPROVED: "the user said yes. Call {tool} again now with the same arguments.",
    ApprovalState.USED: "the user said yes, and it was done.",
    ApprovalState.DENIED: "the user said no. Do not try it again.",
    ApprovalState.EXPIRED: "nobody answered in time, so it was not done.",
    ApprovalState.VOID: "what was asked about has changed, so it was not done. Call {tool} again.",
}


class ApprovalCardData(TypedDict):
    """The question, line by line as the person sees it, and its outcome; pictures are data URIs."""

    id: str
    state: str
    told: str
    reason: str
    lines: list[str]
    pictures: list[str]
    more: int


async def _card(services: Services, approval: Approval, outcome: str) -> ApprovalCardData:
    """Return the content of the card.

    Args:
        services: Of the call.
        approval: The question.
        outcome: What became of it, as a sentence.
    """
    pictures = [await _picture(services, Path(path)) for path in approval.pictures[:_MOST]]
    made = [picture for picture in pictures if picture is not None]
    return ApprovalCardData(
        id=identifier(approval.id),
        state=approval.state.value,
        told=outcome,
        reason=approval.reason,
        lines=[visible(line) for line in approval.question],
        pictures=made,
        more=len(approval.pictures) - len(made),
    )


async def _picture(services: Services, path: Path) -> str | None:
    """The picture, or a still of a video; None where it cannot be shown."""
    try:
        async with await anyio.open_file(path, "rb") as opened:
            file_format = media.format_of(await opened.read(media.HEAD_BYTES))
            await opened.seek(0)
            if file_format is not None and file_format.is_picture:
                jpeg = (await media.picture(services.worker, opened.wrapped, _PIXELS)).content
            else:
                stills = await media.stills(services.worker, opened.wrapped, _PIXELS)
                jpeg = stills[0].content if stills else None
    except (WhatsAppError, OSError):
        return None
    return None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


TOOLS: Sequence[ToolFunction] = (await_approval,)
