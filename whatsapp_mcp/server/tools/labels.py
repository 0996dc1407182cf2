"""Labels of WhatsApp Business: app state, of which the client library neither tells nor sends any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whatsapp_mcp.errors import Unsupported
from whatsapp_mcp.server.arguments import ChatArg
from whatsapp_mcp.server.call import Call
from whatsapp_mcp.server.registry import ToolFunction, tool
from whatsapp_mcp.server.results import Result

if TYPE_CHECKING:
    from collections.abc import Sequence


@tool("labels", reads=True)
async def list_labels(call: Call) -> Result:
    """Labels of WhatsApp Business; not possible yet."""
    raise Unsupported("The installed client library does not tell of labels.")


@tool("labels", idempotent=True)
async def label_chat(call: Call, chat: ChatArg, label: str, on: bool = True) -> Result:
    """Put a label on a chat; not possible yet."""
    raise Unsupported("The installed client library cannot set labels.")


TOOLS: Sequence[ToolFunction] = (list_labels, label_chat)
