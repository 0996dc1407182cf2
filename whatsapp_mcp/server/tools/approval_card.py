"""What the card beside `await_approval` shows: the exact text that is asked about, and the pictures.

It goes along as metadata of the result, which hosts give to the card and not to the model: a picture that the
agent may only send is not shown to it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import anyio
from typing_extensions import TypedDict

from whatsapp_mcp import media
from whatsapp_mcp.errors import MessageNotFound, WhatsAppError
from whatsapp_mcp.models import Approval, ApprovalState, FileContent
from whatsapp_mcp.policy import visible_lines
from whatsapp_mcp.server.fencing import identifier

if TYPE_CHECKING:
    from whatsapp_mcp.server.calls import Services

KEY: Final = "whatsapp-mcp/approval"
"""Under which the card finds it in the metadata."""
_MOST: Final = 4
_PIXELS: Final = 448
"""The longest side of a picture."""
_SHOWN: Final = frozenset({"image", "sticker", "video", "gif"})


class ApprovalCardData(TypedDict):
    """What is asked, line by line as the person sees it, and what became of it; pictures are data URIs."""

    id: str
    state: str
    told: str
    reason: str
    lines: list[str]
    pictures: list[str]
    more: int


async def approval_card_data(services: Services, approval: Approval, told: str) -> ApprovalCardData:
    """What the card shows.

    Args:
        services: Of the call.
        approval: The question.
        told: What became of it, as a sentence.
    """
    files: tuple[FileContent, ...] = ()
    if approval.state is ApprovalState.OPEN and approval.send_id is not None:
        try:
            files = await services.archive.files_of_send(approval.send_id)
        except MessageNotFound:  # its chat was deleted meanwhile
            files = ()
    shown = [file for file in files if file.kind in _SHOWN]
    pictures = [await _picture(services, file) for file in shown[:_MOST]]
    made = [picture for picture in pictures if picture is not None]
    return ApprovalCardData(
        id=identifier(approval.id),
        state=approval.state.value,
        told=told,
        reason=approval.reason,
        lines=[visible_lines(line) for line in approval.question],
        pictures=made,
        more=len(shown) - len(made),
    )


async def _picture(services: Services, file: FileContent) -> str | None:
    """The picture, or a still of a video; None where it cannot be shown."""
    try:
        async with await anyio.open_file(file.path, "rb") as opened:
            if file.kind in ("video", "gif"):
                stills = await media.stills(services.worker, opened.wrapped, _PIXELS)
                jpeg = stills[0].content if stills else None
            else:
                jpeg = (await media.picture(services.worker, opened.wrapped, _PIXELS)).content
    except (WhatsAppError, OSError):
        return None
    return None if jpeg is None else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
