"""Orders of the owner that wait for an agent: no other agent changes them."""

from __future__ import annotations

from typing import Any, Final

from whatsapp_mcp.archive import ReadingArchive
from whatsapp_mcp.errors import MessageNotFound
from whatsapp_mcp.ledger import Ledger
from whatsapp_mcp.models import EditContent, HandOnState, RevokeContent, SendRequest

_WAITS: Final = frozenset({HandOnState.SETTLING, HandOnState.WAITING})


async def changes_order(request: Any, archive: ReadingArchive, ledger: Ledger) -> bool:
    """Whether a send would edit or delete what the owner wrote and no agent has got yet.

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
