"""What a tool answers: concise text for the model and the same facts as data for programs.

Several MCP hosts hand the model only the structured content of a result that has any: then our text, in which
what others wrote is fenced, never arrives. So data is sent only when somebody switched it on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.types import CallToolResult, ContentBlock, TextContent

from whatsapp_mcp.errors import WhatsAppError
from whatsapp_mcp.server.render.sanitise import clean_line


@dataclass(frozen=True, slots=True)
class Result:
    """One answer.

    Attributes:
        text: What the model reads.
        data: The same facts for programs, JSON-able.
        extra: Further content blocks (an image, a resource link), shown before the text.
    """

    text: str
    data: Mapping[str, Any]
    extra: tuple[ContentBlock, ...] = ()

    def to_mcp(self, *, structured: bool = False) -> CallToolResult:
        """The answer as MCP carries it; `data` goes along only if `structured`."""
        return CallToolResult(
            content=[*self.extra, TextContent(type="text", text=self.text)],
            structured_content=dict(self.data) if structured else None,
        )


def error_result(error: WhatsAppError, *, structured: bool = False) -> CallToolResult:
    """A tool error the model can act on: `CODE: sentence. What to do.`, and `{error: {...}}` if `structured`.

    What an error quotes (arguments, names of candidates) is cleaned like every other foreign text.
    """
    payload = error.to_payload()
    payload["message"] = clean_line(error.message, limit=500)
    payload["action"] = clean_line(error.action, limit=500)
    text = f"{error.code}: {payload['message']} {payload['action']}"
    if error.candidates:
        payload["candidates"] = [clean_line(candidate, limit=120) for candidate in error.candidates]
        text += " Candidates: " + "; ".join(payload["candidates"])
    if error.retry_after is not None:
        text += f" Retry after {error.retry_after:.0f} s."
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content={"error": payload} if structured else None,
        is_error=True,
    )
